"""Installed versions against the project's own ranges and the tested set."""

import pytest
from packaging.requirements import Requirement

from pancreas_ssl import versions
from pancreas_ssl.doctor import package


def test_requirements_are_those_of_the_project_file():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(versions.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert {r.name for r in versions.requirements()} == {Requirement(d).name for d in project["dependencies"]}
    extra = {Requirement(d).name for d in project["optional-dependencies"]["itk"]}
    assert {r.name for r in versions.requirements("itk")} == extra
    assert {"torch", "monai"} <= set(versions.installed_versions())


@pytest.mark.parametrize(
    ("wanted", "optional", "ok", "words"),
    [
        ("numpy>=2.0,<3", "", True, ""),
        ("numpy>=99", "", False, "needs >=99"),
        ("numpy>=99", "itk", False, "needs >=99"),
        ("not-a-package>=1", "", False, "needs >=1: pip install"),
        ("not-a-package>=1", "itk", True, "optional: pip install -e '.[itk]'"),
    ],
)
def test_a_package_against_its_range(wanted, optional, ok, words):
    check = package(Requirement(wanted), {}, optional)
    assert check.ok is ok and words in check.note


def test_the_tested_version_is_told(tmp_path):
    import numpy

    path = tmp_path / "constraints.txt"
    path.write_text(f"# words\nnumpy=={numpy.__version__}  # why\nScikit_Image==0.1 ; python_version > '3'\n")
    tested = versions.tested_versions(path)
    assert tested == {"numpy": numpy.__version__, "scikit-image": "0.1"}
    assert package(Requirement("numpy"), tested).note == "the tested version"
    assert package(Requirement("scikit-image"), tested).note == "in range; tested with 0.1"
    assert versions.tested_versions(tmp_path / "none.txt") == {}


def test_the_digest_of_code_sees_every_byte_and_name(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "versions.py"))
    room = tmp_path / "room"
    (room / "inner").mkdir(parents=True)
    (room / "a.py").write_text("a = 1\n")
    (room / "notes.txt").write_text("not code")
    fresh = versions.code_digest.__wrapped__
    digests = [fresh("room")]
    (room / "notes.txt").write_text("still not code")
    assert fresh("room") == digests[0] == fresh("room/a.py")
    for change in (lambda: (room / "a.py").write_text("a = 2\n"), lambda: (room / "inner/b.py").touch(),
                   lambda: (room / "inner/b.py").rename(room / "b.py")):  # fmt: skip
        change()
        digests.append(fresh("room"))
    assert len(set(digests)) == 4

"""The repository keeps its own promises: layout, versions that agree, quick imports, no loose words."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
AGREED = {
    "notebooks", "pancreas_ssl", "data_cards", "tests", "environment.yml", "README.md", "pyproject.toml",
    "constraints.txt", "Makefile", "LICENSE", "CITATION.cff",
}  # fmt: skip
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in listed.stdout.splitlines()]


def test_top_level_holds_only_what_was_agreed():
    top = {path.relative_to(REPOSITORY).parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} <= AGREED


def test_environment_file_repeats_only_name_python_and_extras():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    python, pip, lines = environment["dependencies"]
    assert environment["name"] == PROJECT["name"] and pip == "pip"
    version = python.removeprefix("python=")
    assert version in Requirement(f"python{PROJECT['requires-python']}").specifier
    (line,) = lines["pip"]
    extras = set(re.fullmatch(r"-e \.\[(.+)\]", line).group(1).split(","))
    alone = {"bench", "fetch", "fuzz"}  # what `make bench`, `data fetch` and `python -m tests.fuzz` alone need
    assert extras | alone == set(EXTRAS), "environment.yml and pyproject.toml name different extras"
    makefile = (REPOSITORY / "Makefile").read_text()
    assert f"'.[{','.join(sorted(extras))}]'" in makefile and "'.[bench]'" in makefile


def test_every_requirement_has_a_tested_version_inside_its_range():
    tested = dict(
        line.lower().replace("_", "-").split("==")
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    for text in PROJECT["dependencies"] + EXTRAS["dicom"] + EXTRAS["itk"] + EXTRAS["test"]:
        requirement = Requirement(text)
        version = tested[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version, prereleases=True), f"{text}, tested with {version}"
        assert any(s.operator in ("<", "==", "<=") for s in requirement.specifier), f"{text} has no upper bound"


def test_citation_names_the_paper_and_this_version():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["references"][0]["url"].endswith("2505.07165")


def test_import_is_quick_and_loads_neither_torch_nor_monai():
    code = (
        "import sys, time; start = time.perf_counter(); import pancreas_ssl; took = time.perf_counter() - start; "
        "heavy = {'torch', 'monai', 'matplotlib', 'pandas'} & set(sys.modules); print(took, heavy)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, heavy = said.split(" ", 1)
    assert float(seconds) < 0.5 and heavy.strip() == "set()"


def test_lower_rooms_do_not_know_higher_ones():
    """Arrows point down: each room imports only from the rooms listed before it (and itself)."""
    order = [
        ("errors", "files", "manifest", "versions", "progress", "signals"), ("engines",), ("phantom",), ("data",),
        ("augmentation",),
        ("method",), ("devices",), ("evaluation",), ("inference",), ("lessons", "training"), ("figures",), ("study",),
        ("widgets",), ("doctor", "runs"), ("course",), ("teaching",), ("cli",),
    ]  # fmt: skip
    level = {room: depth for depth, rooms in enumerate(order) for room in rooms}
    for path in (REPOSITORY / "pancreas_ssl").rglob("*.py"):
        room = path.relative_to(REPOSITORY / "pancreas_ssl").with_suffix("").parts[0]
        if room in ("__init__", "__main__"):
            continue
        for target in re.findall(r"(?:from|import) pancreas_ssl\.(\w+)", path.read_text()):
            assert level[target] <= level[room], f"{path.name} ({room}) imports {target}, which stands above it"


def test_no_file_name_stands_in_two_packages():
    names = [path.name for path in (REPOSITORY / "pancreas_ssl").rglob("*.py") if path.name != "__init__.py"]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


def test_phantom_and_data_load_no_torch_models():
    for path in [*(REPOSITORY / "pancreas_ssl/phantom").glob("*.py")]:
        assert not re.search(r"^\s*(import|from) (torch|monai)", path.read_text(), re.M), path.name


def test_modules_stay_readable():
    for path in (REPOSITORY / "pancreas_ssl").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, f"{path.name} has outgrown one idea"


def test_readme_names_exactly_the_make_targets_that_exist():
    targets = set(re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.M).group(1).split())
    named = set(re.findall(r"\bmake (tour|lab|test|bench|clean|\w+)\b", (REPOSITORY / "README.md").read_text()))
    assert {"tour", "test", "lab", "bench"} <= named <= targets


def test_code_is_clean_and_formatted():
    ruff = [sys.executable, "-m", "ruff"]
    for arguments in (["check", "."], ["format", "--check", "."]):
        done = subprocess.run(ruff + arguments, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]


def test_the_benchmarks_can_be_started_from_the_root():
    """Another package in the environment brings a top-level `tests` too; ours must win."""
    command = [sys.executable, "-m", "tests.benchmarks", "--help"]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert found.returncode == 0 and "quality" in found.stdout, found.stderr

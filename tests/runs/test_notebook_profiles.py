"""Profiles choose sizes by parameters; a profile that names what does not exist is an error."""

import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.runs import notebook_profiles as profiles
from pancreas_ssl.runs.notebook_profiles import (
    find_notebooks,
    load_profiles,
    notebook_folder,
    profile_parameters,
    resolve_notebook,
)


def test_class_means_the_notebooks_own_values(course, tmp_path):
    assert profile_parameters("class", course / "00_fine.ipynb") == {}
    assert profile_parameters("class", tmp_path / "anything.ipynb") == {}


def test_a_profile_gives_the_parameters_of_its_notebook(course):
    assert profile_parameters("smoke", course / "00_fine.ipynb") == {"STEPS": 3, "SECONDS": 0}
    assert profile_parameters("smoke", course / "02_plain.ipynb") == {}
    assert profile_parameters("full", course / "01_failing.ipynb") == {"STEPS": 9}


def test_an_unknown_profile_lists_the_known_ones(course):
    with pytest.raises(InputError, match="no profile smok .* one of: class, smoke, full"):
        profile_parameters("smok", course / "00_fine.ipynb")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("smoke:\n  03_gone:\n    A: 1\n", "no such notebook"),
        ("smoke:\n  00_one: 3\n", "smoke.00_one on line 2 of .*, it is 3"),
        ("smoke: [1]\n", "smoke on line 1 of .*valid dictionary"),
        ("- smoke\n", "got list"),
        ("smoke: {\n", "cannot read the YAML on line"),
    ],
)
def test_a_wrong_profiles_file_is_named(make, tmp_path, text, reason):
    make(tmp_path / "00_one.ipynb", "#md # One")
    (tmp_path / "profiles.yml").write_text(text)
    with pytest.raises(InputError, match=reason) as caught:
        load_profiles(tmp_path)
    assert "profiles.yml" in str(caught.value)


def test_without_a_file_there_are_no_profiles(tmp_path):
    assert load_profiles(tmp_path) == {}


def test_notebooks_come_in_order_and_an_empty_folder_is_an_error(course, tmp_path):
    assert [p.stem for p in find_notebooks(course)] == ["00_fine", "01_failing", "02_plain"]
    with pytest.raises(InputError, match="found none"):
        find_notebooks(tmp_path)


def test_a_notebook_is_found_by_path_name_or_number(course, monkeypatch, tmp_path):
    monkeypatch.setattr(profiles, "notebook_folder", lambda: course)
    monkeypatch.chdir(tmp_path)
    for name in ("00", "00_fine", "00_fine.ipynb", course / "00_fine.ipynb"):
        assert resolve_notebook(name) == course / "00_fine.ipynb"
    monkeypatch.undo()
    assert [resolve_notebook(n).stem for n in ("02", "02b")] == ["02_baseline", "02b_causes_and_remedies"]
    monkeypatch.setattr(profiles, "notebook_folder", lambda: course)
    with pytest.raises(InputError, match="did you mean 02_plain"):
        resolve_notebook("02_plane")
    with pytest.raises(InputError, match="check the path"):
        resolve_notebook("nowhere/02_plain.ipynb")


def test_the_current_folder_serves_when_there_is_no_clone(make, monkeypatch, tmp_path):
    monkeypatch.setattr(profiles, "__file__", str(tmp_path / "site" / "pancreas_ssl" / "runs" / "profiles.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="clone of the repository"):
        notebook_folder()
    make(tmp_path / "notebooks" / "00_one.ipynb", "#md # One")
    assert notebook_folder() == tmp_path / "notebooks"

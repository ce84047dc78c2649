"""The proof in a notebook: it stands after each stub, lets what is right pass, and says what is not."""

import dataclasses

import nbformat
import numpy as np
import pytest

from pancreas_ssl.course import catalogue
from pancreas_ssl.runs.notebook_profiles import profile_parameters
from tests.course import in_notebooks

STUB = 'answer = ...\n\ncheck("00-2", answer, mask=patient.label)'


def written(folder, *cells):
    made = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, *tags in cells]
    folder.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / "00_one.ipynb")
    (folder / "profiles.yml").write_text("smoke:\n  00_one: {A: 1}\n  01_two: {B: 2}\nfull: {}\n")
    (folder / "01_two.ipynb").write_text("{}")
    return folder / "00_one.ipynb"


def test_each_stub_is_followed_by_its_proof_on_the_notebooks_own_givens(tmp_path):
    path = written(tmp_path / "course", ("A = 2", "parameters"), (STUB, "exercise"), ("print(A)",))
    copy = in_notebooks.proven_copy(path, tmp_path / "copy")
    first, stub, proof, last = nbformat.read(copy, as_version=4).cells
    assert copy.name == path.name and stub.source == STUB and last.source == "print(A)"
    assert "prove('00-2', mask=patient.label)" in proof.source
    assert profile_parameters("smoke", copy) == {"A": 1} and profile_parameters("full", copy) == {}
    label = catalogue.exercise("00-2").example()["mask"]
    space = {"patient": type("Patient", (), {"label": label})}
    exec(proof.source, space)
    assert set(space) == {"patient", "sys", "__builtins__"}


def test_a_notebook_without_exercises_is_left_as_it_is(tmp_path):
    path = written(tmp_path / "course", ("A = 2", "parameters"))
    assert in_notebooks.proven_copy(path, tmp_path / "copy") == path and not (tmp_path / "copy").exists()


def test_givens_that_do_not_tell_right_from_wrong_are_found(monkeypatch):
    assert in_notebooks.prove("00-1") == "proven: 00-1, 3 mistakes"
    with pytest.raises(AssertionError, match="the claim 'the Dice has fallen' does not hold here"):
        in_notebooks.prove("00-2", mask=np.ones((8, 8, 8), np.uint8))  # everything is pancreas: nothing moves
    one = catalogue.exercise("00-1")
    same = dataclasses.replace(one.wrong[0], answer=one.right)
    monkeypatch.setattr(in_notebooks, "exercise", lambda id: dataclasses.replace(one, wrong=(same,)))
    with pytest.raises(AssertionError, match="'intersection over union' is taken for"):
        in_notebooks.prove("00-1")

"""What may name a patient or a hospital stays out of reports, tables and messages, unless it is asked for."""

import json
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.errors import without_paths
from pancreas_ssl.runs.run_report import build_report, summary, write_report
from pancreas_ssl.training.command import _ids
from tests.safety.helpers import pancreas, save

SECRET = "Jane Doe, born 1950"


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "Jane Doe" / "my scans"
    folder.mkdir(parents=True)
    (folder / "p 1.nii").write_text("")
    return folder


def test_absolute_paths_are_cut_to_their_names(home):
    for text, cut in {
        f"expected a CT, {home}/p 1.nii is none; convert it": "expected a CT, .../p 1.nii is none; convert it",
        f"'{home}/missing.nii'": "'.../missing.nii'",
        f"--out={home}/a --root {home}": "--out=.../a --root .../my scans",
        "/nowhere/jane/a.nii, /nowhere/b (/x/y): z": ".../a.nii, .../b (.../y): z",
        "~/jane/a and C:\\Users\\jane\\b.nii": ".../a and .../b.nii",
        "a/b, 3/4, 1 / 2, https://a.b/c/d, </td>": "a/b, 3/4, 1 / 2, https://a.b/c/d, </td>",
    }.items():
        assert without_paths(text) == cut
    assert without_paths({"a": [f"{home}/p 1.nii", 3, None], "b": home}) == {
        "a": [".../p 1.nii", 3, None],
        "b": ".../my scans",
    }


def test_paths_are_kept_when_asked_for(home, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_SHOW_IDENTIFIERS", "1")
    assert without_paths(str(home)) == str(home)


def _notebook(path: Path, line: str) -> Path:
    parameters = nbformat.v4.new_code_cell("CT = ''  # a scan", metadata={"tags": ["parameters"]})
    code = f"from pancreas_ssl.runs import record\nrecord(scan=CT)\n{line}"
    cells = [nbformat.v4.new_markdown_cell("# One"), parameters, nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def _run(home, out, capsys, line="raise ValueError(open(CT).read())") -> str:
    """All that is told about a run: what the terminal showed, and the three reports."""
    (home / "p 1.nii").write_text(SECRET)
    notebook = _notebook(home / "one.ipynb", line)
    main(["run", str(notebook), "-p", "CT", str(home / "p 1.nii"), "--out", str(out)])
    return capsys.readouterr().out + "".join(path.read_text() for path in out.glob("report.*"))


def test_a_report_holds_neither_texts_of_errors_nor_folders(home, tmp_path, capsys):
    told = _run(home, tmp_path / "out", capsys)
    reports = "".join(path.read_text() for path in (tmp_path / "out").glob("report.*"))
    assert "ValueError" in told and "born" not in told and "p 1.nii" in reports
    assert str(tmp_path) not in reports and "Jane Doe" not in reports
    executed = json.loads((tmp_path / "out" / "one.ipynb").read_text())["metadata"]["papermill"]
    assert "Jane Doe" not in executed["input_path"] + executed["output_path"]


def test_a_report_shows_them_when_asked_to(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_SHOW_IDENTIFIERS", "1")
    told = _run(home, tmp_path / "out", capsys)
    assert "born 1950" in told and str(home) in told


def test_a_report_interprets_no_html(tmp_path):
    entry = {"name": "n", "title": "<script>a</script>", "status": "failed", "message": "<b> | x\n# y", "seconds": 1.0,
             "peak_memory_bytes": 1, "profile": "class", "parameters": {"<i>": "<u>"}, "device": "cpu",
             "data_digest": "", "cells": [], "results": {"<img src=x>": "<script>"}, "figures": [],
             "executed": None}  # fmt: skip
    report = build_report(
        [entry], title="<script>", profile="<p>", started=datetime.now().astimezone(), environment={"device": "cpu"},
        planned=["n", "<s>"], notes=["<script>alert(1)</script>"],
    )  # fmt: skip
    short, page = summary(report), write_report(report, tmp_path).read_text()
    assert "<" not in short and "\n# y" not in short and "| x" not in short
    assert not any(tag in page for tag in ("<script>", "<img src=x>", "<u>", "<i>"))


def test_ids_of_own_patients_do_not_travel_with_weights():
    class Case:
        id = "Doe_Jane"

    assert _ids([Case, Case], named=False) == ["case 1", "case 2"] and _ids([Case], named=True) == ["Doe_Jane"]


def test_messages_hold_no_folders_unless_asked_to(home, capsys):
    scan = home / "p 1.nii"
    for flag, shown in (([], False), (["--show-identifiers"], True)):
        assert main(["predict", str(scan), "--out", str(home / "m.nii"), *flag]) == 2
        said = capsys.readouterr().err
        assert (str(home) in said) == shown and ("shows whole paths" in said) != shown
    save(home / "mask.nii.gz", pancreas())
    assert main(["evaluate", str(home / "mask.nii.gz"), str(home / "mask.nii.gz")]) == 0
    assert str(home) not in capsys.readouterr().out


def test_an_unforeseen_error_keeps_its_text_to_itself(home, capsys, monkeypatch):
    def stumble(*_, **__):
        raise KeyError(SECRET)

    monkeypatch.setattr("pancreas_ssl.data.cards.load_card", stumble)
    assert main(["data", "show", "phantom"]) == 1
    assert "KeyError" in (said := capsys.readouterr().err) and "born" not in said

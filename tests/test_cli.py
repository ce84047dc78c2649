"""The command line: what it does, its exit codes, one sentence for an error and never a traceback unasked."""

import json
import subprocess
import sys
import time

import nbformat
import numpy as np
import pandas as pd
import pytest

import pancreas_ssl
from pancreas_ssl.cli import main
from pancreas_ssl.errors import InputError, RunError

COMMANDS = [
    "version",
    "doctor",
    "tour",
    "run",
    "sweep",
    "collect",
    "phantom",
    "train",
    "predict",
    "evaluate",
    "data",
    "study",
    "measure",
]


def told(capsys) -> str:
    """The one line on standard error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("pancreas-ssl: "), lines
    return lines[0]


@pytest.fixture
def notebook(tmp_path):
    """A notebook with parameters that records one of them."""
    path = tmp_path / "one.ipynb"
    parameters = nbformat.v4.new_code_cell(
        "STEPS = 3  # how many [1..500]\nNAME = 'a'", metadata={"tags": ["parameters"]}
    )
    body = nbformat.v4.new_code_cell(
        "from pancreas_ssl.runs import record\nrecord(steps=STEPS, name=NAME)\nassert STEPS < 99, 'too many'"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# One"), parameters, body]), path)
    return path


@pytest.fixture
def masks(tmp_path):
    """Two masks on one grid, the second with other values: (prediction, label)."""
    import nibabel

    first, second = np.zeros((2, 20, 20, 20), np.uint8)
    first[5:15, 5:15, 5:15], second[5:15, 5:15, 6:15] = 1, 7
    paths = tmp_path / "prediction.nii.gz", tmp_path / "label.nii.gz"
    for array, path in zip((first, second), paths, strict=True):
        nibabel.save(nibabel.Nifti1Image(array, np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return paths


def test_help_names_every_command_and_is_quick():
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "pancreas_ssl", "--help"], capture_output=True, text=True, timeout=30)
    seconds = time.perf_counter() - begin
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)
    assert seconds < 3  # 0.4 s on an idle machine; heavy imports would add several seconds


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom pancreas_ssl.cli import main\nmain(['run', '--help'])\n"
        "print([m for m in ('torch', 'monai', 'pandas', 'matplotlib', 'papermill', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == pancreas_ssl.__version__ + "\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["phantom"], ["tour", "--speed", "3"], ["data", "show"], ["train", "--steps", "0"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "Usage" in captured.err and "Traceback" not in captured.err and captured.out == ""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("expected a card,\n  got none; name one"), 2, "expected a card, got none; name one"),
        (RunError("the disk is full"), 1, "the disk is full"),
        (MemoryError(), 1, "memory of this machine"),
        (ZeroDivisionError("by zero"), 1, "unexpected happened (ZeroDivisionError); --debug shows where"),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(error, code, words, monkeypatch, capsys):
    def breaks(*_, **__):
        raise error

    monkeypatch.setattr("pancreas_ssl.data.cards.load_card", breaks)
    assert main(["data", "show", "phantom"]) == code
    assert words in told(capsys)
    for arguments in (["--debug", "data", "show", "phantom"], ["data", "show", "phantom", "--debug"]):
        assert main(arguments) == code
        errors = capsys.readouterr().err
        assert "Traceback" in errors and errors.splitlines()[-1].startswith("pancreas-ssl: ")


def test_ctrl_c_exits_with_1(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pancreas_ssl.data.cards.load_card", interrupted)
    assert main(["data", "show", "phantom"]) not in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_run_sets_parameters_and_says_where_the_report_is(notebook, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["run", str(notebook), "-p", "STEPS", "7", "-p", "NAME=b", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {out / 'report.html'}"
    report = json.loads((out / "report.json").read_text())
    assert report["notebooks"][0]["results"] == {"steps": 7, "name": "b"} and report["status"] == "ok"


def test_run_lists_parameters_with_what_they_allow(notebook, tmp_path, capsys):
    assert main(["run", str(notebook), "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["STEPS = 3  # how many [1..500]", "NAME = 'a'"]
    assert main(["run", str(notebook), "-p", "STEPS", "501", "--out", str(tmp_path / "out")]) == 2
    assert "expected STEPS of one.ipynb inside [1..500], got 501" in told(capsys) and not (tmp_path / "out").exists()


def test_run_exits_with_1_when_a_cell_fails(notebook, tmp_path, capsys):
    assert main(["run", str(notebook), "-p", "STEPS", "100", "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr().out
    assert "stopped in cell 2 of 2" in output and "AssertionError (--show-identifiers" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "STEP", "7"], "did you mean STEPS? (it knows: STEPS, NAME)"),
        (["-p", "STEPS", "few"], "expected a whole number for STEPS"),
        (["-p", "STEPS"], "-p STEPS VALUE"),
        (["--profile", "fast"], "no profile fast"),
    ],
)
def test_run_refuses_what_the_notebook_does_not_know(notebook, tmp_path, capsys, arguments, words):
    out = tmp_path / "out"
    assert main(["run", str(notebook), "--out", str(out), *arguments]) == 2
    assert words in told(capsys)
    assert not out.exists()


def test_run_lists_parameters(notebook, capsys):
    assert main(["run", str(notebook), "--list"]) == 0
    assert capsys.readouterr().out == "STEPS = 3  # how many [1..500]\nNAME = 'a'\n"


def test_tour_of_a_folder(notebook, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pancreas_ssl.runs.tour.fetch_real_ct", lambda say: ["The real CT could not be fetched."])
    out = tmp_path / "out"
    assert main(["tour", "--notebooks", str(tmp_path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {out / 'report.html'}"
    assert "could not be fetched" in (out / "report.html").read_text()


def test_phantom_writes_three_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["phantom", "--source", "B", "--patient", "3", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.glob("[!.]*")) == ["image.nii.gz", "label.nii.gz", "organs.nii.gz"]
    assert "image.nii.gz" in capsys.readouterr().out
    assert main(["phantom", "--source", "Q", "--patient", "3", "--out", str(out)]) == 2
    assert "choose one of: A, V, W, X, B, C, D" in told(capsys)


def test_data_list_and_show(capsys):
    assert main(["data", "list"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in ("phantom", "lidc_idri_0001", "folder"))
    assert main(["data", "show", "lidc_idri_0001"]) == 0
    output = capsys.readouterr().out
    assert "verify at the source" in output and "Known defects" in output
    assert main(["data", "show", "phantm"]) == 2
    assert "phantm" in told(capsys)


def test_data_fetch_prints_the_folder(monkeypatch, capsys, tmp_path):
    asked = {}
    monkeypatch.setattr("pancreas_ssl.data.access.fetch", lambda card, **how: asked.update(how, card=card) or tmp_path)
    assert main(["data", "fetch", "phantom/A", "--split", "train", "--split", "held_out"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path)
    assert asked == {"card": "phantom/A", "sources": None, "splits": ["train", "held_out"], "root": None}


@pytest.mark.parametrize(("levels", "code"), [(["ok", "warning"], 0), (["ok", "error"], 1)])
def test_data_check_exits_with_1_on_an_error_only(monkeypatch, capsys, levels, code):
    rows = [{"case": "A_000", "check": "spacing", "level": level, "message": "3 [mm]"} for level in levels]
    table = pd.DataFrame(rows)
    monkeypatch.setattr("pancreas_ssl.data.preflight.check_sets", lambda cards, root=None, **how: (table, []))
    assert main(["data", "check", "phantom/A"]) == code
    output = capsys.readouterr().out
    assert "3 [mm]" in output and output.splitlines()[-1].startswith("2 checks, ")


def test_data_croissant_is_json(capsys):
    assert main(["data", "croissant", "phantom"]) == 0
    assert "@context" in json.loads(capsys.readouterr().out)


def test_train_passes_its_options_on(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr("pancreas_ssl.training.command.run_training", lambda **how: asked.update(how))
    assert main(["train", "--steps", "5", "--out", str(tmp_path), "--resume"]) == 0
    assert asked["source"] == "phantom/A" and asked["steps"] == 5 and asked["out"] == tmp_path
    assert asked["arm"] == "supervised" and asked["resume"] is True and asked["seed"] == 0 and asked["device"] == "auto"


@pytest.mark.parametrize(("state", "code"), [("done", 0), ("failed", 1)])
def test_predict_passes_its_options_on_and_prints_the_table(monkeypatch, tmp_path, capsys, state, code):
    asked = {}

    def predict_path(ct, out, **how):
        asked.update(how, ct=ct, out=out)
        return pd.DataFrame({"case": ["x", "y"], "volume_ml": [71.2, None], "status": ["done", state]})

    monkeypatch.setattr("pancreas_ssl.inference.predict_path", predict_path)
    ct, out = tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz"
    assert main(["predict", str(ct), "--out", str(out), "--uncertainty", str(tmp_path / "map.nii.gz")]) == code
    assert asked["ct"] == ct and asked["out"] == out and asked["weights"] == "baseline"
    assert "71.2" in capsys.readouterr().out


def test_predict_names_a_scan_that_is_not_there(tmp_path, capsys):
    assert main(["predict", str(tmp_path / "no.nii.gz"), "--out", str(tmp_path / "mask.nii.gz")]) == 2
    assert "no.nii.gz" in told(capsys)
    assert not list(tmp_path.iterdir())


def test_evaluate_prints_json_and_nothing_else(masks, capsys):
    assert main(["evaluate", *map(str, masks), "--label-value", "7"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dice"] == pytest.approx(2 * 900 / 1900, abs=1e-6) and found["volume_ml"] == pytest.approx(8.0)


def test_evaluate_of_an_empty_prediction_is_still_json(masks, capsys):
    import nibabel

    empty = nibabel.Nifti1Image(np.zeros((20, 20, 20), np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    nibabel.save(empty, masks[0])
    assert main(["evaluate", *map(str, masks), "--label-value", "7"]) == 0
    assert json.loads(capsys.readouterr().out)["dice"] == 0


def test_the_installed_command_tells_bad_input_in_one_line(tmp_path):
    from pathlib import Path

    (tmp_path / "no.nii.gz").write_bytes(b"no image")
    command = [str(Path(sys.executable).parent / "pancreas-ssl"), "evaluate", "no.nii.gz", "no.nii.gz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("pancreas-ssl: ") and len(done.stderr.strip().splitlines()) == 1

"""A sweep: planned and checked beforehand, each run in its own folder, resumed, one report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.engines import Engine, Planned, alone
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.runs import sweep_report
from pancreas_ssl.runs.parameters import Parameter
from pancreas_ssl.runs.sweep import sweep
from pancreas_ssl.runs.sweep_job import digest_of
from pancreas_ssl.runs.sweep_plan import grid_values, plan_sweep
from pancreas_ssl.runs.sweep_report import changing
from tests.runs.conftest import FIGURE, make_notebook

PARAMETERS = (
    "STEPS = 1  # how many [1..9]\nSEED = 0  # of draws [0..]\nWAIT = 0.0  # seconds [0..]\nFILE = ''  # a file"
)
BODY = """import os, time
time.sleep(WAIT)
assert (STEPS, SEED) != (2, 1) or os.path.exists('luck'), 'bad luck'
from pancreas_ssl.runs import record
record(dice={"A": 0.5 + 0.1 * STEPS + 0.01 * SEED}, device="cpu", steps=STEPS)"""
GRID = {"STEPS": "1:3", "SEED": "0,1"}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("notebooks") / "tiny.ipynb"
    make_notebook(path, "#md # A tiny one", "#md ## Work", BODY, FIGURE, parameters=PARAMETERS)
    (path.parent / "profiles.yml").write_text("smoke: {tiny: {WAIT: 0.01}}\n")
    return path


@pytest.fixture(scope="module")
def swept(notebook, tmp_path_factory):
    """Four runs, of which one fails: (Sweep, lines said)."""
    said: list[str] = []
    out = tmp_path_factory.mktemp("out") / "sweep"
    return sweep(plan_sweep(notebook, GRID, profile="smoke"), out, Engine(workers=2), say=said.append), said


@pytest.mark.parametrize(
    ("default", "text", "values"),
    [
        (0, "0:3", [0, 1, 2]),
        (0, "6:0:-3, 9", [6, 3, 9]),
        (0.5, "0.1,1e-2,2", [0.1, 0.01, 2.0]),
        (0.5, "1:3", [1.0, 2.0]),
        ([1], "[1,2],[3,4]", [[1, 2], [3, 4]]),
        ("a", "auto, 'x,y', 1:3", ["auto", "x,y", "1:3"]),
        ("a", "''", [""]),
        (True, "yes,no", [True, False]),
        ([""], "['a,b'],[]", [["a,b"], []]),
    ],
)
def test_values_are_spelled_with_commas_and_ranges(default, text, values):
    assert grid_values(text, Parameter("X", default)) == values


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"STEPS": "0,1"}, r"STEPS of tiny.ipynb inside \[1..9\], got 0"),
        ({"STEP": "1"}, "no parameter STEP; did you mean STEPS"),
        ({"STEPS": "1,,2"}, "values of STEPS with commas"),
        ({"STEPS": ""}, "values of STEPS with commas"),
        ({"STEPS": "1,2,1"}, "different values of STEPS, got 1 twice"),
        ({"SEED": "3:3"}, "1 to 10,000 values of SEED"),
        ({"SEED": "0:999999999999"}, "1 to 10,000 values of SEED"),
        ({"SEED": "0:9:0"}, "a range of SEED with a step"),
        ({"SEED": "0:5000", "STEPS": "1:4"}, "at most 10,000 runs, got 15,000"),
        ({"SEED": "0,x"}, "a whole number for SEED"),
    ],
)
def test_everything_is_checked_before_anything_starts(notebook, tmp_path, given, reason, capsys):
    with pytest.raises(InputError, match=reason):
        plan_sweep(notebook, given)
    words = [word for name, text in given.items() for word in ("-p", name, text)]
    assert main(["sweep", str(notebook), *words, "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_a_parameter_is_given_once(notebook, capsys):
    assert main(["sweep", str(notebook), "-p", "STEPS", "1", "-p", "STEPS=2"]) == 2
    assert "each parameter once, got -p STEPS twice" in capsys.readouterr().err


def test_a_page_stays_small(swept, monkeypatch):
    report = json.loads((swept[0].folder / "report.json").read_text())
    monkeypatch.setattr("pancreas_ssl.runs.sweep_report.PICTURES", 1)
    pictures, cut = sweep_report._pictures(report, swept[0].folder, ["rising-line"])
    assert cut == 2 and [len(row) for _, row in pictures["rising-line"]] == [1]
    assert "2 further runs are left out" in sweep_report._page(report, swept[0].folder)


def test_a_file_says_the_same_and_the_command_line_goes_over_it(notebook):
    path = notebook.parent / "s.yml"
    path.write_text(
        "notebook: tiny.ipynb\nprofile: smoke\nparameters: {FILE: a}\ngrid: {STEPS: [1, 2]}\nseeds: 2\nfigures: [x]\n"
    )
    plan = plan_sweep(path)
    assert list(plan.runs) == ["STEPS-1_SEED-0", "STEPS-1_SEED-1", "STEPS-2_SEED-0", "STEPS-2_SEED-1"]
    assert plan.runs["STEPS-2_SEED-1"] == {"WAIT": 0.01, "FILE": "a", "STEPS": 2, "SEED": 1} and plan.figures == ("x",)
    over = plan_sweep(path, {"STEPS": "7", "FILE": "p,q"}, figures=["y"])
    assert list(over.runs) == ["FILE-p_SEED-0", "FILE-p_SEED-1", "FILE-q_SEED-0", "FILE-q_SEED-1"]
    assert over.fixed == {"STEPS": 7} and over.figures == ("y",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("notebook: tiny.ipynb\ngrids: {}\n", "unknown key grids on line 2 .*did you mean grid"),
        ("grid: {STEPS: [1]}\n", "the key notebook is missing"),
        ("notebook: tiny.ipynb\ngrid: {STEPS: 3}\n", "grid.STEPS on line 2"),
        ("notebook: tiny.ipynb\ngrid: {STEPS: [1]}\nparameters: {STEPS: 2}\n", "STEPS in both"),
        ("notebook: tiny.ipynb\ngrid: {SEED: [1]}\nseeds: 3\n", "expected seeds or SEED"),
        ("notebook: tiny.ipynb\nparameters: {STEPS: 77}\n", r"inside \[1..9\]"),
        ("notebook: tiny.ipynb\nprofile: fast\n", "no profile fast"),
        ("notebook: 77\n", "there is no notebook 77"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(notebook, text, reason):
    path = notebook.parent / "wrong.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        plan_sweep(path)


def test_folders_have_short_names_of_their_own(notebook):
    names = list(plan_sweep(notebook, {"FILE": "'a/../b','a b','-3','" + "x" * 200 + "'", "SEED": "0,1"}).runs)
    assert len({name.lower() for name in names}) == 8 and all(len(name) <= 80 and "/" not in name for name in names)
    assert names[4] == "FILE-minus-3_SEED-0"
    assert list(plan_sweep(notebook).runs) == ["run"]


def test_each_run_has_its_folder_and_failures_are_collected(swept, notebook):
    result, said = swept
    assert result.status == "failed" and result.made == 4 and result.report == result.folder / "report.html"
    assert said[0] == "4 runs of tiny.ipynb" and len(said) == 5
    assert sum(line.split()[0] == "failed" for line in said) == 1 and "4 of 4, 1 failed" in said[-1]
    one = json.loads((result.folder / "STEPS-2_SEED-0" / "result.json").read_text())
    assert one["status"] == "ok" and one["results"]["dice"] == {"A": 0.7} and one["device"] == "cpu"
    assert one["parameters"] == {"STEPS": 2, "SEED": 0, "WAIT": 0.01, "FILE": ""} and one["seconds"] > 0.3
    assert one["peak_memory_bytes"] > 1e7 and {"torch", "papermill"} <= set(one["environment"]["versions"])
    assert (result.folder / "STEPS-2_SEED-0" / one["executed"]).is_file()
    assert not list(result.folder.rglob(".pancreas_ssl-partial*"))


def test_the_report_compares(swept):
    report = json.loads((swept[0].folder / "report.json").read_text())
    assert [run["status"] for run in report["runs"]] == ["ok"] * 3 + ["failed"] and report["shown"] == ["dice.A"]
    means = {row["STEPS"]: row for row in report["means"] if row["result"] == "dice.A"}
    assert means[1]["n"] == 2 and means[1]["mean"] == pytest.approx(0.605)
    assert means[1]["high"] - means[1]["mean"] == pytest.approx(12.7062 * 0.005, rel=1e-4)  # t of one degree of freedom
    assert (means[2]["n"], means[2]["failed"], means[2]["low"]) == (1, 1, None)
    page = (swept[0].folder / "report.html").read_text()
    body = page.split("</style>")[1]
    assert body.count("<img") == 3 and body.count('alt="A line that rises') == 3 and "no such figure (failed)" in body
    assert "<script" not in body and "3 of 4 runs went through" in body and "AssertionError" in body
    for link in ("STEPS-1_SEED-0/tiny.ipynb", "report.json", "report.md"):
        assert f'href="{link}"' in body and (swept[0].folder / link).is_file()
    text = (swept[0].folder / "report.md").read_text()
    assert "| 1 | 2 | 0 | 0.605 [" in text and "- STEPS 2, SEED 1: tiny.ipynb stopped in cell 2 of 3" in text


def test_what_failed_is_made_again_and_a_finished_sweep_is_quick_and_needs_no_torch(swept, notebook, tmp_path):
    out = shutil.copytree(swept[0].folder, tmp_path / "out")
    (notebook.parent / "luck").touch()  # no file that a parameter names
    again = sweep(plan_sweep(notebook, GRID, profile="smoke"), out, Engine(workers=1), say=lambda _: None)
    assert again.made == 1 and again.status == "ok"
    words = ["sweep", str(notebook), "-p", "STEPS", "1:3", "-p", "SEED", "0:2", "--profile", "smoke", "--out", str(out)]
    code = f"import sys; from pancreas_ssl.cli import main; print(main({words!r}), 'torch' in sys.modules)"
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "4 runs of tiny.ipynb, 4 finished already", done
    assert done.stdout.splitlines()[-1] == "0 False" and time.perf_counter() - begin < 10  # 2 s on an idle machine


def test_one_sweep_in_a_folder_at_a_time(notebook, tmp_path):
    with alone(tmp_path), pytest.raises(RunError, match="worked in by another run"):
        sweep(plan_sweep(notebook), tmp_path)
    with pytest.raises(Planned, match="4 jobs on 2 workers"):
        sweep(plan_sweep(notebook, GRID), tmp_path / "new", Engine(workers=2, plan=True))
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(InputError, match=r"report\.md was not written"):
        sweep(plan_sweep(notebook), tmp_path)
    assert not (tmp_path / "new").exists()


def test_the_digest_sees_code_values_and_the_users_files(notebook, tmp_path, monkeypatch):
    file = tmp_path / "weights.safetensors"
    file.write_text("one")
    values = {"STEPS": 1, "FILE": str(file), "LIST": ["phantom/A"]}
    first = digest_of(notebook, values)
    assert digest_of(notebook, dict(reversed(values.items()))) == first
    assert digest_of(notebook, values | {"STEPS": 2}) != first
    from pancreas_ssl.runs import sweep_job

    file.write_text("other")
    sweep_job._states.cache_clear()
    assert digest_of(notebook, values) != first
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(tmp_path))
    (tmp_path / "nih").mkdir()
    before = digest_of(notebook, {"TRAIN": "nih/nih"})
    (tmp_path / "nih" / "scan.nii.gz").write_text("x")
    sweep_job._states.cache_clear()
    assert digest_of(notebook, {"TRAIN": "nih/nih"}) != before
    assert digest_of(notebook, {"OUT": str(file)}) == digest_of(notebook, {"OUT": str(file)})


def test_results_that_only_repeat_a_parameter_are_not_shown():
    runs = [{"varied": {"STEPS": n}, "results": {"steps": n, "same": 1, "x": n / 2, "word": "a"}} for n in (1, 2)]
    assert changing(runs) == ["x"] and changing(runs[:1]) == ["same", "x"]


def test_ctrl_c_reports_what_was_done_and_leaves_no_kernel(notebook, tmp_path):
    import psutil

    out = tmp_path / "out"
    words = ["sweep", str(notebook), "-p", "WAIT", "0.0,60.0", "--out", str(out), "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-m", "pancreas_ssl", *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (out / "WAIT-0.0" / "result.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    started = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and errors.count("\n") == 1 and "interrupted" in errors, errors
    report = json.loads((out / "report.json").read_text())
    assert [run["status"] for run in report["runs"]] == ["ok", "not run"] and report["status"] == "unfinished"
    assert "was interrupted" in report["notes"][0]
    assert len(started) >= 3 and not psutil.wait_procs(started, timeout=5)[1]  # Python's resource tracker ends last
    assert not (out / "WAIT-60.0" / "result.json").exists() and not list(out.rglob(".pancreas_ssl-partial*"))

"""A notebook run: strict parameters, one sentence for a failure, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.runs.notebook import first_line, run_notebook

THREE = (
    "#md # Sums",
    "#md ## Adding",
    "from pancreas_ssl.runs import record\nrecord(total=A + 1, word=WORD, live=__import__('os').environ.get('LIVE'))",
)
PARAMETERS = "A = 1  # a number\nWORD = 'x'"


def left_over(folder: Path) -> list[str]:
    """Hidden names below a folder, besides the manifest."""
    return [str(p) for p in folder.rglob(".*") if p.name != MANIFEST]


def test_parameters_reach_the_notebook_and_its_copy_is_whole(make, tmp_path):
    path = make(tmp_path / "in {braces}" / "sums.ipynb", *THREE, parameters=PARAMETERS)
    seen = []
    out = tmp_path / "out {too}"
    run = run_notebook(path, {"A": "41"}, out, progress=lambda *where: seen.append(where), environment={"LIVE": "0"})
    assert run.check() is run and run.status == "ok" and run.message == ""
    assert run.parameters == {"A": 41, "WORD": "x"}
    assert run.executed == out / "sums.ipynb" and run.seconds > 0.3 and run.peak_memory > 20e6
    executed = nbformat.read(run.executed, as_version=4)
    assert executed.metadata.papermill.output_path == ".../sums.ipynb"
    assert "widgets" not in executed.metadata
    results = executed.cells[-1].outputs[0].data["application/vnd.pancreas-ssl.results+json"]["results"]
    assert results == [{"name": "total", "value": 42}, {"name": "word", "value": "x"}, {"name": "live", "value": "0"}]
    assert seen == [(1, 2, "Sums"), (2, 2, "Adding")]
    assert not left_over(out) and not run.figures.exists()


@pytest.mark.parametrize(
    ("parameters", "profile", "reason"),
    [
        ({"STEPS": 3}, "class", "has no parameter STEPS"),
        ({"A": "three"}, "class", "expected a whole number for A"),
        ({}, "smoke", r"profile smoke\) has no parameter B \(it knows: A\)"),
        ({}, "tiny", "no profile tiny"),
    ],
)
def test_wrong_parameters_are_told_before_anything_is_made(make, tmp_path, parameters, profile, reason):
    path = make(tmp_path / "sums.ipynb", *THREE, parameters="A = 1")
    (tmp_path / "profiles.yml").write_text("smoke: {sums: {B: 1}}\n")
    with pytest.raises(InputError, match=reason):
        run_notebook(path, parameters, tmp_path / "out", profile)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "no json", "{}", '{"cells": 3, "nbformat": 4}'])
def test_what_is_no_notebook_is_named(tmp_path, text):
    path = tmp_path / "no.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match="no.ipynb"):
        run_notebook(path, out=tmp_path / "out")


def test_an_output_folder_whose_parent_is_a_file(make, tmp_path):
    path = make(tmp_path / "sums.ipynb", "#md # One")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        run_notebook(path, out=tmp_path / "file" / "out")


def test_a_failing_cell_is_counted_as_the_reader_counts(make, tmp_path):
    sources = ("#md # Breaks", "x = 1", "# why\n%matplotlib inline\nraise KeyError('no such\\nkey')", "y = 2")
    path = make(tmp_path / "breaks.ipynb", *sources, parameters="A = 1")
    run = run_notebook(path, {"A": 2}, tmp_path / "out")
    assert run.status == "failed"
    assert run.message.startswith(
        "breaks.ipynb stopped in cell 3 of 4 (\"raise KeyError('no such\\nkey')\") with KeyError (--show-identifiers "
    )
    assert "\n" not in run.message and str(run.executed) in run.message
    with pytest.raises(RunError, match="stopped in cell 3"):
        run.check()
    executed = nbformat.read(run.executed, as_version=4)
    assert executed.metadata.papermill.exception is True
    assert not left_over(tmp_path / "out")


def test_a_kernel_that_dies_is_told(make, tmp_path):
    path = make(tmp_path / "dies.ipynb", "#md # Dies", "import os\nos._exit(1)")
    run = run_notebook(path, out=tmp_path / "out")
    assert run.status == "failed" and "cell 1 of 1" in run.message and "its kernel died" in run.message


INTERRUPTED = """
import sys
from pancreas_ssl.runs.notebook import run_notebook
run = run_notebook(sys.argv[1], out=sys.argv[2], progress=lambda *w: print(*w, flush=True))
print(run.status, run.message, flush=True)
"""


def test_ctrl_c_keeps_what_was_done_and_leaves_no_kernel(make, tmp_path):
    import psutil

    path = make(tmp_path / "long.ipynb", "#md # Long", "print('done before')", "import time\ntime.sleep(60)")
    command = [sys.executable, "-c", INTERRUPTED, str(path), str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("2 2"):
        pass
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert "interrupted long.ipynb was interrupted in cell 2 of 2" in output, errors
    text = json.loads((tmp_path / "out" / "long.ipynb").read_text())
    assert text["cells"][1]["outputs"][0]["text"] == ["done before\n"]
    assert not left_over(tmp_path / "out")
    assert not any(kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE for kernel in kernels)


def test_the_first_line_shown_is_code():
    assert first_line("# words\n\n%time\nx = 1\ny = 2") == "x = 1"
    assert first_line("# only words") == "# only words"
    assert first_line("") == ""
    assert len(first_line("x = " + "1 + " * 50)) == 70

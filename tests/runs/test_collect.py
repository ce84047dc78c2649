"""Many runs as one table, with means over seeds."""

import json
import math

import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.errors import InputError
from pancreas_ssl.runs.collect import collect, flat


def entry(name="02_x", status="ok", seconds=2.0, results=None, **parameters):
    return {"name": name, "status": status, "message": "" if status == "ok" else "it stopped", "seconds": seconds,
            "peak_memory_bytes": 5, "profile": "class", "parameters": parameters, "results": results or {},
            "device": "cpu"}  # fmt: skip


ENVIRONMENT = {"pancreas_ssl": "0.1.0", "commit": "abc", "device": "cpu"}


@pytest.fixture
def runs(tmp_path):
    """A tour, and a sweep of two settings with three seeds, of which one failed and one never got a result."""
    tour = tmp_path / "runs" / "tour"
    tour.mkdir(parents=True)
    first = entry("01_a", WINDOW=[-150, 250], results={"cases": 3})
    report = {"environment": ENVIRONMENT, "profile": "smoke", "notebooks": [first, entry("03_b", "failed")]}
    (tour / "report.json").write_text(json.dumps(report))
    listed = []
    for steps in (50, 100):
        for seed in range(3):
            folder = tmp_path / "runs" / "sweep" / f"STEPS-{steps}_SEED-{seed}"
            one = entry(results={"dice": {"A": steps / 100 + seed / 10}, "seconds": 9.5, "clear": True, "word": "w"},
                        status="failed" if (steps, seed) == (100, 2) else "ok", STEPS=steps, SEED=seed)  # fmt: skip
            listed.append(one | {"folder": folder.name})
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(json.dumps(one | {"environment": ENVIRONMENT}))
    lost = entry(status="failed", STEPS=200, SEED=0) | {"folder": "STEPS-200_SEED-0"}
    waiting = entry(status="not run", STEPS=200, SEED=1) | {"folder": "STEPS-200_SEED-1"}
    (tmp_path / "runs" / "sweep" / "report.json").write_text(json.dumps({"runs": [*listed, lost, waiting]}))
    return tmp_path / "runs"


def test_one_row_for_each_notebook_that_ran(runs):
    table, _ = collect([runs, runs / "sweep"])  # named twice, counted once
    assert len(table) == 9 and list(table["status"]).count("failed") == 3
    sweep = table[table["notebook"] == "02_x"]
    assert sweep["folder"].iloc[0] == "runs/sweep/STEPS-50_SEED-0" and sweep["STEPS"].iloc[0] == 50
    assert list(sweep["STEPS"][:6]) == [50, 50, 50, 100, 100, 100]
    assert {"dice.A", "result.seconds"} <= set(table.columns) and set(sweep["result.seconds"].dropna()) == {9.5}
    assert table.set_index("notebook").loc["01_a", "WINDOW"] == "[-150, 250]"
    assert table.set_index("notebook").loc["01_a", "commit"] == "abc"


def test_means_are_taken_over_seeds_of_runs_that_went_through(runs):
    _, means = collect([runs])
    rows = means[means["result"] == "dice.A"].set_index("STEPS")
    assert rows.loc[50, "n"] == 3 and rows.loc[50, "mean"] == pytest.approx(0.6) and rows.loc[50, "failed"] == 0
    half = 4.302653 * 0.1 / math.sqrt(3)  # Student's t of two degrees of freedom
    assert rows.loc[50, "low"] == pytest.approx(0.6 - half, rel=1e-6) and rows.loc[50, "sd"] == pytest.approx(0.1)
    assert (rows.loc[100, "n"], rows.loc[100, "failed"]) == (2, 1)
    assert not {"clear", "word"} & set(means["result"])
    single = means[means["notebook"] == "01_a"].iloc[0]
    assert single["n"] == 1 and pd.isna(single["low"]) and single["mean"] == 3


def test_a_repetition_is_no_other_seed(runs, tmp_path):
    folder = tmp_path / "again"
    folder.mkdir()
    (folder / "report.json").write_text(
        json.dumps({"notebooks": [entry(results={"dice": {"A": 0.9}}, STEPS=50, SEED=0)]})
    )
    table, means = collect([runs, folder])
    assert len(table) == 10
    rows = means[means["result"] == "dice.A"].set_index("STEPS")
    assert rows.loc[50, "n"] == 3 and rows.loc[50, "mean"] == pytest.approx((0.9 + 0.6 + 0.7) / 3)


def test_names_that_collide_are_told_apart():
    assert flat({"a.b": 1, "a": {"b": 2}, "e": {}, "l": [[1], 2]}) == {"a.b": 1, "result.a.b": 2, "l.0.0": 1, "l.1": 2}


def test_where_nothing_was_run_a_sentence_says_so(tmp_path):
    with pytest.raises(InputError, match="expected a folder of runs"):
        collect([tmp_path / "nowhere"])
    (tmp_path / "report.json").write_text('{"notebooks": 3}')
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(InputError, match="found no report.json or result.json of one"):
        collect([tmp_path])


def test_the_command_writes_both_tables_and_counts_failures(runs, tmp_path, capsys):
    out = tmp_path / "table.csv"
    assert main(["collect", str(runs), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "9 notebook runs (3 failed)" in said and "dice.A" in said
    assert len(pd.read_csv(out)) == 9 and "mean" in pd.read_csv(tmp_path / "table_means.csv").columns
    (tmp_path / "mine.csv").write_text("my own")
    assert main(["collect", str(runs), "--out", str(tmp_path / "mine.csv")]) == 2
    assert main(["collect", str(tmp_path / "none"), "--out", str(out)]) == 2
    assert (tmp_path / "mine.csv").read_text() == "my own"

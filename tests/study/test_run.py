"""A whole small study: every table and column, growing, refusing, and failing with a sentence."""

import json
import shutil

import pandas as pd
import pytest

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.study import run_study
from tests.study.helpers import write

TABLES = ("rows", "summary", "comparisons")


def stamps(out):
    """Time of writing of every file of every job."""
    return {str(path): path.stat().st_mtime_ns for path in (out / "cells").rglob("*") if path.is_file()}


@pytest.fixture
def copied(finished_study, tmp_path):
    """The finished study in a folder of this test's own: (configuration as values, path to write it to, folder)."""
    import yaml

    path, out, _, _ = finished_study
    shutil.copytree(out, tmp_path / "out")
    return yaml.safe_load(path.read_text()), tmp_path / "study.yml", tmp_path / "out"


def test_every_table_has_every_column(finished_study, card):
    _, out, said, files = finished_study
    rows = pd.read_csv(files["rows"])
    assert list(rows.columns) == [
        "arm", "seed", "source", "case", "dice", "nsd", "hd95", "msd", "tolerance_mm", "volume_ml", "label_volume_ml",
        "volume_bias_ml", "false_positive_ml", "missed", "label_empty", "ece_band",
    ]  # fmt: skip
    assert len(rows) == 2 * 2 * 4 + 2 * 2 and not rows.isna().any().any()
    assert set(rows.loc[rows["arm"] == "oracle/V", "source"]) == {"tiny/V"}
    assert set(rows["case"]) == {"A_024", "A_025", "V_000", "V_001"}
    summary = pd.read_csv(files["summary"])
    assert list(summary.columns[:10]) == [
        "arm", "source", "seeds", "n", "dice_mean", "dice_sd", "dice_sd_seeds", "dice_median", "misses",
        "share_below_half",
    ]  # fmt: skip
    assert {"nsd_mean", "hd95_mean", "msd_mean", "volume_bias_ml_mean", "ece_band_mean"} <= set(summary.columns)
    assert len(summary) == 5 and (summary["n"] == 2).all() and (summary["seeds"] == 2).all()
    comparisons = pd.read_csv(files["comparisons"])
    assert list(comparisons["source"]) == ["tiny/A", "tiny/V", "mean of sources", "tiny/V"]
    assert comparisons["holm_p"].notna().tolist() == [False, False, True, True]
    curves = pd.read_csv(files["curves"])
    assert list(curves.columns) == ["arm", "seed", "step", "loss", "learning_rate", "seconds", "held_out_dice"]
    assert curves.loc[curves["arm"] != "oracle/V", "held_out_dice"].notna().all()
    assert curves.loc[curves["arm"] == "oracle/V", "held_out_dice"].isna().all()
    assert len(curves) == 6 * 2


def test_facts_report_and_figures(finished_study):
    _, out, said, files = finished_study
    facts = json.loads(files["study"].read_text())
    assert facts["config"]["name"] == "tiny" and len(facts["config_digest"]) == 64 and facts["cells"] == 6
    assert {"phantom", "data", "recipes", "device", "precision", "training_seconds", "seconds", "peak_memory",
            "version", "versions", "command", "commit", "power"} <= set(facts)  # fmt: skip
    assert facts["device"] == "cpu" and facts["precision"] == "fp32" and facts["training_seconds"] > 0
    report = files["report"].read_text()
    for words in ("noise helps", "mean of sources", "oracle/V", "ECE in the band", facts["config_digest"][:16]):
        assert words in report
    drawn = sorted(path.name for path in (out / "figures").glob("*.png"))
    assert drawn == ["convergence.png", "dice_tiny_A.png", "dice_tiny_V.png", "differences.png"]
    for name in drawn:
        assert f"](figures/{name})" in report
        assert (out / "figures" / name).with_suffix(".csv").exists()
        assert len((out / "figures" / name).with_suffix(".txt").read_text()) > 40


def test_it_says_the_power_first_and_a_line_per_job(finished_study):
    _, _, said, _ = finished_study
    assert "can show a difference of" in said[0] and "assumption" in said[2]
    jobs = [line for line in said if line.startswith("cell ")]
    assert len(jobs) == 6 and "left" in jobs[0] and "left" not in jobs[-1] and jobs[-1].startswith("cell 6 of 6")


def test_again_it_runs_nothing_and_writes_the_same(copied, inline):
    values, path, out = copied
    before, tables = stamps(out), {name: (out / f"{name}.csv").read_bytes() for name in TABLES}
    said = []
    run_study(write(path, values), out, device="cpu", say=said.append)
    assert not inline and stamps(out) == before and "6 of 6 cells are finished already" in said
    assert {name: (out / f"{name}.csv").read_bytes() for name in TABLES} == tables


def test_a_seed_and_a_comparison_more_leave_the_rest_alone(copied, inline):
    values, path, out = copied
    before, rows = stamps(out), pd.read_csv(out / "rows.csv")
    del values["arms"]["oracle/V"]
    with pytest.raises(InputError, match="arms.oracle/V .*gone now"):
        run_study(write(path, values | {"comparisons": values["comparisons"][:1]}), out, device="cpu")
    values["arms"]["oracle/V"] = {"oracle": values["measure"][1]}
    values["seeds"].append(2)
    values["comparisons"].append({"name": "nsd", "arm": "noisy", "against": "supervised", "metric": "nsd"})
    run_study(write(path, values), out, device="cpu", say=lambda line: None)
    assert inline == [("supervised", 2), ("noisy", 2), ("oracle/V", 2)]
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    grown = pd.read_csv(out / "rows.csv")
    assert grown[grown["seed"] < 2].reset_index(drop=True).equals(rows)
    assert len(pd.read_csv(out / "comparisons.csv")) == 7


def test_an_arm_that_only_answers_otherwise_asks_the_trained_networks(copied, inline):
    values, path, out = copied
    before = stamps(out)
    values["arms"] |= {"eager": {"decision": "expected-dice"}, "matched": {"match_weight": 1.0}}
    said = []
    run_study(write(path, values), out, device="cpu", say=said.append)
    assert sum("nothing to train" in line for line in said) == 4
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    own = {path.name for path in (out / "cells/eager-seed0").iterdir() if not path.name.startswith(".")}
    assert own == {"done.json", "history.csv", "log.txt", "rows.jsonl"}
    rows = pd.read_csv(out / "rows.csv").set_index(["arm", "seed", "case"])["volume_ml"]
    assert (rows["eager"] >= rows["supervised"]).all() and not rows["matched"].equals(rows["supervised"])
    shutil.rmtree(out / "cells/eager-seed1")
    (out / "cells/supervised-seed1/weights.safetensors").unlink()
    with pytest.raises(RunError, match="expected the weights of supervised in .*another folder"):
        run_study(path, out, device="cpu", say=said.append)


def test_a_sitting_runs_the_cells_that_it_is_asked_for(config, tmp_path, card, inline):
    arms = {"supervised": {}, "eager": {"decision": "expected-dice"}, "noisy": {"noise": 0.3}}
    more = [{"name": name, "arm": name, "against": "supervised"} for name in ("noisy", "eager")]
    path, out, how = config(arms=arms, comparisons=more), tmp_path / "out", {"device": "cpu", "say": lambda line: None}
    with pytest.raises(InputError, match="expected arms out of supervised, eager, noisy, got nosy; name one"):
        run_study(path, out, arms=["nosy"], **how)
    files = run_study(path, out, arms=["eager"], seeds=[1], **how)
    assert inline == [("supervised", 1), ("eager", 1)]
    found = pd.read_csv(files["comparisons"]).query("decides")
    assert found["comparison"].tolist() == ["eager"] and found["seeds"].tolist() == [1]
    assert found[["holm_p", "met", "shown"]].isna().all(axis=None), "open until all seeds are there"
    assert "**Unfinished: 2 of 6 cells are here.**" in files["report"].read_text()
    assert "--arm eager --seed 1" in files["report"].read_text()
    run_study(path, out, seeds=[0], **how)
    assert inline[2:] == [("supervised", 0), ("eager", 0), ("noisy", 0)]
    found = pd.read_csv(files["comparisons"]).query("decides").set_index("comparison")
    assert found["seeds"].to_dict() == {"noisy": 1, "eager": 2}
    assert found["holm_p"].isna().to_dict() == {"noisy": True, "eager": False}
    assert found.loc["eager", "holm_p"] == min(1, 2 * found.loc["eager", "p"])  # the other one still counts


def test_another_study_in_the_folder_is_refused_before_anything_runs(copied, inline):
    values, path, out = copied
    values["recipe"]["steps"] = 40
    with pytest.raises(InputError, match="recipe: steps 20 there, 40 now.*take them back or name another folder"):
        run_study(write(path, values), out, device="cpu")
    assert not inline


def test_only_the_rows_that_are_missing_are_made_again(copied, inline):
    values, path, out = copied
    job = out / "cells" / "noisy-seed1"
    rows, table = (job / "rows.jsonl").read_bytes(), (out / "rows.csv").read_bytes()
    (job / "done.json").unlink()
    (job / "rows.jsonl").write_bytes(rows[: len(rows) - 20])  # the fourth row is torn
    weights = (job / "weights.safetensors").stat().st_mtime_ns
    run_study(write(path, values), out, device="cpu", say=lambda line: None)
    assert inline == [("noisy", 1)] and (job / "rows.jsonl").read_bytes() == rows
    assert (job / "weights.safetensors").stat().st_mtime_ns == weights
    assert (out / "rows.csv").read_bytes() == table
    log = (job / "log.txt").read_text()
    assert log.count("row tiny/V V_001") == 2  # the torn one alone
    (job / "done.json").unlink()  # as if it had been killed just before the end
    run_study(path, out, device="cpu", say=lambda line: None)
    assert (job / "log.txt").read_text() == log and (job / "done.json").exists()


def test_a_job_that_fails_leaves_the_others_and_is_named(config, tmp_path, inline):
    path = config(
        arms={"supervised": {"steps": 2}, "wild": {"steps": 2, "learning_rate": 1e9, "clip": 1e9}},
        seeds=[0],
        comparisons=[],
    )
    said = []
    with pytest.raises(RunError, match="1 of 2 cells failed, wild with seed 0 first .*the others are kept"):
        run_study(path, tmp_path / "out", device="cpu", say=said.append)
    assert inline == [("supervised", 0)]
    assert (tmp_path / "out/cells/supervised-seed0/done.json").exists()
    assert not (tmp_path / "out/rows.csv").exists()


def test_two_at_once_in_one_folder_are_refused(config, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "out"
    out.mkdir()
    with open(out / ".lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="being worked in by another run"):
            run_study(config(), out, device="cpu")

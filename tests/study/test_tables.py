"""Tables from rows of known numbers."""

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.evaluation import holm
from pancreas_ssl.study.config import load_study
from pancreas_ssl.study.pictures import convergence, dice_by_source, differences
from pancreas_ssl.study.study_report import markdown_table
from pancreas_ssl.study.tables import comparisons_table, summary_table

SOURCES = ("tiny/A", "tiny/V")


def rows(gain=0.1, arms=("supervised", "noisy"), seeds=3, patients=6):
    """Dice = 0.5 + 0.02 patient + 0.01 seed (+ gain for the second arm); the first patient of V is missed."""
    table = []
    for position, arm in enumerate(arms):
        for seed in range(seeds):
            for source in SOURCES:
                for patient in range(patients):
                    missed = source == "tiny/V" and patient == 0
                    dice = 0.0 if missed else 0.5 + 0.02 * patient + 0.01 * seed + gain * position
                    table.append(
                        {
                            "arm": arm, "seed": seed, "source": source, "case": f"{source[-1]}_{patient:03d}",
                            "dice": dice, "nsd": dice, "hd95": 150.0 if missed else 5.0, "msd": 2.0,
                            "volume_bias_ml": 1.0, "missed": missed, "label_empty": False,
                            "false_positive_ml": 0.0, "ece_band": 0.1,
                        }
                    )  # fmt: skip
    return pd.DataFrame(table)


def test_summary_by_hand():
    table = summary_table(rows())
    assert list(zip(table["arm"], table["source"], strict=True)) == [
        (arm, source) for arm in ("supervised", "noisy") for source in SOURCES
    ]
    line = table.iloc[0]
    assert line["n"] == 6 and line["seeds"] == 3 and line["misses"] == 0 and line["share_below_half"] == 0
    assert line["dice_mean"] == pytest.approx(0.56) and line["dice_median"] == pytest.approx(0.56)
    assert line["dice_sd"] == pytest.approx(np.std([0.51 + 0.02 * p for p in range(6)], ddof=1))
    assert line["dice_sd_seeds"] == pytest.approx(0.01) and line["ece_band_mean"] == pytest.approx(0.1)
    assert table.iloc[1]["misses"] == 3 and table.iloc[1]["share_below_half"] == pytest.approx(1 / 6)


def test_one_seed_has_no_spread_between_seeds():
    assert summary_table(rows(seeds=1))["dice_sd_seeds"].isna().all()


def test_an_empty_label_is_left_out_and_counted():
    table = rows()
    where = table["case"] == "A_001"
    table.loc[where, ["dice", "nsd", "hd95", "msd", "ece_band"]] = None
    table.loc[where, "label_empty"] = True
    line = summary_table(table).iloc[0]
    assert line["n"] == 5 and line["empty_labels"] == 3


def test_holm_goes_over_the_lines_that_decide(config):
    comparisons = [
        {"name": "both", "arm": "noisy", "against": "supervised"},
        {"name": "only V", "arm": "noisy", "against": "supervised", "sources": None},
        {"name": "back", "arm": "supervised", "against": "noisy", "metric": "nsd"},
    ]
    study = load_study(config(comparisons=comparisons))
    first = study.comparisons[1].model_copy(update={"sources": [study.measure[1]]})
    study = study.model_copy(update={"comparisons": [study.comparisons[0], first, study.comparisons[2]]})
    table = comparisons_table(study, rows())
    assert list(table["source"]) == [*SOURCES, "mean of sources", "tiny/V", *SOURCES, "mean of sources"]
    assert list(table["decides"]) == [False, False, True, True, False, False, True]
    deciding = table[table["decides"]]
    assert list(deciding["holm_p"]) == pytest.approx(holm(deciding["p"]))
    assert table.loc[~table["decides"], "holm_p"].isna().all()
    assert table["difference"].iloc[0] == pytest.approx(0.1)
    assert table["difference"].iloc[-1] == pytest.approx(-table["difference"].iloc[2])
    assert (table["low"] <= table["difference"]).all() and (table["difference"] <= table["high"]).all()


def test_a_target_is_met_by_the_difference_and_shown_by_holm(config):
    pair = {"arm": "noisy", "against": "supervised"}
    back = {"arm": "supervised", "against": "noisy", "name": "back"}
    comparisons = [
        {"name": "above 0", **pair},
        {"name": "reached", "target": 0.09, **pair},
        {"name": "missed", "target": 0.11, **pair},
        back,
    ]
    table = comparisons_table(load_study(config(comparisons=comparisons)), rows())
    deciding = table[table["decides"]]
    assert deciding["met"].tolist() == [True, True, False, False]
    assert (deciding["shown"] == (deciding["met"] & (deciding["holm_p"] < 0.05))).all()
    assert deciding["shown"].any()
    assert table.loc[~table["decides"].astype(bool), ["met", "shown"]].isna().all().all()


def test_without_comparisons_the_table_is_empty_and_keeps_its_columns(config):
    table = comparisons_table(load_study(config(comparisons=[])), rows())
    assert table.empty and "holm_p" in table.columns


def test_figures_say_what_they_show(config):
    table = rows(arms=("supervised", "noisy", "c", "d", "e", "f"))
    charts = dice_by_source(table)
    assert [chart.name for chart in charts] == ["dice_tiny_A", "dice_tiny_V"]
    assert len(charts[0].table) == 6 and "supervised: mean 0.560" in charts[0].alt
    chart = differences(comparisons_table(load_study(config()), rows()))
    assert len(chart.table) == 3 and "noise helps, mean of sources *" in chart.alt
    for drawn in (*charts, chart):
        assert drawn.png().startswith(b"\x89PNG")


def test_convergence_shows_half_time_and_end():
    curves = pd.DataFrame(
        [
            {"arm": arm, "seed": seed, "step": step, "loss": 1 / step, "held_out_dice": dice}
            for arm in ("a", "b")
            for seed in (0, 1)
            for step, dice in ((10, np.nan), (20, 0.4 + 0.1 * seed), (40, 0.6 + 0.1 * seed))
        ]
    )
    drawn = convergence(curves)
    line = drawn.table.iloc[0]
    assert line["half-time held-out Dice"] == pytest.approx(0.45)
    assert line["last held-out Dice"] == pytest.approx(0.65) and line["steps"] == 40
    assert "a 0.025, Dice 0.650" in drawn.alt and drawn.png().startswith(b"\x89PNG")


def test_markdown_numbers_are_short():
    table = pd.DataFrame({"a": ["x", "y"], "p": [0.00001, 0.25], "q": [np.nan, 3.0]})
    assert markdown_table(table, {"a": "name", "p": "p", "q": "q"}) == [
        "| name | p | q |", "|---|---|---|", "| x | < 0.001 | - |", "| y | 0.250 | 3.000 |",
    ]  # fmt: skip

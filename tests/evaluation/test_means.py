"""Means of arms with their intervals: what is averaged, in which order, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import crossed_means, next_value, paired_bootstrap


def rows(seeds=(0, 1, 2), patients=6, arms=("plain", "dual")):
    """Dice that differs by arm, source, seed and patient, by known amounts."""
    rng = np.random.default_rng(0)
    worth = {"plain": 0.5, "dual": 0.6}
    return pd.DataFrame(
        {"arm": arm, "seed": seed, "source": source, "case": f"{source}_{p}", "dice": value}
        for arm in arms
        for seed in seeds
        for source, away in (("B", 0.0), ("C", 0.1))
        for p in range(patients)
        for value in [worth[arm] + away + 0.01 * seed + 0.002 * rng.normal()]
    )


def test_a_line_per_arm_and_source_and_one_for_the_mean_of_sources():
    table = crossed_means(rows(), overall=["B", "C"])
    assert list(zip(table["arm"], table["source"], strict=True)) == [
        (arm, source) for arm in ("plain", "dual") for source in ("B", "C", "mean of sources")
    ]
    assert table["mean"].tolist() == pytest.approx([0.51, 0.61, 0.56, 0.61, 0.71, 0.66], abs=0.002)
    assert table["patients"].tolist() == [6, 6, 12] * 2 and set(table["seeds"]) == {3}
    assert (table["low"] < table["mean"]).all() and (table["mean"] < table["high"]).all()
    means = rows().groupby(["arm", "source", "seed"], sort=False)["dice"].mean()
    assert table.loc[1, "seed 2"] == pytest.approx(means["plain", "C", 2])
    assert table.loc[2, "seed 0"] == pytest.approx((means["plain", "B", 0] + means["plain", "C", 0]) / 2)


def test_a_difference_of_means_is_the_mean_of_paired_differences():
    table = crossed_means(rows(), overall=["B", "C"]).set_index(["arm", "source"])["mean"]
    paired = paired_bootstrap(rows(), "dual", "plain", replicates=100).set_index("source")["difference"]
    for source in ("B", "C", "mean of sources"):
        assert table["dual", source] - table["plain", source] == pytest.approx(paired[source])


def test_an_arm_that_lacks_a_source_has_no_mean_of_sources():
    some = rows()
    some = some[(some["arm"] == "dual") | (some["source"] == "B")]
    table = crossed_means(some, overall=["B", "C"])
    assert table.loc[table["arm"] == "plain", "source"].tolist() == ["B"]


def test_empty_labels_are_left_out_and_one_patient_has_no_interval():
    some = rows(patients=2).astype({"dice": object})
    some.loc[some["case"] == "B_1", "dice"] = None
    table = crossed_means(some)
    assert table["patients"].tolist() == [1, 2] * 2
    assert table.loc[0, ["low", "high"]].isna().all() and np.isfinite(table.loc[1, "low"])


def test_a_missing_row_and_no_row_get_sentences():
    with pytest.raises(InputError, match="expected case B_0 of B with every seed of plain, seed 0 lacks it"):
        crossed_means(rows().iloc[1:])
    with pytest.raises(InputError, match="got none; evaluate some first"):
        crossed_means(rows().iloc[:0])
    with pytest.raises(InputError, match="nsd"):
        crossed_means(rows(), metric="nsd")


def test_a_further_value_falls_inside_as_often_as_promised():
    rng = np.random.default_rng(0)
    inside = 0
    for *known, further in rng.normal(0.6, 0.02, (2000, 4)):
        low, high = next_value(known)
        inside += low <= further <= high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
    with pytest.raises(InputError, match="at least two finite values"):
        next_value([0.6])

"""Summaries per source and the rule that a miss never improves a mean."""

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import evaluate_case, summarise


def case(source, shift, case_id="x", seed=0, label=True):
    mask = np.zeros((20, 12, 12), np.uint8)
    mask[2:10, 2:10, 2:10] = 1
    prediction = np.zeros_like(mask) if shift is None else np.roll(mask, shift, axis=0)
    row = evaluate_case(prediction, mask if label else np.zeros_like(mask), (1, 1, 1))
    return {"source": source, "case": case_id, "seed": seed, **row}


def test_mean_sd_median_misses_by_hand():
    rows = [case("B", 0, "1"), case("B", 2, "2"), case("B", None, "3"), case("C", 4, "4")]
    table = summarise(rows)
    line = table.loc["B"]
    assert line["n"] == 3 and line["misses"] == 1
    assert line["share_below_half"] == pytest.approx(1 / 3)
    assert line["dice_mean"] == pytest.approx(1.75 / 3)
    assert line["dice_median"] == pytest.approx(0.75)
    assert line["dice_sd"] == pytest.approx(np.std([1, 0.75, 0], ddof=1))
    assert line["hd95_mean"] == pytest.approx((0 + 2 + 150) / 3)
    assert table.loc["C", "dice_sd"] == 0.0


def test_a_miss_never_improves_the_mean():
    without, with_miss = [case("B", 2, "1"), case("B", 3, "2")], [case("B", 2, "1"), case("B", None, "2")]
    better, worse = summarise(without).loc["B"], summarise(with_miss).loc["B"]
    assert worse["hd95_mean"] > better["hd95_mean"] and worse["dice_mean"] < better["dice_mean"]


def test_empty_labels_are_counted_apart():
    rows = [case("B", 0, "1"), case("B", 0, "2", label=False), case("D", 0, "3", label=False)]
    table = summarise(rows)
    assert table.loc["B", ["n", "empty_labels"]].tolist() == [1, 1]
    assert table.loc["B", "empty_label_false_positive_ml"] == pytest.approx(0.512)
    assert table.loc["B", "dice_mean"] == 1.0
    assert table.loc["D", "n"] == 0 and table.loc[["D"], "dice_mean"].isna().all()


def test_seeds_of_a_patient_count_once():
    rows = [case("B", shift, patient, seed) for patient, shift in (("1", 0), ("2", 4)) for seed in (0, 1, 2)]
    line = summarise(rows).loc["B"]
    assert line["n"] == 2 and line["predictions"] == 6
    assert line["dice_sd"] == pytest.approx(np.std([1.0, 0.5], ddof=1))


def test_groups_and_bad_rows():
    rows = [{**case("B", 0, "1"), "arm": "dual"}, {**case("B", 2, "1"), "arm": "supervised"}]
    assert summarise(rows, by=["arm", "source"]).loc[("supervised", "B"), "dice_mean"] == pytest.approx(0.75)
    with pytest.raises(InputError, match="source"):
        summarise([{"dice": 1.0}])
    with pytest.raises(InputError, match="at least one"):
        summarise(pd.DataFrame([case("B", 0)]).iloc[:0])
    rows[0]["hd95"] = float("nan")
    with pytest.raises(InputError, match="a number for every metric"):
        summarise(rows)

"""Maps compared: judged by one prediction's errors, made without a label, made once, tables as counted by hand."""

import inspect
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.calibration import band
from pancreas_ssl.evaluation.uncertainty_quality import area_under_risk_coverage, error_auroc
from pancreas_ssl.inference import uncertainty_maps as answers
from pancreas_ssl.inference.uncertainty_maps import UncertaintyMap, uncertainty_maps
from pancreas_ssl.lessons.compare_maps import Comparison, compare_maps, judge, region_errors
from tests.method.shapes import ellipsoid


def case(name="A_024", source="phantom/A", shift=1) -> SimpleNamespace:
    label = ellipsoid()
    image = np.where(label, 0.3, 0.0).astype(np.float32)[None]
    return SimpleNamespace(
        id=name, source=source, image=image, label=label[None].astype(np.uint8), spacing=(3.0,) * 3, shift=shift
    )


def fake_members(model, image, how, *, n, seed, overlap, device, precision):
    """Answers that are certain inside, and wrong by a shift; the views differ a little."""
    p = np.clip(np.roll(image[0] > 0.15, model.shift, axis=0) * 0.9 + 0.05, 0, 1).astype(np.float32)
    count = 1 if how == "softmax" else n
    return np.stack([np.clip(p + 0.01 * k, 0, 1) for k in range(count)]).astype(np.float32)


@pytest.fixture
def faked(monkeypatch):
    asked = []

    def members(model, image, how, **rest):
        asked.append(how)
        return fake_members(model, image, how, **rest)

    monkeypatch.setattr(answers, "sample_predictions", members)
    return asked


def test_no_map_can_be_given_a_label(faked):
    assert not {"label", "case", "organs"} & set(inspect.signature(uncertainty_maps).parameters)
    patient = case()
    maps = uncertainty_maps(
        SimpleNamespace(shift=1), patient.image, patient.spacing, others=[SimpleNamespace(shift=2)], n=3
    )
    assert list(maps) == [
        "one pass: entropy", "TTA: entropy", "dropout: entropy", "dropout: mutual info", "ensemble: entropy",
        "edge distance", "random",
    ]  # fmt: skip
    assert faked == ["tta", "dropout", "softmax"], "the untouched view is not predicted twice"
    assert maps["ensemble: entropy"].passes == 2 and maps["TTA: entropy"].passes == 3
    assert all(one.values.shape == patient.image.shape[1:] for one in maps.values())
    assert maps["one pass: entropy"].probability.max() == pytest.approx(0.95)


def test_without_others_there_is_no_ensemble(faked):
    patient = case()
    assert "ensemble: entropy" not in uncertainty_maps(SimpleNamespace(shift=1), patient.image, patient.spacing)


def test_all_maps_are_judged_by_the_errors_of_the_first():
    patient = case()
    label = patient.label[0] != 0
    mask = np.roll(label, 4, axis=0)
    first, other = (0.9 * mask + 0.05).astype(np.float32), (0.9 * label + 0.05).astype(np.float32)
    knowing = (mask != label).astype(np.float32)
    rows, bins = judge(
        {"one pass: entropy": UncertaintyMap(knowing, first, 1.0, 1),
         "better: entropy": UncertaintyMap(1 - knowing, other, 2.0, 4),
         "edge distance": UncertaintyMap(knowing * 0, None, 1.0, 1)},
        patient,
    )  # fmt: skip
    one, better, floor = rows
    assert (one["auroc"], better["auroc"], floor["auroc"]) == (1.0, 0.0, 0.5)
    assert one["wrong"] == better["wrong"] == int((mask != label)[band(label, (3, 3, 3))].sum())
    assert one["risk"] == pytest.approx(1 - 2 * (mask & label).sum() / (mask.sum() + label.sum()))
    assert better["ece"] == pytest.approx(0.05, abs=1e-6) and better["ece"] < one["ece"] and np.isnan(floor["ece"])
    assert {row["way"] for row in bins} == {"one pass", "better"} and rows[0]["source"] == "phantom/A"


def test_compare_agrees_with_its_parts_and_uses_what_is_made(faked):
    model, patients = SimpleNamespace(shift=1), [case("A_024"), case("V_000", "phantom/V")]
    ready = {("phantom/A", "A_024"): uncertainty_maps(model, patients[0].image, patients[0].spacing, n=2)}
    faked.clear()
    found = compare_maps(model, patients, made=ready, n=2)
    assert faked == ["tta", "dropout"], "only the second patient is predicted"
    row = found.rows[(found.rows["map"] == "TTA: entropy") & (found.rows["case"] == "A_024")].iloc[0]
    label = patients[0].label[0] != 0
    wrong = (next(iter(ready.values()))["one pass: entropy"].probability > 0.5) != label
    values = next(iter(ready.values()))["TTA: entropy"].values
    assert row["auroc"] == pytest.approx(error_auroc(values, wrong, band(label, (3, 3, 3))))
    assert set(found.summary()["source"]) == {"phantom/A", "phantom/V"} and set(found.summary(None)["patients"]) == {2}
    twice = found + found
    assert len(twice.rows) == 2 * len(found.rows)


def test_summary_and_curves_as_counted_by_hand():
    rows = pd.DataFrame(
        {"source": ["A", "A", "V"], "case": list("abc"), "map": "m", "auroc": [0.6, 0.8, np.nan], "ece": 0.1,
         "score": [0.1, 0.9, 0.2], "risk": [0.0, 0.6, 0.3], "wrong": 3, "seconds": 2.0, "passes": 4}
    )  # fmt: skip
    bins = pd.DataFrame(
        {"source": "A", "case": ["a", "b", "b"], "way": "m", "bin": [1, 1, 2], "probability": [0.1, 0.3, np.nan],
         "share": [0.0, 1.0, np.nan], "voxels": [3, 1, 0]}
    )  # fmt: skip
    found = Comparison(rows, bins)
    overall = found.summary(None).iloc[0]
    assert overall["auroc"] == pytest.approx(0.7)
    assert overall["aurc"] == pytest.approx(area_under_risk_coverage(rows["score"], rows["risk"]))
    assert overall["aurc_none"] == pytest.approx(0.3) and overall["aurc_perfect"] <= overall["aurc"]
    pooled = found.reliability().iloc[0]
    assert (pooled["probability"], pooled["share"], pooled["voxels"]) == (pytest.approx(0.15), 0.25, 4)
    assert len(found.reliability()) == 1 and found.reliability(["other"]).empty
    curves = found.risk_coverage(["m"])
    assert set(curves["map"]) == {"m", "perfect"}
    assert curves.groupby("map")["risk"].last().tolist() == pytest.approx([0.3, 0.3])


def test_region_errors_add_up():
    rng = np.random.default_rng(0)
    codes, wrong = rng.integers(0, 6, (9, 8, 7)), rng.random((9, 8, 7)) < 0.2
    table = region_errors(codes, wrong).set_index("region")
    assert list(table.index) == ["core", "rim_in", "rim_out", "near", "far"]
    assert table["share_of_errors"].sum() == pytest.approx(1)
    assert table["wrong"].sum() == wrong[codes > 0].sum()
    assert table.loc["near", "share_wrong"] == pytest.approx(wrong[codes == 4].mean())
    assert region_errors(codes, wrong & False)["share_of_errors"].isna().all()


def test_complaints(faked):
    patient = case()
    with pytest.raises(InputError, match="at least one case"):
        compare_maps(SimpleNamespace(shift=1), [])
    patient.label[:] = 0
    with pytest.raises(InputError, match="labelled pancreas in case A_024"):
        compare_maps(SimpleNamespace(shift=1), [patient])
    with pytest.raises(InputError, match="one shape"):
        region_errors(np.zeros((2, 2)), np.zeros(3))

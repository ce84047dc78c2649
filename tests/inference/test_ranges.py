"""How sure a prediction is, and the sentences about what lies outside: each fact alone, and none changes a mask."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.data.preprocessing import Prepared, prepare
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights, predict_path, predict_volume, save_weights
from pancreas_ssl.inference.ranges import answer_facts, ends_of, ranges_of, scan_facts, warnings_about
from pancreas_ssl.inference.weights import add_to_header
from pancreas_ssl.manifest import record_of

from .helpers import make_hu, write_scan

HOME = {"n": 8, "volume_ml": [60.0, 100.0], "doubt": [0.1, 0.2], "expected_dice": [0.85, 0.95], "apart": [0.0, 0.02]}
TRAINED = {"n": 24, "hu_5": [0.0, 10.0], "hu_50": [50.0, 80.0], "hu_95": [150.0, 180.0], "noise": [10.0, 20.0],
           "height_mm": [240.0, 340.0], "width_mm": [380.0, 400.0], "slice_mm": [3.0, 3.0]}  # fmt: skip
USUAL = {"hu_5": 5.0, "hu_50": 60.0, "hu_95": 160.0, "noise": 15.0, "height_mm": 300.0, "width_mm": 390.0,
         "slice_mm": 3.0, "volume_ml": 80.0, "doubt": 0.15, "expected_dice": 0.9, "apart": 0.0, "ends": ""}  # fmt: skip


def tissue(mean: float, spread: float = 10.0, shape=(40, 40, 40), spacing=(3.0, 3.0, 3.0)) -> Prepared:
    hu = np.random.default_rng(0).normal(mean, spread, shape).astype(np.float32)
    return prepare(Volume(hu, np.diag([*spacing, 1.0])))


def test_a_scan_is_described_as_the_network_sees_it():
    facts = scan_facts(tissue(50))
    assert facts["hu_50"] == pytest.approx(50, abs=0.5) and facts["hu_95"] == pytest.approx(50 + 16.4, abs=1)
    assert facts["noise"] == pytest.approx(10, abs=0.3)
    assert (facts["height_mm"], facts["width_mm"], facts["slice_mm"]) == (120, 120, 3)
    assert scan_facts(tissue(50, shape=(40, 40, 24), spacing=(3, 3, 5)))["slice_mm"] == 5
    nothing = scan_facts(tissue(-1000))
    assert "hu_50" not in nothing and nothing["height_mm"] == 120


def test_a_mapped_case_and_one_in_memory_give_the_same_facts(tmp_path):
    from pancreas_ssl.data.prepared_cache import restore
    from pancreas_ssl.data.preprocessing import _save

    case = tissue(50)
    _save(tmp_path / "case.safetensors", case, [])
    mapped = replace(case, image=restore(tmp_path / "case.safetensors", whole=False).mapped("image"))
    assert scan_facts(mapped) == scan_facts(case)


def test_expected_dice_is_the_dice_where_the_probabilities_are_true():
    rng = np.random.default_rng(0)
    p = np.full((40, 40, 40), 0.05, np.float32)
    p[10:30, 10:30, 10:30] = 0.8
    truth, mask = rng.random(p.shape) < p, p > 0.5
    case = Prepared("1", "demo", p[None], None, (3.0,) * 3, np.eye(4), (-150.0, 250.0))
    facts = answer_facts(np.stack([1 - p, p]), case)
    assert facts["expected_dice"] == pytest.approx(2 * (truth & mask).sum() / (truth.sum() + mask.sum()), abs=0.01)
    assert facts["confidence"] == pytest.approx(0.8) and 0 < facts["doubt"] < 1
    p[35:, 35:, 35:] = 0.9
    parts = answer_facts(np.stack([1 - p, p]), case)
    assert parts["pieces"] == 2 and parts["apart"] == pytest.approx(125 / 8125, abs=1e-3)
    assert answer_facts(np.stack([1 - p, p]), case, largest=False)["volume_ml"] > parts["volume_ml"]
    nothing = answer_facts(np.stack([1 - 0 * p, 0 * p]), case)
    assert (nothing["expected_dice"], nothing["doubt"], nothing["volume_ml"], nothing["pieces"]) == (0, 1, 0, 0)


def test_a_usual_scan_gets_no_sentence():
    assert warnings_about(USUAL, {"trained": TRAINED, "home": HOME}) == []
    assert warnings_about(USUAL, {}) == []
    assert warnings_about({}, {}) == ["no pancreas found"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hu_50": 30.0}, r"soft tissue \(median\) of 40 to 90 HU as in training, got 30 HU: the mask may be wrong"),
        ({"hu_95": 240.0, "hu_50": 91.0}, r"soft tissue \(brightest 5 %\) .* got 240 HU"),
        ({"noise": 40.0}, "noise of at most 23 HU as in training, got 40 HU"),
        ({"height_mm": 90.0}, "a height of at least 207 mm .* got 90 mm: organs by which"),
        ({"height_mm": 900.0}, "a height of at most 373 mm .* got 900 mm: it shows"),
        ({"width_mm": 250.0}, "a width of at least 350 mm .* cut off"),
        ({"slice_mm": 7.5}, "slices of at most 3.5 mm as in training, got 7.5 mm"),
        ({"ends": "lowest"}, "the mask reaches its lowest slice"),
        ({"volume_ml": 9.0}, "^9.0 mL is outside the usual 15 to 250 mL: look at the mask$"),
        ({"volume_ml": 30.0}, "a volume of 40 to 120 mL as at home, got 30 mL"),
        ({"doubt": 0.4}, "doubt of at most 0.25 bits as at home, got 0.40 bits"),
        ({"expected_dice": 0.6}, "a Dice estimate of at least 0.80 as at home, got 0.60"),
        ({"apart": 0.3}, "30% of what was marked lay apart"),
    ],
)
def test_each_range_that_is_left_gets_one_sentence(change, words):
    (sentence,) = warnings_about(USUAL | change, {"trained": TRAINED, "home": HOME})
    assert pd.Series([sentence]).str.contains(words)[0], sentence


def test_voxels_that_are_no_hu_and_a_miss():
    bare = {name: value for name, value in USUAL.items() if not name.startswith("hu_")} | {"volume_ml": 0.0}
    said = warnings_about(bare, {"trained": TRAINED, "home": HOME})
    assert said == ["expected soft tissue of 0 to 180 HU as in training, got next to none: are these HU?",
                    "no pancreas found"]  # fmt: skip


def test_few_patients_widen_a_range_more_than_many():
    def said(n):
        return warnings_about(USUAL | {"noise": 24.0}, {"trained": TRAINED | {"n": n}})

    assert said(24) and not said(4)
    assert ranges_of([]) == {"n": 0} and ranges_of([{"a": 1, "b": 2}, {"a": 0}]) == {"n": 2, "a": [0, 1]}


def test_the_header_takes_ranges_and_keeps_every_tensor(tmp_path, tiny):
    from safetensors import safe_open

    how = {"spacing": 3.0, "window": (-150.0, 250.0), "patch": (16, 16, 12)}
    path = save_weights(tmp_path / "net.safetensors", tiny.network, how)
    before = load_weights(path).metadata
    data = path.read_bytes()
    add_to_header(path, {"ranges": {"trained": TRAINED, "home": HOME}})
    after = load_weights(path).metadata
    assert after == before | {"ranges": {"trained": TRAINED, "home": HOME}}
    with safe_open(path, "pt") as handle:
        assert len(list(handle.keys())) == len(tiny.network.state_dict())
    tensors = [blob[8 + int.from_bytes(blob[:8], "little") :] for blob in (data, path.read_bytes())]
    assert tensors[0] == tensors[1]
    for wrong in ({"trained": {"noise": [1.0, 2.0]}}, {"home": {"n": 1, "doubt": "much"}}, {"abroad": {"n": 1}}, [1]):
        with pytest.raises(InputError, match="in its header|header that does not fit"):
            add_to_header(path, {"ranges": wrong})
    assert load_weights(path).metadata == after


def test_predict_says_so_in_table_record_and_print_and_the_mask_stays(tmp_path, threshold, capsys):
    scans = tmp_path / "scans"
    scans.mkdir()
    write_scan(scans / "a.nii.gz")
    hu = make_hu()
    hu[:, :, -15:] = hu[:, :, 10:25]  # a pancreas up to the last slice
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([1.5, 1.5, 2.5, 1.0])), scans / "b.nii.gz")
    plain = predict_path(scans, tmp_path / "plain", threshold, device="cpu", progress=False)
    assert plain["message"][0] == "" and "reaches its highest slice" in plain["message"][1]
    assert plain["expected_dice"].between(0, 1).all() and plain["doubt"].between(0, 1).all()
    again = predict_path(scans, tmp_path / "plain", threshold, device="cpu", progress=False)
    same = ["case", "volume_ml", "expected_dice", "doubt", "message"]
    assert again[same].equals(plain[same]) and set(again["status"]) == {"skipped"}

    threshold.metadata["ranges"] = {"trained": TRAINED, "home": HOME}
    capsys.readouterr()
    predict_path(scans, tmp_path / "now", threshold, device="cpu")
    said = capsys.readouterr().out
    assert "1/2 a: done, expected Dice " in said and "(at home 0.85 to 0.95), doubt " in said
    assert "  expected a height of at least 207 mm as in training, got 102 mm: organs" in said
    stored = pd.read_csv(tmp_path / "now" / "predictions.csv")
    assert "a height of at least 207 mm" in stored["message"][0] and stored["doubt"].notna().all()
    record = record_of(tmp_path / "now" / "a.nii.gz")
    assert record["how_sure"].startswith("expected Dice") and any("a height" in one for one in record["doubts"])
    json.dumps(record)
    for case in "ab":
        one, two = (np.asarray(nibabel.load(tmp_path / f"{run}/{case}.nii.gz").dataobj) for run in ("plain", "now"))
        assert np.array_equal(one, two)


def test_a_prediction_in_memory_says_the_same(threshold):
    volume = Volume(make_hu().astype(np.float32), np.diag([1.5, 1.5, 2.5, 1.0]))
    prediction = predict_volume(threshold, volume, device="cpu")
    assert prediction.facts["volume_ml"] == pytest.approx(prediction.volume_ml, abs=1e-3)
    assert prediction.how_sure.startswith("expected Dice ") and prediction.warnings == []
    mask = np.zeros((4, 4, 4))
    mask[1, 1] = 1
    assert ends_of(mask) == "lowest and highest" and ends_of(mask * 0) == ""

"""A reader's own scans: cards drafted for folders, rows about cases, reasons to look at a mask."""

from types import SimpleNamespace

import numpy as np
import pytest

from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.ranges import answer_facts, ends_of
from pancreas_ssl.lessons.own_data import described, doubts, own_card, own_cases
from tests.safety.helpers import abdomen, data_set, pancreas, save

SHAPES = {
    "pairs": ("p0_image.nii.gz", "p0_label.nii.gz"),
    "nnU-Net": ("imagesTr/p0_0000.nii.gz", "labelsTr/p0.nii.gz"),
    "a folder per case": ("p0/image.nii.gz", "p0/label.nii.gz"),
    "scans alone": ("p0.nii.gz", None),
}


@pytest.mark.parametrize("names", SHAPES.values(), ids=SHAPES)
def test_a_folder_gets_a_card(tmp_path, names):
    image, label = names
    save(tmp_path / "my scans" / image, abdomen())
    if label:
        save(tmp_path / "my scans" / label, pancreas())
    card = own_card(str(tmp_path / "my scans"), tmp_path / "out")
    assert load_card(card).sources["mine"].role == "any"
    (case,) = own_cases(card)
    assert (case.source, case.id, case.label is not None) == ("mine/mine", "p0", label is not None)


def test_a_draft_that_was_changed_is_kept(tmp_path):
    save(tmp_path / "scans" / "p0.nii.gz", abdomen())
    card = own_card(str(tmp_path / "scans"), tmp_path)
    text = (tmp_path / "mine.md").read_text().replace("title: Your own", "title: My very own")
    (tmp_path / "mine.md").write_text(text)
    assert own_card(str(tmp_path / "scans"), tmp_path) == card
    assert load_card(card).title.startswith("My very own")


def test_a_folder_without_scans_and_an_unknown_name_are_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected scans in .*empty, found none"):
        own_card(str(tmp_path / "empty"), tmp_path)
    assert not (tmp_path / "mine.md").exists()
    with pytest.raises(InputError, match="no data card is called"):
        own_card(str(tmp_path / "gone"), tmp_path)
    with pytest.raises(InputError, match="role test"):
        own_cases("phantom/B")


def test_a_row_with_label_and_one_without(tmp_path):
    card = data_set(tmp_path, sources="{a: {role: any, title: A}}", splits="{}")
    (tmp_path / "data" / "p1_label.nii.gz").unlink()
    first, second = map(described, own_cases(str(card)))
    assert first["voxels"] == "40 x 40 x 24" and first["z (mm)"] == 3.0
    assert first["HU 25 %"] < first["HU median"] < first["HU 75 %"] and first["HU median"] == pytest.approx(90, abs=2)
    assert first["label (mL)"] == pytest.approx(pancreas().sum() * 0.027, abs=0.1)
    assert np.isnan(second["label (mL)"]) and np.isnan(second["HU median"])


def prediction(mask: np.ndarray, elsewhere: int = 0) -> SimpleNamespace:
    """What `doubts` reads of a prediction of this mask, with further voxels marked in a corner."""
    pancreas = np.where(mask > 0, 0.9, 0.1).astype(np.float32)
    pancreas[:elsewhere, 0, 0] = 0.9
    both = np.stack([1 - pancreas, pancreas])
    case = Prepared("1", "demo", pancreas[None], None, (3.0,) * 3, np.eye(4), (-150.0, 250.0))
    facts = answer_facts(both, case) | {"ends": ends_of(mask)}
    return SimpleNamespace(probabilities=both, volume_ml=mask.sum() * 0.027, facts=facts, ranges={})


def test_reasons_to_look():
    usual = doubts(prediction(pancreas()))
    assert usual["worth a look"] == "" and 0 < usual["uncertainty"] < 1
    assert 0.3 < usual["expected Dice"] < 1
    assert doubts(prediction(pancreas() * 0))["worth a look"] == "no pancreas found"
    small = np.zeros((40, 40, 24), np.uint8)
    small[10:15, 10:15, 20:24] = 1
    said = doubts(prediction(small, elsewhere=30))["worth a look"]
    assert "outside the usual 15 to 250 mL" in said and "its highest slice" in said
    assert "23% of what was marked lay apart" in said

"""Drafts of cards: each loads, finds its cases, says what it left out, and passes `data check`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.access import cases
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.dataset_json import described, pancreas_in
from pancreas_ssl.data.drafts import draft_card
from pancreas_ssl.errors import InputError
from tests.data.dicom_files import export, rtstruct, series
from tests.safety.helpers import abdomen, pancreas, save


def _pair(image: Path, label: Path, seed: int, value: int = 1) -> None:
    save(image, abdomen(seed=seed))
    save(label, pancreas(value=value))


def _json(folder: Path, **about) -> None:
    (folder / "dataset.json").write_text(json.dumps(about))


def msd(root: Path) -> None:
    task = root / "Task07_Pancreas"
    for number in (1, 4):
        name = f"pancreas_{number:03d}.nii.gz"
        _pair(task / "imagesTr" / name, task / "labelsTr" / name, number)
        (task / "imagesTr" / f"._{name}").write_bytes(b"macOS")
    save(task / "imagesTs" / "pancreas_002.nii.gz", abdomen())
    _json(task, name="Pancreas", modality={"0": "CT"}, labels={"0": "background", "1": "pancreas", "2": "cancer"})


def nnunet(root: Path) -> None:
    task = root / "Dataset700_P"
    for number in (1, 4):
        _pair(task / "imagesTr" / f"p{number}_0000.nii", task / "labelsTr" / f"p{number}.nii", number, 3)
        save(task / "imagesTr" / f"p{number}_0001.nii", abdomen())
    labels = {"background": 0, "liver": 1, "kidney tumor": 2, "pancreas": 3}
    _json(task, channel_names={"0": "CT", "1": "prior"}, labels=labels, file_ending=".nii", numTraining=2)


def btcv(root: Path) -> None:
    raw = root / "RawData" / "Training"
    for number in (1, 2):
        _pair(raw / f"img/img{number:04d}.nii.gz", raw / f"label/label{number:04d}.nii.gz", number, 11)
    save(root / "RawData" / "Testing" / "img" / "img0061.nii.gz", abdomen())


def amos(root: Path) -> None:
    for part, number in (("Tr", 1), ("Va", 8), ("Tr", 507)):
        name = f"amos_{number:04d}.nii.gz"
        _pair(root / f"images{part}" / name, root / f"labels{part}" / name, number, 10)


def totalseg(root: Path) -> None:
    for number in (1, 2):
        _pair(root / f"s000{number}" / "ct.nii.gz", root / f"s000{number}" / "segmentations/pancreas.nii.gz", number)
    save(root / "s0003" / "ct.nii.gz", abdomen(seed=3))
    save(root / "s0004" / "mri.nii.gz", abdomen())


def tcia(root: Path) -> None:
    for number in (1, 2):
        place = root / "manifest-1" / "Pancreas-CT" / f"PANCREAS_000{number}" / "study"
        series(place / "ct", abdomen(seed=number).astype(np.int16), spacing=(3, 3, 3), PatientID=str(number))


def nih(root: Path) -> None:
    """Labels in a folder of their own, by the patients' numbers, whose affine says nothing."""
    tcia(root / "scans")
    for number in (1, 2):
        save(root / "labels" / f"label000{number}.nii.gz", pancreas()[::-1, ::-1], 1.0)


def dicom(root: Path) -> None:
    for name in ("anna", "berta"):
        export(root / name, abdomen(seed=len(name)).astype(np.int16))
        row, column = np.nonzero(pancreas()[:, :, 10])
        corners = [(row.min(), column.min()), (row.max(), column.min()), (row.max(), column.max())]
        drawn = [np.array([[-100 + 0.8 * a, -80 + 0.7 * b, 40 + 1.25 * k] for a, b in corners]) for k in (10, 11)]
        rtstruct(root / name / "rt" / "1.dcm", {"Pancreas": drawn})


SETS: dict[str, tuple[Callable, list[str], int, list[str]]] = {
    "msd": (msd, ["pancreas_001", "pancreas_004"], 2, ["1 images in imagesTs have no labels", "2 files of macOS"]),
    "nnunet": (nnunet, ["p1", "p4"], 2, ["2 files of further channels"]),
    "btcv": (btcv, ["0001", "0002"], 2, ["1 images for testing have no labels"]),
    "amos": (amos, ["amos_0001", "amos_0008"], 2, ["1 images with ids of 500 and above are MRI"]),
    "totalseg": (totalseg, ["s0001", "s0002", "s0003"], 2, ["1 cases have no segmentations", "1 folders hold an MRI"]),
    "tcia": (tcia, ["0001", "0002"], 0, ["no labels are drafted"]),
    "tcia, labels beside": (nih, ["0001", "0002"], 2, ["2 labels are drafted from labels; their affine is plain"]),
    "dicom": (dicom, ["anna", "berta"], 2, ["2 series left aside: a topogram", "the thinnest is drafted", "RTSTRUCT"]),
}


@pytest.mark.parametrize("kind", SETS)
def test_a_draft_loads_finds_its_cases_and_is_checked(kind, tmp_path, capsys):
    arrange, ids, labelled, says = SETS[kind]
    arrange(tmp_path / "data")
    assert (
        main(
            [
                "data",
                "new",
                "--from",
                kind.partition(",")[0],
                str(tmp_path / "data"),
                "--out",
                str(tmp_path / "mine.md"),
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert said.startswith(f"{labelled} cases with a label, {len(ids) - labelled} without\n")
    assert all(words in said for words in says), said
    found = cases(tmp_path / "mine.md")
    assert sorted(case.id for case in found) == ids
    assert sum(case.label is not None for case in found) == labelled
    assert main(["data", "check", str(tmp_path / "mine.md")]) == 0, capsys.readouterr().out
    assert load_card(tmp_path / "mine.md").sources["mine"].role == "any"


def test_label_values_and_parts_of_the_drafts(tmp_path):
    msd(tmp_path / "a")
    draft_card("msd", tmp_path / "a", tmp_path / "a.md")
    card = load_card(tmp_path / "a.md")
    assert card.pancreas == (1, 2) and card.parts == {"tumour": [2]}
    nnunet(tmp_path / "b")
    draft_card("nnunet", tmp_path / "b", tmp_path / "b.md")
    card = load_card(tmp_path / "b.md")
    assert card.label_values == {"pancreas": [3], "liver": [1], "kidney_tumor": [2]} and not card.parts


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"0": "background", "1": "pancreas", "2": "cancer"}, ([1, 2], {"tumour": [2]})),
        ({"background": 0, "pancreas": [1, 2], "tumor": 2}, ([1, 2], {"tumour": [2]})),
        ({"background": 0, "liver": 1, "pancreas": 2, "liver tumor": 3}, ([2], {})),
        ({"background": 0, "PDAC lesion": 1, "veins": 2, "pancreas parenchyma": 4}, ([1, 4], {"tumour": [1]})),
        ({"background": 0, "pancreas": 7, "ignore": 9}, ([7], {})),
    ],
)
def test_labels_in_both_directions(tmp_path, labels, expected):
    _json(tmp_path, labels=labels)
    assert pancreas_in(described(tmp_path / "dataset.json").values, tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "dataset.json is none"),
        ("[]", "dataset.json is none"),
        ('{"labels": {"a": "b"}}', "dataset.json is none"),
        ('{"labels": {"pancreas": 1}, "file_ending": ".nrrd"}', "images as NIfTI, got the file_ending .nrrd"),
        ('{"labels": {"pancreas": 1}, "channel_names": {"0": "T1"}}', "CT as the images, got T1"),
        ('{"labels": {"liver": 1}}', "a label called pancreas, got liver"),
    ],
)
def test_a_dataset_json_that_says_something_else(tmp_path, text, says):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        draft_card("msd", tmp_path, tmp_path / "mine.md")
    assert not (tmp_path / "mine.md").exists()

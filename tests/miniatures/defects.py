"""What goes wrong in real sets, planted into a built miniature: one defect for each case, and what is to be found."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from tests.miniatures.files import write_nifti, write_series
from tests.miniatures.phantoms import small

__all__ = ["Found", "spoil"]

Found = tuple[str, str, str, str]  # case, check, level, words of the message


def spoil(name: str, folder: Path) -> list[Found]:
    """Plant the defects that a set's layout can have; returns what `data check` has to find, and nothing else."""
    return DEFECTS[name](folder)


def _change(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(change(np.asarray(image.dataobj)), image.affine, image.header), path)


def _with_nine(label: np.ndarray) -> np.ndarray:
    label = label.copy()
    label[0, 0, 0] = 9
    return label


def _msd(folder: Path) -> list[Found]:
    task, ids = folder / "Task07_Pancreas", iter(range(800, 900))
    images, labels, found = task / "imagesTr", task / "labelsTr", []
    good = small("B", 100)

    def case(check: str, level: str, words: str) -> tuple[str, Path, Path]:
        """A case of its own that is fine so far."""
        one, name = small("B", 100 + len(found) % 5), f"pancreas_{next(ids)}"
        one = replace(one, hu=one.hu + np.int16(len(found) + 1))  # voxels of its own
        found.append((name, check, level, words))
        image = write_nifti(images / f"{name}.nii.gz", one.hu, one.affine)
        return name, image, write_nifti(labels / f"{name}.nii.gz", one.pancreas.astype(np.uint8), one.affine)

    _, image, label = case("duplicate", "error", "same voxels as case pancreas_001")
    write_nifti(image, good.hu, good.affine, "LPI")
    write_nifti(label, good.pancreas.astype(np.uint8), good.affine, "LPI")
    _change(case("orientation", "error", "mirrored left-right")[2], lambda label: label[::-1])
    _, _, label = case("label grid", "error", "shape")
    other = small("B", 104)
    write_nifti(label, other.pancreas.astype(np.uint8), other.affine)  # the label of another patient
    _, _, label = case("label grid", "error", "origin")
    shifted = nibabel.load(label)
    write_nifti(label, np.asarray(shifted.dataobj), shifted.affine + np.array([[0, 0, 0, 9.0]] + [[0] * 4] * 3))
    _, image, _ = case("HU", "error", "looks scaled")
    _change(image, lambda hu: np.clip((hu + 1000) / 8, 0, 255).astype(np.int16))
    _change(case("HU", "error", "like MR")[1], lambda hu: np.clip(hu + 100, 0, 600).astype(np.int16))
    _change(case("label values", "error", "also holds 9")[2], _with_nine)
    _change(case("label values", "error", "fractions")[2], lambda label: label * np.float32(0.4))
    _change(case("pancreas volume", "warning", "holds no pancreas")[2], np.zeros_like)
    _, image, _ = case("reading", "error", "ends early or is damaged")
    image.write_bytes(image.read_bytes()[:5000])
    return found


def _nih(folder: Path) -> list[Found]:
    home, labels, found = folder / "Pancreas-CT", folder / "TCIA_pancreas_labels-02-05-2017", []

    def case(number: int, check: str, words: str) -> Path:
        one, name = small("A", 101 + number % 5), f"PANCREAS_{number:04d}"
        one = replace(one, hu=one.hu + np.int16(number - 70))
        found.append((f"{number:04d}", check, "error", words))
        path = write_series(home / name / "11-24-2015-Pancreas" / "Pancreas-1", one, name)
        _plain(one.pancreas[::-1, :, ::-1], labels / f"label{number:04d}.nii.gz")
        return path

    slices = sorted(case(80, "reading", "1 missing in all").iterdir())
    slices[len(slices) // 2].unlink()
    path = case(81, "orientation", "set label_axes: LPI")
    _change(labels / "label0081.nii.gz", lambda label: label[:, ::-1])
    path = case(82, "reading", "expected one DICOM series")
    write_series(path.with_name("Pancreas-2"), small("A", 101), "PANCREAS_0082")
    path = case(79, "reading", "modality MR")
    for one in path.iterdir():
        header = pydicom.dcmread(one)
        header.Modality = "MR"
        header.save_as(one)
    case(78, "label values", "shape")
    _change(labels / "label0078.nii.gz", lambda label: label[:, :, :-1])
    return found


def _plain(array: np.ndarray, path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(array.astype(np.uint8), np.eye(4)), path)


def _amos22(folder: Path) -> list[Found]:
    one = small("X", 101, (3.0, 3.0, 5.0))
    write_nifti(folder / "amos22/imagesTr/amos_0099.nii.gz", np.clip(one.hu + 200, 0, 500), one.affine)
    shutil.copy(folder / "amos22/imagesTr/amos_0001.nii.gz", folder / "amos22/imagesVa/amos_0098.nii.gz")
    return [("amos_0099", "HU", "error", "like MR"), ("amos_0098", "duplicate", "error", "case amos_0001")]


def _pants(folder: Path) -> list[Found]:
    one = folder / "LabelTr/PanTS_00000002/segmentations/pancreatic_lesion.nii.gz"
    _change(one, lambda lesion: lesion[1:])
    return [("PanTS_00000002", "label values", "error", "files of one label on one grid")]


def _totalsegmentator(folder: Path) -> list[Found]:
    """A pancreas that the field of view cuts off."""
    for name in ("ct", "segmentations/pancreas"):
        path = folder / f"s0001/{name}.nii.gz"
        image = nibabel.load(path)
        middle = image.shape[2] // 2
        cut = nibabel.Nifti1Image(np.asarray(image.dataobj)[:, :, :middle], image.affine)
        nibabel.save(cut, path)
    return [("s0001", "field of view", "warning", "touches the highest slice")]


DEFECTS = {"msd": _msd, "nih": _nih, "amos22": _amos22, "pants": _pants, "totalsegmentator": _totalsegmentator}

"""One function for each set: a few phantoms in the folders, names, axes and label values of its distribution."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pancreas_ssl.phantom.tissues import Organ
from tests.miniatures.files import write_nifti, write_series
from tests.miniatures.phantoms import Small, small, turned

__all__ = ["SETS", "build"]

SETS: dict[str, Callable[[Path, int, int], None]] = {}


def build(name: str, folder: Path, patients: int = 5, seed: int = 0) -> Path:
    """Lay out a set's miniature in `folder`, which is what its card takes as root; returns the folder.

    Args:
        name: of the card.
        patients: labelled ones (unlabelled ones come on top where the set has them).
        seed: other phantoms.

    Example:
        >>> build("msd", tmp_path / "msd")    # doctest: +SKIP
    """
    SETS[name](folder, patients, 100 + 1000 * seed)
    return folder


def _set(function: Callable[[Path, int, int], None]) -> Callable:
    SETS[function.__name__.lstrip("_")] = function
    return function


@_set
def nih(folder: Path, patients: int, first: int) -> None:
    """DICOM from the archive, labels in their own folder with axes (L, A, I) and no affine; 25 and 70 repeat 2."""
    numbers = [*range(1, patients + 1), 25, 70]
    for number in numbers:
        one = small("A", first + (2 if number in (25, 70) else number))
        name = f"PANCREAS_{number:04d}"
        study = folder / "Pancreas-CT" / name / f"11-24-2015-PANCREAS{number:04d}-Pancreas-{18957 + number}"
        write_series(study / f"Pancreas-{99667 + number}", one, name)
        _placeless(folder / f"TCIA_pancreas_labels-02-05-2017/label{number:04d}.nii.gz", one, zero=number % 2 == 0)


def _placeless(path: Path, one: Small, zero: bool) -> None:
    """A label stored (L, A, I) whose affine says nothing: plain, or all zero."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(turned(one.pancreas.astype(np.uint8), one.affine, "LAI")[0], np.eye(4))
    if zero:
        image.header["sform_code"], image.header["qform_code"] = 1, 0
        for row in ("srow_x", "srow_y", "srow_z"):
            image.header[row] = 0
        image.header["pixdim"][1:4] = 1
        nibabel.save(nibabel.Nifti1Image(image.dataobj, None, image.header), path)
    else:
        nibabel.save(image, path)


def _mac(path: Path) -> None:
    """What a Mac leaves beside a file on other disks."""
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")


def _with_mass(one: Small) -> np.ndarray:
    return np.where(one.mass, 2, one.pancreas).astype(np.uint8)


@_set
def msd(folder: Path, patients: int, first: int) -> None:
    """The Decathlon's layout: dataset.json, tumours as label 2, unlabelled scans, ids with gaps, files of a Mac."""
    task, listed = folder / "Task07_Pancreas", []
    for number in range(patients):
        one, name = small("B", first + number), f"pancreas_{1 + 3 * number:03d}.nii.gz"
        _mac(write_nifti(task / "imagesTr" / name, one.hu, one.affine))
        _mac(write_nifti(task / "labelsTr" / name, _with_mass(one), one.affine))
        listed.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    one = small("B", first + patients)
    _mac(write_nifti(task / "imagesTs/pancreas_003.nii.gz", one.hu, one.affine))
    about = {
        "name": "Pancreas",
        "description": "Pancreas and cancer",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "pancreas", "2": "cancer"},
        "numTraining": patients,
        "numTest": 1,
        "training": listed,
        "test": ["./imagesTs/pancreas_003.nii.gz"],
    }
    (task / "dataset.json").write_text(json.dumps(about, indent=1))


def _values(one: Small, order: str) -> np.ndarray:
    """A label map whose value n is the n-th of the structures named; "-" leaves a value out. Left and right by x."""
    middle = np.arange(one.hu.shape[0])[:, None, None] < one.hu.shape[0] / 2
    parts = {organ.name.lower(): one.organ == organ for organ in Organ}
    parts |= {f"{side}_{name}": parts[name] & (middle == (side == "left"))
              for side in ("left", "right") for name in ("kidney", "adrenal")}  # fmt: skip
    result = np.zeros(one.hu.shape, np.uint8)
    for value, name in enumerate(order.split(), 1):
        if name != "-":
            result[parts[name]] = value
    return result


@_set
def btcv(folder: Path, patients: int, first: int) -> None:
    """RawData with img0001 and label0001, axes (L, A, S), 13 organs; img0061 is for testing and has no label."""
    order = "spleen right_kidney left_kidney gallbladder - liver stomach artery vena_cava vein pancreas"
    for number in range(1, patients + 1):
        one = small("V", first + number)
        training = folder / "RawData/Training"
        write_nifti(training / f"img/img{number:04d}.nii.gz", one.hu, one.affine, "LAS")
        label = _values(one, f"{order} right_adrenal left_adrenal")
        write_nifti(training / f"label/label{number:04d}.nii.gz", label, one.affine, "LAS")
    one = small("V", first + patients + 1)
    write_nifti(folder / "RawData/Testing/img/img0061.nii.gz", one.hu, one.affine, "LAS")


@_set
def amos22(folder: Path, patients: int, first: int) -> None:
    """Training and validation folders, slices of 5 mm, MRI among the CT that only ids from 500 on tell apart."""
    order = "spleen right_kidney left_kidney gallbladder - liver stomach artery vena_cava pancreas right_adrenal"
    for number in range(1, patients + 2):
        one = small("X", first + min(number, patients), (3.0, 3.0, 5.0))
        name, part = f"amos_{number:04d}.nii.gz", "Va" if number == patients else "Tr"
        image = one.hu
        if number > patients:
            name, image = "amos_0507.nii.gz", np.clip(one.hu + 200, 0, 500)
        label = _values(one, f"{order} left_adrenal duodenum bladder")
        write_nifti(folder / f"amos22/images{part}" / name, image, one.affine, "LPS")
        write_nifti(folder / f"amos22/labels{part}" / name, label, one.affine, "LPS")


@_set
def word(folder: Path, patients: int, first: int) -> None:
    """Training, validation and testing folders, 16 organs in the paper's order, axes (L, P, S)."""
    order = "liver spleen left_kidney right_kidney stomach gallbladder - pancreas duodenum bowel - adrenal - bladder"
    for number in range(1, patients + 1):
        one, name = small("W", first + number), f"word_{number:04d}.nii.gz"
        part = {patients: "Ts", patients - 1: "Val"}.get(number, "Tr")
        write_nifti(folder / f"WORD-V0.1.0/images{part}" / name, one.hu, one.affine, "LPS")
        write_nifti(folder / f"WORD-V0.1.0/labels{part}" / name, _values(one, order), one.affine, "LPS")


@_set
def flare22(folder: Path, patients: int, first: int) -> None:
    """Scans of MSD under other names (as in truth) with 13 organs, _0000 in the image's name, and an unlabelled one."""
    order = "liver right_kidney spleen pancreas artery vena_cava right_adrenal left_adrenal gallbladder - stomach"
    for number in range(1, patients + 1):
        one, name = small("B", first + number - 1), f"FLARE22_Tr_{number:04d}"
        label = _values(one, f"{order} duodenum left_kidney")
        write_nifti(folder / f"FLARE22Train/images/{name}_0000.nii.gz", one.hu, one.affine, "LPS")
        write_nifti(folder / f"FLARE22Train/labels/{name}.nii.gz", label, one.affine, "LPS")
    one = small("X", first, (3.0, 3.0, 5.0))
    write_nifti(folder / "FLARE22_UnlabeledCase1-1000/Case_00001_0000.nii.gz", one.hu, one.affine, "LPS")


def _organ_files(folder: Path, one: Small, codes: str, **others: np.ndarray) -> None:
    parts = {name: one.organ == organ for name, organ in (("liver", Organ.LIVER), ("spleen", Organ.SPLEEN))}
    for name, part in {"pancreas": one.pancreas, **parts, **others}.items():
        write_nifti(folder / f"{name}.nii.gz", part.astype(np.uint8), one.affine, codes)


@_set
def totalsegmentator(folder: Path, patients: int, first: int) -> None:
    """A folder for each scan, a file for each structure, also where it is empty: one scan ends below the pancreas."""
    for number in range(patients + 1):
        one = small("C", first + min(number, patients - 1), below=number == patients)
        case = folder / f"s{number:04d}"
        write_nifti(case / "ct.nii.gz", one.hu, one.affine)
        _organ_files(case / "segmentations", one, "RAS")
    (folder / "meta.csv").write_text("image_id;age;gender;split\n" + "s0000;60;m;train\n")


@_set
def abdomenatlas(folder: Path, patients: int, first: int) -> None:
    """Scans of BTCV and MSD under new names (as in truth), a file for each structure and all of them combined."""
    for number in range(1, patients + 1):
        one = small("V", first + number) if number % 2 else small("B", first + number)
        case = folder / f"BDMAP_{number:08d}"
        write_nifti(case / "ct.nii.gz", one.hu, one.affine, "LPS")
        order = "artery gallbladder left_kidney right_kidney liver pancreas vena_cava spleen stomach"
        write_nifti(case / "combined_labels.nii.gz", _values(one, order), one.affine, "LPS")
        _organ_files(case / "segmentations", one, "LPS")


@_set
def pants(folder: Path, patients: int, first: int) -> None:
    """Images and labels apart, axes that differ by case, lesion files that may be empty, parts that overlap."""
    for number in range(1, patients + 1):
        one, name = small("B", first + 20 + number), f"PanTS_{number if number < patients else 9001:08d}"
        part, codes = "Te" if number == patients else "Tr", ("IPL", "LPS", "RAS")[number % 3]
        write_nifti(folder / f"Image{part}" / name / "ct.nii.gz", one.hu, one.affine, codes)
        parts = {f"pancreas_{part}": one.part(part) for part in ("head", "body", "tail")}
        others = {"pancreatic_lesion": one.mass, "pancreatic_duct": one.duct, **parts}
        _organ_files(folder / f"Label{part}" / name / "segmentations", one, codes, **others)


@_set
def panorama(folder: Path, patients: int, first: int) -> None:
    """Batches of scans, NIH's and MSD's among them (as in truth), two studies of one patient, labels in two folders."""
    for number in range(patients + 1):
        source, patient = (("A", first + 1), ("B", first + 1), ("A", first + 31), ("A", first + 32))[min(number, 3)]
        one = small(source, patient + max(0, number - 3))
        name = f"{100000 + min(number, patients - 1)}_{1 + number // patients:05d}"
        write_nifti(folder / f"batch_{1 + number % 4}/{name}_0000.nii.gz", one.hu, one.affine, "LPS")
        label = np.where(one.organ == Organ.VEIN, 2, np.where(one.organ == Organ.ARTERY, 3, one.pancreas * 4))
        label = np.where(one.duct, 5, np.where(one.mass, 1, label)).astype(np.uint8)
        labels = "manual_labels" if one.mass.any() else "automatic_labels"
        write_nifti(folder / f"panorama_labels/{labels}/{name}.nii.gz", label, one.affine, "LPS")


@_set
def chaos(folder: Path, patients: int, first: int) -> None:
    """DICOM without identifiers and, for some, masks of the liver as PNG: nothing says where the pancreas is."""
    for number in (1, 2, 3):
        one, part = small("A", first + 60 + number), "Test" if number == 3 else "Train"
        case = folder / f"CHAOS_{part}_Sets/{part}_Sets/CT/{number}"
        write_series(case / "DICOM_anon", one, "", first="i-0000")
        if part == "Train":
            (case / "Ground").mkdir()
            (case / "Ground/liver_GT_000.png").write_bytes(b"\x89PNG\r\n\x1a\n")

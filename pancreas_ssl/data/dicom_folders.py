"""What folders of DICOM patients hold, for the draft of a card: where patients begin, which series, which labels."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pancreas_ssl.data.dicom_labels import KINDS
from pancreas_ssl.data.series import candidates, has_dicom, is_dicom, why_not
from pancreas_ssl.errors import InputError, require

__all__ = ["cases_in", "describe_patients", "patients_in"]

LOOKED_AT = 20  # patients whose headers are read for a draft


def describe_patients(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Fields of a card for a folder with a sub-folder of DICOM per patient, and what to know, a line each.

    Raises:
        InputError: no such sub-folders.
    """
    root = patients_in(folder)
    patients = cases_in(root)
    require(bool(patients), "sub-folders with DICOM, one for each patient", f"none in {folder}", "name another folder")
    aside, several, damaged, labels = Counter(), [], [], []
    for patient in patients[:LOOKED_AT]:
        labels.append(_labels(patient))
        try:
            found = candidates(patient)
        except InputError:
            damaged.append(patient.name)
            continue
        reasons = [why_not(one) for one in found]
        aside.update(filter(None, reasons))
        several += [patient.name] * (reasons.count("") > 1)
    stem = _common([patient.name for patient in patients])
    pattern = f"{stem}{{id}}/"
    fields: dict[str, Any] = {"title": folder.resolve().name, "root": root, "layout": {"image": [pattern]}}
    fields["label_values"] = {"pancreas": [1]}
    notes = [f"{count} series left aside: {reason}" for reason, count in aside.items()]
    if several:
        fields["series"] = {"prefer": "thinnest"}
        notes.append(f"{len(several)} of the first {min(len(patients), LOOKED_AT)} patients have several series, the "
                     "thinnest is drafted; look at `pancreas-ssl data series`")  # fmt: skip
    if all(len(one) == 1 for one in labels):
        fields["layout"]["label"] = [pattern]
        fields["structures"] = {"1": "pancreas"}
        notes.append("labels are the DICOM SEG or RTSTRUCT in each patient's folder, the structure called pancreas")
    else:
        ids = [patient.name.removeprefix(stem) for patient in patients]
        more, note = _files_beside(folder, root, ids)
        fields["layout"] |= more.pop("layout", {})
        fields |= more
        notes.append(note)
    notes += [f"{len(damaged)} patients have a damaged file: {', '.join(damaged[:5])}"] * bool(damaged)
    return fields, notes


def _files_beside(folder: Path, root: Path, ids: list[str]) -> tuple[dict[str, Any], str]:
    """Fields for NIfTI labels that lie in a folder of their own and are named by the patients' ids."""
    for path in sorted(folder.rglob("*.nii*")):
        before, found, after = path.name.partition(ids[0])
        if not found or path.name[0] == ".":
            continue
        there = sum((path.parent / f"{before}{one}{after}").is_file() for one in ids)
        place = path.parent.relative_to(root) if path.parent.is_relative_to(root) else None
        pattern = f"{before}{{id}}{after}"
        fields: dict[str, Any] = {"layout": {"label": [f"{place.as_posix()}/{pattern}" if place else pattern]}}
        fields |= {"label_root": str(path.parent.resolve())} if place is None else {}
        note = f"{there} labels are drafted from {path.parent.name}"
        if _placeless(path):
            note += "; their affine is plain, so that their image's is taken (label_geometry: data check tells of axes)"
            fields["label_geometry"] = "image"
        return fields, note
    return {}, "no labels are drafted"


def _placeless(path: Path) -> bool:
    """Whether a file's affine says nothing about the patient: zero, or 1 mm along plain axes from the origin."""
    import nibabel

    with suppress(Exception):  # a damaged file is told about when it is read
        header = nibabel.load(path).header
        sides = np.array(header.get_best_affine())
        return not np.linalg.det(sides) or np.allclose(np.abs(sides), np.eye(4))
    return False


def cases_in(folder: Path) -> list[Path]:
    """The sub-folders that hold DICOM, by name."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "." and has_dicom(path)]


def patients_in(folder: Path) -> Path:
    """The folder whose sub-folders are the patients: the folder itself, or one that single sub-folders lead to.

    Example:
        >>> patients_in(Path("export"))    # doctest: +SKIP
        PosixPath('export/manifest-1/Pancreas-CT')
    """
    place = folder
    while len(inside := cases_in(place)) == 1:
        place = inside[0]
    return place if len({_patient(one) for one in inside}) > 1 else folder


def _patient(folder: Path) -> str:
    import pydicom

    first = next(path for path in sorted(folder.rglob("*")) if path.is_file() and is_dicom(path))
    try:
        return str(pydicom.dcmread(first, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID", ""))
    except Exception:  # told about when its headers are read
        return folder.name


def _labels(folder: Path) -> list[Path]:
    """The files of a folder that are SEG or RTSTRUCT."""
    import pydicom

    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with suppress(Exception):  # a damaged file is told about when its header is read
            if is_dicom(path):
                header = pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True)
                found += [path] * (header.get("Modality") in KINDS)
    return found


def _common(names: list[str]) -> str:
    """What all names begin with, digits aside, so that PANCREAS_0001 is the case 0001."""
    first, last = min(names), max(names)
    shared = next((first[:n] for n in range(len(first)) if first[n] != last[n : n + 1]), "") if first != last else ""
    return shared.rstrip("0123456789") if set(shared) and shared.rstrip("0123456789").endswith(("_", "-")) else ""

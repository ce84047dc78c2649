"""One DICOM CT series into an array and an affine, read with pydicom, refusing what would be silently wrong.

The geometry is checked slice by slice: a missing slice or a second series would otherwise become a volume that looks
fine and is not. Positions follow DICOM PS3.3 C.7.6.2: the voxel in column c and row r lies at
`position + c * spacing_c * row_direction + r * spacing_r * column_direction`, in LPS; we negate x and y for RAS.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from pancreas_ssl.data.nifti import check_room
from pancreas_ssl.data.series import candidates, choose, has_dicom
from pancreas_ssl.errors import InputError, require

__all__ = ["affine_of", "has_dicom", "read_series", "series_in_frame", "sorted_series", "sorted_slices"]

_LENGTHS = {"Rows": 1, "Columns": 1, "PixelSpacing": 2, "ImageOrientationPatient": 6, "ImagePositionPatient": 3}
_RESCALE = {"RescaleSlope": 1, "RescaleIntercept": 0}  # what a series without them means
_ONE = {
    "patient": ("PatientID", "PatientName", "PatientBirthDate"),
    "study": ("StudyInstanceUID",),
    "frame of reference": ("FrameOfReferenceUID",),
}
_MOST_PIXELS = 8192  # along a side of a slice


def _numbers(header: Any, tag: str, folder: Path) -> Float[np.ndarray, " N"]:
    """The finite numbers of a tag, as many as the standard asks for."""
    name, value = Path(header.filename).name, header.get(tag)
    length = _LENGTHS.get(tag, 1)
    if value is None or (tag not in ("Rows", "Columns") and np.size(value) == 0):
        raise InputError(f"expected {tag} in every slice, {name} in {folder} lacks it; export the series again")
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=float)).ravel()
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if len(numbers) != length or not np.isfinite(numbers).all():
        words = f"{length} finite number{'s' * (length > 1)} as {tag}"
        raise InputError(f"expected {words}, {name} in {folder} has others; export the series again")
    return numbers


def _checked(headers: list, folder: Path) -> list:
    for what, tags in _ONE.items():
        for tag in tags:
            if (count := len({str(header.get(tag, "")).strip() for header in headers})) > 1:
                found, remedy = f"{folder} mixes {count} ({tag} differs)", "keep the slices of one"
                raise InputError(f"expected slices of one {what}, {found}; {remedy}")
    for header in headers:
        _check_kind(header, Path(header.filename).name, folder)
    if len(headers) < 2:
        raise InputError(f"expected a 3D series, {folder} holds a single DICOM slice; add the others")
    for tag in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        values = np.array([_numbers(h, tag, folder) for h in headers])
        if np.ptp(values, axis=0).max() > 1e-3:
            mixed, remedy = f"{folder} mixes several (a scout among them?)", "keep only the axial slices"
            raise InputError(f"expected one {tag} in all slices, {mixed}; {remedy}")
    for tag in _RESCALE:
        if any(tag in h for h in headers):
            for header in headers:
                _numbers(header, tag, folder)
    first = headers[0]
    sizes = (int(first.Rows), int(first.Columns))
    fine = min(sizes) >= 2 and max(sizes) <= _MOST_PIXELS
    size = f"{sizes[0]} x {sizes[1]} in {folder}"
    require(fine, f"slices of 2 to {_MOST_PIXELS} rows and columns", size, "export the series again")
    spacing = _numbers(first, "PixelSpacing", folder)
    sides = f"{spacing[0]:g} x {spacing[1]:g} in {folder}"
    require(bool(spacing.min() > 0), "a PixelSpacing above 0 mm", sides, "export the series again")
    axes = _numbers(first, "ImageOrientationPatient", folder).reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > 1e-3:
        found = f"the ImageOrientationPatient of {folder} is not"
        raise InputError(f"expected two perpendicular unit vectors, {found}; export the series again")
    check_room(sizes[0] * sizes[1] * len(headers), folder)
    return headers


def _check_kind(header: Any, name: str, folder: Path) -> None:
    """A CT slice with one grey value per pixel."""
    if (modality := str(header.get("Modality", "CT"))) != "CT":
        kind = modality if modality.isalnum() and len(modality) <= 16 else "another one"
        raise InputError(f"expected a CT series, {folder} holds modality {kind} ({name}); choose a CT")
    try:
        frames, samples = int(header.get("NumberOfFrames") or 1), int(header.get("SamplesPerPixel") or 1)
    except (TypeError, ValueError):
        frames, samples = 1, 0
    if frames > 1:
        remedy = "convert it to NIfTI (dcm2niix) first"
        raise InputError(f"expected one slice per DICOM file, {name} is multi-frame; {remedy}")
    if samples != 1 or not str(header.get("PhotometricInterpretation", "MONOCHROME2")).startswith("MONOCHROME"):
        raise InputError(f"expected one grey value per pixel, {name} in {folder} holds colours; choose the CT itself")


def _sorted_along_normal(headers: list, folder: Path) -> list:
    """Slices from one end to the other; uneven steps are an error that says where."""
    row, column = np.split(np.array(headers[0].ImageOrientationPatient, dtype=float), 2)
    normal = np.cross(row, column)
    positions = np.array([_numbers(h, "ImagePositionPatient", folder) for h in headers])
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    headers, positions, steps = [headers[i] for i in order], positions[order], np.diff(heights[order])
    typical = float(np.median(steps))
    names = [Path(header.filename).name for header in headers]
    if steps.min() < 0.01:
        twins = ", ".join(names[np.argmin(steps) :][:2])
        raise InputError(f"expected each slice once, {folder} has two at the same position ({twins}); remove one")
    wide = np.flatnonzero(np.abs(steps - typical) > max(0.05 * typical, 0.02))
    if wide.size:
        missing = int(np.rint(np.maximum(steps[wide] / typical - 1, 0)).sum())
        step = f"a step of {steps[wide[0]]:g} mm between {names[wide[0]]} and {names[wide[0] + 1]}"
        step += f" ({missing} missing in all)" if missing else ""
        raise InputError(f"expected slices every {typical:g} mm, {folder} has {step}; export the whole series again")
    _check_line(positions, names, folder)
    return headers


def _check_line(positions: Float[np.ndarray, "S 3"], names: list[str], folder: Path) -> None:
    """Refuse slices aside of the straight line of the others; medians, so that the stray slice is the one named."""
    half = max(len(positions) // 4 * 2, 1)  # even, so that a zigzag does not tilt the line
    step = np.median(positions[half:] - positions[:-half], axis=0) / half
    away = positions - np.arange(len(positions))[:, None] * step
    away -= np.median(away, axis=0)
    along = step / np.linalg.norm(step)
    aside = np.linalg.norm(away - (away @ along)[:, None] * along, axis=1)
    worst = int(aside.argmax())
    if aside[worst] > max(0.1, 0.01 * float(np.linalg.norm(step))):
        found = f"{names[worst]} in {folder} lies {aside[worst]:.2g} mm aside"
        raise InputError(f"expected slices on one straight line, {found}; export the whole series again")


def sorted_series(folder: str | Path, choice: Any = None) -> list:
    """The headers of a scan's slices, checked, from one end to the other; arguments and errors as `read_series`."""
    folder = Path(folder)
    return sorted_slices(choose(candidates(folder), folder, choice).headers, folder)


def sorted_slices(headers: Iterable, folder: Path) -> list:
    """The headers of one series' slices, checked, from one end to the other; errors as `read_series`."""
    return _sorted_along_normal(_checked(list(headers), folder), folder)


def affine_of(headers: list) -> Float[np.ndarray, "4 4"]:
    """mm in the RAS world of the voxel (column, row, slice) of sorted headers."""
    first, last = headers[0], headers[-1]
    row, column = np.split(np.array(first.ImageOrientationPatient, dtype=float), 2)
    start, end = (np.array(h.ImagePositionPatient, dtype=float) for h in (first, last))
    spacing_r, spacing_c = (float(s) for s in first.PixelSpacing)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * spacing_c, column * spacing_r
    lps[:3, 2], lps[:3, 3] = (end - start) / (len(headers) - 1), start
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def read_series(
    folder: str | Path, choice: Any = None
) -> tuple[Float32[np.ndarray, "C R S"], Float[np.ndarray, "4 4"]]:
    """The one CT series below a folder, as HU (columns, rows, slices) and its affine (mm, RAS world).

    Files that are no DICOM image are passed over. HU = slope * stored + intercept, slice by slice.

    Args:
        folder: of the slices; they may lie in folders below it.
        choice: which of several series, as `cards.Series`. None: the only one that is a volume.

    Raises:
        InputError: no series, several series, patients or studies, another modality, colours, missing, repeated or
            stray slices, tags without finite numbers, unreadable pixels, too large for this machine.
    """
    return series_in_frame(folder, choice)[:2]


def series_in_frame(
    folder: str | Path, choice: Any = None
) -> tuple[Float32[np.ndarray, "C R S"], Float[np.ndarray, "4 4"], str]:
    """As `read_series`, and the UID of the series' frame of reference."""
    folder = Path(folder)
    headers = sorted_series(folder, choice)
    return _pixels(headers, folder), affine_of(headers), str(headers[0].get("FrameOfReferenceUID") or "")


def _pixels(headers: list, folder: Path) -> Float32[np.ndarray, "C R S"]:
    import pydicom

    first = headers[0]
    hu = np.empty((int(first.Columns), int(first.Rows), len(headers)), dtype=np.float32, order="F")
    for index, header in enumerate(headers):
        name = Path(header.filename).name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stored = pydicom.dcmread(header.filename).pixel_array
            if stored.shape != (hu.shape[1], hu.shape[0]):
                raise ValueError("other rows or columns than its header says")
        except Exception as error:
            found = f"those of {name} in {folder} cannot be read ({type(error).__name__})"
            remedy = "the file is truncated, or compressed in a way that needs another pydicom plugin"
            raise InputError(f"expected the pixels of every slice, {found}; {remedy}") from error
        slope, intercept = (float(header.get(tag, usual)) for tag, usual in _RESCALE.items())
        hu[:, :, index] = stored.T * np.float32(slope) + np.float32(intercept)
    return hu

"""One DICOM CT series into an array and an affine, read with pydicom, refusing what would be silently wrong.

The geometry is checked slice by slice: a missing slice or a second series would otherwise become a volume that looks
fine and is not. Positions follow DICOM PS3.3 C.7.6.2: the voxel in column c and row r lies at
`position + c * spacing_c * row_direction + r * spacing_r * column_direction`, in LPS; we negate x and y for RAS.
"""

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from pancreas_ssl.errors import InputError

__all__ = ["has_dicom", "read_series"]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _headers(folder: Path) -> list:
    import pydicom
    from pydicom.errors import InvalidDicomError

    headers = []
    for path in sorted(path for path in _files(folder) if path.name.upper() != "DICOMDIR"):
        with contextlib.suppress(InvalidDicomError, OSError, EOFError):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if "ImagePositionPatient" in header and "Rows" in header:
                headers.append(header)
    return headers


def has_dicom(folder: Path) -> bool:
    """True where one of the first files in or below the folder is a DICOM one (its preamble says so)."""
    for path in islice(_files(folder), 5):
        with open(path, "rb") as handle:
            handle.seek(128)
            if handle.read(4) == b"DICM":
                return True
    return False


def _one_series(headers: list, folder: Path) -> list:
    if not headers:
        remedy = "name the folder with the .dcm files"
        raise InputError(f"expected the slices of a CT series, {folder} holds no DICOM image; {remedy}")
    series: dict[str, list] = {}
    for header in headers:
        series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(header)
    if len(series) > 1:
        firsts = [(len(slices), Path(slices[0].filename).parent.name, slices[0]) for slices in series.values()]
        listed = [f"{n} slices in {name}/ ({h.get('SeriesDescription', 'no description')})" for n, name, h in firsts]
        found, remedy = f"{len(series)}: {', '.join(listed)}", "put the wanted series in a folder of its own"
        raise InputError(f"expected one DICOM series, {folder} holds {found}; {remedy}")
    first = headers[0]
    if str(first.get("Modality", "CT")) != "CT":
        raise InputError(f"expected a CT series, {folder} holds modality {first.Modality}; choose a CT")
    if int(first.get("NumberOfFrames", 1)) > 1:
        name, remedy = Path(first.filename).name, "convert it to NIfTI (dcm2niix) first"
        raise InputError(f"expected one slice per DICOM file, {name} is multi-frame; {remedy}")
    if len(headers) < 2:
        raise InputError(f"expected a 3D series, {folder} holds a single DICOM slice; add the others")
    for tag in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        if any(tag not in h for h in headers):
            raise InputError(f"expected {tag} in every slice, one in {folder} lacks it; export the series again")
        values = np.array([np.atleast_1d(h[tag].value).astype(float) for h in headers])
        if np.ptp(values, axis=0).max() > 1e-3:
            mixed, remedy = f"{folder} mixes several (a scout among them?)", "keep only the axial slices"
            raise InputError(f"expected one {tag} in all slices, {mixed}; {remedy}")
    return headers


def _sorted_along_normal(headers: list, folder: Path) -> list:
    """Slices from one end to the other; uneven steps are an error that says where."""
    row, column = np.split(np.array(headers[0].ImageOrientationPatient, dtype=float), 2)
    normal = np.cross(row, column)
    heights = np.array([np.dot(normal, np.array(h.ImagePositionPatient, dtype=float)) for h in headers])
    order = np.argsort(heights, kind="stable")
    headers, steps = [headers[i] for i in order], np.diff(heights[order])
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
    return headers


def read_series(folder: str | Path) -> tuple[Float32[np.ndarray, "C R S"], Float[np.ndarray, "4 4"]]:
    """The one CT series below a folder, as HU (columns, rows, slices) and its affine (mm, RAS world).

    Files that are no DICOM image are passed over. HU = slope * stored + intercept, slice by slice.

    Raises:
        InputError: no series, several series, another modality, missing or repeated slices, unreadable pixels.
    """
    import pydicom

    folder = Path(folder)
    headers = _sorted_along_normal(_one_series(_headers(folder), folder), folder)
    first, last = headers[0], headers[-1]
    hu = np.empty((int(first.Columns), int(first.Rows), len(headers)), dtype=np.float32, order="F")
    for index, header in enumerate(headers):
        name = Path(header.filename).name
        try:
            stored = pydicom.dcmread(header.filename).pixel_array
        except Exception as error:
            reason = f"cannot read the pixels of {name} in {folder}: {str(error).splitlines()[0]}"
            remedy = "the file is truncated or compressed in a way that needs another pydicom plugin"
            raise InputError(f"{reason}; {remedy}") from error
        slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
        hu[:, :, index] = stored.T * np.float32(slope) + np.float32(intercept)
    row, column = np.split(np.array(first.ImageOrientationPatient, dtype=float), 2)
    start, end = (np.array(h.ImagePositionPatient, dtype=float) for h in (first, last))
    spacing_r, spacing_c = (float(s) for s in first.PixelSpacing)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * spacing_c, column * spacing_r
    lps[:3, 2], lps[:3, 3] = (end - start) / (len(headers) - 1), start
    return hu, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps

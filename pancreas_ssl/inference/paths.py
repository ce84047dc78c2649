"""Scans on disk to masks on disk: one file, one DICOM series, or a folder of them that can be interrupted."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pancreas_ssl.data.dicom import has_dicom
from pancreas_ssl.data.preflight import check_image
from pancreas_ssl.data.reading import read_image, read_label, write_on_original
from pancreas_ssl.devices import describe, resolve_device
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import atomic_path, make_folder
from pancreas_ssl.inference.predict import predict_volume
from pancreas_ssl.inference.scans import NIFTI, case_name, find_scans
from pancreas_ssl.inference.weights import Model, load_weights

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_path"]

TABLE = "predictions.csv"
COLUMNS = ["case", "volume_ml", "seconds", "status", "message", "mask", "weights"]
USUAL_ML = (15.0, 250.0)  # adult pancreases; outside, the mask deserves a look


def predict_path(
    ct: str | Path,
    out: str | Path,
    weights: str | Path | Model = "baseline",
    uncertainty: str | Path | None = None,
    device: str = "auto",
    largest: bool = True,
    *,
    overlap: float = 0.5,
    progress: bool = True,
) -> "pd.DataFrame":
    """Segment a scan or a folder of scans; masks are uint8 NIfTI (1 = pancreas) on each file's own grid.

    A folder may hold NIfTI files, DICOM series in sub-folders, and sub-folders with an `image.nii.gz`; they are
    taken in the order of their names. Each gives `<case>.nii.gz` in `out`, and `predictions.csv` there is rewritten
    after every scan. Called again, it resumes where it stopped: a scan whose mask is there already is skipped,
    unless the table says that other weights or settings made it. A scan that fails is recorded with its reason and
    the others go on.

    Args:
        ct: NIfTI file, folder of one DICOM series, or folder of these.
        out: mask file (.nii.gz, .nii); for a folder of scans, a folder.
        weights: name or file as in `load_weights`, or a model.
        uncertainty: entropy in bits (float32) beside the mask: a file; for a folder of scans, a folder that gets
            `<case>_uncertainty.nii.gz`.
        device, largest, overlap: as in `predict_volume`.
        progress: print the device and a line per scan.

    Returns:
        One row per scan: case, volume_ml, seconds, status (done, skipped, failed), message, mask, weights.

    Raises:
        InputError, RunError: for a single scan, whatever went wrong; for a folder, only what concerns all scans
        (weights, device, output place). Failed scans of a folder are rows: `(table.status == "failed").any()`.

    Example:
        >>> predict_path("scan.nii.gz", "mask.nii.gz", uncertainty="entropy.nii.gz")    # doctest: +SKIP
    """
    ct, out = Path(ct), Path(out)
    uncertainty = Path(uncertainty) if uncertainty is not None else None
    if not ct.exists():
        raise InputError(f"expected a CT at {ct}, there is no such file or folder; check the name")
    resolve_device(device)
    many = ct.is_dir() and not has_dicom(ct)
    scans = find_scans(ct) if many else {case_name(ct): ct}
    many = many and scans != {ct.name: ct}  # a single series in nested folders is one scan
    _check_places(ct, out, uncertainty, many)
    model = weights if isinstance(weights, Model) else load_weights(weights)
    label = weights if isinstance(weights, (str, Path)) else "model"
    made_by = f"{Path(label).name} {model.metadata.get('digest', '')[:12]}".strip()
    made_by += f", overlap {overlap:g}, {'largest part' if largest else 'all parts'}"
    if progress:
        print(f"device: {describe(device)}", flush=True)

    options = {"device": device, "largest": largest, "overlap": overlap}
    if not many:
        row = _segment(case_name(ct), ct, out, uncertainty, model, options) | {"weights": made_by}
        return pd.DataFrame([row], columns=COLUMNS)
    before, rows = _earlier(out / TABLE), []
    for number, (case, scan) in enumerate(scans.items(), 1):
        mask = out / f"{case}.nii.gz"
        entropy = uncertainty / f"{case}_uncertainty.nii.gz" if uncertainty else None
        row = _skip(case, mask, entropy, made_by, before) or _try(case, scan, mask, entropy, model, options)
        rows.append(row | {"weights": made_by})
        todo = [before[name] for name in list(scans)[number:] if name in before]
        _write_table(out / TABLE, rows + todo)
        if progress:
            print(f"{number}/{len(scans)} {case}: {row['status']} {row['message']}".rstrip(), flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def _check_places(ct: Path, out: Path, uncertainty: Path | None, many: bool) -> None:
    """Everything about the output that can be known before the work is done."""
    for place in (out, uncertainty):
        if place is None:
            continue
        if place.resolve() == ct.resolve():
            raise InputError(f"expected another place for the output than the scan {ct}; name a new one")
        if many:
            make_folder(place)
            continue
        if not place.name.lower().endswith(NIFTI):
            raise InputError(f"expected an output file ending in .nii.gz or .nii, got {place}; add the ending")
        if place.is_dir():
            raise InputError(f"expected a file name for the output, {place} is a folder; name a file in it")
        make_folder(place.parent)
    if not many and uncertainty is not None and uncertainty.resolve() == out.resolve():
        raise InputError(f"expected two files for mask and uncertainty, both are {out}; name another for one")


def _segment(
    case: str, scan: Path, mask: Path, entropy: Path | None, model: Model, options: dict[str, Any]
) -> dict[str, Any]:
    """One scan from file to files. The mask comes last: where it is, all is there."""
    start = time.perf_counter()
    volume = read_image(scan)
    check_image(volume)
    prediction = predict_volume(model, volume, **options)
    if entropy is not None:
        # Steps of 2^-12 bits are far below what the map means, and a third of the size when compressed.
        write_on_original(entropy, np.rint(prediction.entropy * 4096) / np.float32(4096), volume)
    try:
        write_on_original(mask, prediction.mask, volume)
    except BaseException:
        if entropy is not None:
            entropy.unlink(missing_ok=True)
        raise
    ml = prediction.volume_ml
    return _row(case, ml, time.perf_counter() - start, "done", _remark(ml), mask)


def _remark(ml: float) -> str:
    if ml == 0:
        return "no pancreas found"
    if not USUAL_ML[0] <= ml <= USUAL_ML[1]:
        return f"{ml:.1f} mL is outside the usual {USUAL_ML[0]:g} to {USUAL_ML[1]:g} mL: look at the mask"
    return ""


def _try(case: str, scan: Path, *others) -> dict[str, Any]:
    """`_segment`, with whatever goes wrong as a row. A stray error keeps its type's name."""
    start = time.perf_counter()
    try:
        return _segment(case, scan, *others)
    except (InputError, RunError) as error:
        message = str(error)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    return _row(case, None, time.perf_counter() - start, "failed", " ".join(message.split()), others[0])


def _skip(case: str, mask: Path, entropy: Path | None, made_by: str, before: dict) -> dict[str, Any] | None:
    """The row of a scan that was done earlier, in the same way; None if it is to be done now."""
    if not mask.is_file() or (entropy is not None and not entropy.is_file()):
        return None
    earlier = before.get(case)
    if earlier is not None:
        if earlier["weights"] != made_by or earlier["status"] == "failed":
            return None
        return earlier | {"status": "skipped", "message": _remark(earlier["volume_ml"])}
    ml = _volume_of(mask)
    return None if ml is None else _row(case, ml, 0.0, "skipped", _remark(ml), mask)


def _volume_of(mask: Path) -> float | None:
    """mL of a mask on disk; None where it cannot be read, so that it is predicted again."""
    try:
        volume = read_label(mask)
    except InputError:
        return None
    return int(np.count_nonzero(volume.array)) * volume.voxel_ml


def _row(case: str, ml: float | None, seconds: float, status: str, message: str, mask: Path) -> dict[str, Any]:
    volume_ml = None if ml is None else round(ml, 3)
    numbers = {"volume_ml": volume_ml, "seconds": round(seconds, 2)}
    return {"case": case, **numbers, "status": status, "message": message, "mask": mask.name}


def _earlier(table: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run by case; none where there is no table or it is not one of ours."""
    if not table.is_file():
        return {}
    try:
        frame = pd.read_csv(table, dtype={"case": str, "message": str, "weights": str}, keep_default_na=False,
                            na_values={"volume_ml": [""], "seconds": [""]})  # fmt: skip
    except (ValueError, OSError):
        return {}
    if list(frame.columns) != COLUMNS:
        return {}
    return {row["case"]: row for row in frame.to_dict("records")}


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)

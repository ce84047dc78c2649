"""The table of all DICOM series below a folder: what there is, and which of them would be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pancreas_ssl.data.cards import Series
from pancreas_ssl.data.dicom import sorted_slices
from pancreas_ssl.data.dicom_folders import cases_in, patients_in
from pancreas_ssl.data.series import Candidate, candidates, choose, is_dicom, why_not
from pancreas_ssl.errors import InputError, require, show_identifiers, without_paths

if TYPE_CHECKING:
    import pandas

__all__ = ["series_table"]

COLUMNS = ("case", "folder", "modality", "slices", "thickness_mm", "step_mm", "spacing_mm", "size", "read", "why")
IDENTIFYING = ("date", "description")


def series_table(root: str | Path, choice: Series | None = None) -> "pandas.DataFrame":
    """One row per series below each case's folder (a sub-folder of `root`; or `root`, if slices lie in it).

    Args:
        root: folder to look through.
        choice: as a card's `series`.

    Returns:
        Case, folder (below the case's), modality, slices, thickness, distance of the slices and pixel spacing (mm),
        rows x columns, `read` (yes or no) and why not. Dates and descriptions follow only where identifiers are shown.

    Raises:
        InputError: no such folder, or no DICOM in it.

    Example:
        >>> series_table("exports", Series(min_slices=40, prefer="thinnest"))    # doctest: +SKIP
    """
    import pandas

    root = Path(root)
    require(root.is_dir(), "a folder with DICOM series", f"{root}, which is none", "name a folder")
    loose = any(path.is_file() and is_dicom(path) for path in root.iterdir())
    cases = [root] if loose else cases_in(patients_in(root))
    require(bool(cases), "DICOM series", f"none in {root}", "name the folder with the cases' folders")
    rows = [row for case in cases for row in _rows(case, choice)]
    columns = (*COLUMNS, *(IDENTIFYING if show_identifiers() else ()))
    return pandas.DataFrame([[row[name] for name in columns] for row in rows], columns=columns)


def _rows(case: Path, choice: Series | None) -> Iterator[dict[str, Any]]:
    try:
        found = candidates(case)
    except InputError as error:
        yield dict.fromkeys((*COLUMNS, *IDENTIFYING), "") | {"case": case.name, "read": "no", "why": _cut(error)}
        return
    chosen, trouble = None, ""
    try:
        chosen = choose(found, case, choice)
        sorted_slices(chosen.headers, case)
    except InputError as error:
        trouble = _cut(error)
    for one in found:
        fine = one is chosen and not trouble
        reason = "" if fine else why_not(one, choice) or trouble or "another one is preferred"
        yield _facts(one, case) | {"read": "yes" if fine else "no", "why": reason}


def _facts(one: Candidate, case: Path) -> dict[str, Any]:
    sides = one.first.get("PixelSpacing") or ()
    return {
        "case": case.name,
        "folder": one.folder.relative_to(case).as_posix(),
        "modality": one.modality,
        "slices": one.slices,
        "thickness_mm": one.thickness or "",
        "step_mm": one.step or "",
        "spacing_mm": " x ".join(f"{float(side):.3g}" for side in sides),
        "size": f"{one.first.get('Rows', '')} x {one.first.get('Columns', '')}",
        "date": str(one.first.get("StudyDate", "")),
        "description": str(one.first.get("SeriesDescription", "")),
    }


def _cut(error: InputError) -> str:
    return without_paths(str(error))

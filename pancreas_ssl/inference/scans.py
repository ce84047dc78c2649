"""Which scans are to be segmented, and what they are called: a file, a series, a folder of cases, a card's cases."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pancreas_ssl.data.access import Root, cases
from pancreas_ssl.data.cards import Limits, Series
from pancreas_ssl.data.dicom_folders import patients_in
from pancreas_ssl.data.nifti import ENDINGS
from pancreas_ssl.data.series import FEWEST, has_dicom, is_dicom
from pancreas_ssl.errors import InputError, require, warn
from pancreas_ssl.files import sha256_of
from pancreas_ssl.manifest import files_of, lines_of

__all__ = ["Scan", "case_name", "find_scans", "scan_digest", "scans_in", "scans_of_card"]


@dataclass(frozen=True)
class Scan:
    """A scan on disk: a NIfTI file or a folder with a DICOM series; `limits` and `series` are those of its card."""

    path: Path
    limits: Limits = Limits()
    series: Series | None = None


def scans_in(ct: Path, out: Path) -> tuple[dict[str, Scan], bool]:
    """The scans that a path means, and whether they are many, so that the output is a folder.

    A folder is one scan if its slices lie in it, or if the output is named as a file and DICOM lies anywhere below it;
    else each of its sub-folders and NIfTI files is a case. Single sub-folders that lead to several patients are passed.

    DICOM SEG that an earlier call has put there are no scans.

    Raises:
        InputError: none, or many where the output is one file.
    """
    if not ct.is_dir():
        return {case_name(ct): Scan(ct)}, False
    one_file = out.name.lower().endswith(ENDINGS)
    ours = lines_of(ct)
    loose = [path for path in ct.iterdir() if path.is_file() and path.name not in ours and is_dicom(path)]
    if len(loose) >= FEWEST or (one_file and has_dicom(ct)):
        return {case_name(ct): Scan(ct)}, False
    try:
        found = {name: Scan(path) for name, path in find_scans(ct).items()}
    except InputError:
        if loose:
            return {case_name(ct): Scan(ct)}, False
        raise
    if len(found) == 1 and not one_file and (deeper := patients_in(ct)) != ct:
        found = {name: Scan(path) for name, path in find_scans(deeper).items()}
    if one_file and len(found) == 1:
        return found, False
    require(not one_file, "a folder for the masks of several scans", f"--out {out}", "name a folder")
    if loose:
        warn(f"{len(loose)} DICOM files lie in {ct} itself, beside the folders of the cases; they are left aside")
    return found, True


def scans_of_card(source: str, root: Root = None) -> dict[str, Scan]:
    """The cases of a card, or of one of its sources, with the card's limits and choice of series; labels or not.

    Raises:
        InputError: as `access.cases`.
    """
    listed = cases(source, root=root)
    ids = [case.id for case in listed]
    several = len(set(ids)) < len(ids)
    names = [case.source.replace("/", "_") + f"_{case.id}" if several else case.id for case in listed]
    scans = [Scan(case.image, case.limits, case.series) for case in listed]
    return dict(zip(names, scans, strict=True))


def find_scans(folder: str | Path) -> dict[str, Path]:
    """Case names and scans directly in a folder, by name: NIfTI files, DICOM sub-folders, `<case>/image.nii.gz`.

    Raises:
        InputError: none found, or two of one name.
    """
    folder, scans = Path(folder), {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if any(name.endswith(".dcm") for name in lines_of(path)):  # DICOM SEG of an earlier call
                continue
            images = [path / f"image{suffix}" for suffix in ENDINGS if (path / f"image{suffix}").is_file()]
            scan = images[0] if images else path if _holds_dicom(path) else None
        else:
            scan = path if path.name.lower().endswith(ENDINGS) else None
        if scan is None:
            continue
        case = case_name(path)
        if case in scans:
            raise InputError(
                f"expected one scan per case name, {scans[case].name} and {path.name} in {folder} are both {case}; "
                f"rename one of them"
            )
        scans[case] = scan
    if not scans:
        raise InputError(
            f"expected a CT or a folder of CTs, {folder} holds no NIfTI file and no DICOM series; name another folder"
        )
    return scans


def _holds_dicom(folder: Path) -> bool:
    return has_dicom(folder) or any(has_dicom(path) for path in sorted(folder.rglob("*")) if path.is_dir())


def case_name(path: Path) -> str:
    """The file's name without its NIfTI ending, or the folder's name.

    Raises:
        InputError: a name with control characters, or one that is no text.
    """
    name = path.resolve().name
    require(name.isprintable(), "a scan's name that is readable text", repr(name), "rename it")
    suffix = next((s for s in ENDINGS if name.lower().endswith(s) and not path.is_dir()), "")
    return name[: len(name) - len(suffix)]


def scan_digest(scan: Path, series: Any = None) -> str:
    """sha256 of a file; of a folder of slices, over the names and contents of its files, by name, and the choice."""
    if not scan.is_dir():
        require(scan.is_file(), f"a CT at {scan}", "a pipe, a device or nothing", "name a file")
        return sha256_of(scan)
    digest = hashlib.sha256(repr(series).encode() if series is not None else b"")
    for path in files_of(scan):
        digest.update(f"{path.relative_to(scan).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()

"""Which scans lie in a folder, and what they are called."""

from pathlib import Path

from pancreas_ssl.data.dicom import has_dicom
from pancreas_ssl.errors import InputError, require

__all__ = ["case_name", "find_scans"]

NIFTI = (".nii.gz", ".nii")


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
            images = [path / f"image{suffix}" for suffix in NIFTI if (path / f"image{suffix}").is_file()]
            scan = images[0] if images else path if _holds_dicom(path) else None
        else:
            scan = path if path.name.lower().endswith(NIFTI) else None
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
    suffix = next((s for s in NIFTI if name.lower().endswith(s) and not path.is_dir()), "")
    return name[: len(name) - len(suffix)]

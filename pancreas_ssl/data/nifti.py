"""NIfTI files opened with care: what the header promises is checked before memory is asked for a single voxel."""

import contextlib
import math
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Float, Num, Shaped
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor

from pancreas_ssl.data.volume import same_grid
from pancreas_ssl.errors import InputError, require

__all__ = ["ENDINGS", "check_room", "forms_disagree", "memory_forecast", "nifti_image", "nifti_on_grid", "nifti_voxels"]

ENDINGS = (".nii.gz", ".nii")
MOST_VOXELS = 2**31
BASE, BYTES_A_VOXEL = 5e8, 12.0  # memory of a process, measured on 512 x 512 x 300 voxels: at most 1.3 GB
_SQUEEZED = {".gz": 1100, ".bz2": 1 << 40, ".zst": 1 << 40}  # deflate makes at most 1032 bytes out of one
_GEOMETRY = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
             "srow_x", "srow_y", "srow_z")  # fmt: skip


def check_room(voxels: int, path: Path) -> None:
    """Refuse an image that could not be held in memory as float32.

    Raises:
        InputError: more than 2**31 voxels, or more than the free memory.
    """
    import psutil

    needed, free = voxels * 4, psutil.virtual_memory().available
    require(voxels <= MOST_VOXELS, f"at most {MOST_VOXELS} voxels", f"{voxels} in {path}", "crop or resample the scan")
    sizes = f"{path}, which would need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    require(needed <= free, "an image that fits into memory", sizes, "crop or resample the scan")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def nifti_image(path: Path, placed: bool = True) -> nibabel.Nifti1Pair:
    """Open a NIfTI file whose header can be trusted; no voxel is read.

    Args:
        placed: False where the place and size of voxels is not taken from this file, so that nothing is asked of them.

    Raises:
        InputError: missing, no NIfTI, a damaged header, not one 3D image of one number per voxel, a unit other than mm,
            an affine that cannot be inverted, fewer bytes than the header promises, too large for this machine.
    """
    if path.suffix.lower() in {".dcm", ".ima"}:
        raise InputError(f"expected a NIfTI file or a DICOM folder, {path} is one DICOM slice; name its folder")
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"expected a CT at {path}, it is a folder, a pipe or a device; name a file")
    try:
        with LoggingOutputSuppressor():  # what nibabel mends in a header is checked below
            image = nibabel.load(path)
    except FileNotFoundError as error:
        raise InputError(f"expected a CT at {path}, there is no such file; check the name") from error
    except (ImageFileError, OSError, EOFError) as error:
        kinds, remedy = "a NIfTI file (.nii, .nii.gz) or a DICOM folder", "convert it or name another file"
        raise InputError(f"expected {kinds}, {path} is neither; {remedy}") from error
    except Exception as error:
        raise _damaged(path, _reason(error)) from error
    if not isinstance(image, nibabel.Nifti1Pair):
        raise InputError(f"expected a NIfTI file (.nii, .nii.gz), {path} is {type(image).__name__}; convert it")
    try:
        _check_header(image, path, placed)
    except InputError:
        raise
    except Exception as error:
        raise _damaged(path, _reason(error)) from error
    return image


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"expected a readable NIfTI header, that of {path} is damaged ({reason}); export it again")


def _check_header(image: nibabel.Nifti1Pair, path: Path, placed: bool) -> None:
    kind = image.get_data_dtype()
    if kind.fields or kind.kind not in "biuf":
        raise InputError(f"expected one number per voxel, {path} holds {kind}; export it as HU")
    shape = tuple(int(n) for n in image.shape)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape[:3], default=0) < 2:
        size = "x".join(map(str, shape))
        raise InputError(f"expected a 3D image, {path} is {len(shape)}D ({size}); pass one 3D volume")
    if placed:
        _check_geometry(image, path)
    count = int(np.prod(shape, dtype=object))
    promised = int(image.dataobj.offset) + count * kind.itemsize
    source = Path(image.file_map["image"].filename)
    most = source.stat().st_size * _SQUEEZED.get(source.suffix.lower(), 1)
    if promised > most:
        remedy = "copy or download it again"
        raise InputError(f"expected {count} voxels, {path} ends early or is damaged; {remedy}")
    check_room(count, path)


def _check_geometry(image: nibabel.Nifti1Pair, path: Path) -> None:
    unit = {0: "mm", 1: "metres", 2: "mm", 3: "micrometres"}.get(int(image.header["xyzt_units"]) & 7, "an unknown unit")
    if unit != "mm":
        raise InputError(f"expected mm as the unit of length, the header of {path} says {unit}; convert it to mm")
    affine = np.asarray(image.affine, dtype=float)
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not sides.all() or abs(np.linalg.det(affine[:3, :3] / sides)) < 1e-6:
        raise InputError(f"expected an affine that can be inverted, {path} has none; repair its header")
    if not int(image.header["sform_code"]):  # then nibabel takes pixdim, and puts 1 mm where it is 0
        with image.file_map.get("header", image.file_map["image"]).get_prepare_fileobj("rb") as handle:
            pixdim = type(image.header).from_fileobj(handle, check=False)["pixdim"][1:4]
        sizes = " x ".join(f"{float(side):g}" for side in pixdim)
        require(bool((pixdim > 0).all()), "voxel sides above 0 mm", f"{sizes} in {path}", "repair its header")


def nifti_voxels(image: nibabel.Nifti1Pair, path: Path, dtype=None) -> Num[np.ndarray, "I J K"]:
    """The voxels of an opened image, scaled as its header says, without a fourth axis."""
    try:
        with np.errstate(all="ignore"):
            array = np.asarray(image.dataobj, dtype=dtype)
    except Exception as error:
        size, remedy = np.prod(image.shape), "copy or download it again"
        raise InputError(f"expected {size} voxels, {path} ends early or is damaged; {remedy}") from error
    return array.reshape(image.shape[:3], order="F")


def forms_disagree(header) -> bool:
    """Whether sform and qform are both set and lead a corner to places more than 0.1 voxel apart."""
    if header is None or not (int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0):
        return False
    shape = header.get_data_shape()[:3]
    try:
        return not same_grid(shape, header.get_sform(), shape, header.get_qform(), 0.1)
    except Exception:  # a qform that is no rotation
        return True


def nifti_on_grid(array: Shaped[np.ndarray, "I J K"], affine: Float[np.ndarray, "4 4"], header) -> nibabel.Nifti1Pair:
    """An image with a fresh header: of the file's own (None for DICOM) only the geometry is taken, no text at all."""
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    if header is None:
        image = kind(array, affine)
        image.set_qform(affine, code=1)
        image.set_sform(affine, code=1)
        image.header.set_xyzt_units("mm")
    else:
        fresh = kind.header_class()
        fresh.set_data_shape(array.shape)
        for name in _GEOMETRY:
            fresh[name] = header[name]
        fresh["pixdim"][:4], fresh["xyzt_units"] = header["pixdim"][:4], int(header["xyzt_units"]) & 7
        image = kind(array, affine, fresh)
    image.set_data_dtype(array.dtype)
    image.header.set_slope_inter(1, 0)
    return image


def memory_forecast(scans: Iterable[Path]) -> float:
    """Bytes that a process needs to read and check, prepare or segment the largest of these scans, by their headers.

    A folder of slices counts as a usual CT: 512 x 512 x 300 voxels, as does anything smaller.
    """
    found = [512 * 512 * 300]
    for path in scans:
        with contextlib.suppress(Exception):  # a file that cannot be read fails in its turn
            found.append(math.prod(nibabel.load(path).shape) if path.is_file() else 0)
    return BASE + BYTES_A_VOXEL * max(found)

"""Files into volumes (RAS+, HU) and volumes back onto the file's own grid.

NIfTI through `nifti.py`, DICOM series through `dicom.py`. Axes are permuted and flipped to the closest RAS, never
interpolated, so writing back is exact for every orientation and for oblique scans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Num, Shaped, UInt8
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from pancreas_ssl.data.dicom import series_in_frame
from pancreas_ssl.data.dicom_labels import PANCREAS, is_dicom_label, read_structures
from pancreas_ssl.data.nifti import ENDINGS, nifti_image, nifti_on_grid, nifti_voxels
from pancreas_ssl.data.volume import Original, Volume, same_grid
from pancreas_ssl.errors import InputError, require
from pancreas_ssl.files import atomic_path

__all__ = ["distinct_values", "grid_difference", "read_image", "read_label", "read_organs", "write_on_original"]

_STORED = {"bool": np.uint8, "float16": np.float32, "float64": np.float32, "int64": np.int32}  # what NIfTI takes


def _to_ras(array: Num[np.ndarray, "I J K"], original: Original) -> Volume:
    """Permute and flip to the closest RAS; memory keeps its order, so a large scan is copied at most once."""
    orientation = io_orientation(original.affine)
    turned = apply_orientation(array, orientation)
    affine = original.affine @ inv_ornt_aff(orientation, array.shape)
    if any(stride < 0 for stride in turned.strides):
        turned = np.array(turned, order="K", copy=True)
    return Volume(turned, affine, original)


def _original(image: nibabel.Nifti1Image, path: Path) -> Original:
    header, affine = image.header, np.asarray(image.affine, dtype=float)
    oriented = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    shape = tuple(int(n) for n in image.shape[:3])
    return Original(shape, affine, aff2axcodes(affine), header.copy(), oriented, str(path))


def read_image(path: str | Path, series: Any = None) -> Volume:
    """Read a CT (NIfTI file or DICOM folder) as float32 HU with RAS+ axes.

    Of several DICOM series, `series` of a card chooses one. A 4D file with a single last entry counts as 3D. Whether
    the values look like HU is checked by `preflight`.

    Raises:
        InputError: as `nifti_image`, NaN or infinite voxels, faulty DICOM series.

    Example:
        >>> read_image("case/image.nii.gz").spacing    # doctest: +SKIP
        (3.0, 3.0, 3.0)
    """
    path = Path(path)
    if path.is_dir():
        array, affine, frame = series_in_frame(path, series)
        original = Original(array.shape, affine, aff2axcodes(affine), None, True, str(path), frame)
    else:
        image = nifti_image(path)
        array, original = nifti_voxels(image, path, np.float32), _original(image, path)
    finite = np.isfinite(array)
    if not finite.all():
        count = int(array.size - np.count_nonzero(finite))
        raise InputError(f"expected finite HU, {path} has {count} NaN or infinite voxels; fill them with -1024")
    return _to_ras(array, original)


def distinct_values(array: Num[np.ndarray, "..."]) -> Num[np.ndarray, " N"]:
    """The values that occur, in ascending order; counted for bytes, which is far quicker than sorting them."""
    if array.dtype == np.uint8:
        return np.flatnonzero(np.bincount(array.ravel(order="K"), minlength=1))
    return np.unique(array)


def read_label(
    path: str | Path | Sequence[tuple[int, Path]],
    values: tuple[int, ...] = (1,),
    like: Volume | None = None,
    *,
    known: tuple[int, ...] | None = None,
    empty_ok: bool = True,
    placed_as_image: bool = False,
    axes: str | None = None,
    other_grid: bool = False,
    structures: Mapping[int, str] | None = None,
) -> Volume:
    """Read a segmentation as uint8: 1 where the file has one of `values`, else 0; RAS+ axes.

    Args:
        path: a file; or (value, file) of each structure, which are joined: a later one covers an earlier one.
        like: the image it belongs to: their grids must agree (compared after turning both to RAS, so a label stored
            in another orientation is fine).
        known: all values the data card names; others are an error, so that a renumbered label map can't pass.
        empty_ok: False (training) refuses a label without any of `values`.
        placed_as_image: take the voxels alone, turned to RAS, and the affine of `like`, whose shape they must have.
        axes: codes of the stored axes, such as LAI, for `placed_as_image`; else the file's own, or those of `like`.
        other_grid: let a grid pass that is not that of `like`.
        structures: of a DICOM SEG or RTSTRUCT, the name that stands for a value, as in `read_structures`.

    Raises:
        InputError: as `read_image`, and values that are not whole, negative or unknown, another grid, an empty label.
    """
    joined = [(None, Path(path))] if isinstance(path, str | Path) else list(path)
    path, dicom = joined[0][1], len(joined) == 1 and is_dicom_label(joined[0][1])
    if dicom:
        require(like is not None, f"the image of the DICOM label {path}", "none", "name it, or convert the label")
        named = structures or {values[0]: PANCREAS}
        image, array = None, read_structures(path, like.original, named)
    else:
        image, array = _joined(joined, placed=not placed_as_image)
    if known is not None:
        strange = sorted({int(value) for value in distinct_values(array)} - {0, *known, *values})
        if strange:
            some, remedy = ", ".join(map(str, strange[:8])), "name them under label_values in the card"
            raise InputError(f"expected the label values of the data card, {path} also holds {some}; {remedy}")
    mask = (np.isin(array, values) if len(values) > 1 else array == values[0]).view(np.uint8)
    if dicom:
        volume = _to_ras(mask, replace(like.original, path=str(path)))
    elif placed_as_image:
        volume = _placed_as(like, mask, image, axes, path)
    else:
        volume = _on_grid(_to_ras(mask, _original(image, path)), None if other_grid else like)
    if not empty_ok and not volume.array.any():
        wanted = " or ".join(map(str, values))
        raise InputError(f"expected a pancreas (label value {wanted}), {path} holds none; check label_values")
    return volume


def _joined(files: Sequence[tuple[int | None, Path]], placed: bool) -> tuple[nibabel.Nifti1Pair, np.ndarray]:
    """The first file's image, and the voxels: its own, or of several files each one's value where it is not 0."""
    image, array = _whole_numbers(files[0][1], placed)
    if files[0][0] is None:
        return image, array
    whole = np.where(array > 0, np.uint8(files[0][0]), np.uint8(0))
    for value, path in files[1:]:
        other, array = _whole_numbers(path, placed)
        fits = same_grid(image.shape[:3], image.affine, other.shape[:3], other.affine)
        first = f"{path} and {files[0][1]} differ"
        require(fits, "the files of one label on one grid", first, "resample them to the image")
        whole[array > 0] = value
    return image, whole


def _placed_as(like: Volume, mask: UInt8[np.ndarray, "I J K"], image, axes: str | None, path: Path) -> Volume:
    """A mask whose file says nothing about its place, on the grid of its image."""
    with np.errstate(all="ignore"):
        sides = np.abs(np.linalg.det(np.nan_to_num(np.asarray(image.affine, float))[:3, :3]))
    codes = axes or (aff2axcodes(image.affine) if sides > 1e-9 else like.original.orientation)
    turned = np.ascontiguousarray(apply_orientation(mask, axcodes2ornt(tuple(codes))))
    shapes = f"{turned.shape} where its image has {like.shape}"
    remedy = "see label_axes in the card, or bring the label on the image's grid"
    require(turned.shape == like.shape, f"the shape of the image in {path}", shapes, remedy)
    original = Original(mask.shape, like.affine, tuple(codes), None, True, str(path))
    return Volume(turned, like.affine, original)


def _whole_numbers(path: Path, placed: bool = True) -> tuple[nibabel.Nifti1Pair, Num[np.ndarray, "I J K"]]:
    """A label file and its voxels, which must be whole numbers."""
    if path.is_dir():
        raise InputError(f"expected a label file (.nii, .nii.gz), {path} is a folder; name the file")
    image = nifti_image(path, placed)
    array = nifti_voxels(image, path)
    if array.dtype.kind == "f":
        if strange := int(np.count_nonzero(~np.isfinite(array))):
            raise InputError(f"expected whole numbers in a label, {path} has {strange} NaN or infinite voxels; use 0")
        whole = np.rint(array)
        if np.abs(whole - array).max(initial=0) > 1e-4:  # files with a slope of 1.00000006 are in use
            raise InputError(f"expected whole numbers in a label, {path} has fractions; is it a probability map?")
        array = whole
    if array.min() < 0:
        raise InputError(f"expected label values of 0 and above, {path} holds {array.min():g}; renumber them")
    return image, array


def read_organs(path: str | Path, like: Volume | None = None) -> Volume:
    """Read a map of organs as it is, uint8 with RAS+ axes; `like` as in `read_label`.

    Raises:
        InputError: as `read_label`, and values outside 0..255.
    """
    path = Path(path)
    image, array = _whole_numbers(path)
    if array.size and (array.min() < 0 or array.max() > 255):
        span = f"{array.min():g} to {array.max():g}"
        raise InputError(f"expected organ numbers of 0 to 255, {path} holds {span}; renumber them")
    return _on_grid(_to_ras(array.astype(np.uint8), _original(image, path)), like)


def _on_grid(volume: Volume, like: Volume | None) -> Volume:
    if like is not None and (difference := grid_difference(volume, like)):
        raise InputError(difference)
    return volume


def grid_difference(label: Volume, image: Volume) -> str | None:
    """A sentence on how two grids differ in shape, spacing or place; None where they agree."""
    if same_grid(label.shape, label.affine, image.shape, image.affine):
        return None
    what, ours, theirs = "shape", label.shape, image.shape
    if label.shape == image.shape:
        what, ours, theirs = "spacing", label.spacing, image.spacing
    if ours == theirs:
        what = "origin"
        ours, theirs = (tuple(np.round(v.affine[:3, 3], 1).tolist()) for v in (label, image))
    if ours == theirs:
        what = "axes"
        ours, theirs = (np.round(v.affine[:3, :3], 3).tolist() for v in (label, image))
    name, other = (v.original.path if v.original else "" for v in (label, image))
    found = f"{name or 'the label'} has {what} {ours} where {other or 'its image'} has {theirs}"
    return f"expected the label on the image's grid, {found}; resample it to the image"


def write_on_original(
    path: str | Path, array: Shaped[np.ndarray, "X Y Z"], like: Volume, about: Mapping[str, Any] | None = None
) -> Path:
    """Write an array of `like`'s RAS grid as NIfTI with the shape, axes and affine of the file `like` was read from.

    The number type is kept as given (bool becomes uint8, float64 float32); of the file's header only the geometry is.
    The file appears whole or not at all.
    `about` are facts for the manifest of its folder, as in `files.atomic_path`.

    Raises:
        InputError: the array is not on `like`'s grid, or `path` cannot be written there.
    """
    path, array = Path(path), np.asarray(array)
    if tuple(array.shape) != like.shape:
        raise InputError(f"expected an array of shape {like.shape}, it has {array.shape}; bring it to that grid first")
    if not path.name.lower().endswith(ENDINGS):
        raise InputError(f"expected an output name ending in .nii.gz or .nii, it is {path.name}; rename it")
    array = array.astype(_STORED.get(array.dtype.name, array.dtype), copy=False)
    affine, header = like.affine, None
    if like.original is not None:
        affine, header = like.original.affine, like.original.header
        array = apply_orientation(array, ornt_transform(axcodes2ornt("RAS"), io_orientation(affine)))
    with atomic_path(path, about) as temporary:
        nibabel.save(nifti_on_grid(array, affine, header), temporary)
    return path

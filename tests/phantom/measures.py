"""What can be measured on a pancreas mask and around it (volume, thickness, contact), and a digest of voxels."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.tissues import Organ, Tissue

FATS = (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)


class Shape(NamedTuple):
    """Measures of one mask: mL, mm, per mm. `largest_piece` is a share of the volume (pieces join over faces)."""

    volume_ml: float
    box_mm: tuple[float, float, float]
    thickness_mm: float
    surface_per_volume: float
    largest_piece: float


def _crop(mask: Bool[np.ndarray, "X Y Z"], margin: int) -> tuple[slice, ...]:
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        raise InputError("expected a mask with at least one voxel inside, got an empty one; is the organ in the scan?")
    return tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in found[0])


def measure_shape(mask: Bool[np.ndarray, "X Y Z"], spacing: tuple[float, float, float]) -> Shape:
    """Volume, bounding box, thickness, surface per volume and wholeness of a mask.

    - Surface: area of the marching-cubes mesh of the mask at level 0.5 (`skimage.measure.mesh_surface_area`), in mm^2,
      over the volume in mm^3.
    - Thickness: mean of `2 d - h` over the medial skeleton (`skimage.morphology.skeletonize`), d the distance (mm)
      from a voxel's middle to the nearest voxel outside, h the mean spacing: twice the distance to the voxel edges.

    Args:
        mask: True inside. spacing: voxel sides in mm.

    Raises:
        InputError: the mask is empty.

    Example:
        >>> ball = np.hypot.reduce(np.ogrid[-9:10, -9:10, -9:10]) < 8   # doctest: +SKIP
        >>> measure_shape(ball, (1, 1, 1)).volume_ml                    # doctest: +SKIP
        2.1
    """
    from skimage.measure import marching_cubes, mesh_surface_area
    from skimage.morphology import skeletonize

    box = mask[_crop(mask, 0)]
    padded = np.pad(box, 2)
    volume = float(box.sum() * np.prod(spacing))
    vertices, faces, *_ = marching_cubes(padded.astype(np.float32), 0.5, spacing=tuple(spacing))
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    skeleton = skeletonize(padded) > 0
    parts, _ = ndimage.label(box)
    return Shape(
        volume_ml=volume / 1000,
        box_mm=tuple(float(n * h) for n, h in zip(box.shape, spacing, strict=True)),
        thickness_mm=float((2 * depth[skeleton] - np.mean(spacing)).mean()),
        surface_per_volume=float(mesh_surface_area(vertices, faces)) / volume,
        largest_piece=float(np.bincount(parts.ravel())[1:].max() / box.sum()),
    )


def contact_shares(tissue: UInt8[np.ndarray, "X Y Z"], organ: UInt8[np.ndarray, "X Y Z"]) -> dict[str, float]:
    """What the pancreas touches: shares of the voxels that share a face with it from outside.

    `soft` is the share that is anything but fat; every organ that occurs among it has its own entry by its name in
    lower case (`bowel`, `vein`, ...; `background` is unnamed soft tissue, like a muscle). The rest, to one, is fat.
    """
    mask = organ == Organ.PANCREAS
    crop = _crop(mask, 1)
    inside, tissue, organ = mask[crop], tissue[crop], organ[crop]
    shell = ndimage.binary_dilation(inside) & ~inside
    soft = ~np.isin(tissue[shell], FATS)
    counts = np.bincount(organ[shell][soft], minlength=len(Organ)) / max(int(shell.sum()), 1)
    return {"soft": float(soft.mean())} | {o.name.lower(): float(counts[o]) for o in Organ if counts[o] > 0}


def voxel_digest(arrays: np.ndarray | Iterable[np.ndarray] | Mapping[str, np.ndarray]) -> str:
    """sha256 (hex) over voxels with their shape and type, independent of file headers and compression.

    Example:
        >>> voxel_digest([np.zeros((2, 2, 2), np.uint8)])[:8]
        '6c3c6fa4'
    """
    if isinstance(arrays, Mapping):
        arrays = [arrays[key] for key in sorted(arrays)]
    elif isinstance(arrays, np.ndarray):
        arrays = [arrays]
    digest = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        digest.update(f"{array.dtype.newbyteorder('<').str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()

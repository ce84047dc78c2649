"""The label's own structure: its bounding box, the distance to its surface, its medial line, its regions.

All of it needs the label, so it exists in training and for looking at a labelled case, never at test time.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, Shaped
from scipy import ndimage
from torch import Tensor

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.regions import body_mask, training_regions

__all__ = ["bounding_box", "label_regions", "medial_skeleton", "signed_distance"]


def bounding_box(mask: Bool[np.ndarray, "X Y Z"], margin: int = 0) -> tuple[slice, slice, slice] | None:
    """Smallest box around the True voxels, grown by `margin` voxels within the array; None for an empty mask.

    Example:
        >>> mask = np.zeros((5, 5, 5), bool); mask[1:3, 2, 4] = True
        >>> bounding_box(mask)
        (slice(1, 3, None), slice(2, 3, None), slice(4, 5, None))
    """
    plane = mask.any(axis=2)
    profiles = [plane.any(axis=1), plane.any(axis=0)]
    if not profiles[0].any():
        return None
    inside = tuple(_span(profile, margin) for profile in profiles)
    return (*inside, _span(mask[inside].any(axis=(0, 1)), margin))


def _span(profile: Bool[np.ndarray, " N"], margin: int) -> slice:
    hits = np.flatnonzero(profile)
    return slice(max(int(hits[0]) - margin, 0), min(int(hits[-1]) + 1 + margin, len(profile)))


def signed_distance(
    label: "Shaped[np.ndarray, 'X Y Z'] | Shaped[Tensor, 'X Y Z']",
    spacing: tuple[float, float, float],
    *,
    limit_mm: float = 30.0,
) -> Float32[np.ndarray, "X Y Z"]:
    r"""Distance in mm from each voxel's centre to the label's surface, negative inside, clipped to +- `limit_mm`.

    The surface is that of the label's voxels, taken as boxes: it lies midway between the centres of a label voxel and
    its neighbour, which get -h / 2 and +h / 2 (h: their distance along that axis). No voxel has phi = 0, and swapping
    label and background swaps the sign. For a voxel k_i steps of h_i mm away the box lies at
    \sum_i ((|k_i| - 1/2)_+ h_i)^2; phi^2 is the least of these over all voxels of the other side. It is a sum over
    axes, so it is found exactly by one pass per axis, within the limit and the label's box only.

    The edge of the volume is no surface: a label that runs out of the volume is not thin there.

    Args:
        label: inside where not 0.
        spacing: voxel sides in mm, X, Y, Z.
        limit_mm: farther than this all voxels are alike.

    Returns:
        float32; an empty label gives +limit everywhere, a full one -limit.

    Raises:
        InputError: not three axes, a spacing or limit that is not positive.

    Example:
        >>> label = np.zeros((6, 1, 1)); label[:3] = 1
        >>> signed_distance(label, (2, 2, 2)).ravel().tolist()
        [-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]
    """
    inside = _binary(label)
    sides = np.asarray(spacing, float)
    if sides.shape != (3,) or not (np.isfinite(sides).all() and sides.min() > 0 and 0 < limit_mm < np.inf):
        raise InputError(
            f"expected three voxel sides and a limit above 0 mm, got {spacing} and {limit_mm}; pass the case's spacing"
        )
    distance = np.full(inside.shape, limit_mm, np.float32)
    tight = bounding_box(inside, margin=1)
    if tight is None:
        return distance
    reach = np.ceil(limit_mm / sides).astype(int) + 1
    wide = tuple(
        slice(max(part.start - int(more), 0), part.stop + int(more)) for part, more in zip(tight, reach, strict=True)
    )
    distance[wide] = _to_boxes(inside[wide], sides, limit_mm)
    within = _to_boxes(~inside[tight], sides, limit_mm)
    distance[tight] = np.where(inside[tight], -within, distance[tight])
    return distance


def _to_boxes(
    target: Bool[np.ndarray, "X Y Z"], sides: Float[np.ndarray, "3"], limit: float
) -> Float32[np.ndarray, "X Y Z"]:
    """mm from each centre to the nearest of the target's voxel boxes (0 in a target voxel), at most `limit`."""
    squared = np.where(target, 0, limit**2).astype(np.float32)
    for axis, side in enumerate(sides):
        # The axis first: a step along it then moves whole blocks of memory.
        before = np.ascontiguousarray(np.moveaxis(squared, axis, 0))
        after = before.copy()
        for step in range(1, len(before)):
            added = np.float32(((step - 0.5) * side) ** 2)
            if added >= limit**2:
                break
            np.minimum(after[step:], before[:-step] + added, out=after[step:])
            np.minimum(after[:-step], before[step:] + added, out=after[:-step])
        squared = np.moveaxis(after, 0, axis)
    return np.sqrt(squared)


def medial_skeleton(label: "Shaped[np.ndarray, 'X Y Z'] | Shaped[Tensor, 'X Y Z']") -> Bool[np.ndarray, "X Y Z"]:
    """The label's medial line, one voxel thin, part of the label; empty only where the label is.

    Thinning keeps it connected as the label is (Lee et al. 1994, scikit-image). Where thinning leaves nothing (some
    small blocks), the voxel deepest inside is taken instead.

    Args:
        label: inside where not 0.

    Raises:
        InputError: not three axes.

    Example:
        >>> rod = np.zeros((20, 7, 7)); rod[2:18, 2:5, 2:5] = 1
        >>> line = medial_skeleton(rod)
        >>> bool(line[10, 3, 3]), int(line[10].sum())
        (True, 1)
    """
    inside = _binary(label)
    skeleton = np.zeros_like(inside)
    box = bounding_box(inside)
    if box is None:
        return skeleton
    from skimage.morphology import skeletonize

    padded = np.pad(inside[box], 1)
    thinned = (skeletonize(padded, method="lee") != 0) & padded
    if not thinned.any():
        thinned.flat[ndimage.distance_transform_edt(padded).argmax()] = True
    skeleton[box] = thinned[1:-1, 1:-1, 1:-1]
    return skeleton


def _binary(label: Any) -> Bool[np.ndarray, "X Y Z"]:
    array = label.numpy(force=True) if isinstance(label, Tensor) else np.asarray(label)
    if array.ndim != 3:
        raise InputError(f"expected a label (X, Y, Z), got {array.shape}; drop the channel axis")
    return array != 0


def label_regions(
    label: Shaped[np.ndarray, "X Y Z"],
    image: Float[np.ndarray, "X Y Z"],
    spacing: tuple[float, float, float],
    model_map: Float[Tensor, "X Y Z"] | None = None,
    distance: Float[np.ndarray, "X Y Z"] | None = None,
    medial: bool = True,
    **how,
) -> tuple[Int64[Tensor, "X Y Z"], Float32[Tensor, "X Y Z"]]:
    """Regions of a labelled case and the U that they were cut by, as `training_regions` makes them in training.

    Args:
        label: pancreas where not 0.
        image: prepared, in [-1, 1]; shows where the body is.
        spacing: voxel sides in mm.
        model_map: U_m, a model's map on the same grid; None: U is the structural map alone.
        distance: mm to the label's surface, where the label is cut off; by default computed from it.
        medial: keep the medial line in the core.
        how: `s_mm`, `a`, `tau`, `predicted` of `training_regions`.

    Example:
        >>> label = np.zeros((12, 12, 12)); label[4:8, 4:8, 4:8] = 1
        >>> codes, u = label_regions(label, np.zeros((12, 12, 12), np.float32), (3, 3, 3))
        >>> codes.unique().tolist()
        [1, 2, 3, 4, 5]
    """
    inside = np.ascontiguousarray(np.asarray(label) != 0)
    distance = signed_distance(inside, spacing) if distance is None else distance
    body = body_mask(torch.from_numpy(np.ascontiguousarray(image, np.float32)))
    maps = torch.from_numpy(inside), torch.from_numpy(distance), model_map, body
    line = torch.from_numpy(medial_skeleton(inside)) if medial else None
    return training_regions(*maps, medial=line, **how)

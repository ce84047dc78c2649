"""Uncertainty from the label's own shape: it is highest at the surface, where partial volume and readers blur it.

    U_s = exp(-phi^2 / (2 s^2))          phi: signed distance to the label's surface, mm
    U   = 1 - (1 - U_s)(1 - a U_m)       U_m: what a model doubts; a: faded in

The product is that of two chances to be sure: either doubt alone is enough to make a voxel uncertain. An average would
let a rim vanish as soon as the model is confident of it.

U_s needs the label, so it exists in training only. At test time only U_m is left (`maps`, `members`).

Source: the paper (arXiv:2505.07165), of which only the abstract is at hand, speaks of high-uncertainty regions without
a formula; both formulas are this toolkit's choice.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from torch import Tensor

from pancreas_ssl.errors import InputError

__all__ = ["medial_skeleton", "ramp", "signed_distance", "structural_map", "training_map"]


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
    from pancreas_ssl.evaluation.components import bounding_box

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
        slice(max(part.start - int(more), 0), part.stop + int(more))
        for part, more in zip(tight, reach, strict=True)
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


def structural_map(distance: Any, s_mm: float = 1.5) -> Any:
    """U_s = exp(-phi^2 / (2 s^2)): 1 at the label's surface, falling with the distance on both sides.

    Args:
        distance: mm, from `signed_distance`; array or tensor of any shape.
        s_mm: width of the doubt. A pancreas is 11 to 15 mm thick, and s = 3 mm would leave almost no certain core. s
            should not be below half a voxel either, or a surface between two voxels is seen by neither.

    Returns:
        0 to 1, float32, of the kind and shape that came in.

    Raises:
        InputError: s is not above 0.

    Example:
        >>> structural_map(np.array([-1.5, 0, 1.5, 4.5])).round(3).tolist()
        [0.6069999933242798, 1.0, 0.6069999933242798, 0.010999999940395355]
    """
    if not s_mm > 0:
        raise InputError(f"expected a width s above 0 mm, got {s_mm}; 1.5 is the default")
    if isinstance(distance, Tensor):
        exponent = distance.float().square().div(-2 * s_mm**2)
        # Below it the results are subnormal numbers, which take three times as long.
        return exponent.clamp_min_(-80).exp_()
    return np.exp(np.square(np.asarray(distance, np.float32)) / np.float32(-2 * s_mm**2))


def medial_skeleton(
    label: "Shaped[np.ndarray, 'X Y Z'] | Shaped[Tensor, 'X Y Z']",
) -> Bool[np.ndarray, "X Y Z"]:
    """The label's medial line, one voxel thin, part of the label; empty only where the label is.

    Thinning keeps it connected as the label is (Lee et al. 1994, scikit-image). Where thinning leaves nothing (some
    small blocks), the voxel deepest inside stands for it.

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
    from pancreas_ssl.evaluation.components import bounding_box

    inside = _binary(label)
    skeleton = np.zeros_like(inside)
    box = bounding_box(inside)
    if box is None:
        return skeleton
    from scipy import ndimage
    from skimage.morphology import skeletonize

    padded = np.pad(inside[box], 1)
    thinned = (skeletonize(padded, method="lee") != 0) & padded
    if not thinned.any():
        thinned.flat[ndimage.distance_transform_edt(padded).argmax()] = True
    skeleton[box] = thinned[1:-1, 1:-1, 1:-1]
    return skeleton


def training_map(structural: Any, model: Any, a: float) -> Any:
    """U = 1 - (1 - U_s)(1 - a U_m), 0 to 1: never below U_s, never below a U_m.

    Args:
        structural, model: U_s and U_m, 0 to 1; arrays or tensors of one shape.
        a: share of the model's doubt, 0 to 1. A young model doubts everything, so a is faded in (`ramp`).

    Raises:
        InputError: shapes differ, or a is not from 0 to 1.

    Example:
        >>> training_map(np.array([0.5, 0.0]), np.array([0.5, 0.4]), 1.0).tolist()
        [0.75, 0.4]
    """
    if tuple(structural.shape) != tuple(model.shape) or not 0 <= a <= 1:
        raise InputError(
            f"expected two maps of one shape and a from 0 to 1, got {tuple(structural.shape)}, {tuple(model.shape)} "
            f"and a = {a}; cut both maps from the same voxels and take a from ramp()"
        )
    return 1 - (1 - structural) * (1 - a * model)


def ramp(step: int, start: int, length: float) -> float:
    """0 up to step `start`, 1 from `start + length`, straight in between; length 0 is a jump.

    Example:
        >>> [ramp(step, start=100, length=200) for step in (0, 100, 150, 300, 400)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    if length < 0:
        raise InputError(f"expected a ramp of 0 steps or more, got {length}; 0 is a jump")
    if length == 0:
        return float(step >= start)
    return min(max((step - start) / length, 0.0), 1.0)


def _binary(label: Any) -> Bool[np.ndarray, "X Y Z"]:
    array = label.numpy(force=True) if isinstance(label, Tensor) else np.asarray(label)
    if array.ndim != 3:
        raise InputError(f"expected a label (X, Y, Z), got {array.shape}; drop the channel axis")
    return array != 0

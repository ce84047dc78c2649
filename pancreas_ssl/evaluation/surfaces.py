"""The surface Dice, weighted by area, in little memory.

MONAI's `compute_surface_dice(use_subvoxels=True)` gives the same number, but takes 21 s and 5 GB where a false island
lies in a far corner of a full scan; this takes under 1 s.
"""

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["surface_dice"]


def surface_dice(
    first: Bool[np.ndarray, "X Y Z"],
    second: Bool[np.ndarray, "X Y Z"],
    spacing: tuple[float, float, float],
    tolerance_mm: float,
) -> float:
    r"""NSD = (area of first within tolerance of second + area of second within tolerance of first) / (both areas).

    The surface elements sit between the voxels, at the corner where 2 x 2 x 2 of them meet; their area comes from
    MONAI's table of the 256 ways to fill such a cube (marching cubes). Both masks must be non-empty; spacing in mm.

    Source: Nikolov et al. 2018, arXiv:1809.04430.
    """
    from scipy.spatial import KDTree

    (points, areas), (other_points, other_areas) = (_elements(mask, spacing) for mask in (first, second))
    reach = np.nextafter(tolerance_mm, np.inf)
    near = np.isfinite(KDTree(other_points).query(points, distance_upper_bound=reach)[0])
    other_near = np.isfinite(KDTree(points).query(other_points, distance_upper_bound=reach)[0])
    agreeing = areas[near].sum() + other_areas[other_near].sum()
    return float(agreeing / (areas.sum() + other_areas.sum()))


def _elements(
    mask: Bool[np.ndarray, "X Y Z"], spacing: tuple[float, float, float]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, " N"]]:
    """Places in mm and areas in mm^2 of a mask's surface elements."""
    from monai.metrics.utils import get_code_to_measure_table

    table, weights = get_code_to_measure_table(spacing)
    padded = np.pad(mask, 1).view(np.uint8)
    code = np.zeros(tuple(n - 1 for n in padded.shape), np.uint8)
    for corner, weight in np.ndenumerate(weights[0, 0].numpy().astype(np.uint8)):
        code += padded[tuple(slice(c, c + n) for c, n in zip(corner, code.shape, strict=True))] * weight
    found = np.argwhere((code != 0) & (code != 255))
    return found * np.asarray(spacing, float), table.numpy().astype(float)[code[tuple(found.T)]]

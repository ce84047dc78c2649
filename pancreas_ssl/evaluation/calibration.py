"""Is a probability of 0.8 right four times in five? The expected calibration error near the organ, where it matters."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.components import bounding_box

__all__ = ["band", "band_ece"]


def band(label: Any, spacing: tuple[float, float, float], band_mm: float = 15.0) -> Bool[np.ndarray, "X Y Z"]:
    """Voxels whose centre is within `band_mm` of a label voxel's centre, the label itself included.

    The regions measure from the surface, half a voxel nearer. An empty label has no band.

    Example:
        >>> label = np.zeros((9, 1, 1)); label[4] = 1
        >>> band(label, (3, 3, 3), 6).ravel().astype(int).tolist()
        [0, 0, 1, 1, 1, 1, 1, 0, 0]
    """
    from scipy import ndimage

    label = np.asarray(label) != 0
    if label.ndim != 3 or not band_mm >= 0:
        raise InputError(
            f"expected a label (X, Y, Z) and a band of 0 mm or more, got {label.shape} and {band_mm}; drop the "
            f"channel axis"
        )
    within = np.zeros_like(label)
    box = bounding_box(label, margin=int(np.ceil(band_mm / min(spacing))) + 1)
    if box is not None:
        within[box] = ndimage.distance_transform_edt(~label[box], sampling=spacing) <= band_mm
    return within


def band_ece(
    probability: Any,
    label: Any,
    spacing: tuple[float, float, float],
    *,
    band_mm: float = 15.0,
    bins: int = 15,
) -> float | None:
    r"""Voxel ECE in the band: \sum_b n_b / N |mean probability in b - share of label voxels in b|.

    The voxels are those within `band_mm` of the label (the label itself included); b are equal bins of the
    probability of pancreas from 0 to 1. Far from the organ nearly every voxel is background with certainty, and an
    ECE over the whole scan would be small whatever happens at the rim.

    Args:
        probability: of pancreas, (X, Y, Z), 0 to 1.
        label: 1 = pancreas, on the same grid.
        spacing: voxel sides in mm.
        band_mm: 15 mm is the band of the regions near and rim.

    Returns:
        0 (calibrated) to 1, or None for an empty label, which has no band.

    Raises:
        InputError: shapes differ.

    Source: Naeini et al. 2015, AAAI, "Obtaining well calibrated probabilities using Bayesian binning".

    Example:
        >>> label = np.zeros((9, 9, 9)); label[4, 4, 4] = 1
        >>> band_ece(label, label, (1, 1, 1)), band_ece(1 - label, label, (1, 1, 1))
        (0.0, 1.0)
    """
    probability, label = np.asarray(probability, np.float32), np.asarray(label) != 0
    if probability.shape != label.shape or label.ndim != 3:
        raise InputError(
            f"expected probability and label on one grid (X, Y, Z), got {probability.shape} and {label.shape}; "
            f"bring them onto one grid first"
        )
    within = band(label, spacing, band_mm)
    if not within.any():
        return None
    p, y = probability[within].astype(np.float64), label[within]
    where = np.minimum((p * bins).astype(int), bins - 1)
    gaps = np.bincount(where, weights=p - y, minlength=bins)
    return float(np.abs(gaps).sum() / p.size)

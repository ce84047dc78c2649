"""Is a probability of 0.8 right four times in five? The expected calibration error near the organ, where it matters."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from scipy import ndimage

from pancreas_ssl.errors import require
from pancreas_ssl.method.structure import bounding_box

__all__ = ["band", "band_ece", "expected_calibration_error", "reliability", "same_voxels"]


def band(label: Any, spacing: tuple[float, float, float], band_mm: float = 15.0) -> Bool[np.ndarray, "X Y Z"]:
    """Voxels whose centre is within `band_mm` of a label voxel's centre, the label itself included.

    The regions measure from the surface, half a voxel nearer. An empty label has no band.

    Example:
        >>> label = np.zeros((9, 1, 1)); label[4] = 1
        >>> band(label, (3, 3, 3), 6).ravel().astype(int).tolist()
        [0, 0, 1, 1, 1, 1, 1, 0, 0]
    """
    label = np.asarray(label) != 0
    fine, got = label.ndim == 3 and band_mm >= 0, f"{label.shape} and {band_mm}"
    require(fine, "a label (X, Y, Z) and a band of 0 mm or more", got, "drop the channel axis")
    within = np.zeros_like(label)
    box = bounding_box(label, margin=int(np.ceil(band_mm / min(spacing))) + 1)
    if box is not None:
        within[box] = ndimage.distance_transform_edt(~label[box], sampling=spacing) <= band_mm
    return within


def band_ece(
    probability: Any, label: Any, spacing: tuple[float, float, float], *, band_mm: float = 15.0, bins: int = 15
) -> float | None:
    r"""Voxel ECE in the band: \sum_b n_b / N |mean probability in b - share of label voxels in b|.

    The voxels are those of the `band`; b are equal bins of the probability of pancreas from 0 to 1. Far from the organ
    nearly every voxel is certainly background: an ECE over the whole scan would be small whatever happens at the rim.

    Args:
        probability, label: of pancreas, 0 to 1, and pancreas where not 0, on one grid (X, Y, Z) of `spacing` mm.
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
    fine, got = probability.shape == label.shape and label.ndim == 3, f"{probability.shape} and {label.shape}"
    require(fine, "probability and label on one grid (X, Y, Z)", got, "bring them onto one grid first")
    within = band(label, spacing, band_mm)
    return expected_calibration_error(reliability(probability, label, within, bins)) if within.any() else None


def reliability(probability: Any, label: Any, where: Any = None, bins: int = 15) -> pd.DataFrame:
    """Predicted probability and observed share of label voxels, in equal bins from 0 to 1.

    Args:
        probability, label: of pancreas, 0 to 1; pancreas where not 0.
        where: the voxels to look at, usually `band`; None takes all.

    Returns:
        One row per bin: `bin` (its number), `low`, `high`, `probability` (mean), `share` (of label voxels), `voxels`.
        Calibrated: probability = share. An empty bin has NaN means and 0 voxels.

    Raises:
        InputError: shapes differ, no bin, values that are no probabilities.

    Example:
        >>> table = reliability([0.1, 0.3, 0.9, 0.7], [0, 1, 1, 1], bins=2)
        >>> table[["probability", "share", "voxels"]].round(3).values.tolist()
        [[0.2, 0.5, 2.0], [0.8, 1.0, 2.0]]
    """
    p, y = same_voxels(where, probability=probability, label=label)
    p, y = p.astype(np.float32).astype(np.float64), y != 0
    fine, got = bins >= 1 and ((p >= 0) & (p <= 1)).all(), f"{bins} bins and values outside or none"
    require(fine, "probabilities from 0 to 1 and at least one bin", got, "apply the softmax first")
    number = np.minimum((p * bins).astype(int), bins - 1)
    voxels = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        promised = np.bincount(number, weights=p, minlength=bins) / voxels
        kept = np.bincount(number, weights=y, minlength=bins) / voxels
    edges = np.arange(bins + 1) / bins
    columns = {"bin": np.arange(bins), "low": edges[:-1], "high": edges[1:]}
    return pd.DataFrame(columns | {"probability": promised, "share": kept, "voxels": voxels})


def expected_calibration_error(table: pd.DataFrame) -> float | None:
    r"""ECE = \sum_b n_b / N |probability_b - share_b| of a `reliability` table; None without any voxel.

    Example:
        >>> round(expected_calibration_error(reliability([0.1, 0.3, 0.9, 0.7], [0, 1, 1, 1], bins=2)), 3)
        0.25
    """
    if not table["voxels"].sum():
        return None
    gaps = (table["probability"] - table["share"]).abs().fillna(0)
    return float((gaps * table["voxels"]).sum() / table["voxels"].sum())


def same_voxels(where: Any, **maps: Any) -> list[np.ndarray]:
    """The maps at `where`, flat; an `InputError` where their shapes differ."""
    arrays = {name: np.asarray(array) for name, array in maps.items()}
    if where is not None:
        arrays["where"] = np.asarray(where) != 0
    shapes = {name: array.shape for name, array in arrays.items()}
    told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    require(len(set(shapes.values())) == 1, "arrays of one shape", told, "bring them onto one grid first")
    chosen = arrays.pop("where", None)
    return [array.ravel() if chosen is None else array[chosen] for array in arrays.values()]

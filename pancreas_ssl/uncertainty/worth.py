"""Is a map of doubt worth anything? It should be high where the prediction is wrong, and in the cases that fail.

    within a case     AUROC of the map for the voxels that are wrong, in the band around the pancreas
    probabilities     reliability table and ECE: is 0.8 right four times in five
    between cases     risk-coverage: the mean risk (1 - Dice) when only the most certain cases are kept

Here labels are allowed: this is evaluation. A figure means something only beside the floors in `checks`: the distance
to the predicted edge is a strong one and costs nothing.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.calibration import band

if TYPE_CHECKING:
    import pandas

__all__ = [
    "area_under_risk_coverage",
    "band",
    "case_uncertainty",
    "error_auroc",
    "expected_calibration_error",
    "reliability",
    "risk_coverage",
]


def error_auroc(uncertainty: Any, error: Any, where: Any = None) -> float | None:
    """Chance that a wrong voxel is more uncertain than a right one, ties counting half: 0.5 is guessing, 1 perfect.

    With mid-ranks r and n_1 wrong, n_0 right voxels: (sum of r over the wrong - n_1 (n_1 + 1) / 2) / (n_1 n_0).

    Args:
        uncertainty: any map; only its order counts.
        error: True where prediction and label differ.
        where: the voxels to look at, usually `band`; None takes all. Over a whole scan any map looks good.

    Returns:
        0 to 1, or None where no voxel or every voxel is wrong.

    Raises:
        InputError: shapes differ, or the map is not finite.

    Source: Mann and Whitney 1947, Annals of Mathematical Statistics 18:50-60.

    Example:
        >>> error_auroc([0.1, 0.2, 0.2, 0.9], [False, False, True, True])
        0.875
    """
    from scipy.stats import rankdata

    values, wrong = _same_voxels(where, uncertainty=uncertainty, error=error)
    values, wrong = values.astype(np.float64), wrong != 0
    if not np.isfinite(values).all():
        raise InputError(
            "expected a finite map, got NaN or infinite values; look for empty means in its making"
        )
    n_wrong = int(wrong.sum())
    n_right = wrong.size - n_wrong
    if not n_wrong or not n_right:
        return None
    rank_sum = rankdata(values)[wrong].sum()
    return float((rank_sum - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right))


def reliability(probability: Any, label: Any, where: Any = None, bins: int = 15) -> "pandas.DataFrame":
    """What a probability promises and what it keeps, in equal bins from 0 to 1.

    Args:
        probability: of pancreas, 0 to 1.
        label: pancreas where not 0.
        where: the voxels to look at, usually `band`; None takes all.
        bins: 1 or more.

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
    import pandas

    p, y = _same_voxels(where, probability=probability, label=label)
    p, y = p.astype(np.float32).astype(np.float64), y != 0
    if bins < 1 or not ((p >= 0) & (p <= 1)).all():
        raise InputError(
            f"expected probabilities from 0 to 1 and at least one bin, got {bins} bins and values outside or none; "
            f"apply the softmax first"
        )
    number = np.minimum((p * bins).astype(int), bins - 1)
    voxels = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        promised = np.bincount(number, weights=p, minlength=bins) / voxels
        kept = np.bincount(number, weights=y, minlength=bins) / voxels
    edges = np.arange(bins + 1) / bins
    return pandas.DataFrame(
        {"bin": np.arange(bins), "low": edges[:-1], "high": edges[1:], "probability": promised, "share": kept,
         "voxels": voxels}
    )  # fmt: skip


def expected_calibration_error(table: "pandas.DataFrame") -> float | None:
    r"""ECE = \sum_b n_b / N |probability_b - share_b| of a `reliability` table; None without any voxel.

    On the voxels of `band` it equals `evaluation.calibration.band_ece`.

    Example:
        >>> round(expected_calibration_error(reliability([0.1, 0.3, 0.9, 0.7], [0, 1, 1, 1], bins=2)), 3)
        0.25
    """
    if not table["voxels"].sum():
        return None
    gaps = (table["probability"] - table["share"]).abs().fillna(0)
    return float((gaps * table["voxels"]).sum() / table["voxels"].sum())


def case_uncertainty(uncertainty: Any, predicted: Any, margin: int = 2) -> float:
    """One number for a case: the mean of the map over the predicted mask, dilated by `margin` voxels.

    Dividing by the voxels looked at takes most of the organ's size out; a sum would rank by volume. Where nothing is
    predicted the score is 1, the most that any map has: a missed organ is the worst case, and must not look certain.
    The prediction is the model's own, so the score exists for a new patient too.

    Example:
        >>> doubt = np.zeros((5, 5, 5)); doubt[2, 2, 2] = 0.54
        >>> predicted = doubt > 0
        >>> round(case_uncertainty(doubt, predicted, margin=1), 2)
        0.02
        >>> case_uncertainty(doubt, np.zeros((5, 5, 5)))
        1.0
    """
    from scipy import ndimage

    from pancreas_ssl.evaluation.components import bounding_box

    values, mask = np.asarray(uncertainty, np.float64), np.asarray(predicted) != 0
    if values.shape != mask.shape or mask.ndim != 3 or margin < 0:
        raise InputError(
            f"expected a map and a mask on one grid (X, Y, Z) and a margin of 0 or more, got {values.shape}, "
            f"{mask.shape} and {margin}; bring them onto one grid first"
        )
    box = bounding_box(mask, margin=margin)
    if box is None:
        return 1.0
    around = mask[box]
    if margin:
        around = ndimage.binary_dilation(around, np.ones((3, 3, 3), bool), iterations=margin)
    return float(values[box][around].mean())


def risk_coverage(scores: Any, risks: Any) -> "pandas.DataFrame":
    r"""The mean risk of the cases that are kept, when the most uncertain ones are given to a human.

    risk(k / n) = 1/k \sum of the risks of the k cases with the lowest scores. Cases of equal score are kept in no
    order: each counts with the mean risk of its group.

    Args:
        scores: uncertainty per case, from `case_uncertainty`.
        risks: 1 - Dice per case, or another risk.

    Returns:
        n rows, `coverage` (1/n to 1) and `risk`. The last risk is the mean of all: no score can change it.

    Raises:
        InputError: numbers of cases differ, none at all, or a value is not finite.

    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500.

    Example:
        >>> risk_coverage([0.1, 0.9, 0.2], [0.0, 0.6, 0.3])["risk"].round(2).tolist()
        [0.0, 0.15, 0.3]
    """
    import pandas

    scores, risks = np.asarray(scores, np.float64).ravel(), np.asarray(risks, np.float64).ravel()
    if scores.size != risks.size or not scores.size or not np.isfinite([scores, risks]).all():
        raise InputError(
            f"expected one finite score and one finite risk per case, got {scores.size} and {risks.size}; leave out "
            f"cases without a label"
        )
    _, group = np.unique(scores, return_inverse=True)
    tied = np.bincount(group, weights=risks) / np.bincount(group)
    kept = np.arange(1, scores.size + 1)
    return pandas.DataFrame({"coverage": kept / scores.size, "risk": np.cumsum(tied[np.sort(group)]) / kept})


def area_under_risk_coverage(scores: Any, risks: Any) -> float:
    """Mean risk over all coverages 1/n, 2/n, ..., 1 (AURC): lower is better.

    Compare it with two ends: the mean risk (scores that say nothing) and `area_under_risk_coverage(risks, risks)`
    (scores that know the risk).

    Example:
        >>> risks = [0.0, 0.6, 0.3]
        >>> [round(area_under_risk_coverage(s, risks), 2) for s in ([1, 2, 3], [1, 1, 1], risks)]
        [0.2, 0.3, 0.15]
    """
    return float(risk_coverage(scores, risks)["risk"].mean())


def _same_voxels(where: Any, **maps: Any) -> list[np.ndarray]:
    """The maps at `where`, flat, after a look at their shapes."""
    arrays = {name: np.asarray(array) for name, array in maps.items()}
    if where is not None:
        arrays["where"] = np.asarray(where) != 0
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"expected arrays of one shape, got {told}; bring them onto one grid first")
    chosen = arrays.pop("where", None)
    return [array.ravel() if chosen is None else array[chosen] for array in arrays.values()]

"""Is an uncertainty map worth anything? It should be high where the prediction is wrong, and in the cases that fail.

    within a case     AUROC of the map for the voxels that are wrong, in the band around the pancreas
    between cases     risk-coverage: the mean risk (1 - Dice) when only the most certain cases are kept; the rank
                      correlation of what a network says with the true Dice

A number means something only beside the floors in `inference.uncertainty_maps`: the distance to the predicted edge is
a strong one and costs nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.calibration import same_voxels
from pancreas_ssl.method.structure import bounding_box

__all__ = ["area_under_risk_coverage", "case_uncertainty", "error_auroc", "rank_agreement", "risk_coverage"]


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

    values, wrong = same_voxels(where, uncertainty=uncertainty, error=error)
    values, wrong = values.astype(np.float64), wrong != 0
    fine = bool(np.isfinite(values).all())
    require(fine, "a finite map", "NaN or infinite values", "look for means of nothing where it is made")
    n_wrong = int(wrong.sum())
    n_right = wrong.size - n_wrong
    if not n_wrong or not n_right:
        return None
    rank_sum = rankdata(values)[wrong].sum()
    return float((rank_sum - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right))


def case_uncertainty(uncertainty: Any, predicted: Any, margin: int = 2) -> float:
    """One number for a case: the mean of the map over the predicted mask, dilated by `margin` voxels.

    A sum would rank by volume. Where nothing is predicted the score is 1, the highest of any map: a missed organ is the
    worst case and must not look certain. No label is needed, so a new patient has a score too.

    Example:
        >>> uncertainty = np.zeros((5, 5, 5)); uncertainty[2, 2, 2] = 0.54
        >>> round(case_uncertainty(uncertainty, uncertainty > 0, margin=1), 2)
        0.02
        >>> case_uncertainty(uncertainty, np.zeros((5, 5, 5)))
        1.0
    """
    values, mask = np.asarray(uncertainty, np.float64), np.asarray(predicted) != 0
    fine = values.shape == mask.shape and mask.ndim == 3 and margin >= 0
    got = f"{values.shape}, {mask.shape} and {margin}"
    expected = "a map and a mask on one grid (X, Y, Z) and a margin of 0 or more"
    require(fine, expected, got, "bring them onto one grid first")
    box = bounding_box(mask, margin=margin)
    if box is None:
        return 1.0
    cube = np.ones((3, 3, 3), bool)
    around = ndimage.binary_dilation(mask[box], cube, iterations=margin) if margin else mask[box]
    return float(values[box][around].mean())


def rank_agreement(rows: pd.DataFrame, by: Sequence[str] = ("arm",), said: str = "expected_dice") -> pd.DataFrame:
    """How well what networks say about their masks orders patients by the true Dice: a line for each group.

    Args:
        rows: one per network and patient, with the columns of `by`, `said` and `dice`; those of `pancreas-ssl measure`.
        by: columns that make the groups.
        said: the column that is compared with `dice`.

    Returns:
        The columns of `by`, patients, rank_correlation (Spearman: 1 is the same order, 0 none; NaN below three
        patients or without any order), and the means of `said` and `dice`: a right order may lie too high throughout.

    Raises:
        InputError: a column is missing, or there is no row.

    Example:
        >>> rows = pd.DataFrame({"arm": "net", "expected_dice": [0.9, 0.8, 0.7], "dice": [0.8, 0.6, 0.3]})
        >>> rank_agreement(rows)[["patients", "rank_correlation"]].values.tolist()
        [[3.0, 1.0]]
    """
    missing = [name for name in (*by, said, "dice") if name not in rows]
    require(not missing and len(rows), "rows with a group, what was said and the Dice", f"none of {', '.join(missing)}"
            if missing else "no row", "take those of `pancreas-ssl measure`")  # fmt: skip
    lines = []
    for key, part in rows.groupby(list(by), sort=False):
        ranks = part[[said, "dice"]].rank()
        ordered = len(part) >= 3 and (ranks.std() > 0).all()
        line = dict(zip(by, key, strict=True)) | {"patients": len(part)}
        line["rank_correlation"] = float(ranks[said].corr(ranks["dice"])) if ordered else float("nan")
        lines.append(line | {said: part[said].mean(), "dice": part["dice"].mean()})
    return pd.DataFrame(lines)


def risk_coverage(scores: Any, risks: Any) -> pd.DataFrame:
    r"""The mean risk of the cases that are kept, when the most uncertain ones are given to a human.

    risk(k / n) = 1/k \sum of the risks of the k cases with the lowest scores. Cases of equal score are kept in no
    order: each counts with the mean risk of its group.

    Args:
        scores, risks: per case, `case_uncertainty` and 1 - Dice or another risk.

    Returns:
        n rows, `coverage` (1/n to 1) and `risk`. The last risk is the mean of all: no score can change it.

    Raises:
        InputError: numbers of cases differ, none at all, or a value is not finite.

    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500.

    Example:
        >>> risk_coverage([0.1, 0.9, 0.2], [0.0, 0.6, 0.3])["risk"].round(2).tolist()
        [0.0, 0.15, 0.3]
    """
    scores, risks = np.asarray(scores, np.float64).ravel(), np.asarray(risks, np.float64).ravel()
    fine, got = scores.size == risks.size > 0 and np.isfinite([scores, risks]).all(), f"{scores.size} and {risks.size}"
    require(fine, "one finite score and one finite risk per case", got, "leave out cases without a label")
    _, group = np.unique(scores, return_inverse=True)
    tied = np.bincount(group, weights=risks) / np.bincount(group)
    kept = np.arange(1, scores.size + 1)
    return pd.DataFrame({"coverage": kept / scores.size, "risk": np.cumsum(tied[np.sort(group)]) / kept})


def area_under_risk_coverage(scores: Any, risks: Any) -> float:
    """Mean risk over all coverages 1/n, 2/n, ..., 1 (AURC): lower is better.

    It lies between the mean risk (scores that say nothing) and that of `scores = risks` (scores that know the risk).

    Example:
        >>> risks = [0.0, 0.6, 0.3]
        >>> [round(area_under_risk_coverage(s, risks), 2) for s in ([1, 2, 3], [1, 1, 1], risks)]
        [0.2, 0.3, 0.15]
    """
    return float(risk_coverage(scores, risks)["risk"].mean())

r"""From probabilities to a mask: the most probable class, the best expected Dice, or hysteresis. None sees a label.

    argmax          p_P > p_c for every other class c, then the largest connected component
    expected-dice   the k voxels of largest p_P, k such that it maximises, over p_(1) >= p_(2) >= ...,
                    E(k) = 2 \sum_{i <= k} p_(i) / (k + \sum_i p_(i)),   then the largest component
    hysteresis      p_P > low, in every connected component that holds a voxel with p_P >= high

E(k) is the Dice that a mask of the k most probable voxels may expect, where the probabilities are right; it puts the
ratio of expectations for the expectation of the ratio, which differ little in thousands of voxels. The best threshold
is half of the best E, so at most 1/2: `expected-dice` never marks less than `argmax` of two classes, and the less
certain a network is of a scan, the lower it goes. Hysteresis follows a faint organ from where it is certain.

Both answer lost recall and trust the probabilities, which may be wrong on a scan from elsewhere.

Sources: Lipton et al. 2014, arXiv 1402.1892, for half of the best F1 (the Dice of one scan is the F1 of its voxels);
Canny 1986, IEEE TPAMI, doi 10.1109/TPAMI.1986.4767851, for hysteresis.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.method.recipe import DECISIONS
from pancreas_ssl.method.segmentation import PANCREAS

__all__ = ["decided", "expected_dice_threshold"]

FAINT = 1e-3  # no voxel below it can be worth marking, unless the best expected Dice is below twice this


def decided(
    probabilities: Float32[np.ndarray, "C X Y Z"],
    decision: str = "argmax",
    thresholds: Sequence[float] = (0.2, 0.8),
    largest: bool = True,
) -> Float32[np.ndarray, "X Y Z"]:
    """By how much a voxel is pancreas: the mask is where it is above 0.

    Between voxels it may be interpolated, which keeps outlines smooth; away from the chosen components it is -1.

    Args:
        probabilities: of all classes.
        decision: one of `DECISIONS`.
        thresholds: low and high, of hysteresis.
        largest: keep the largest component only; False keeps all. Hysteresis does not look at it.

    Raises:
        InputError: an unknown decision.

    Example:
        >>> p = np.float32([0.9, 0.3, 0.1, 0.3]).reshape(4, 1, 1)
        >>> for how in DECISIONS:
        ...     print((decided(np.stack([1 - p, p]), how) > 0).ravel().astype(int))
        [1 0 0 0]
        [1 0 0 0]
        [1 1 0 0]
    """
    require(decision in DECISIONS, f"a decision out of {', '.join(DECISIONS)}", decision, "name one of these")
    p = probabilities[PANCREAS]
    if decision == "argmax":
        lead = p - np.delete(probabilities, PANCREAS, axis=0).max(axis=0)
    else:
        lead = p - np.float32(expected_dice_threshold(p) if decision == "expected-dice" else thresholds[0])
    if decision == "hysteresis":
        return _only(lead, _grown(lead > 0, p >= np.float32(thresholds[1])))
    return _only(lead, largest_component(lead > 0)) if largest else lead


def expected_dice_threshold(p: Float32[np.ndarray, "X Y Z"]) -> float:
    """The probability above which the voxels of a scan make the mask of the best expected Dice; 0.5 for no organ.

    Args:
        p: probability of pancreas.

    Example:
        >>> p = np.repeat(np.float32([0.9, 0.4, 0.05]), [100, 100, 1000]).reshape(1, 1, -1)
        >>> 0.05 < expected_dice_threshold(p) < 0.4
        True
    """
    order = np.sort(p[p > FAINT])[::-1].astype(np.float64)
    if not len(order):
        return 0.5
    expected = 2 * np.cumsum(order) / (np.arange(1, len(order) + 1) + p.sum(dtype=np.float64))
    k = int(expected.argmax())
    below = order[k + 1] if k + 1 < len(order) else 0.0
    return float(min((order[k] + below) / 2, 0.5))


def _grown(low: Bool[np.ndarray, "X Y Z"], seeds: Bool[np.ndarray, "X Y Z"]) -> Bool[np.ndarray, "X Y Z"]:
    """The 26-connected components of `low` that hold a seed."""
    labels, count = ndimage.label(low, np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, bool)
    kept[labels[seeds & low]] = True
    return kept[labels]


def _only(lead: Float32[np.ndarray, "X Y Z"], kept: np.ndarray) -> Float32[np.ndarray, "X Y Z"]:
    """-1 away from the kept components and their neighbours; whole components, so nothing else is above 0."""
    if not kept.any():
        return np.minimum(lead, np.float32(0))
    return np.where(ndimage.binary_dilation(kept, np.ones((3, 3, 3))), lead, np.float32(-1))

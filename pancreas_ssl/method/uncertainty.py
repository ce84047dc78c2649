r"""Maps of uncertainty: a model's own (entropy, mutual information, variance), and that of the label's surface.

With member k's probability of pancreas p_k, mean p = 1/K \sum_k p_k, and H the binary entropy in bits:

    entropy              H(p)                         the whole uncertainty
    mutual information   H(p) - 1/K \sum_k H(p_k)     what the members disagree about
    variance             1/K \sum_k (p_k - p)^2       the same in squared probability

H(0) = H(1) = 0 and H(1/2) = 1. In training a second one joins it, from the label's surface at the distance phi (mm):

    structural map       U_s = exp(-phi^2 / (2 s^2))            partial volume and readers blur a surface
    training map         U   = 1 - (1 - U_s)(1 - a U_m)         U_m: the model's map; a: faded in

The product is that of two chances to be sure: either map alone is enough to make a voxel uncertain. An average would
let a rim vanish as soon as the model is confident of it.

The two parts of the entropy are often read as knowledge that more training data could
give (mutual information) and noise of the image itself (the rest). Of a single member only the entropy says anything.

U_s needs the label, so it exists in training only. What takes members takes no label: it can be computed for a new
patient.

Source: entropy and mutual information of members as in Smith and Gal 2018, UAI, arXiv:1803.08533. The paper
(arXiv:2505.07165), of which only the abstract is at hand, speaks of high-uncertainty regions without a formula: which
map guides the training, U_s and U are choices of this toolkit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pancreas_ssl.errors import InputError

__all__ = ["MAPS", "entropy", "mutual_information", "structural_map", "training_map", "variance"]

LN2 = 0.6931471805599453
SLACK = 1e-3  # rounding of half precision that is still taken for a probability


def entropy(members: Any) -> Any:
    r"""H(p) of the mean p = 1/K \sum_k p_k, in bits, 0 to 1.

    Args:
        members: `(K, *sizes)`, probabilities of pancreas, array or tensor; from `sample_predictions`.

    Returns:
        `(*sizes)`, float32, of the kind that came in, on its device.

    Raises:
        InputError: no member, or values that are no probabilities (logits, say).

    Example: one is sure, the other not.
        >>> entropy(np.array([[0.0, 0.5], [1.0, 0.5]])).tolist()
        [1.0, 1.0]
    """
    p, back = _probabilities(members)
    return back(_bits(p.mean(0)))


def mutual_information(members: Any) -> Any:
    r"""I = H(p) - 1/K \sum_k H(p_k), in bits, 0 to 1: 0 where all agree, whatever they say.

    Args, returns and errors as for `entropy`.

    Example: two that contradict each other, two that agree not to know.
        >>> mutual_information(np.array([[0.0, 0.5], [1.0, 0.5]])).tolist()
        [1.0, 0.0]
    """
    p, back = _probabilities(members)
    within = sum(_bits(member) for member in p) / len(p)  # member by member: K entropies would be held otherwise
    return back((_bits(p.mean(0)) - within).clamp_(min=0))


def variance(members: Any) -> Any:
    r"""Var = 1/K \sum_k (p_k - p)^2, 0 to 1/4.

    Args, returns and errors as for `entropy`.

    Example:
        >>> variance(np.array([[0.0, 0.5], [1.0, 0.5]])).tolist()
        [0.25, 0.0]
    """
    p, back = _probabilities(members)
    return back(p.var(0, correction=0))


MAPS: dict[str, Callable[[Any], Any]] = {
    "entropy": entropy,
    "mutual_information": mutual_information,
    "variance": variance,
}
"""All maps by name."""


def structural_map(distance: Any, s_mm: float = 1.5) -> Any:
    """U_s = exp(-phi^2 / (2 s^2)): 1 at the label's surface, falling with the distance on both sides.

    Args:
        distance: mm, from `signed_distance`; array or tensor of any shape.
        s_mm: width of the uncertain band. A pancreas is 11 to 15 mm thick: s = 3 mm would leave almost no certain core.
            Below half a voxel, a surface between two voxels would be seen by neither.

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


def training_map(structural: Any, model: Any, a: float) -> Any:
    """U = 1 - (1 - U_s)(1 - a U_m), 0 to 1: never below U_s, never below a * U_m.

    Args:
        structural, model: U_s and U_m, 0 to 1; arrays or tensors of one shape.
        a: share of the model's map, 0 to 1. A young model is uncertain everywhere, so a is faded in (`ramp`).

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


def _bits(p: Tensor) -> Tensor:
    return (torch.special.entr(p) + torch.special.entr(1 - p)).div_(LN2)


def _probabilities(members: Any) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Float32 tensor in [0, 1], and the way back to the caller's kind."""
    is_tensor = isinstance(members, Tensor)
    p = members.detach().float() if is_tensor else torch.from_numpy(np.ascontiguousarray(members, np.float32))
    if p.ndim < 2 or not p.numel():
        raise InputError(
            f"expected members (K, ...) with at least one voxel, got {tuple(p.shape)}; stack the predictions, one "
            f"alone as probability[None]"
        )
    low, high = (float(value) for value in p.aminmax())
    if not (low >= -SLACK and high <= 1 + SLACK):
        raise InputError(
            f"expected probabilities from 0 to 1, got {low:g} to {high:g}; apply the softmax to logits first"
        )
    return p.clamp(0, 1), (lambda t: t) if is_tensor else (lambda t: t.numpy())

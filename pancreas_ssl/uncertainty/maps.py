"""From K predictions of one image to a map of doubt: entropy, mutual information, variance.

With member k's probability of pancreas p_k, mean p = 1/K \\sum_k p_k, and H the binary entropy in bits:

    entropy              H(p)                         all doubt there is
    mutual information   H(p) - 1/K \\sum_k H(p_k)     what the members disagree about
    variance             1/K \\sum_k (p_k - p)^2       the same in squared probability

H(0) = H(1) = 0 and H(1/2) = 1. The two parts of the entropy are often read as knowledge that more training data could
give (mutual information) and noise of the image itself (the rest). Of a single member only the entropy says anything.

No function here takes a label: what is computed here can be computed for a new patient.

Source: entropy and mutual information of members as in Smith and Gal 2018, UAI, arXiv:1803.08533. Which of them guides
the training is this toolkit's choice: of the paper (arXiv:2505.07165) only the abstract is at hand.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pancreas_ssl.errors import InputError

__all__ = ["MAPS", "entropy", "mutual_information", "variance"]

LN2 = 0.6931471805599453
SLACK = 1e-3  # rounding of half precision that is still taken for a probability


def entropy(members: Any) -> Any:
    r"""H(p) of the mean p = 1/K \sum_k p_k, in bits, 0 to 1.

    Args:
        members: `(K, *sizes)`, probabilities of pancreas, array or tensor; from `members`.

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
    within = sum(_bits(member) for member in p) / len(
        p
    )  # member by member: K entropies would be held otherwise
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

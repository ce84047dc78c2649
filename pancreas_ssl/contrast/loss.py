r"""The losses over projected voxels: the guided global contrast, and plain pixel contrast beside it.

Guided: each anchor a (core or rim_in) has one positive, the pancreas prototype m_P, and as negatives the background
prototypes and the voxels n of rim_out, near and far:

    L_a = -log( exp(a m_P / T) / (exp(a m_P / T) + \sum_n exp(a n / T)) )
    L   = \sum_a w_a L_a / \sum_a w_a + h mean over rim_out of max(0, n m_P - margin)      w_a = 1, in the rim 1 + U

The background is pushed away and never pulled together. InfoNCE: van den Oord et al. 2018, arXiv:1807.03748; the
weights, the hinge and the choice of voxels are this toolkit's.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.contrast.prototypes import Prototypes
from pancreas_ssl.contrast.sampling import Draw
from pancreas_ssl.errors import InputError
from pancreas_ssl.uncertainty import Region

__all__ = ["ContrastTerms", "contrast_loss", "pixel_contrast_loss"]


@dataclass(frozen=True)
class ContrastTerms:
    """A loss and what it was made of; `z` and `draw` are kept for looking at, without a gradient."""

    loss: Float[Tensor, ""]
    infonce: Float[Tensor, ""]
    hinge: Float[Tensor, ""]
    anchors: int
    negatives: int
    z: Float[Tensor, "N D"]
    draw: Draw


def contrast_loss(
    z: Float[Tensor, "N D"],
    draw: Draw,
    prototypes: Prototypes,
    *,
    temperature: float = 0.1,
    margin: float = 0.3,
    hinge_weight: float = 0.5,
) -> ContrastTerms:
    """The guided loss; 0 (with a gradient of 0) where there is no anchor or no prototype yet.

    Args:
        z: unit vectors of the drawn voxels.
        temperature: small values look at the nearest negatives alone, large ones at all alike.
        margin: cosine to m_P above which rim_out is pushed away.
        hinge_weight: share h of that push; 0 leaves it out.

    Raises:
        InputError: a temperature that is not above 0, or as many vectors as voxels is not the case.
    """
    _check(z, draw, temperature)
    z = z.float()
    inside = draw.anchors
    anchors, negatives = z[inside], z[~inside]
    nothing = z.sum() * 0
    if not len(anchors) or not prototypes.ready:
        return ContrastTerms(nothing, nothing, nothing, 0, len(negatives), z.detach(), draw)
    positive = prototypes.pancreas.to(z)
    others = [negatives, prototypes.background.to(z)] if prototypes.has_background else [negatives]
    others = torch.cat(others)
    attraction = anchors @ positive / temperature
    repulsion = anchors @ others.T / temperature
    each = torch.logsumexp(torch.cat([attraction[:, None], repulsion], 1), 1) - attraction
    weight = draw.weights[inside].to(z)
    infonce = (weight * each).sum() / weight.sum()
    wrong = z[draw.regions == Region.RIM_OUT]
    hinge = F.relu(wrong @ positive - margin).mean() if len(wrong) else nothing
    loss = infonce + hinge_weight * hinge
    return ContrastTerms(loss, infonce, hinge, len(anchors), len(others), z.detach(), draw)


def pixel_contrast_loss(z: Float[Tensor, "N D"], draw: Draw, *, temperature: float = 0.1) -> ContrastTerms:
    r"""Plain pixel contrast without guidance: all pancreas voxels attract each other and repel all others.

        L = mean over anchors a, mean over positives p != a of -log( exp(a p / T) / \sum_{k != a} exp(a k / T) )

    Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) with the pancreas voxels alone as anchors.

    Raises:
        InputError: as `contrast_loss`.
    """
    _check(z, draw, temperature)
    z = z.float()
    inside = draw.anchors
    nothing, n = z.sum() * 0, int(inside.sum())
    if n < 2:
        return ContrastTerms(nothing, nothing, nothing, 0, len(z) - n, z.detach(), draw)
    order = torch.cat([torch.nonzero(inside)[:, 0], torch.nonzero(~inside)[:, 0]])
    cosines = z[inside] @ z[order].T / temperature
    itself = torch.eye(n, len(z), dtype=torch.bool, device=z.device)
    total = torch.logsumexp(cosines.masked_fill(itself, -torch.inf), 1)
    pulled = cosines[:, :n].masked_fill(itself[:, :n], 0).sum(1) / (n - 1)
    loss = (total - pulled).mean()
    return ContrastTerms(loss, loss, nothing, n, len(z) - n, z.detach(), draw)


def _check(z: Tensor, draw: Draw, temperature: float) -> None:
    if temperature <= 0 or len(z) != len(draw):
        raise InputError(
            f"expected a temperature above 0 and one vector per voxel, got {temperature} and {len(z)} vectors for "
            f"{len(draw)} voxels; correct the call"
        )

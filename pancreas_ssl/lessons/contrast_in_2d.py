"""The contrast in two dimensions, where it can be seen: points on a circle, the library's loss, its gradient.

Nothing here is used in training: the points are made up; prototypes, loss and gradient are those of the library.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from pancreas_ssl.errors import require
from pancreas_ssl.method.contrast import ContrastTerms, contrast_loss
from pancreas_ssl.method.prototypes import Prototypes
from pancreas_ssl.method.regions import Region, uncertain_region
from pancreas_ssl.method.sampling import VoxelSample

__all__ = ["GROUPS", "START", "Circle", "Group", "on_circle", "push_shares"]

GROUPS = tuple(region.name.lower() for region in list(Region)[1:])
EACH = 4  # points per region
RIM_UNCERTAINTY = 0.8  # uncertainty of points in the rims; 0 elsewhere


@dataclass(frozen=True)
class Group:
    """Where the points of one region lie: the angle of their middle and half their spread, in degrees."""

    angle: float
    spread: float


START = {
    "core": Group(90, 20),
    "rim_in": Group(55, 25),
    "rim_out": Group(25, 25),
    "near": Group(-40, 25),
    "far": Group(-150, 30),
}
"""An early feature space: the order is right, the groups overlap."""


@dataclass(frozen=True)
class Circle:
    """Points and what the loss makes of them.

    z: unit vectors. sample: their regions. terms: of `contrast_loss`. prototypes: as the library holds them.
    parts: each point's share of the loss (anchors their weighted InfoNCE, rim_out its hinge, others 0), summing to it.
    pull: minus the gradient along the circle, in loss per radian, positive anticlockwise: where the point would move.
    """

    z: Float32[Tensor, "N 2"]
    sample: VoxelSample
    terms: ContrastTerms
    parts: Float32[Tensor, " N"]
    pull: Float32[Tensor, " N"]
    prototypes: Prototypes

    @property
    def angles(self) -> Float[np.ndarray, " N"]:
        """Degrees, anticlockwise from the right, -180 to 180."""
        return np.degrees(np.arctan2(self.z[:, 1].numpy(), self.z[:, 0].numpy()))

    @property
    def regions(self) -> Int64[Tensor, " N"]:
        return self.sample.regions


def on_circle(
    groups: dict[str, Group] | None = None,
    *,
    temperature: float = 0.1,
    margin: float = 0.3,
    hinge_weight: float = 0.5,
    towards: float | None = None,
) -> Circle:
    """Twenty points, four of each region, and the guided loss on them.

    Args:
        groups: region -> where its points lie; those that are not named lie as in `START`.
        temperature, margin, hinge_weight: see `contrast_loss`.
        towards: angle of the pancreas prototype; None: the mean of the core, as after a long time in one place.

    Raises:
        InputError: an unknown region.

    Example:
        >>> float(on_circle().terms.loss) > float(on_circle({"rim_out": Group(-90, 20)}).terms.loss)
        True
    """
    unknown = set(groups or {}) - set(GROUPS)
    require(not unknown, f"regions out of {', '.join(GROUPS)}", ", ".join(sorted(unknown)), "rename it")
    where = START | (groups or {})
    steps = np.linspace(-1, 1, EACH)
    degrees = np.concatenate([where[name].angle + where[name].spread * steps for name in GROUPS])
    theta = torch.from_numpy(np.radians(degrees)).float().requires_grad_()
    z = torch.stack([theta.cos(), theta.sin()], 1)
    regions = torch.arange(1, len(GROUPS) + 1).repeat_interleave(EACH)
    uncertainty = RIM_UNCERTAINTY * uncertain_region(regions).float()
    positions, confidence = torch.zeros(len(z), 4, dtype=torch.long), torch.full_like(uncertainty, 0.5)
    sample = VoxelSample(positions, regions, uncertainty, confidence)
    prototypes = Prototypes(2, background=2)
    prototypes.update(z, sample.regions, sample.uncertainty)
    if towards is not None:
        turned = np.radians(towards)
        prototypes.pancreas_mean.copy_(torch.tensor([np.cos(turned), np.sin(turned)]))
    how = {"temperature": temperature, "margin": margin, "hinge_weight": hinge_weight}
    terms = contrast_loss(z, sample.regions, sample.uncertainty, *prototypes.known, **how)
    (slope,) = torch.autograd.grad(terms.loss, theta)
    terms = replace(terms, loss=terms.loss.detach(), infonce=terms.infonce.detach(), hinge=terms.hinge.detach())
    return Circle(z.detach(), sample, terms, _parts(z.detach(), sample, prototypes, how), -slope, prototypes)


def _parts(z: Tensor, sample: VoxelSample, prototypes: Prototypes, how: dict) -> Float32[Tensor, " N"]:
    """Each point's share of the loss: the loss of one anchor at a time, and one rim_out point at a time."""
    anchor, weight = sample.anchors, sample.weights
    wrong = sample.regions == Region.RIM_OUT
    parts = torch.zeros(len(z))
    for k in torch.nonzero(anchor)[:, 0]:
        chosen = ~anchor
        chosen[k] = True
        one = sample[chosen]
        alone = contrast_loss(z[chosen], one.regions, one.uncertainty, *prototypes.known, **how)
        parts[k] = weight[k] / weight.sum() * alone.infonce
    over = (z @ prototypes.pancreas - how["margin"]).clamp_min(0)
    parts[wrong] = how["hinge_weight"] * over[wrong] / wrong.sum().clamp_min(1)
    return parts


def push_shares(cosines: Float[np.ndarray, " N"], temperature: float) -> Float[np.ndarray, " N"]:
    r"""How the push on one anchor is shared among its negatives, by their cosine with it; the shares sum to 1.

    Read off the gradient of the library's loss, it equals exp(c_n / T) / \sum_m exp(c_m / T).

    Raises:
        InputError: see `contrast_loss`.

    Example:
        >>> push_shares(np.array([0.5, 0.5]), 0.1).tolist()
        [0.5, 0.5]
    """
    cosines = torch.as_tensor(np.asarray(cosines, dtype=np.float32))
    negatives = torch.stack([cosines, (1 - cosines**2).clamp_min(0).sqrt()], 1).requires_grad_()
    z = torch.cat([torch.tensor([[1.0, 0.0]]), negatives])
    regions = torch.tensor([int(Region.CORE)] + [int(Region.NEAR)] * len(cosines))
    how = {"temperature": temperature, "hinge_weight": 0}
    loss = contrast_loss(z, regions, torch.zeros(len(z)), torch.tensor([1.0, 0.0]), **how).loss
    (slope,) = torch.autograd.grad(loss, negatives)
    push = slope[:, 0]
    return (push / push.sum()).double().numpy()

"""What the pancreas and its surroundings look like on average, remembered over the steps.

The pancreas has one prototype, the moving average of its core's features, each weighted with its certainty. The
background is heterogeneous and is never pulled together: it has a few prototypes, found by k-means on the sphere
among the features of near and far tissue of the last steps.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.method.regions import Region

__all__ = ["Prototypes", "core_sum", "spherical_k_means"]


class Prototypes(nn.Module):
    """Pancreas prototype, background prototypes and the queue behind them; all are buffers, so a checkpoint has them.

    Args:
        size: dimensions of the projected features.
        background: number of background prototypes.
        queue: background features that are remembered, first in, first out.
        decay: of the pancreas prototype's moving average.
        every: updates between two k-means, each of which starts from the last one's centres.

    Example:
        >>> prototypes = Prototypes(2)
        >>> prototypes.ready
        False
    """

    def __init__(self, size: int = 32, background: int = 4, queue: int = 1024, decay: float = 0.95, every: int = 20):
        super().__init__()
        self.decay, self.every = decay, every
        self.register_buffer("pancreas_mean", torch.zeros(size))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.register_buffer("background", torch.zeros(background, size))
        self.register_buffer("has_background", torch.zeros((), dtype=torch.bool))
        self.register_buffer("queue", torch.zeros(queue, size))
        self.register_buffer("queue_filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("queue_next", torch.zeros((), dtype=torch.long))

    @property
    def remembered(self) -> Float[Tensor, "Q D"]:
        """The background features in the queue."""
        return self.queue[: int(self.queue_filled)]

    @property
    def ready(self) -> bool:
        """Whether a core has been seen."""
        return bool(self.pancreas_mean.any())

    @property
    def pancreas(self) -> Float[Tensor, " D"]:
        """The pancreas prototype, a unit vector."""
        return F.normalize(self.pancreas_mean, dim=0, eps=1e-6)

    @property
    def known(self) -> tuple[Float[Tensor, " D"] | None, Float[Tensor, "K D"] | None]:
        """Prototypes of pancreas and background, None for what was not seen yet."""
        return self.pancreas if self.ready else None, self.background if self.has_background else None

    @torch.no_grad()
    def update(self, z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], uncertainty: Float[Tensor, " N"]) -> None:
        """Take in one step's voxels; where several processes train, those of all of them.

        m <- decay m + (1 - decay) sum (1 - U) z / sum (1 - U)    over the core; the first time m is that mean
        """
        z = z.detach().float()
        rest = regions >= Region.NEAR
        sums = torch.cat(core_sum(z, regions, uncertainty))
        if sums[-1] > 0:
            mean = sums[:-1] / sums[-1]
            self.pancreas_mean.copy_(torch.lerp(mean, self.pancreas_mean, self.decay) if self.ready else mean)
        self._remember(z[rest])
        if int(self.queue_filled) >= 4 * len(self.background) and (
            not self.has_background or int(self.updates) % self.every == 0
        ):
            start = self.background if self.has_background else None
            self.background.copy_(spherical_k_means(self.remembered, len(self.background), start))
            self.has_background.fill_(True)
        self.updates += 1

    def _remember(self, z: Tensor) -> None:
        z = z[-len(self.queue) :]
        places = (int(self.queue_next) + torch.arange(len(z), device=z.device)) % len(self.queue)
        self.queue[places] = z
        self.queue_next.fill_((int(self.queue_next) + len(z)) % len(self.queue))
        self.queue_filled.fill_(min(int(self.queue_filled) + len(z), len(self.queue)))


def core_sum(
    z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], uncertainty: Float[Tensor, " N"]
) -> tuple[Float[Tensor, " D"], Float[Tensor, "1"]]:
    """Sum of the core's vectors, weighted with their certainty 1 - U (at least 0.001), and the sum of the weights."""
    core = regions == Region.CORE
    weight = (1 - uncertainty[core]).clamp_min(1e-3).to(z)
    return (weight[:, None] * z[core]).sum(0), weight.sum()[None]


def spherical_k_means(
    points: Float[Tensor, "N D"], k: int, start: Float[Tensor, "k D"] | None = None, rounds: int = 5
) -> Float[Tensor, "k D"]:
    """Centres on the unit sphere: assign by the largest cosine, average, normalise; deterministic.

    Without `start` the first centre is the first point and each further one the point farthest from all before.
    A centre that no point belongs to stays where it is.
    """
    if start is None:
        chosen = [points[0]]
        for _ in range(k - 1):
            nearest = (points @ torch.stack(chosen).T).amax(1)
            chosen.append(points[int(nearest.argmin())])
        start = torch.stack(chosen)
    centres = start.clone()
    for _ in range(rounds):
        member = F.one_hot((points @ centres.T).argmax(1), k).to(points)
        sums = member.T @ points
        filled = member.sum(0) > 0
        centres = torch.where(filled[:, None], F.normalize(sums, dim=1, eps=1e-6), centres)
    return centres

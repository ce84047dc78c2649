"""Which voxels are compared, and their features: read from the coarser grid, projected to the unit sphere.

Regions are drawn on the image's grid; the features live at half its resolution. A voxel's feature is interpolated at
the voxel's centre, so that no region has to be brought to a coarser grid, where a thin core would vanish.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.regions import Region

__all__ = [
    "COUNTS", "Projection", "VoxelSample", "sample_features", "sample_guided", "sample_plain", "sample_random",
]  # fmt: skip

COUNTS = {Region.CORE: 96, Region.RIM_IN: 96, Region.RIM_OUT: 96, Region.NEAR: 96, Region.FAR: 64}
"""Voxels per region and step, over the whole batch; a region with fewer gives all it has."""

POOL = 4  # candidates for each rim_out voxel; the most confident mistakes among them are kept


@dataclass(frozen=True)
class VoxelSample:
    """Voxels to be compared: where they lie (batch, x, y, z), and what is known of them there."""

    positions: Int64[Tensor, "N 4"]
    regions: Int64[Tensor, " N"]
    uncertainty: Float[Tensor, " N"]
    confidence: Float[Tensor, " N"]  # predicted probability of pancreas; 0.5 where nothing was predicted

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, chosen: Tensor) -> "VoxelSample":
        """Some of the voxels, by a mask or by their numbers."""
        parts = self.positions, self.regions, self.uncertainty, self.confidence
        return VoxelSample(*(part[chosen] for part in parts))

    @property
    def anchors(self) -> Bool[Tensor, " N"]:
        """Which of the voxels are pancreas: core and rim_in."""
        return is_anchor(self.regions)

    @property
    def weights(self) -> Float[Tensor, " N"]:
        """What an anchor counts in the guided loss: 1 in the core, 1 + U in the rim; 0 for all others."""
        return anchor_weights(self.regions, self.uncertainty)


def is_anchor(regions: Int[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Core and rim_in: the pancreas."""
    return (regions == Region.CORE) | (regions == Region.RIM_IN)


def anchor_weights(regions: Int[Tensor, " N"], uncertainty: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """1 in the core, 1 + U in rim_in, 0 elsewhere."""
    return (1 + uncertainty * (regions == Region.RIM_IN)) * is_anchor(regions)


def sample_guided(
    regions: Int[Tensor, "B X Y Z"],
    uncertainty: Float[Tensor, "B X Y Z"],
    rng: np.random.Generator,
    *,
    counts: Mapping[int, int] = COUNTS,
    predicted: Float[Tensor, "B X Y Z"] | None = None,
    alike: Bool[Tensor, "B X Y Z"] | None = None,
    share: float = 0.0,
) -> VoxelSample:
    """Voxels of each region without replacement; of rim_out the most confident mistakes of a random pool.

    Args:
        regions: numbers of `Region`.
        rng: numpy generator.
        counts: voxels per region.
        predicted: probability of pancreas; without it rim_out is drawn like the others.
        alike, share: lookalikes, and the share of near and far voxels that are drawn among them.

    Example:
        >>> regions = torch.full((1, 8, 8, 8), 5)
        >>> draw = sample_guided(regions, torch.zeros(1, 8, 8, 8), np.random.default_rng(0))
        >>> draw.regions.unique()
        tensor([5])
    """
    flat, shape = regions.reshape(-1), regions.shape
    inner = torch.nonzero((flat >= Region.CORE) & (flat <= Region.NEAR))[:, 0]  # few: around the pancreas
    codes, picked = flat[inner], []
    for region, count in counts.items():
        if alike is not None and share > 0 and region in (Region.NEAR, Region.FAR):
            found = torch.nonzero(alike.reshape(-1) & (flat == region))[:, 0]
            picked.append(found[_choose(len(found), round(share * count), rng).to(found.device)])
            count -= len(picked[-1])
        if region == Region.FAR or region == Region.OUTSIDE:
            found = _rejection(flat, region, count, rng)
        else:
            found = inner[codes == region]
            pool = POOL * count if region == Region.RIM_OUT and predicted is not None else count
            found = found[_choose(len(found), pool, rng).to(found.device)]
            if len(found) > count:
                found = found[predicted.reshape(-1)[found].float().topk(count).indices]
        picked.append(found)
    return _gather(torch.cat(picked), flat, uncertainty, predicted, shape)


def sample_plain(
    label: Int[Tensor, "B X Y Z"],
    body: Bool[Tensor, "B X Y Z"],
    rng: np.random.Generator,
    *,
    counts: Mapping[int, int] = COUNTS,
) -> VoxelSample:
    """Without guidance: as many pancreas voxels (called core) and other body voxels (called far) as the guided draw."""
    inside = sum(counts.get(region, 0) for region in (Region.CORE, Region.RIM_IN))
    coarse = torch.where(label > 0, int(Region.CORE), torch.where(body, int(Region.FAR), 0))
    wanted = {Region.CORE: inside, Region.FAR: sum(counts.values()) - inside}
    return sample_guided(coarse, torch.zeros_like(coarse, dtype=torch.float32), rng, counts=wanted)


def sample_random(
    regions: Int[Tensor, "B X Y Z"],
    uncertainty: Float[Tensor, "B X Y Z"],
    rng: np.random.Generator,
    *,
    counts: Mapping[int, int] = COUNTS,
    predicted: Float[Tensor, "B X Y Z"] | None = None,
    **alike,
) -> VoxelSample:
    """The control: everything as in the guided draw (numbers, names, uncertainties) but the places, which lie anywhere
    in the body."""
    guided = sample_guided(regions, uncertainty, rng, counts=counts, predicted=predicted, **alike)
    flat = regions.reshape(-1)
    anywhere = _rejection((flat != Region.OUTSIDE).long(), 1, len(guided), rng)
    positions = _unravel(anywhere, regions.shape)
    if len(positions) < len(guided):  # hardly any body
        positions = guided.positions
    return VoxelSample(positions, guided.regions, guided.uncertainty, guided.confidence)


def sample_features(
    features: Float[Tensor, "B F x y z"], positions: Int64[Tensor, "N 4"], shape: tuple[int, int, int]
) -> Float[Tensor, "N F"]:
    """Trilinear features at voxel centres, float32; differentiable.

    The same numbers as `F.interpolate(features, shape, mode="trilinear", align_corners=False)` at these voxels,
    without that map: eight corners per voxel are read.

    Args:
        shape: (X, Y, Z) of the image's grid, on which the positions are.
    """
    small = features.shape[2:]
    lows, parts = [], []
    for axis in range(3):
        at = (positions[:, axis + 1].float() + 0.5) * (small[axis] / shape[axis]) - 0.5
        at = at.clamp(0, small[axis] - 1)
        low = at.floor().long().clamp(max=max(small[axis] - 2, 0))
        lows.append(low)
        parts.append(at - low)
    flat = features.movedim(1, -1).flatten(0, 3)
    total = 0.0
    for corner in range(8):
        index, weight = positions[:, 0], 1.0
        for axis in range(3):
            up = corner >> axis & 1
            step = min(up, small[axis] - 1)
            index = index * small[axis] + lows[axis] + step
            weight = weight * (parts[axis] if up else 1 - parts[axis])
        total = total + weight[:, None] * flat[index].float()
    return total


class Projection(nn.Module):
    """Decoder features to the unit sphere, where directions are compared.

        z = W2 relu(LayerNorm(W1 f + b1)) + b2,   then z / |z|;   applied to the last axis

    No ReLU at the end: all coordinates would be positive, every cosine would lie
    between 0 and 1, and nothing could be pushed further away than a right angle.

    Args:
        inputs: width of the features.
        hidden: width in between; by default twice the inputs.
        outputs: dimensions of the sphere's space.
        seed: of the first weights (Kaiming normal), drawn from a generator of their own.

    Example:
        >>> Projection(16)(torch.zeros(5, 16)).shape
        torch.Size([5, 32])
    """

    def __init__(self, inputs: int, hidden: int | None = None, outputs: int = 32, seed: int = 0):
        super().__init__()
        hidden = hidden or 2 * inputs
        self.first, self.norm = nn.Linear(inputs, hidden), nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, outputs)
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.normal_(layer.bias, std=0.01, generator=generator)

    def forward(self, features: Float[Tensor, "... F"]) -> Float32[Tensor, "... D"]:
        """Unit vectors in float32; a feature of zeros has a direction too (that of the biases).

        Raises:
            InputError: features of another width, such as those of another level.
        """
        if features.shape[-1] != (wide := self.first.in_features):
            raise InputError(
                f"expected features {wide} wide, got {features.shape[-1]}; read them at the recipe's contrast_strides"
            )
        hidden = F.relu(self.norm(self.first(features)))
        return F.normalize(self.second(hidden).float(), dim=-1, eps=1e-6)


def _choose(n: int, count: int, rng: np.random.Generator) -> Int64[Tensor, " k"]:
    """`count` of n numbers without replacement, all of them where there are no more."""
    if n <= count:
        return torch.arange(n)
    return torch.from_numpy(rng.choice(n, count, replace=False))


def _rejection(flat: Tensor, code: int, count: int, rng: np.random.Generator) -> Int64[Tensor, " k"]:
    """Places with this code in a large volume, where they are common: try at random, and list them only if rare."""
    tries = rng.permutation(np.unique(rng.integers(len(flat), size=8 * count + 64)))
    found = torch.from_numpy(tries).to(flat.device)
    found = found[flat[found] == code][:count]
    if len(found) == count:
        return found
    every = torch.nonzero(flat == code)[:, 0]
    return every[_choose(len(every), count, rng).to(every.device)]


def _unravel(index: Tensor, shape) -> Int64[Tensor, "N 4"]:
    return torch.stack(torch.unravel_index(index, tuple(shape)), dim=1)


def _gather(index: Tensor, flat: Tensor, uncertainty: Tensor, predicted: Tensor | None, shape) -> VoxelSample:
    there = uncertainty.reshape(-1)[index].float()
    confidence = torch.full_like(there, 0.5) if predicted is None else predicted.reshape(-1)[index].float()
    return VoxelSample(_unravel(index, shape), flat[index].long(), there, confidence)

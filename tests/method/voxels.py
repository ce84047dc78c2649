"""Drawn voxels without images, and slow restatements of the losses."""

import math

import torch
from torch.nn import functional as F

from pancreas_ssl.method.contrast import ContrastTerms, contrast_loss, pixel_contrast_loss
from pancreas_ssl.method.prototypes import Prototypes
from pancreas_ssl.method.regions import Region
from pancreas_ssl.method.sampling import VoxelSample


def drawn(regions, uncertainty=None) -> VoxelSample:
    """A draw whose voxels have these regions."""
    regions = torch.as_tensor(regions)
    doubt = torch.zeros(len(regions)) if uncertainty is None else torch.as_tensor(uncertainty)
    return VoxelSample(torch.zeros(len(regions), 4, dtype=torch.long), regions, doubt, torch.full_like(doubt, 0.5))


def voxels_of(draw: VoxelSample):
    """Regions and uncertainty, as losses and prototypes take them."""
    return draw.regions, draw.uncertainty


def prototypes_of(pancreas, background=None) -> Prototypes:
    """Prototypes with these directions."""
    pancreas = torch.as_tensor(pancreas)
    made = Prototypes(len(pancreas), background=1 if background is None else len(background))
    made.pancreas_mean.copy_(pancreas)
    if background is not None:
        made.background.copy_(torch.as_tensor(background))
        made.has_background.fill_(True)
    return made


def guided(z, draw: VoxelSample, prototypes: Prototypes, **how) -> ContrastTerms:
    """`contrast_loss` of a sample against what prototypes know."""
    return contrast_loss(z, draw.regions, draw.uncertainty, *prototypes.known, **how)


def plain(z, draw: VoxelSample, **how) -> ContrastTerms:
    return pixel_contrast_loss(z, draw.regions, **how)


def random_case(seed: int, n: int = 40, size: int = 8):
    """Unit vectors, a draw of all regions and prototypes."""
    generator = torch.Generator().manual_seed(seed)
    z = F.normalize(torch.randn(n, size, generator=generator), dim=1)
    draw = drawn(torch.randint(1, 6, (n,), generator=generator), torch.rand(n, generator=generator))
    centres = F.normalize(torch.randn(5, size, generator=generator), dim=1)
    return z, draw, prototypes_of(centres[0], centres[1:] if seed % 2 else None)


def slow_contrast(z, draw, prototypes, temperature, margin, hinge_weight, views=1) -> float:
    """The guided loss, voxel by voxel in double precision."""
    z = [[float(v) for v in row] for row in z.double()]
    positive = [float(v) for v in prototypes.pancreas]
    named, doubt = draw.regions.tolist(), draw.uncertainty.tolist()
    negatives = [z[k] for k, region in enumerate(named) if region not in (Region.CORE, Region.RIM_IN)]
    if prototypes.has_background:
        negatives += [[float(v) for v in row] for row in prototypes.background]

    def dot(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    top = bottom = 0.0
    for k, (vector, region, u) in enumerate(zip(z, named, doubt, strict=True)):
        if region in (Region.CORE, Region.RIM_IN):
            others = sum(math.exp(dot(vector, other) / temperature) for other in negatives)
            pulled = [positive] + [z[(k + len(z) // 2) % len(z)]] * (views == 2)
            ups = [math.exp(dot(vector, one) / temperature) for one in pulled]
            weight = 1 + u if region == Region.RIM_IN else 1.0
            top += weight * sum(-math.log(up / (up + others)) for up in ups) / len(ups)
            bottom += weight
    if not bottom:
        return 0.0
    rims = [max(0.0, dot(v, positive) - margin) for v, r in zip(z, named, strict=True) if r == Region.RIM_OUT]
    return top / bottom + hinge_weight * (sum(rims) / len(rims) if rims else 0.0)


def slow_pixel(z, draw, temperature) -> float:
    """Plain pixel contrast, pair by pair in double precision."""
    z, named = z.double(), draw.regions.tolist()
    inside = [k for k, region in enumerate(named) if region in (Region.CORE, Region.RIM_IN)]
    if len(inside) < 2:
        return 0.0
    total = 0.0
    for a in inside:
        down = sum(math.exp(float(z[a] @ z[k]) / temperature) for k in range(len(z)) if k != a)
        pairs = [-math.log(math.exp(float(z[a] @ z[p]) / temperature) / down) for p in inside if p != a]
        total += sum(pairs) / len(pairs)
    return total / len(inside)

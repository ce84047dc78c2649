"""A patch with texture, and a flat organ with an uncertain rim around it."""

import numpy as np
import torch

from pancreas_ssl.restoration import Corruption, draw_corruption

SHAPE = (24, 20, 16)


def image(seed: int = 0, shape=SHAPE) -> torch.Tensor:
    """Air, fat and an organ with noise: `(1, x, y, z)` in [-1, 1]."""
    x = torch.full((1, *shape), -0.6)
    x[:, :2] = -1
    x[:, 6:18, 5:15, 4:12] = 0.3
    noise = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(x > -1, x + noise, x).clamp_(-1, 1)


def rim(shape=SHAPE) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Uncertainty, uncertain region and body of the patch: a shell around the organ."""
    organ = np.zeros(shape, bool)
    organ[6:18, 5:15, 4:12] = True
    inner = np.zeros(shape, bool)
    inner[8:16, 7:13, 6:10] = True
    region = torch.from_numpy(organ & ~inner)
    body = torch.ones(shape, dtype=torch.bool)
    body[:2] = False
    uncertainty = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.2
    return uncertainty, region, body


def drawn(family: str, seed: int = 0, strength: float | None = None) -> Corruption:
    """A corruption of the named family."""
    return draw_corruption(np.random.default_rng(seed), (family,), strength)


def share(mask: torch.Tensor, region: torch.Tensor) -> float:
    """Share of the region within the mask."""
    return float(mask[0][region].float().mean())

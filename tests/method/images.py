"""A patch with texture, and a flat organ with an uncertain rim around it."""

import numpy as np
import torch

from pancreas_ssl.method.corruptions import Corruption, draw_corruption

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


def tiny_model(seed: int = 0):
    """An untrained network with a restoration head, for patches of 32 x 32 x 16 voxels."""
    from pancreas_ssl.inference import Model
    from pancreas_ssl.method.network import SegmentationNetwork

    network = SegmentationNetwork(channels=(4, 6), restores=True, seed=seed).eval()
    return Model(network, 3.0, (-150.0, 250.0), (32, 32, 16))


def tiny_case(name: str = "A_024", source: str = "phantom/A", shape=(44, 40, 20)):
    """A prepared case: a body with noise, a flat organ with a label."""
    from pancreas_ssl.data.preprocessing import Prepared

    label = np.zeros(shape, np.uint8)
    label[14:32, 16:26, 6:14] = 1
    x = image(3, shape).numpy()
    x = np.clip(x + 0.4 * label - 0.1 * (x > -1), -1, 1).astype(np.float32)
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = (-60, -50, 10)
    return Prepared(name, source, x, label[None], (3.0,) * 3, affine, (-150.0, 250.0))

"""RandConv: one random convolution of the patch, mixed with the patch.

    x' = alpha x + (1 - alpha) (w * x)      alpha from U(0, 1)
    w of k x k x k weights from N(0, 1 / k^3), the variance; k from {1, 3, 5, 7}

Shapes survive, grey values and local texture do not: what a network may still rely on is shape. The weights' variance
is one over the number of inputs of a voxel (the paper's 2D images have 3 k^2, ours k^3). This is the paper's `mix`
variant, in which the drawn alpha takes the place of a share of untouched images.

The convolution acts on the scaled values (0 is 50 HU), as the paper's acts on images normalised to about 0: a negative
sum of weights then turns the window upside down and keeps its content. (With air as zero it would push all tissue below
the window.) Air may become bright; that is intended. What leaves [-1, 1] is clipped. Outside the patch its edge voxels
are repeated (the paper: zeros), so that no frame appears.

Source: Xu et al. 2021, Robust and Generalizable Visual Representation Learning via Random Convolutions, ICLR,
arXiv 2007.13003.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from pancreas_ssl.augmentation.patch import check_patch, check_sizes, convolve

__all__ = ["SIZES", "RandConvDraw", "apply_randconv", "draw_randconv"]

SIZES = (1, 3, 5, 7)
"""Kernel sizes of the paper: 1 changes grey values only, 7 blurs and ripples over 21 mm on the 3 mm grid."""


@dataclass(frozen=True)
class RandConvDraw:
    """One random convolution and its share: x' = alpha x + (1 - alpha) (weight * x)."""

    weight: Float32[np.ndarray, "k k k"]
    alpha: float


def draw_randconv(rng: np.random.Generator, sizes: Sequence[int] = SIZES) -> RandConvDraw:
    """Draw kernel size, weights and share.

    Args:
        sizes: odd kernel sizes, each equally likely. The default is the paper's; drop 7 and 5 to keep fine detail.

    Raises:
        InputError: there is no size, or one is even or below 1.

    Example:
        >>> draw = draw_randconv(np.random.default_rng(0))
        >>> draw.weight.shape[0] in SIZES and 0 <= draw.alpha < 1
        True
    """
    check_sizes(sizes)
    size = int(sizes[int(rng.integers(len(sizes)))])
    weight = rng.normal(0, size**-1.5, (size, size, size)).astype(np.float32)
    return RandConvDraw(weight, float(rng.random()))


@torch.no_grad()
def apply_randconv(image: Float32[Tensor, "1 x y z"], draw: RandConvDraw) -> Float32[Tensor, "1 x y z"]:
    """The patch in [-1, 1] mixed with its convolution, clipped to [-1, 1]; a new tensor.

    Raises:
        InputError: the patch is not `(1, x, y, z)` in float32.

    Example:
        >>> upside_down = RandConvDraw(-np.ones((1, 1, 1), np.float32), alpha=0.0)
        >>> apply_randconv(torch.full((1, 2, 2, 2), 0.25), upside_down).mean()
        tensor(-0.2500)
    """
    check_patch(image)
    return torch.lerp(convolve(image, draw.weight[None, None]), image, draw.alpha).clamp_(-1, 1)

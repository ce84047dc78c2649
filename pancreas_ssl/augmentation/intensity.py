"""Strong intensity augmentation: the appearance part of BigAug, six simple changes, each with probability 0.5.

In this order, on a patch x in [-1, 1] (0 is 50 HU, 0.1 is 20 HU):

    sharpness   x + a (x - G x),  G a Gaussian of 1 voxel
    blur        a Gaussian of s voxels
    noise       x + sd n,  n white and normal
    brightness  x + b
    contrast    c x,  about the middle of the window
    gamma       2 ((x + 1) / 2)^g - 1

BigAug stacks nine changes; the three of space are left to the cutting of patches here. Order and probability are the
paper's; the ranges in `RANGES` are ours, since the paper's belong to images of another scale and voxel size. Noise,
brightness, contrast and gamma leave air alone (see `patch.py`).

Source: Zhang et al. 2020, Generalizing Deep Learning for Medical Image Segmentation to Unseen Domains via Deep
Stacked Transformation, IEEE TMI, doi 10.1109/TMI.2020.2973595, arXiv 1906.03347.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from pancreas_ssl.augmentation.patch import air_fade, blur, check_patch, gamma_curve, noisy
from pancreas_ssl.errors import require

__all__ = ["PROBABILITY", "RANGES", "StrongDraw", "apply_strong", "draw_strong"]

PROBABILITY = 0.5
"""Of each change, independently."""

RANGES: Mapping[str, tuple[float, float]] = {
    "sharpness": (0.3, 2.0),  # share of the detail that is added
    "blur": (0.3, 1.2),  # voxels; about 1 to 4 mm on the 3 mm grid
    "noise": (0.02, 0.15),  # standard deviation; 4 to 30 HU
    "brightness": (-0.3, 0.3),  # up to 60 HU, about the change from portal to unenhanced
    "contrast": (-0.4, 0.4),  # logarithm of the factor: 0.67 to 1.49
    "gamma": (-0.4, 0.4),  # logarithm of the exponent: 0.67 to 1.49
}
"""Uniform ranges at strength 1, in the order of application."""


@dataclass(frozen=True)
class StrongDraw:
    """One draw of the six changes; the defaults change nothing."""

    sharpness: float = 0.0  # share of detail added
    blur: float = 0.0  # voxels
    noise: float = 0.0  # standard deviation
    noise_seed: int = 0
    brightness: float = 0.0  # added
    contrast: float = 1.0  # factor
    gamma: float = 1.0  # exponent


def draw_strong(rng: np.random.Generator, strength: float = 1.0) -> StrongDraw:
    """Draw which of the six changes happen, and how far each goes.

    Args:
        rng: the number of values taken from it does not depend on `strength`.
        strength: multiplies every magnitude (of contrast and gamma their logarithms). 1 is what `RANGES` says, about
            what scanners and contrast phases differ by; 0 changes nothing.

    Raises:
        InputError: the strength is negative or not finite.

    Example:
        >>> draw = draw_strong(np.random.default_rng(0))
        >>> apply_strong(torch.zeros(1, 8, 8, 8), draw).shape
        torch.Size([1, 8, 8, 8])
    """
    fine = math.isfinite(strength) and strength >= 0
    require(fine, "a strength of at least 0", strength, "1 is the usual one, 0 none")
    happens = rng.random(len(RANGES)) < PROBABILITY
    drawn = rng.random(len(RANGES))
    chosen = zip(RANGES.items(), drawn, happens, strict=True)
    size = {name: float(strength * (low + (high - low) * u)) if now else 0.0 for (name, (low, high)), u, now in chosen}
    size |= {name: math.exp(size[name]) for name in ("contrast", "gamma")}
    return StrongDraw(noise_seed=int(rng.integers(2**62)), **size)


@torch.no_grad()
def apply_strong(image: Float32[Tensor, "1 x y z"], draw: StrongDraw) -> Float32[Tensor, "1 x y z"]:
    """The patch in [-1, 1] with the changes of a draw, in the fixed order, clipped to [-1, 1]; a new tensor.

    Raises:
        InputError: the patch is not `(1, x, y, z)` in float32.

    Example:
        >>> apply_strong(torch.zeros(1, 4, 4, 4), StrongDraw(brightness=0.25)).mean()
        tensor(0.2500)
    """
    check_patch(image)
    out = image
    if draw.sharpness:
        out = torch.lerp(blur(out, 1.0), out, 1 + draw.sharpness).clamp_(-1, 1)
    out = blur(out, draw.blur)
    out = noisy(out, draw.noise, draw.noise_seed)
    if draw.brightness != 0 or draw.contrast != 1 or draw.gamma != 1:
        toned = gamma_curve((out + draw.brightness) * draw.contrast, draw.gamma)
        out = torch.lerp(out, toned, air_fade(out))
    return out.clamp(-1, 1)

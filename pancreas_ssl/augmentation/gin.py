"""GIN, global intensity non-linear augmentation: a small random network changes the greys of the patch.

    g(x) = conv_L(f(conv_{L-1}( ... f(conv_1(x)))),   L = 4,  f the leaky ReLU (slope 0.01)
    m    = alpha g(x) + (1 - alpha) x,                alpha from U(0, 1)
    x'   = m ||x|| / ||m||,                           the Frobenius norm

Each convolution has its own kernel size, 1 or 3, two channels inside, weights and one offset per channel from N(0, 1).
Kernels of 1 change grey values (not monotonically), kernels of 3 texture; no voxel sees further than four voxels, so
anatomy stays.

The norm is that of the scaled values (0 is 50 HU); what leaves [-1, 1] is clipped afterwards. The network itself sees x
divided by its root mean square, because the paper's images have unit variance and the offsets from N(0, 1) are made for
those. Air changes with the rest, as in the paper. Outside the patch its edge voxels are repeated (the paper: zeros), so
that no frame appears.

Weights from N(0, 1) amplify (a kernel of 3 by about sqrt(27 x channels)), so that in m the network outweighs x for
nearly every alpha. `balanced=True` is ours: it brings g(x) to the norm of x first, so that alpha is a true share.

Source: Ouyang et al. 2022, Causality-inspired Single-source Domain Generalization for Medical Image Segmentation,
IEEE TMI, doi 10.1109/TMI.2022.3224067, arXiv 2111.12525.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.augmentation.patch import check_patch, check_sizes, convolve
from pancreas_ssl.errors import require

__all__ = ["GinDraw", "apply_gin", "draw_gin"]


@dataclass(frozen=True)
class GinDraw:
    """One random network and its share: per layer a weight `(out, in, k, k, k)` and an offset `(out,)`."""

    weights: tuple[Float32[np.ndarray, "out in k k k"], ...]
    offsets: tuple[Float32[np.ndarray, " out"], ...]
    alpha: float
    balanced: bool = False


def draw_gin(
    rng: np.random.Generator, layers: int = 4, channels: int = 2, sizes: Sequence[int] = (1, 3), balanced: bool = False
) -> GinDraw:
    """Draw the network and its share.

    Args:
        layers: convolutions, the paper's 4; 1 is a linear filter with an offset.
        channels: between the convolutions, the paper's 2.
        sizes: odd kernel sizes, drawn anew for each layer, each equally likely; the paper's 1 and 3.
        balanced: bring the network's output to the patch's norm before mixing (see above); False as in the paper.

    Raises:
        InputError: no layer, no channel, or an even kernel size.

    Example:
        >>> [weight.shape[:2] for weight in draw_gin(np.random.default_rng(0)).weights]
        [(2, 1), (2, 2), (2, 2), (1, 2)]
    """
    require(layers >= 1 and channels >= 1, "at least one layer and one channel", (layers, channels), "use 4 and 2")
    check_sizes(sizes)
    widths = [1, *[channels] * (layers - 1), 1]
    weights, offsets = [], []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        size = int(sizes[int(rng.integers(len(sizes)))])
        weights.append(rng.standard_normal((outputs, inputs, size, size, size), dtype=np.float32))
        offsets.append(rng.standard_normal(outputs, dtype=np.float32))
    return GinDraw(tuple(weights), tuple(offsets), float(rng.random()), balanced)


@torch.no_grad()
def apply_gin(image: Float32[Tensor, "1 x y z"], draw: GinDraw) -> Float32[Tensor, "1 x y z"]:
    """The changed patch, of the same Frobenius norm before it is clipped to [-1, 1]; a new tensor.

    A patch of zeros comes back as it is, since nothing else has its norm.

    Raises:
        InputError: the patch is not `(1, x, y, z)` in float32.

    Example:
        >>> image = torch.linspace(-0.01, 0.01, 512).reshape(1, 8, 8, 8)
        >>> bool(torch.isclose(apply_gin(image, draw_gin(np.random.default_rng(0))).norm(), image.norm()))
        True
    """
    check_patch(image)
    scale = image.norm() / image.numel() ** 0.5
    if scale == 0:
        return image.clone()
    unit = image / scale
    out = unit
    for layer, (weight, offset) in enumerate(zip(draw.weights, draw.offsets, strict=True), start=1):
        out = convolve(out, weight).add_(torch.from_numpy(offset).to(image.device)[:, None, None, None])
        if layer < len(draw.weights):
            out = F.leaky_relu_(out)
    if draw.balanced:
        out = _with_rms_one(out)
    return _with_rms_one(torch.lerp(unit, out, draw.alpha)).mul_(scale).clamp_(-1, 1)


def _with_rms_one(x: Float32[Tensor, "1 x y z"]) -> Float32[Tensor, "1 x y z"]:
    """x with a mean square of 1, which is the squared norm over the number of voxels; zeros stay zeros."""
    return x / (x.norm() / x.numel() ** 0.5).clamp_min(1e-12)

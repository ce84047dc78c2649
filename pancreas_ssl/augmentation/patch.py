"""What the augmentations of one patch share: its range and its air, a blur, white noise, a gamma curve, a convolution.

A patch is `(1, x, y, z)`, float32, HU of the window [-150, 250] scaled to [-1, 1]: 1 HU is 0.005, 0 is 50 HU. The value
-1 is the bottom of the window and, in practice, air: at -1000 HU it lies so far below the window that no scanner brings
it to another grey. So noise and tone curves fade out over the lowest 25 HU (`air_fade`) and leave air where it is.

Plain torch because MONAI's transforms are slower (64 x 64 x 48 voxels, one thread: `GaussianSmooth` 2.9 ms against
0.8 ms for `blur`), and because `AdjustContrast` takes its range from the patch, while ours is fixed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.errors import require

__all__ = ["AIR", "HU", "air_fade", "blur", "check_patch", "check_sizes", "convolve", "gamma_curve", "noisy"]

AIR = -1.0  # bottom of the window
HU = 1 / 200  # one Hounsfield unit, in units of the [-1, 1] scale
FADE = 25 * HU  # height above AIR within which changes fade out


def check_patch(image: Tensor, name: str = "an image patch") -> None:
    """An `InputError` unless `image` is one float32 patch of one channel."""
    fine = image.ndim == 4 and image.shape[0] == 1 and image.dtype == torch.float32 and image.numel() > 0
    remedy = "pass one patch of a batch at a time, e.g. batch[0].float()"
    require(fine, f"{name} (1, x, y, z) in float32", kind_of(image), remedy)


def kind_of(tensor: Tensor) -> str:
    """Shape and type in words."""
    return f"{tuple(tensor.shape)} in {str(tensor.dtype).removeprefix('torch.')}"


def check_sizes(sizes: Sequence[int]) -> None:
    """An `InputError` unless these are kernel sizes."""
    fine = len(sizes) > 0 and all(size >= 1 and size % 2 == 1 for size in sizes)
    require(fine, "odd kernel sizes of at least 1", tuple(sizes), "name some of 1, 3, 5, 7")


def air_fade(image: Float32[Tensor, "1 x y z"]) -> Float32[Tensor, "1 x y z"]:
    """Share of a change that a voxel takes: 0 at the bottom of the window, 1 from 25 HU above it, linear between.

    Example:
        >>> air_fade(torch.tensor([-1.0, -0.9375, -0.875, 0.5]))
        tensor([0.0000, 0.5000, 1.0000, 1.0000])
    """
    return ((image - AIR) / FADE).clamp_(0, 1)


def _smoother(size: int, sigma: float, device: torch.device) -> Float32[Tensor, "size size"]:
    """Gaussian smoothing of a line as a matrix whose rows sum to 1, at the ends too."""
    at = torch.arange(size, device=device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((at[:, None] - at[None, :]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def blur(image: Float32[Tensor, "1 x y z"], sigma: float) -> Float32[Tensor, "1 x y z"]:
    """Gaussian blur, `sigma` in voxels (0 = none), as one matrix product along each axis.

    A constant patch stays constant, edges included.

    Example:
        >>> bool(torch.allclose(blur(torch.ones(1, 4, 4, 4), 1.0), torch.ones(1, 4, 4, 4)))
        True
    """
    if sigma == 0:
        return image
    x, y, z = image.shape[1:]
    along_x, along_y, along_z = (_smoother(size, sigma, image.device) for size in (x, y, z))
    out = along_y @ (image[0] @ along_z.T)
    return (along_x @ out.reshape(x, y * z)).reshape(1, x, y, z)


def noisy(image: Float32[Tensor, "1 x y z"], spread: float, seed: int) -> Float32[Tensor, "1 x y z"]:
    """`image + spread * air_fade(image) * n`, n white and normal, the same on every device; not clipped."""
    if spread == 0:
        return image
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image.device)
    return torch.addcmul(image, noise, air_fade(image), value=spread)


def gamma_curve(image: Float32[Tensor, "1 x y z"], gamma: float) -> Float32[Tensor, "1 x y z"]:
    """`2 ((x + 1) / 2)^gamma - 1`: both ends of the window stay, gamma above 1 darkens what lies between.

    Example:
        >>> gamma_curve(torch.tensor([-1.0, 0.0, 1.0]), 2.0)
        tensor([-1.0000, -0.5000,  1.0000])
    """
    if gamma == 1:
        return image
    return ((image.clamp(-1, 1) + 1) / 2).pow_(gamma).mul_(2).sub_(1)


def convolve(
    image: Float32[Tensor, "inputs x y z"], weight: Float32[np.ndarray, "outputs inputs k k k"]
) -> Float32[Tensor, "outputs x y z"]:
    """Convolution in the sense of deep learning (no flip), odd k, same size; the edge voxels are repeated outside.

    For so few channels `torch.nn.functional.conv3d` is slow on a CPU. Here it is one scaled addition per tap up to
    3x3x3 (64 x 64 x 48 voxels, two channels, one thread: 4 against 11 ms), beyond it a product of Fourier transforms
    (7x7x7: 3 against 19 ms).
    """
    outputs, inputs, size = weight.shape[:3]
    if size == 1:
        mixing = torch.from_numpy(weight.reshape(outputs, inputs)).to(image.device)
        return (mixing @ image.reshape(inputs, -1)).reshape(outputs, *image.shape[1:])
    x, y, z = image.shape[1:]
    padded = F.pad(image[None], (size // 2,) * 6, mode="replicate")[0]
    if size > 3:
        sizes, dims = ([n + n % 2 for n in padded.shape[1:]], (1, 2, 3))  # the padding keeps what wraps around outside
        kernel = torch.from_numpy(weight).to(image.device).flip(2, 3, 4)
        spectrum = (torch.fft.rfftn(kernel, sizes, (2, 3, 4)) * torch.fft.rfftn(padded, sizes, dims)).sum(1)
        return torch.fft.irfftn(spectrum, sizes, dims)[:, *(slice(size - 1, size - 1 + n) for n in (x, y, z))]
    out = torch.zeros(outputs, x, y, z, device=image.device)
    for o, c, i, j, k in np.ndindex(weight.shape):
        out[o].add_(padded[c, i : i + x, j : j + y, k : k + z], alpha=float(weight[o, c, i, j, k]))
    return out

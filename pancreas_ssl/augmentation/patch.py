"""What the augmentations of one patch share: its range and its air, a blur, white noise, a gamma curve, a convolution.

A patch is `(1, x, y, z)`, float32, HU of the window [-150, 250] scaled to [-1, 1]: 1 HU is 0.005, 0 is 50 HU. The value
-1 is the bottom of the window and, in practice, air: at -1000 HU it lies so far below the window that no scanner brings
it to another grey. So noise and tone curves fade out over the lowest 25 HU (`air_fade`) and leave air where it is.

All of it is plain torch because MONAI's transforms would cost a training step too much (64 x 64 x 48 voxels, one
thread: `GaussianSmooth` 2.9 ms against 0.8 ms for `blur`, `GaussianSharpen` 14 ms against 1 ms for a sharpening by
`blur`), and because `AdjustContrast` takes its range from the patch, while ours is fixed.
"""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.errors import InputError

__all__ = ["AIR", "HU", "air_fade", "blur", "check_patch", "convolve", "gamma_curve", "noisy", "require"]

AIR = -1.0  # bottom of the window
HU = 1 / 200  # one Hounsfield unit, in units of the [-1, 1] scale
FADE = 25 * HU  # height above AIR within which changes fade out


def require(fine: bool, expected: str, got, remedy: str) -> None:
    """Raise the sentence "expected ..., got ...; ..." as an `InputError` unless `fine`."""
    if not fine:
        raise InputError(f"expected {expected}, got {got}; {remedy}")


def check_patch(image: Tensor, name: str = "an image patch") -> None:
    """An `InputError` unless `image` is one float32 patch of one channel."""
    require(
        image.ndim == 4 and image.shape[0] == 1 and image.dtype == torch.float32 and image.numel() > 0,
        f"{name} (1, x, y, z) in float32",
        f"{tuple(image.shape)} in {str(image.dtype).removeprefix('torch.')}",
        "pass one patch of a batch at a time, e.g. batch[0].float()",
    )


def air_fade(image: Float32[Tensor, "1 x y z"]) -> Float32[Tensor, "1 x y z"]:
    """Share of a change that a voxel takes: 0 at the bottom of the window, 1 from 25 HU above it, linear between.

    Example:
        >>> air_fade(torch.tensor([-1.0, -0.9375, -0.875, 0.5]))
        tensor([0.0000, 0.5000, 1.0000, 1.0000])
    """
    return ((image - AIR) / FADE).clamp_(0, 1)


def _smoother(size: int, sigma: float, device: torch.device) -> Float32[Tensor, "size size"]:
    """Gaussian smoothing of a line as a matrix; rows sum to 1, so weights cut off at an end go to the others."""
    at = torch.arange(size, device=device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((at[:, None] - at[None, :]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def blur(image: Float32[Tensor, "1 x y z"], sigma: float) -> Float32[Tensor, "1 x y z"]:
    """Gaussian blur, `sigma` in voxels (0 = none), as one matrix product along each axis.

    A constant patch stays constant, edges included. Averages never leave the range of the values.

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
    """`image + spread * air_fade(image) * n`, n white and normal; not clipped.

    The noise comes from a processor's generator on every device, so that it does not depend on the device.
    """
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

    For so few channels `torch.nn.functional.conv3d` is slow on a processor. Up to 3x3x3 there is one scaled addition
    per tap here (64 x 64 x 48 voxels, one thread: 1 against 2 ms from one channel to one, 4 against 11 ms from two to
    two, 2 against 27 ms from two to one), beyond it a product of Fourier transforms (7x7x7: 3 against 19 ms).
    """
    outputs, inputs, size = weight.shape[:3]
    if size == 1:
        mixing = torch.from_numpy(weight.reshape(outputs, inputs)).to(image.device)
        return (mixing @ image.reshape(inputs, -1)).reshape(outputs, *image.shape[1:])
    x, y, z = image.shape[1:]
    padded = F.pad(image[None], (size // 2,) * 6, mode="replicate")[0]
    if size > 3:
        sizes, dims = (
            [n + n % 2 for n in padded.shape[1:]],
            (1, 2, 3),
        )  # the padding keeps what wraps around outside
        kernel = torch.from_numpy(weight).to(image.device).flip(2, 3, 4)
        spectrum = (torch.fft.rfftn(kernel, sizes, (2, 3, 4)) * torch.fft.rfftn(padded, sizes, dims)).sum(1)
        start = size - 1
        return torch.fft.irfftn(spectrum, sizes, dims)[
            :, start : start + x, start : start + y, start : start + z
        ]
    out = torch.zeros(outputs, x, y, z, device=image.device)
    for o, c, i, j, k in np.ndindex(weight.shape):
        out[o].add_(padded[c, i : i + x, j : j + y, k : k + z], alpha=float(weight[o, c, i, j, k]))
    return out

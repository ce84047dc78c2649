r"""How good a restoration is inside the mask, and whether it beats what needs no learning.

    PSNR = 10 log10(range^2 / MSE)    MSE the mean over the mask of (restored - target)^2, range 2 for [-1, 1]; in dB
    SSIM = mean over the mask of the local structural similarity, 7 x 7 x 7 voxels uniformly weighted (scikit-image)
    MAE  = mean over the mask of |restored - target|, in HU

SSIM's windows reach beyond the mask, so whatever is judged is first put into the target: outside the mask all
candidates are perfect, which raises all values alike.

Two solutions need no network: leaving the corrupted image as it is, and smoothing it. A restoration that does not beat
both has learnt nothing worth having. A third one is fairer to corruptions that leave nothing behind: the mean of the
uncorrupted voxels around.

With an empty mask every number is NaN, and nothing is beaten. A perfect restoration has a PSNR of infinity.

Source of SSIM: Wang et al. 2004, IEEE TIP 13(4).
"""

import math

import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.errors import require

__all__ = ["against_trivial", "beats_trivial", "hu_per_unit", "local_mean", "mae_hu", "psnr", "ssim"]

SSIM_SIZE = 7  # voxels a side of SSIM's window
WINDOW = (-150.0, 250.0)  # HU shown as [-1, 1]


def hu_per_unit(window: tuple[float, float] = WINDOW) -> float:
    """HU in one unit of the [-1, 1] scale.

    Example:
        >>> hu_per_unit()
        200.0
    """
    require(window[0] < window[1], "a rising window in HU", tuple(window), "the default is (-150, 250)")
    return (window[1] - window[0]) / 2


def psnr(
    restored: Float[Tensor, "1 x y z"],
    target: Float[Tensor, "1 x y z"],
    mask: Bool[Tensor, "1 x y z"],
    data_range: float = 2.0,
) -> float:
    """Peak signal-to-noise ratio in the mask, in dB: 10 log10(range^2 / MSE). Infinite if perfect, NaN if empty.

    Example:
        >>> target = torch.zeros(1, 8, 8, 8)
        >>> round(psnr(target + 0.2, target, torch.ones_like(target, dtype=torch.bool)), 3)
        20.0
    """
    _check(restored, target, mask)
    if not mask.any():
        return math.nan
    error = float((restored[mask].double() - target[mask].double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def ssim(restored: Float[Tensor, "1 x y z"], target: Float[Tensor, "1 x y z"], mask: Bool[Tensor, "1 x y z"]) -> float:
    """Structural similarity inside the mask, at most 1 (equal). NaN when the mask is empty.

    Raises:
        InputError: a side of the patch is shorter than 7 voxels.

    Example:
        >>> target = torch.rand(1, 8, 8, 8)
        >>> ssim(target, target, torch.ones_like(target, dtype=torch.bool))
        1.0
    """
    from skimage.metrics import structural_similarity

    _check(restored, target, mask)
    sides = f"a patch with sides of at least {SSIM_SIZE} voxels"
    require(min(mask.shape[1:]) >= SSIM_SIZE, sides, tuple(mask.shape), "take a larger patch around the mask")
    if not mask.any():
        return math.nan
    inside = mask[0].numpy(force=True)
    truth = target[0].float().numpy(force=True)
    judged = torch.where(mask, restored, target)[0].float().numpy(force=True)
    local = structural_similarity(judged, truth, win_size=SSIM_SIZE, data_range=2.0, full=True)[1]
    return float(local[inside].mean(dtype=float))


def mae_hu(
    restored: Float[Tensor, "1 x y z"],
    target: Float[Tensor, "1 x y z"],
    mask: Bool[Tensor, "1 x y z"],
    window: tuple[float, float] = WINDOW,
) -> float:
    """Mean absolute error in the mask, in HU of the window. NaN when the mask is empty."""
    return hu_per_unit(window) * float((restored[mask].float() - target[mask].float()).abs().mean())


def local_mean(
    corrupted: Float[Tensor, "1 x y z"], mask: Bool[Tensor, "1 x y z"], size: int = 5, *, inside_out: bool = False
) -> Float32[Tensor, "1 x y z"]:
    """A trivial solution: in the mask, the mean of the size^3 voxels around; outside, the image as it is.

    Args:
        size: odd side of the neighbourhood in voxels; what lies beyond the patch does not count.
        inside_out: average uncorrupted voxels only, and fill the mask from its edge inwards. With nothing uncorrupted
            at all, the plain mean.

    Raises:
        InputError: shapes differ, or the size is even or below 1.

    Example:
        >>> image = torch.zeros(1, 5, 5, 5)
        >>> image[0, 2, 2, 2] = 1
        >>> mask = image > 0
        >>> local_mean(image, mask, 3)[mask], local_mean(image, mask, 3, inside_out=True)[mask]
        (tensor([0.0370]), tensor([0.]))
    """
    _check(corrupted, corrupted, mask)
    require(size >= 1 and size % 2 == 1, "an odd size of at least 1", size, "5 is the default")
    image = corrupted.float()
    if not inside_out or mask.all() or size == 1:
        return torch.where(mask, _mean(image, size) / _mean(torch.ones_like(image), size), image)
    known, out = ~mask, torch.where(mask, 0.0, image)
    while not known.all():
        share = _mean(known.float(), size)
        new = ~known & (share > 0.5 / size**3)
        out = torch.where(new, _mean(out, size) / share.clamp(min=0.5 / size**3), out)
        known = known | new
    return out


def against_trivial(
    restored: Float[Tensor, "1 x y z"],
    corrupted: Float[Tensor, "1 x y z"],
    target: Float[Tensor, "1 x y z"],
    mask: Bool[Tensor, "1 x y z"],
    *,
    window: tuple[float, float] = WINDOW,
    size: int = 5,
    surroundings: bool = False,
) -> pd.DataFrame:
    """Restoration and trivial solutions side by side, inside the mask.

    Args:
        window: HU shown as [-1, 1], for the error in HU.
        size: of the local mean, voxels.
        surroundings: add the local mean of uncorrupted voxels, `local_mean(..., inside_out=True)`.

    Returns:
        Rows "restored", "corrupted copy", "local mean" and perhaps "mean of the uncorrupted"; columns "PSNR (dB)",
        "SSIM", "MAE (HU)".

    Example:
        >>> image, mask = torch.rand(1, 8, 8, 8), torch.ones(1, 8, 8, 8, dtype=torch.bool)
        >>> against_trivial(image, 0.9 * image, image, mask)["PSNR (dB)"].idxmax()
        'restored'
    """
    images = {"restored": restored, "corrupted copy": corrupted, "local mean": local_mean(corrupted, mask, size)}
    if surroundings:
        images["mean of the uncorrupted"] = local_mean(corrupted, mask, size, inside_out=True)
    measures = [
        (psnr(x, target, mask), ssim(x, target, mask), mae_hu(x, target, mask, window)) for x in images.values()
    ]
    return pd.DataFrame(measures, index=list(images), columns=["PSNR (dB)", "SSIM", "MAE (HU)"])


def beats_trivial(table: pd.DataFrame) -> bool:
    """Whether the restoration has a higher PSNR and a higher SSIM than every other row of `against_trivial`.

    A tie is no win, and neither is an empty mask.

    Example:
        >>> image, mask = torch.rand(1, 8, 8, 8), torch.ones(1, 8, 8, 8, dtype=torch.bool)
        >>> beats_trivial(against_trivial(image, 0.9 * image, image, mask))
        True
    """
    columns = ["PSNR (dB)", "SSIM"]
    others = table.drop(index="restored")[columns]
    return bool((table.loc["restored", columns] > others).all(axis=None))


def _mean(image: Float32[Tensor, "1 x y z"], size: int) -> Float32[Tensor, "1 x y z"]:
    """Mean over size^3 voxels, 0 beyond the patch; one axis after the other."""
    for axis in range(3):
        kernel = [size if k == axis else 1 for k in range(3)]
        image = F.avg_pool3d(image[None], kernel, stride=1, padding=[k // 2 for k in kernel])[0]
    return image


def _check(restored: Tensor, target: Tensor, mask: Tensor) -> None:
    fine = mask.ndim == 4 and mask.shape[0] == 1 and restored.shape == target.shape == mask.shape
    kind = str(mask.dtype).removeprefix("torch.")
    got = f"{tuple(restored.shape)}, {tuple(target.shape)} and {tuple(mask.shape)} in {kind}"
    expected = "images and a boolean mask of one shape (1, x, y, z)"
    require(fine and mask.dtype == torch.bool, expected, got, "judge one patch at a time")

"""Label-wise random convolution: the pancreas and the rest of the patch each pass another RandConv.

    x' = sum_l s_l R_l(x)      l the labels, R_l a RandConv of its own (`randconv`), s_l the blurred mask of l

One random convolution changes all greys by one rule. Two of them also change the pancreas *against* what surrounds it,
as a phase or a fatty gland does, and need no organ map: NIH and MSD label the pancreas (and masses) alone. Each mask is
blurred by one voxel, as in `labels`, so that the border is no edge; together they are 1 everywhere.

The price: where the two rules differ much, the outline can be read off the picture, which no scan will show. With organ
maps, `labels` is the better choice. On patches without a label it is RandConv.

Source: the training half of SRCSM, Thaler et al. 2025, arXiv 2512.01510, which convolves every labelled region at
random. Its abstract is at hand: that the convolution is RandConv's, and the soft border, are choices of this toolkit.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from pancreas_ssl.augmentation.labels import SOFTENING
from pancreas_ssl.augmentation.patch import blur, check_patch, kind_of
from pancreas_ssl.augmentation.randconv import SIZES, RandConvDraw, apply_randconv, draw_randconv
from pancreas_ssl.errors import require

__all__ = ["apply_labelconv", "draw_labelconv"]


def draw_labelconv(
    rng: np.random.Generator, n_labels: int = 2, sizes: Sequence[int] = SIZES
) -> tuple[RandConvDraw, ...]:
    """One RandConv for each label, background first.

    Args:
        n_labels: labels, background included.
        sizes: as in `draw_randconv`.

    Raises:
        InputError: no label, or unfit sizes.

    Example:
        >>> len(draw_labelconv(np.random.default_rng(0)))
        2
    """
    require(n_labels >= 1, "at least one label (the background)", n_labels, "2 are background and pancreas")
    return tuple(draw_randconv(rng, sizes) for _ in range(n_labels))


@torch.no_grad()
def apply_labelconv(
    image: Float32[Tensor, "1 x y z"],
    label: UInt8[Tensor, "1 x y z"] | Int64[Tensor, "1 x y z"],
    draws: Sequence[RandConvDraw],
) -> Float32[Tensor, "1 x y z"]:
    """The patch with each label's voxels from a convolution of its own, in [-1, 1]; a new tensor.

    Args:
        image: one patch in [-1, 1].
        label: 0 = background; labels beyond the last draw take that one.
        draws: from `draw_labelconv`.

    Raises:
        InputError: unfit patch, or a label of another size.

    Example:
        >>> one = np.ones((1, 1, 1), np.float32)
        >>> plain, dark = RandConvDraw(one, 1.0), RandConvDraw(-one, 0.0)
        >>> image, label = torch.full((1, 9, 9, 9), 0.5), torch.zeros(1, 9, 9, 9, dtype=torch.uint8)
        >>> label[:, 3:6, 3:6, 3:6] = 1
        >>> out = apply_labelconv(image, label, (plain, dark))
        >>> bool(out[0, 0, 0, 0] > 0.49), bool(out[0, 4, 4, 4] < 0)
        (True, True)
    """
    check_patch(image)
    fits = label.shape == image.shape
    require(fits, f"a label {tuple(image.shape)} like the image", kind_of(label), "cut label and image together")
    out = apply_randconv(image, draws[0])
    for number, draw in enumerate(draws[1:], start=1):
        here = label == number if number < len(draws) - 1 else label >= number
        if here.any():
            out = out.lerp(apply_randconv(image, draw), blur(here.float(), SOFTENING))
    return out

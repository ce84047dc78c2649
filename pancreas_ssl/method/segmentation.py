r"""The segmentation loss, over the patches of all processes: soft Dice plus cross-entropy.

    L = w_d (1 - mean over classes c > 0 of (2 \sum p_c l_c + e) / (\sum p_c + \sum l_c + e))
        + w_ce mean of -log p_label

The sums of the Dice run over all voxels of the whole batch, so that a patch without pancreas adds its false positives
without making the loss jump. They are therefore added up over the processes *before* the division: the mean of two Dice
losses is not the Dice loss of both halves. With one process it is MONAI's `DiceCELoss(include_background=False,
to_onehot_y=True, softmax=True, batch=True)`, up to rounding.

It may look at logits and labels folded, as the network has them (`space_to_depth`): the order of voxels is no matter.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.method.processes import summed

__all__ = ["PANCREAS", "PHASES", "depth_to_space", "dice_cross_entropy", "folded", "space_to_depth"]

PANCREAS = 1  # the class; 0 is background, further classes are other organs
PHASES = 8  # sub-voxel positions: 2 x 2 x 2 voxels share one place of the network's features
SMOOTH = 1e-5  # e: a class that is nowhere, and nowhere predicted, has a Dice of 1


def space_to_depth(x: Float[Tensor, "B C X Y Z"]) -> Float[Tensor, "B C8 X2 Y2 Z2"]:
    """Fold each block of 2 x 2 x 2 voxels into 8 channels; channel `8 c + phase`, phase = 4 dx + 2 dy + dz.

    All three sizes must be even. `depth_to_space` is the exact inverse.

    Example:
        >>> space_to_depth(torch.zeros(2, 1, 8, 8, 4)).shape
        torch.Size([2, 8, 4, 4, 2])
    """
    b, c, x_, y_, z_ = x.shape
    blocks = x.reshape(b, c, x_ // 2, 2, y_ // 2, 2, z_ // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * PHASES, x_ // 2, y_ // 2, z_ // 2)


def depth_to_space(x: Float[Tensor, "B C8 X2 Y2 Z2"]) -> Float[Tensor, "B C X Y Z"]:
    """Unfold channels into blocks of 2 x 2 x 2 voxels: the inverse of `space_to_depth`."""
    b, c, x_, y_, z_ = x.shape
    blocks = x.reshape(b, c // PHASES, 2, 2, 2, x_, y_, z_)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // PHASES, 2 * x_, 2 * y_, 2 * z_)


def folded(labels: Int[Tensor, "B 1 X Y Z"]) -> Int[Tensor, "B 1 8 X2 Y2 Z2"]:
    """Labels as the network's folded logits lie: the 8 sub-voxel positions as an axis of their own.

    Example:
        >>> folded(torch.zeros(1, 1, 4, 4, 2)).shape
        torch.Size([1, 1, 8, 2, 2, 1])
    """
    return space_to_depth(labels)[:, None]


def dice_cross_entropy(
    logits: Float[Tensor, "B C *rest"],
    labels: Int[Tensor, "B 1 *rest"],
    dice_weight: float = 1.0,
    cross_entropy_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """See above. A process may have no patch at all (B = 0) as long as another one has.

    Args:
        logits: of at least two classes, the first of which is the background.
        labels: numbers of classes.

    Example:
        >>> dice_cross_entropy(torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4, dtype=torch.long), 1.0, 2.0)
        tensor(2.3863)
    """
    classes, logits, labels = logits.shape[1], logits.float(), labels[:, 0].long()
    entropy = F.cross_entropy(logits, labels, reduction="sum")
    voxels = torch.full_like(entropy, labels.numel(), requires_grad=False)
    over = [0, *range(2, logits.ndim)]
    p = logits.softmax(1)[:, 1:]
    truth = torch.stack([labels == c for c in range(1, classes)], 1).to(p)
    sums = torch.stack([(p * truth).sum(over), p.sum(over), truth.sum(over)]).flatten()
    sums = summed(torch.cat([sums, entropy[None], voxels[None]]))
    both, predicted, true = sums[:-2].unflatten(0, (3, classes - 1))
    dice = (2 * both + SMOOTH) / (predicted + true + SMOOTH)
    return dice_weight * (1 - dice).mean() + cross_entropy_weight * sums[-2] / sums[-1].clamp_min(1)

r"""The segmentation loss, over the patches of all processes: soft Dice plus cross-entropy.

    L = w_d (1 - mean over classes c > 0 of (2 \sum p_c l_c + e) / (\sum p_c + \sum l_c + e)) + w_c mean of -log p_label

The sums of the Dice run over all voxels of the whole batch, so that a patch without pancreas adds its false positives
and no jump of its own. They are therefore added up over the processes *before* the division: the mean of two Dice
losses is not the Dice loss of both halves. One process alone uses MONAI's `DiceCELoss`, which is the same formula.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.processes import summed, world
from pancreas_ssl.training.recipe import Recipe

__all__ = ["dice_cross_entropy", "segmentation_loss"]

SMOOTH = 1e-5  # e: a class that is nowhere, and nowhere predicted, has a Dice of 1


def segmentation_loss(recipe: Recipe) -> Callable[[Tensor, Tensor], Float[Tensor, ""]]:
    """The loss with this recipe's weights, as a function of logits and labels.

    Example:
        >>> segmentation_loss(Recipe())(torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4, dtype=torch.long))
        tensor(2.3863)
    """

    weights = recipe.dice_weight, recipe.cross_entropy_weight

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return (
            _monais(*weights)(logits, labels)
            if world() == 1
            else dice_cross_entropy(logits, labels, *weights)
        )

    return loss


@lru_cache(maxsize=8)
def _monais(dice_weight: float, cross_entropy_weight: float) -> nn.Module:
    from monai.losses import DiceCELoss  # slow to import

    return DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=True,
        lambda_dice=dice_weight,
        lambda_ce=cross_entropy_weight,
    )


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

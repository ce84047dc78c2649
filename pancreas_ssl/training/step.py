"""One optimiser step: the loss, the gradient, the moving average of the weights."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from pancreas_ssl.network import PHASES, space_to_depth
from pancreas_ssl.training.patches import keyed
from pancreas_ssl.training.recipe import Recipe

__all__ = ["moving_average", "optimise", "segmentation_loss"]

SHARED = 2**32 - 1  # sample number reserved for the draws that a whole step shares


def segmentation_loss(recipe: Recipe) -> Callable[[Tensor, Tensor], Float[Tensor, ""]]:
    r"""`dice_weight * (1 - Dice) + cross_entropy_weight * CE`, MONAI's DiceCELoss.

    Dice = (2 \sum p l) / (\sum p + \sum l) over the whole batch and without the background, so that a patch without
    pancreas adds its false positives and no jump of its own.

    Shapes: logits (B, classes, ...) and labels (B, 1, ...) -> scalar.
    """
    from monai.losses import DiceCELoss

    return DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=True,
        lambda_dice=recipe.dice_weight,
        lambda_ce=recipe.cross_entropy_weight,
    )


def optimise(
    accelerator: Accelerator,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    images: Float32[Tensor, "B 1 X Y Z"],
    labels: Int64[Tensor, "B 1 X Y Z"],
    recipe: Recipe,
    step: int,
) -> Float[Tensor, ""]:
    """One step on one batch; the loss is returned without waiting for it.

    The loss looks at `recipe.phases` of the 8 sub-voxel positions, drawn anew in every step by a generator keyed by
    (seed, step); dropout, where there is any, is seeded by the same.
    """
    rng = keyed(recipe.seed, step, SHARED)
    phases = sorted(rng.permutation(PHASES)[: recipe.phases].tolist())
    if recipe.dropout > 0:
        torch.manual_seed(int(rng.integers(2**62)))
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate_at(step)
    logits = model(images, phases=phases)
    folded = space_to_depth(labels)[:, None, phases]
    loss = loss_of(logits.flatten(2, 3), folded.flatten(2, 3))
    optimiser.zero_grad()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
    optimiser.step()
    return loss.detach()


def moving_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """`ema <- d ema + (1 - d) weights`, with d rising from 0.1 to `decay`: early steps are soon forgotten.

    In the form that torch's `AveragedModel` takes as `multi_avg_fn`.
    """

    def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        n = int(count)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, weight)

    return average

"""One optimiser step: the terms of the loss, the gradient, the moving average of the weights."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn

from pancreas_ssl.method.dual import Batch, dual_losses
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.extra_terms import ExtraTerms

__all__ = ["moving_average", "optimise", "training_losses"]


def training_losses(
    model: nn.Module, batch: Batch, unlabelled: Batch | None, recipe: Recipe, step: int
) -> dict[str, Float[Tensor, ""]]:
    """The weighted terms of a recipe: those of `dual_losses`, and what other arms add to them."""
    return dual_losses(model, batch, recipe, step, ExtraTerms(recipe, unlabelled))


def optimise(
    accelerator: Accelerator,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    recipe: Recipe,
    step: int,
    unlabelled: Batch | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """One step on one batch; the terms of the loss are returned without waiting for them."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate_at(step)
    terms = training_losses(model, batch, unlabelled, recipe, step)
    optimiser.zero_grad()
    accelerator.backward(sum(terms.values()))
    accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
    optimiser.step()
    return {name: term.detach() for name, term in terms.items()}


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

"""One optimiser step: the terms of the loss, the gradient, the moving average of the weights."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.method.dual import Batch, dual_losses
from pancreas_ssl.method.processes import averaged
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.extra_terms import ArmModel, ExtraTerms
from pancreas_ssl.training.history import LOG_EVERY

__all__ = ["moving_average", "optimise", "training_losses", "weigh_contrast"]

FOLLOWS = 0.3  # exponent of a new measurement in the factor of the contrast's weight; single batches scatter


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
    if "contrast" in terms:
        terms["contrast"] = weigh_contrast(accelerator.unwrap_model(model), terms, recipe, step)
    optimiser.zero_grad()
    accelerator.backward(sum(terms.values()))
    accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
    optimiser.step()
    return {name: term.detach() for name, term in terms.items()}


def weigh_contrast(
    learner: ArmModel, terms: dict[str, Float[Tensor, ""]], recipe: Recipe, step: int
) -> Float[Tensor, ""]:
    """The contrast's term, weighed so that its gradient is `recipe.contrast_share` of the segmentation's (0: as it is).

    Every ten steps both gradients are taken at the last convolution before the features that the contrast reads (the
    finest of them). What is found stays in `learner.contrast_gradient`: the factor of the weight, by which the share
    reaches its goal when the modules' ramp ends; the ratio of the two norms; and the cosine between the gradients.
    """
    looked = learner.contrast_gradient
    if step == recipe.contrast_step or (step + 1) % LOG_EVERY == 0:
        weights = learner.network.last_weights(recipe.contrast_strides[0])
        how = {"retain_graph": True, "materialize_grads": True}
        names = ("segmentation", "contrast")
        found = {name: torch.autograd.grad(terms[name], weights, **how)[0].flatten() for name in names}
        segmentation, contrast = averaged(found).values()
        share = contrast.norm() / segmentation.norm().clamp_min(1e-12)
        if recipe.contrast_share > 0 and share > 0:
            goal = recipe.contrast_share * recipe.module_ramp_at(step, recipe.contrast_step) / share
            looked[0] = goal if looked[1].isnan() else looked[0] ** (1 - FOLLOWS) * goal**FOLLOWS
        looked[1:] = torch.stack([looked[0] * share, F.cosine_similarity(segmentation, contrast, dim=0)])
    return terms["contrast"] * looked[0]


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

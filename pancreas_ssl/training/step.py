"""One optimiser step: the terms of the loss, the gradient, the moving average of the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.augmentation import draw_mixstyle
from pancreas_ssl.network import PHASES, space_to_depth
from pancreas_ssl.processes import rank, world
from pancreas_ssl.restoration import corrupt_batch, restoration_loss
from pancreas_ssl.training.guides import Guide, guide_of
from pancreas_ssl.training.patches import Batch, keyed
from pancreas_ssl.training.recipe import Recipe
from pancreas_ssl.training.segmentation import segmentation_loss

__all__ = ["consistency", "losses_of", "moving_average", "optimise", "segmentation_loss"]

SHARED = 2**32 - 1  # sample number reserved for the draws that a whole step shares
CONTRAST, CORRUPTION = 2**32 - 3, 2**32 - 4  # reserved likewise, for the draws of the two modules


def consistency(logits: Float[Tensor, "V B C *rest"]) -> Float[Tensor, ""]:
    r"""How far the predictions of several views lie apart: the mean over views and voxels of KL(p_v || mean p).

    `D = 1/V \sum_v \sum_c p_vc (log p_vc - log m_c)`, m = 1/V \sum_v p_v, in nats: the Jensen-Shannon divergence, 0 for
    equal predictions and never above log V. RandConv (arXiv:2007.13003) holds its views together in this way.

    Example:
        >>> consistency(torch.zeros(2, 1, 2, 4, 4, 4)).item()
        0.0
    """
    log_p = logits.float().log_softmax(2)
    log_m = torch.logsumexp(log_p, 0) - math.log(len(logits))
    return (log_p.exp() * (log_p - log_m)).sum(2).mean()


def losses_of(
    model: nn.Module,
    batch: Batch,
    unlabelled: Batch | None,
    segmentation: Callable[[Tensor, Tensor], Tensor],
    recipe: Recipe,
    step: int,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of the loss, each already weighted; what is trained is their sum.

    All views, of patches with labels and without, go through the network in one pass (InstanceNorm keeps the samples
    apart). A corrupted patch takes the place of the intact one: it is segmented, contrasted and restored in the same
    pass, and no step costs a second one. The loss looks at `recipe.phases` of the 8 sub-voxel positions, drawn anew in
    every step by a generator keyed by (seed, step); dropout, where there is any, is seeded by the same.
    """
    rng = keyed(recipe.seed, step, SHARED)
    phases = sorted(rng.permutation(PHASES)[: recipe.phases].tolist())
    if recipe.dropout > 0:
        torch.manual_seed(int(rng.integers(2**62)))
    views, labelled = len(batch.views), len(batch.labels)
    groups = [batch.views] + ([unlabelled.views] if unlabelled is not None else [])
    images = torch.cat([torch.cat(group) for group in zip(*groups, strict=True)])  # view by view
    guide = guide_of(batch, recipe, step) if batch.maps is not None else None
    task = restoration_task(batch, guide, recipe, step) if guide is not None and recipe.corrupts else None
    if task is not None:
        images[task.samples] = task.corrupted
    style = draw_mixstyle(rng, len(images), probability=recipe.mixstyle) if recipe.mixstyle > 0 else None
    outputs = model(
        images,
        phases=phases,
        style=style,
        guide=guide,
        rng=keyed(recipe.seed, step, CONTRAST, 0),  # one draw for all processes
        restore=task.samples if task is not None else (),
    )

    seen = outputs.logits.flatten(2, 3).unflatten(0, (views, -1))
    target = space_to_depth(batch.labels)[:, None, phases].flatten(2, 3)
    terms = {"segmentation": segmentation(seen[:, :labelled].flatten(0, 1), target.repeat(views, 1, 1, 1, 1))}
    if recipe.consistency_weight > 0:
        terms["consistency"] = recipe.consistency_weight * consistency(seen[:, :labelled])
    if unlabelled is not None:
        terms["unlabelled"] = recipe.unlabelled_weight * consistency(seen[:, labelled:])
    if outputs.organs is not None:
        organs = outputs.organs.unflatten(0, (views, -1))[:, :labelled].flatten(0, 1)
        named = batch.organs[:, 0, ::2, ::2, ::2].repeat(views, 1, 1, 1)
        terms["organs"] = recipe.organs_weight * F.cross_entropy(organs.float(), named)
    if outputs.nonsense is not None:
        generator, n = torch.Generator().manual_seed(int(rng.integers(2**62))), len(outputs.nonsense)
        noise = torch.randn((world() * n, *outputs.nonsense.shape[1:]), generator=generator)
        noise = noise[rank() * n :][:n]  # that of this process's patches
        terms["nonsense"] = recipe.nonsense_weight * F.mse_loss(
            outputs.nonsense.float(), noise.to(outputs.nonsense.device)
        )
    ramp = recipe.module_ramp_at(step)
    if outputs.contrast is not None:
        terms["contrast"] = ramp * recipe.contrast_weight * outputs.contrast.loss
    if task is not None and recipe.restoration_weight > 0:  # in every process, whoever's turn it is
        restored = task.corrupted if outputs.restored is None else outputs.restored  # None: both are empty
        lost = restoration_loss(restored, task.target, task.mask)
        terms["restoration"] = ramp * recipe.restoration_weight * lost
    return terms


@dataclass(frozen=True)
class RestorationTask:
    """Some patches of a batch, corrupted; what they were; and where they differ."""

    samples: list[int]  # their places in the batch
    corrupted: Float[Tensor, "R 1 x y z"]
    target: Float[Tensor, "R 1 x y z"]  # before corruption and before the appearance was varied
    mask: Bool[Tensor, "R 1 x y z"]


def restoration_task(batch: Batch, guide: Guide, recipe: Recipe, step: int) -> RestorationTask:
    """Corrupt the patches of the first view whose turn it is (there may be none); keyed by seed, step and sample.

    With a share of one half it is every second patch's turn, in the next step the others', and so on: which patches
    these are depends on their number in the step over all processes, never on the number of processes.
    """
    samples = [k for k in range(len(batch.labels)) if recipe.corrupted_at(step, batch.first + k)]
    first, target = batch.views[0][samples], batch.clean[samples]
    if not samples:
        return RestorationTask(samples, first, target, torch.zeros_like(first, dtype=torch.bool))
    rngs = [keyed(recipe.seed, step, CORRUPTION, batch.first + k) for k in samples]
    corrupted, mask = corrupt_batch(
        first, guide.uncertainty[samples], guide.regions[samples], rngs, recipe.restoration,
        spacing_mm=recipe.spacing, side_mm=recipe.box, coverage=recipe.coverage,
    )  # fmt: skip
    return RestorationTask(samples, corrupted, target, mask)


def optimise(
    accelerator: Accelerator,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    segmentation: Callable[[Tensor, Tensor], Tensor],
    batch: Batch,
    recipe: Recipe,
    step: int,
    unlabelled: Batch | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """One step on one batch; the terms of the loss are returned without waiting for them."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate_at(step)
    terms = losses_of(model, batch, unlabelled, segmentation, recipe, step)
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

r"""The dual self-supervised training step, in the order in which the paper's abstract describes it.

    regions -> corrupt -> forward -> L = L_seg + r(t) (w_c L_c + w_r L_r)

1. `patch_maps`: where the pancreas is certain, and where its rim is uncertain      -> `regions`, `uncertainty`
2. `corrupt_patches`: corrupt the appearance of that rim in some of the patches     -> `placement`, `corruptions`
3. `DualModel`: one pass segments every patch, corrupted or not, contrasts its features, and restores what was corrupted
                                                                                    -> `network`, `contrast`
4. `dual_losses`: segmentation, global-feature contrast and local-image restoration, the modules faded in by r(t)
                                                                                    -> `segmentation`, `restoration`

Terms of other arms (competitors, controls) plug in as `extra`; they live in `pancreas_ssl.training.extra_terms`.

Source: Li et al., arXiv:2505.07165. Only its abstract is at hand: formulas and numbers are choices of this toolkit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from pancreas_ssl.method.contrast import ContrastTerms, GlobalContrast
from pancreas_ssl.method.regions import body_mask, lookalikes, training_regions
from pancreas_ssl.method.restoration import corrupt_batch, restoration_loss
from pancreas_ssl.method.segmentation import PHASES, dice_cross_entropy, folded
from pancreas_ssl.method.uncertainty import entropy

if TYPE_CHECKING:
    from pancreas_ssl.method.network import SegmentationNetwork
    from pancreas_ssl.method.recipe import Recipe

__all__ = [
    "Batch", "CorruptedPatches", "DualModel", "DualOutputs", "Extra", "PatchMaps", "corrupt_patches", "dual_losses",
    "keyed", "patch_maps",
]  # fmt: skip

BAND_MM = 15.0  # around the pancreas; what lies beyond is far
SHARED, CONTRAST, CORRUPTION = (2**32 - k for k in (1, 3, 4))  # keys of a step's own draws, beyond any sample number


def keyed(*key: int) -> np.random.Generator:
    """A numpy generator that belongs to this key alone, e.g. (seed, step, sample)."""
    return np.random.default_rng(np.random.SeedSequence(key))


@dataclass(frozen=True)
class Batch:
    """The patches of one step: several appearances (`views`) of the same places."""

    views: tuple[Float32[Tensor, "B 1 x y z"], ...]
    labels: Int64[Tensor, "B 1 x y z"]
    organs: Int64[Tensor, "B 1 x y z"] | None = None
    clean: Float32[Tensor, "B 1 x y z"] | None = None  # before their appearance was varied
    maps: Float32[Tensor, "B 3 x y z"] | None = None  # distance (mm), skeleton, teacher's probability
    first: int = 0  # number of the first patch in the step, over all processes
    other: Float32[Tensor, "B 1 x y z"] | None = None  # one more appearance, which the contrast alone sees


@dataclass(frozen=True)
class PatchMaps:
    """What guides both modules in a batch of patches."""

    regions: Int64[Tensor, "B x y z"]
    uncertainty: Float32[Tensor, "B x y z"]  # U, 0 to 1: structure and teacher together
    probability: Float32[Tensor, "B x y z"]  # of pancreas, the teacher's
    label: Int64[Tensor, "B x y z"]
    alike: Bool[Tensor, "B x y z"] | None = None  # tissue that looks like the pancreas


def patch_maps(batch: Batch, recipe: "Recipe", step: int) -> PatchMaps:
    """Regions of the batch's patches by U = 1 - (1 - U_s)(1 - a U_m), where a is faded in with the modules."""
    distance, medial, probability = batch.maps.unbind(1)
    label, probability = (batch.labels[:, 0] == 1).long(), probability.clamp(0, 1)
    how = {"s_mm": recipe.rim, "a": recipe.doubt * recipe.module_ramp_at(step), "tau": recipe.tau, "band_mm": BAND_MM}
    how |= {"medial": medial > 0.5, "predicted": probability > 0.5}
    model_map, body = entropy(probability[None]), body_mask(batch.clean)[:, 0]
    regions, uncertainty = training_regions(label > 0, distance, model_map, body, **how)
    alike = lookalikes(batch.clean[:, 0], regions, distance) if recipe.lookalikes > 0 else None
    return PatchMaps(regions, uncertainty, probability, label, alike)


@dataclass(frozen=True)
class CorruptedPatches:
    """Some patches of a batch, corrupted; what they were; and where they differ."""

    samples: list[int]  # their places in the batch
    corrupted: Float[Tensor, "R 1 x y z"]
    target: Float[Tensor, "R 1 x y z"]  # before corruption and before the appearance was varied
    mask: Bool[Tensor, "R 1 x y z"]


def corrupt_patches(batch: Batch, maps: PatchMaps, recipe: "Recipe", step: int) -> CorruptedPatches:
    """Corrupt the patches of the first view whose turn it is (there may be none); keyed by seed, step and sample.

    With a share of one half it is every second patch's turn, in the next step the others', and so on: which patches
    these are depends on their number in the step over all processes, never on the number of processes.
    """
    samples = [k for k in range(len(batch.labels)) if recipe.corrupted_at(step, batch.first + k)]
    first, target = batch.views[0][samples], batch.clean[samples]
    if not samples:
        return CorruptedPatches(samples, first, target, torch.zeros_like(first, dtype=torch.bool))
    rngs = [keyed(recipe.seed, step, CORRUPTION, batch.first + k) for k in samples]
    how = {"spacing_mm": recipe.spacing, "side_mm": recipe.box, "coverage": recipe.coverage}
    where = maps.uncertainty[samples], maps.regions[samples]
    corrupted, mask = corrupt_batch(first, *where, rngs, recipe.restoration, **how)
    return CorruptedPatches(samples, corrupted, target, mask)


@dataclass(frozen=True)
class DualOutputs:
    """What one pass gives. The logits stay folded: 8 sub-voxel positions at half resolution."""

    logits: Float[Tensor, "B classes 8 X2 Y2 Z2"]
    features: Float[Tensor, "B F X2 Y2 Z2"]  # of the decoder
    contrast: ContrastTerms | None = None
    restored: Float[Tensor, "R 1 X Y Z"] | None = None  # of the images that were asked for
    extra: Mapping[str, Tensor] = field(default_factory=dict)  # of other arms' heads


class DualModel(nn.Module):
    """A network and what the two modules add to it; everything that a step computes passes through `forward`.

    Args:
        network: with a restoration decoder, where the restoration is trained.
        contrast: projection and prototypes, where the contrast is.

    Example:
        >>> from pancreas_ssl.method.network import SegmentationNetwork
        >>> model = DualModel(SegmentationNetwork(restores=True), GlobalContrast("guided", 16))
        >>> model(torch.zeros(2, 1, 32, 32, 16), restore=[1]).restored.shape
        torch.Size([1, 1, 32, 32, 16])
    """

    def __init__(self, network: "SegmentationNetwork", contrast: GlobalContrast | None = None):
        super().__init__()
        self.network, self.contrast = network, contrast

    def forward(
        self,
        images: Float[Tensor, "B 1 X Y Z"],
        maps: PatchMaps | None = None,
        restore: Sequence[int] = (),
        rng: np.random.Generator | None = None,
        between: Callable[[Tensor, int], Tensor] | None = None,
        segmented: int | None = None,
    ) -> DualOutputs:
        """Segment all images, contrast the features of the first ones, restore some.

        Args:
            maps, rng: of the first images, and the generator that draws voxels there; without maps no contrast.
            restore: numbers of the images that are to be restored.
            between: see `SegmentationNetwork.encode`.
            segmented: how many images are segmented; those after them are another view of the first, to be contrasted.
        """
        levels, passed = self.network.encode(images, between), []
        features = self.network.decode(levels, passed)
        restored = contrast = None
        if len(restore) and self.network.restorer is not None:
            restored = self.network.restore([level[list(restore)] for level in levels])
        if maps is not None and self.contrast is not None:
            every, n, body = [features, *reversed(passed)], len(maps.regions), maps.regions > 0
            starts = [0] if segmented in (None, len(images)) else [0, segmented]
            views = [[level[k : k + n] for level in every] for k in starts]
            how = maps.regions, maps.uncertainty, maps.label, body, maps.probability
            contrast = self.contrast(views[0], *how, rng, maps.alike, *views[1:])
        features = features[:segmented]
        return DualOutputs(self.network.segment_folded(features), features, contrast, restored)


class Extra:
    """What another arm adds to the step; this one adds nothing. Subclasses: `pancreas_ssl.training.extra_terms`."""

    def images(self, batch: Batch) -> Float[Tensor, "N 1 x y z"]:
        """All images of the pass, view by view; the labelled patches of the first view come first."""
        return torch.cat(batch.views)

    def arguments(self, images: Tensor, rng: np.random.Generator) -> dict[str, Any]:
        """Further arguments for the model."""
        return {}

    def labelled(self, logits: Tensor) -> Tensor:
        """The logits of labelled patches."""
        return logits

    def terms(self, outputs: DualOutputs, batch: Batch, rng: np.random.Generator) -> dict[str, Float[Tensor, ""]]:
        """Further terms of the loss, weighted."""
        return {}


NOTHING = Extra()


def dual_losses(
    model: nn.Module, batch: Batch, recipe: "Recipe", step: int, extra: Extra = NOTHING
) -> dict[str, Float[Tensor, ""]]:
    """The terms of the loss, each already weighted; `training.step.optimise` trains their sum.

    A corrupted patch takes the place of the intact one: it is segmented, contrasted and restored in the same pass, and
    no step costs a second one.

    Args:
        model: a `DualModel`, or what wraps it.
        batch: without `maps`, segmentation is alone.
    """
    rng = _generator(recipe, step)
    # Regions
    maps = patch_maps(batch, recipe, step) if batch.maps is not None else None
    # Corrupt
    corrupts = maps is not None and recipe.corrupts and step >= recipe.corruption_step
    task = corrupt_patches(batch, maps, recipe, step) if corrupts else None
    images = extra.images(batch)
    if task is not None:
        images[task.samples] = task.corrupted
    # Forward
    drawing = keyed(recipe.seed, step, CONTRAST, 0)  # one draw for all processes
    how = {"rng": drawing, "restore": task.samples if task else (), "segmented": len(images)}
    how |= {"maps": maps} if recipe.contrast_begun(step) else {}
    images = images if batch.other is None else torch.cat([images, batch.other])
    outputs = model(images, **how, **extra.arguments(images, rng))

    # L_seg
    logits = extra.labelled(outputs.logits)
    labels = folded(batch.labels).repeat(len(logits) // len(batch.labels), 1, 1, 1, 1, 1)  # once for each view
    terms = {"segmentation": dice_cross_entropy(logits, labels, recipe.dice_weight, recipe.cross_entropy_weight)}
    terms |= extra.terms(outputs, batch, rng)
    # r(t) (w_c L_c + w_r L_r)
    if outputs.contrast is not None:
        ramp = recipe.module_ramp_at(step, recipe.contrast_step)
        terms["contrast"] = ramp * recipe.contrast_weight * outputs.contrast.loss
    if task is not None and recipe.restoration_weight > 0:  # in every process, even where no patch is corrupted
        restored = task.corrupted if outputs.restored is None else outputs.restored  # None: both are empty
        weight = recipe.module_ramp_at(step, recipe.corruption_step) * recipe.restoration_weight
        terms["restoration"] = weight * restoration_loss(restored, task.target, task.mask)
    return terms


def _generator(recipe: "Recipe", step: int) -> np.random.Generator:
    """Of the draws that a whole step shares; dropout, where there is any, is seeded by it."""
    rng = keyed(recipe.seed, step, SHARED)
    rng.permutation(PHASES)  # an unused draw, kept so that later ones are those of the registered study
    if recipe.dropout > 0:
        torch.manual_seed(int(rng.integers(2**62)))
    return rng

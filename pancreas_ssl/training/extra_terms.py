"""What other arms add to the dual step: more views, unlabelled patches, mixed styles, auxiliary heads, consistency.

They are competitors of the method, and controls of it; `method.dual` knows none of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.augmentation.mixstyle import MixStyleDraw, apply_mixstyle, draw_mixstyle
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.dual import Batch, DualModel, DualOutputs, Extra
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.processes import rank, world
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.method.shape_features import FEATURES, shown

__all__ = ["N_ORGANS", "ArmModel", "ExtraTerms", "consistency"]

N_ORGANS = 15  # background and the 14 organs of `phantom.tissues.Organ`; a card may use fewer numbers
MIXED_LEVELS = 2  # MixStyle mixes the outputs of the first levels, where features still look like the scanner


class ArmModel(DualModel):
    """The model that a recipe asks for: network, contrast, and the auxiliary heads of other arms.

    The heads are 1x1x1 convolutions on the decoder's features (stride 2). They are trained, kept in the checkpoint, and
    left behind at the end; so is the projection of the contrast, but for `parts`, which lets a reader look at it later.

    Example:
        >>> model = ArmModel(Recipe(organs_weight=0.2))
        >>> model(torch.zeros(2, 1, 32, 32, 16)).extra["organs"].shape
        torch.Size([2, 15, 16, 16, 8])
    """

    def __init__(self, recipe: Recipe):
        width, contrast = recipe.channels[0], None
        if recipe.contrast_weight > 0:
            widths = sum(recipe.channels[stride.bit_length() - 2] for stride in recipe.contrast_strides)
            how = {"seed": recipe.seed, "temperature": recipe.temperature, "queue": recipe.contrast_queue}
            how |= {"strides": recipe.contrast_strides, "lookalikes": recipe.lookalikes}
            contrast = GlobalContrast(recipe.contrast, widths, **how)
        super().__init__(SegmentationNetwork(**recipe.network_config(), seed=recipe.seed), contrast)
        looked = None if contrast is None else torch.tensor([1.0, math.nan, math.nan])
        self.register_buffer("contrast_gradient", looked)  # factor of its weight, share, cosine: `step.weigh_contrast`
        generator = torch.Generator().manual_seed(recipe.seed + 2)
        self.organs = _head(width, N_ORGANS, generator) if recipe.organs_weight > 0 else None
        self.nonsense = _head(width, 1, generator) if recipe.nonsense_weight > 0 else None

    @property
    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Weights beside the network that are shipped with it: projection and prototypes of the contrast."""
        if self.contrast is None:
            return {}
        state = self.contrast.state_dict()
        return {"contrast": {name: value for name, value in state.items() if "queue" not in name}}

    @property
    def noted(self) -> dict[str, float]:
        """For the history: the contrast's gradient beside the segmentation's, as it was measured last."""
        if self.contrast_gradient is None or self.contrast_gradient[1].isnan():
            return {}
        return dict(zip(("contrast_share", "contrast_cosine"), self.contrast_gradient[1:].tolist(), strict=True))

    def forward(
        self,
        images: Float[Tensor, "B 1 X Y Z"],
        style: MixStyleDraw | None = None,
        dropped: Bool[Tensor, "B 9"] | None = None,
        **dual,
    ) -> DualOutputs:
        """As `DualModel`, with the heads' answers in `extra`.

        Args:
            style: mixes the statistics of the first two levels' features between the patches of the batch.
            dropped: which inputs a patch loses, of a network with features of shapes.
        """

        def change(x: Tensor, level: int) -> Tensor:
            if level < 0:
                return x if dropped is None else x * shown(dropped).to(x)
            return apply_mixstyle(x, style) if style is not None and level < MIXED_LEVELS else x

        changes = style is not None or dropped is not None
        outputs = super().forward(images, between=change if changes else None, **dual)
        heads = {"organs": self.organs, "nonsense": self.nonsense}
        said = {name: head(outputs.features) for name, head in heads.items() if head is not None}
        return replace(outputs, extra=said)


@dataclass(frozen=True)
class ExtraTerms(Extra):
    """What a recipe adds: `method.dual.dual_losses(..., extra=ExtraTerms(recipe, unlabelled))`."""

    recipe: Recipe
    unlabelled: Batch | None = None

    def images(self, batch: Batch) -> Float[Tensor, "N 1 x y z"]:
        """All views, of patches with labels and without, for one pass (InstanceNorm keeps the samples apart)."""
        groups = [batch.views] + ([self.unlabelled.views] if self.unlabelled is not None else [])
        return torch.cat([torch.cat(group) for group in zip(*groups, strict=True)])  # view by view

    def arguments(self, images: Tensor, rng: np.random.Generator) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        if self.recipe.mixstyle > 0:
            drawn["style"] = draw_mixstyle(rng, len(images), probability=self.recipe.mixstyle)
        if self.recipe.shapes != "none":
            n, chance = len(images), rng.random((world() * len(images), 1 + FEATURES))
            drawn["dropped"] = torch.from_numpy(chance[rank() * n :][:n] < self.recipe.shape_drop)
        return drawn

    def labelled(self, logits: Tensor) -> Tensor:
        """Those of patches with labels, view by view."""
        return self._by_view(logits)[:, : self.recipe.batch].flatten(0, 1)

    def terms(self, outputs: DualOutputs, batch: Batch, rng: np.random.Generator) -> dict[str, Float[Tensor, ""]]:
        """Weighted losses by name; those of the recipe alone."""
        recipe, terms, labelled = self.recipe, {}, len(batch.labels)
        seen = self._by_view(outputs.logits)
        if recipe.consistency_weight > 0:
            terms["consistency"] = recipe.consistency_weight * consistency(seen[:, :labelled])
        if self.unlabelled is not None:
            terms["unlabelled"] = recipe.unlabelled_weight * consistency(seen[:, labelled:])
        return terms | self._heads(outputs.extra, batch, rng)

    def _heads(self, said: Mapping[str, Tensor], batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        terms = {}
        if "organs" in said:
            organs = self.labelled(said["organs"])
            named = batch.organs[:, 0, ::2, ::2, ::2].repeat(self.recipe.views, 1, 1, 1)
            terms["organs"] = self.recipe.organs_weight * F.cross_entropy(organs.float(), named)
        if "nonsense" in said:
            found, n = said["nonsense"], len(said["nonsense"])
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            noise = torch.randn((world() * n, *found.shape[1:]), generator=generator)
            noise = noise[rank() * n :][:n].to(found.device)  # that of this process's patches
            terms["nonsense"] = self.recipe.nonsense_weight * F.mse_loss(found.float(), noise)
        return terms

    def _by_view(self, values: Tensor) -> Tensor:
        return values.unflatten(0, (self.recipe.views, -1))


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


def _head(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv3d:
    head = nn.Conv3d(inputs, outputs, 1)
    nn.init.kaiming_normal_(head.weight, generator=generator)
    nn.init.zeros_(head.bias)
    return head

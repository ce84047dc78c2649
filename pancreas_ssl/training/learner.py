"""The network with what a training adds to it and a prediction never needs: auxiliary heads, mixed styles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pancreas_ssl.augmentation import MixStyleDraw, apply_mixstyle
from pancreas_ssl.contrast import ContrastTerms, GlobalContrast
from pancreas_ssl.network import SegmentationNetwork
from pancreas_ssl.training.guides import Guide
from pancreas_ssl.training.recipe import Recipe

__all__ = ["N_ORGANS", "Learner", "Outputs"]

N_ORGANS = 15  # background and the 14 organs of `phantom.tissues.Organ`; a card may use fewer numbers
MIXED_LEVELS = 2  # MixStyle mixes the outputs of the first levels, where features still look like the scanner


@dataclass(frozen=True)
class Outputs:
    """What one pass of a learner gives."""

    logits: Float[Tensor, "B classes phases X2 Y2 Z2"]
    organs: Float[Tensor, "B organs X2 Y2 Z2"] | None = None
    nonsense: Float[Tensor, "B 1 X2 Y2 Z2"] | None = None
    restored: Float[Tensor, "R 1 X Y Z"] | None = None  # of the images that were asked for
    contrast: ContrastTerms | None = None


class Learner(nn.Module):
    """`network` and the heads that the recipe asks for; everything a step computes passes through `forward`.

    The auxiliary heads are 1x1x1 convolutions on the decoder's features (stride 2). They are trained, kept in the
    checkpoint, and left behind at the end; so is the projection of the contrast, but for `parts`, which lets a
    reader look at it later. The restoration's decoder belongs to the network.

    Example:
        >>> learner = Learner(Recipe(organs_weight=0.2))
        >>> learner(torch.zeros(2, 1, 32, 32, 16)).organs.shape
        torch.Size([2, 15, 16, 16, 8])
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.network = SegmentationNetwork(**recipe.network_config(), seed=recipe.seed)
        generator = torch.Generator().manual_seed(recipe.seed + 2)
        width = recipe.channels[0]
        self.organs = _head(width, N_ORGANS, generator) if recipe.organs_weight > 0 else None
        self.nonsense = _head(width, 1, generator) if recipe.nonsense_weight > 0 else None
        self.contrast: GlobalContrast | None = None
        if recipe.contrast_weight > 0:
            self.contrast = GlobalContrast(
                recipe.contrast, width, seed=recipe.seed, temperature=recipe.temperature
            )

    @property
    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Weights beside the network that are worth shipping with it: projection and prototypes of the contrast."""
        if self.contrast is None:
            return {}
        state = self.contrast.state_dict()
        return {"contrast": {name: value for name, value in state.items() if "queue" not in name}}

    def forward(
        self,
        images: Float[Tensor, "B 1 X Y Z"],
        phases: Sequence[int] = tuple(range(8)),
        style: MixStyleDraw | None = None,
        guide: Guide | None = None,
        rng: np.random.Generator | None = None,
        restore: Sequence[int] = (),
    ) -> Outputs:
        """Logits at the given sub-voxel positions, and what the auxiliary heads say.

        Args:
            style: mixes the statistics of the first two levels' features between the patches of the batch.
            guide, rng: regions of the first images, and the generator that draws the voxels to be contrasted there;
                without them there is no contrast in this pass.
            restore: numbers of the images that are to be restored.
        """

        def mix(x: Tensor, level: int) -> Tensor:
            return apply_mixstyle(x, style) if level < MIXED_LEVELS else x

        outputs = self.network.encode(images, mix if style is not None else None)
        features = self.network.decode(outputs)
        restored = contrast = None
        if len(restore) and self.network.restorer is not None:
            restored = self.network.restore([output[list(restore)] for output in outputs])
        if guide is not None and self.contrast is not None:
            contrast = self.contrast(
                features[: len(guide.regions)],
                guide.regions,
                guide.uncertainty,
                guide.label,
                guide.regions > 0,
                guide.probability,
                rng,
            )
        return Outputs(
            self.network.segment(features, phases),
            self.organs(features) if self.organs is not None else None,
            self.nonsense(features) if self.nonsense is not None else None,
            restored,
            contrast,
        )


def _head(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv3d:
    head = nn.Conv3d(inputs, outputs, 1)
    nn.init.kaiming_normal_(head.weight, generator=generator)
    nn.init.zeros_(head.bias)
    return head

"""The model of the dual step: a network, and what the two modules add to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from pancreas_ssl.method.contrast import ContrastTerms, GlobalContrast

if TYPE_CHECKING:
    from pancreas_ssl.method.dual import PatchMaps
    from pancreas_ssl.method.network import SegmentationNetwork

__all__ = ["DualModel", "DualOutputs"]


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
        strides: of the decoder's features that the contrast reads.
        lookalikes: share of its near and far voxels that look like the pancreas.

    Example:
        >>> from pancreas_ssl.method.network import SegmentationNetwork
        >>> model = DualModel(SegmentationNetwork(restores=True), GlobalContrast("guided", 16))
        >>> model(torch.zeros(2, 1, 32, 32, 16), restore=[1]).restored.shape
        torch.Size([1, 1, 32, 32, 16])
    """

    def __init__(
        self,
        network: "SegmentationNetwork",
        contrast: GlobalContrast | None = None,
        strides: Sequence[int] = (2,),
        lookalikes: float = 0.0,
    ):
        super().__init__()
        self.network, self.contrast, self.strides, self.lookalikes = network, contrast, tuple(strides), lookalikes

    def forward(
        self,
        images: Float[Tensor, "B 1 X Y Z"],
        maps: "PatchMaps | None" = None,
        restore: Sequence[int] = (),
        rng: np.random.Generator | None = None,
        between: Callable[[Tensor, int], Tensor] | None = None,
        segmented: int | None = None,
        other: int = 0,
    ) -> DualOutputs:
        """Segment all images, contrast the features of the first ones, restore some.

        Args:
            maps, rng: of the first images, and the generator that draws voxels there; without maps no contrast.
            restore: numbers of the images that are to be restored.
            between: see `SegmentationNetwork.encode`.
            segmented: how many images are segmented, where the contrast alone sees further ones.
            other: number of the image with which another view of the first ones begins; 0: no contrast between views.
        """
        levels, passed = self.network.encode(images, between), []
        features = self.network.decode(levels, passed)
        restored = contrast = None
        if len(restore) and self.network.restorer is not None:
            restored = self.network.restore([level[list(restore)] for level in levels])
        if maps is not None and self.contrast is not None:
            n, body = len(maps.regions), maps.regions > 0
            read = [[features, *reversed(passed)][stride.bit_length() - 2] for stride in self.strides]
            how = maps.regions, maps.uncertainty, maps.label, body, maps.probability, rng
            more = {"other": [level[other : other + n] for level in read]} if other else {}
            more |= {"alike": maps.alike, "share": self.lookalikes}
            contrast = self.contrast([level[:n] for level in read], *how, **more)
        if segmented is not None:
            features = features[:segmented]
        return DualOutputs(self.network.segment_folded(features), features, contrast, restored)

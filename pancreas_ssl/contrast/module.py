"""The contrast as a training uses it: draw voxels, project them, compare, remember.

Where several processes train, they contrast one batch together: each sees the maps of all patches, makes the same draw,
projects the voxels that lie in its own patches, and gets the vectors of the others. So anchors, negatives, queue and
prototypes are those that one process with the whole batch would have.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pancreas_ssl.contrast.loss import ContrastTerms, contrast_loss, pixel_contrast_loss
from pancreas_ssl.contrast.projection import Projection
from pancreas_ssl.contrast.prototypes import Prototypes
from pancreas_ssl.contrast.sampling import Draw, draw_guided, draw_plain, draw_random, sample_features
from pancreas_ssl.errors import InputError
from pancreas_ssl.processes import gathered, rank, summed, world

__all__ = ["KINDS", "GlobalContrast"]

KINDS = ("guided", "plain", "random")
"""Regions guide the voxels; pancreas against body without guidance; the control: the guided loss on random voxels."""


class GlobalContrast(nn.Module):
    """Projection and prototypes, and one call per step.

    Args:
        kind: one of `KINDS`.
        inputs: width of the features.
        outputs: dimensions of the projection.
        seed: of the projection's first weights.
        temperature: see `contrast_loss`.

    Raises:
        InputError: an unknown kind.

    Example:
        >>> import torch
        >>> contrast = GlobalContrast("guided", 16)
        >>> regions = torch.full((1, 16, 16, 16), 5); regions[:, 4:8, 4:8, 4:8] = 1
        >>> zeros, rng = torch.zeros(1, 16, 16, 16), np.random.default_rng(0)
        >>> features = torch.randn(1, 16, 8, 8, 8)
        >>> terms = contrast(features, regions, zeros, (regions == 1).long(), regions > 0, zeros, rng)
        >>> terms.anchors
        64
    """

    def __init__(self, kind: str, inputs: int, outputs: int = 32, seed: int = 0, temperature: float = 0.1):
        super().__init__()
        if kind not in KINDS:
            raise InputError(f"expected a kind out of {', '.join(KINDS)}, got {kind!r}; name one of these")
        self.kind, self.temperature = kind, temperature
        self.projection, self.prototypes = Projection(inputs, outputs=outputs, seed=seed), Prototypes(outputs)

    def forward(
        self,
        features: Float[Tensor, "B F x y z"],
        regions: Int[Tensor, "B X Y Z"],
        uncertainty: Float[Tensor, "B X Y Z"],
        label: Int[Tensor, "B X Y Z"],
        body: Bool[Tensor, "B X Y Z"],
        predicted: Float[Tensor, "B X Y Z"] | None,
        rng: np.random.Generator,
    ) -> ContrastTerms:
        """The loss of one step, against the prototypes of the steps before; then these learn from it too.

        Args:
            regions, uncertainty, label, body, predicted: of this process's patches, as many in every process.
            rng: in the same state in every process.
        """
        if self.kind == "plain":
            draw = draw_plain(gathered(label > 0), gathered(body), rng)
        else:
            place: Callable = draw_guided if self.kind == "guided" else draw_random
            known = gathered(predicted) if predicted is not None else None
            draw = place(gathered(regions.to(torch.uint8)), gathered(uncertainty), rng, predicted=known)
        z = self._vectors(features, draw, tuple(regions.shape[1:]))
        with torch.autocast(z.device.type, enabled=False):  # bfloat16 would round the cosines
            fresh = self.training and not self.prototypes.ready
            if fresh:
                self.prototypes.update(z, draw)
            if self.kind == "plain":
                terms = pixel_contrast_loss(z, draw, temperature=self.temperature)
            else:
                terms = contrast_loss(z, draw, self.prototypes, temperature=self.temperature)
            if self.training and not fresh:  # the first step's voxels are in already
                self.prototypes.update(z, draw)
        return terms

    def _vectors(self, features: Tensor, draw: Draw, shape: tuple[int, ...]) -> Float[Tensor, "N D"]:
        """The projected voxels of the draw, those of other processes' patches too."""
        if world() == 1:
            return self.projection(sample_features(features, draw.positions, shape))
        patches = len(features)
        mine = torch.div(draw.positions[:, 0], patches, rounding_mode="floor") == rank()
        positions = draw.positions[mine] - draw.positions.new_tensor([rank() * patches, 0, 0, 0])
        z = self.projection(sample_features(features, positions, shape))
        return summed(z.new_zeros(len(draw), z.shape[1]).masked_scatter(mine[:, None], z))

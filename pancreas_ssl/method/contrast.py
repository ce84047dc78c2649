r"""The global-feature contrast: pancreatic features are pulled together, other tissue is pushed away.

Each anchor a (a voxel of core or rim_in) has one positive, the pancreas prototype m_P, and as negatives n the
background prototypes and the voxels of rim_out, near and far. All are unit vectors, T is the temperature:

    L_a = -log( exp(a m_P / T) / (exp(a m_P / T) + \sum_n exp(a n / T)) )
    L   = \sum_a w_a L_a / \sum_a w_a + h mean over rim_out of max(0, n m_P - margin)      w_a = 1, in the rim 1 + U

The background is pushed away and never pulled together. Of two appearances of
each patch, a voxel's vector in the other one is a second positive, and the negatives of both count (`views`).
To change the negatives, change `negatives` in `contrast_loss`,
and in `prototypes` what the background prototypes learn from (near and far); to draw other voxels, see `sampling`.

Of the method (arXiv:2505.07165) only the abstract is at hand: it asks for a contrast guided by the spatial structure of
the pancreas. InfoNCE: van den Oord et al. 2018, arXiv:1807.03748; weights, hinge and choice of voxels are ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.processes import gathered, rank, summed, world
from pancreas_ssl.method.prototypes import Prototypes
from pancreas_ssl.method.regions import Region
from pancreas_ssl.method.sampling import (
    Projection,
    VoxelSample,
    anchor_weights,
    is_anchor,
    sample_features,
    sample_guided,
    sample_plain,
    sample_random,
)

__all__ = ["CONTRASTS", "ContrastTerms", "GlobalContrast", "Projection", "contrast_loss", "pixel_contrast_loss"]

CONTRASTS = ("guided", "plain", "random")
"""Regions guide the voxels; pancreas against body without guidance; the control: the guided loss on random voxels."""


QUEUE = 1024  # background features that are remembered for the prototypes at least


@dataclass(frozen=True)
class ContrastTerms:
    """A loss and its parts; `z`, without a gradient, and the voxels that `GlobalContrast` drew."""

    loss: Float[Tensor, ""]
    infonce: Float[Tensor, ""]
    hinge: Float[Tensor, ""]
    anchors: int
    negatives: int
    z: Float[Tensor, "N D"]
    sample: VoxelSample | None = None


def contrast_loss(
    z: Float[Tensor, "N D"],
    regions: Int[Tensor, " N"],
    uncertainty: Float[Tensor, " N"],
    pancreas: Float[Tensor, " D"] | None,
    background: Float[Tensor, "K D"] | None = None,
    *,
    temperature: float = 0.1,
    margin: float = 0.3,
    hinge_weight: float = 0.5,
    views: int = 1,
) -> ContrastTerms:
    """The guided loss `L` above; 0 (with a gradient of 0) where there is no anchor or no pancreas prototype yet.

    Args:
        z: unit vectors of the sampled voxels.
        regions, uncertainty: code of `Region` and U of each voxel.
        pancreas, background: prototypes, unit vectors without a gradient. None: not known yet.
        temperature: small values look at the nearest negatives alone, large ones at all alike.
        margin: cosine to m_P above which rim_out is pushed away.
        hinge_weight: share h of that push; 0 leaves it out.
        views: 2 if the second half of the rows are the voxels of the first half in another view: an anchor then has two
            positives, m_P and itself in the other view, and `L_a` is the mean over them.

    Raises:
        InputError: a temperature that is not above 0, or not one region per vector.

    Example:
        >>> z = F.normalize(torch.eye(2) + 0.1, dim=1)    # one voxel of the core, one of far tissue
        >>> terms = contrast_loss(z, torch.tensor([1, 5]), torch.zeros(2), pancreas=z[0])
        >>> terms.anchors, terms.negatives, bool(terms.loss < 0.01)
        (1, 1, True)
    """
    _check(z, regions, temperature)
    z = z.float()
    anchor = is_anchor(regions)
    anchors, negatives = z[anchor], z[~anchor]
    nothing = z.sum() * 0
    if not len(anchors) or pancreas is None:
        return ContrastTerms(nothing, nothing, nothing, 0, len(negatives), z.detach())
    positive = pancreas.to(z)
    if background is not None:
        negatives = torch.cat([negatives, background.to(z)])
    attraction = anchors @ positive / temperature
    repulsion = anchors @ negatives.T / temperature
    each = torch.logsumexp(torch.cat([attraction[:, None], repulsion], 1), 1) - attraction
    if views == 2:
        attraction = (anchors * z.roll(len(z) // 2, 0)[anchor]).sum(1) / temperature
        each = (each + torch.logsumexp(torch.cat([attraction[:, None], repulsion], 1), 1) - attraction) / 2
    weight = anchor_weights(regions, uncertainty)[anchor].to(z)
    infonce = (weight * each).sum() / weight.sum()
    wrong = z[regions == Region.RIM_OUT]
    hinge = F.relu(wrong @ positive - margin).mean() if len(wrong) else nothing
    return ContrastTerms(infonce + hinge_weight * hinge, infonce, hinge, len(anchors), len(negatives), z.detach())


def pixel_contrast_loss(
    z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], *, temperature: float = 0.1
) -> ContrastTerms:
    r"""Plain pixel contrast without guidance: all pancreas voxels attract each other and repel all others.

        L = mean over anchors a, mean over positives p != a of -log( exp(a p / T) / \sum_{k != a} exp(a k / T) )

    Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) with the pancreas voxels alone as anchors.

    Raises:
        InputError: as `contrast_loss`.
    """
    _check(z, regions, temperature)
    z = z.float()
    inside = is_anchor(regions)
    nothing, n = z.sum() * 0, int(inside.sum())
    if n < 2:
        return ContrastTerms(nothing, nothing, nothing, 0, len(z) - n, z.detach())
    order = torch.cat([torch.nonzero(inside)[:, 0], torch.nonzero(~inside)[:, 0]])
    cosines = z[inside] @ z[order].T / temperature
    itself = torch.eye(n, len(z), dtype=torch.bool, device=z.device)
    total = torch.logsumexp(cosines.masked_fill(itself, -torch.inf), 1)
    pulled = cosines[:, :n].masked_fill(itself[:, :n], 0).sum(1) / (n - 1)
    loss = (total - pulled).mean()
    return ContrastTerms(loss, loss, nothing, n, len(z) - n, z.detach())


class GlobalContrast(nn.Module):
    """The contrast of a training: draw voxels, project their features, compare, remember the prototypes.

    Where several processes train, they contrast one batch together: each sees the maps of all patches, makes the same
    draw, projects the voxels of its own patches and receives the vectors of the others. Anchors, negatives, queue and
    prototypes are those of one process with the whole batch.

    Args:
        kind: one of `CONTRASTS`.
        inputs: width of the features that it reads, of all levels together.
        outputs: dimensions of the projection.
        seed: of the projection's first weights.
        temperature: see `contrast_loss`.
        queue: background features of earlier steps that are negatives too.
        strides: of the levels that it reads, where it is given all of a decoder.
        lookalikes: share of the near and far voxels that look like the pancreas.

    Raises:
        InputError: an unknown kind.

    Example:
        >>> contrast = GlobalContrast("guided", 16)
        >>> regions = torch.full((1, 16, 16, 16), 5); regions[:, 4:8, 4:8, 4:8] = 1
        >>> zeros, rng = torch.zeros(1, 16, 16, 16), np.random.default_rng(0)
        >>> features = torch.randn(1, 16, 8, 8, 8)
        >>> terms = contrast(features, regions, zeros, (regions == 1).long(), regions > 0, zeros, rng)
        >>> terms.anchors
        64
    """

    def __init__(
        self,
        kind: str,
        inputs: int,
        outputs: int = 32,
        seed: int = 0,
        temperature: float = 0.1,
        *,
        queue: int = 0,
        strides: Sequence[int] = (2,),
        lookalikes: float = 0.0,
    ):
        super().__init__()
        if kind not in CONTRASTS:
            raise InputError(f"expected a kind out of {', '.join(CONTRASTS)}, got {kind!r}; name one of these")
        self.kind, self.temperature, self.queue = kind, temperature, queue
        self.strides, self.lookalikes = tuple(strides), lookalikes
        self.projection = Projection(inputs, outputs=outputs, seed=seed)
        self.prototypes = Prototypes(outputs, queue=max(queue, QUEUE))

    def forward(
        self,
        features: Float[Tensor, "B F x y z"] | Sequence[Tensor],
        regions: Int[Tensor, "B X Y Z"],
        uncertainty: Float[Tensor, "B X Y Z"],
        label: Int[Tensor, "B X Y Z"],
        body: Bool[Tensor, "B X Y Z"],
        predicted: Float[Tensor, "B X Y Z"] | None,
        rng: np.random.Generator,
        alike: Bool[Tensor, "B X Y Z"] | None = None,
        other: Tensor | Sequence[Tensor] | None = None,
    ) -> ContrastTerms:
        """The loss of one step, against the prototypes of the steps before; then these learn from it too.

        Args:
            features: of one level, or of all, the finest first: those at the `strides` are read together.
            alike: see `lookalikes` in `regions`.
            other: features of another view of the patches.
            regions, uncertainty, label, body, predicted: of this process's patches, as many in every process.
            rng: in the same state in every process.
        """
        if self.kind == "plain":
            sample = sample_plain(gathered(label > 0), gathered(body), rng)
        else:
            draw: Callable = sample_guided if self.kind == "guided" else sample_random
            known = gathered(predicted) if predicted is not None else None
            how = {"predicted": known, "alike": gathered(alike) if alike is not None else None}
            how["share"] = self.lookalikes
            sample = draw(gathered(regions.to(torch.uint8)), gathered(uncertainty), rng, **how)
        views = [features] if other is None else [features, other]
        z = torch.cat([self._vectors(view, sample, tuple(regions.shape[1:])) for view in views])
        with torch.autocast(z.device.type, enabled=False):  # bfloat16 would round the cosines
            memory, n = self.prototypes, len(views)
            voxels = sample.regions.repeat(n), sample.uncertainty.repeat(n)
            fresh = self.training and not memory.ready
            if fresh:
                memory.update(z, *voxels)
            if self.kind == "plain":
                terms = pixel_contrast_loss(z, voxels[0], temperature=self.temperature)
            else:
                pancreas, background = memory.known
                if self.queue and not fresh:
                    remembered = memory.remembered.clone()
                    background = remembered if background is None else torch.cat([background, remembered])
                terms = contrast_loss(z, *voxels, pancreas, background, temperature=self.temperature, views=n)
            if self.training and not fresh:  # the first step's voxels are in already
                memory.update(z, *voxels)
        return replace(terms, sample=sample, z=terms.z[: len(sample)])

    def _vectors(
        self, features: Tensor | Sequence[Tensor], sample: VoxelSample, shape: tuple[int, ...]
    ) -> Float[Tensor, "N D"]:
        """The projected voxels of the sample, those of other processes' patches too."""
        one = isinstance(features, Tensor)
        levels = [features] if one else [features[stride.bit_length() - 2] for stride in self.strides]

        def projected(positions: Tensor) -> Tensor:
            return self.projection(torch.cat([sample_features(level, positions, shape) for level in levels], 1))

        if world() == 1:
            return projected(sample.positions)
        patches = len(levels[0])
        mine = torch.div(sample.positions[:, 0], patches, rounding_mode="floor") == rank()
        positions = sample.positions[mine] - sample.positions.new_tensor([rank() * patches, 0, 0, 0])
        z = projected(positions)
        return summed(z.new_zeros(len(sample), z.shape[1]).masked_scatter(mine[:, None], z))


def _check(z: Tensor, regions: Tensor, temperature: float) -> None:
    if temperature <= 0 or len(z) != len(regions):
        raise InputError(
            f"expected a temperature above 0 and one region per vector, got {temperature} and {len(regions)} regions "
            f"for {len(z)} vectors; correct the call"
        )

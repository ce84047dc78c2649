"""Looking into a feature space after training: features of voxels that are named by region, and their prototypes.

`features_of` needs a label to name its voxels: it is for inspection, never for a prediction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.feature_space import rim_auc
from pancreas_ssl.evaluation.uncertainty_quality import error_auroc
from pancreas_ssl.inference.feature_maps import feature_map
from pancreas_ssl.inference.prototype_vote import trained_contrast
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.prototypes import core_sum
from pancreas_ssl.method.regions import Region, lookalikes
from pancreas_ssl.method.sampling import COUNTS, VoxelSample, sample_features, sample_guided, sample_random
from pancreas_ssl.method.structure import label_regions, signed_distance

__all__ = ["InspectedFeatures", "core_prototype", "features_of", "principal_axes", "separability"]

MANY = dict.fromkeys(COUNTS, 500)  # voxels per region of a case, for an area under a curve


@dataclass(frozen=True)
class InspectedFeatures:
    """Voxels of one case, sampled by region, and their decoder features."""

    features: Float32[Tensor, "N F"]
    draw: VoxelSample
    id: str
    source: str

    @property
    def unit(self) -> Float32[Tensor, "N F"]:
        """The features' directions, without any projection."""
        return F.normalize(self.features, dim=1, eps=1e-6)


def features_of(
    model: Model,
    case: Prepared,
    *,
    counts: Mapping[int, int] = COUNTS,
    s_mm: float = 1.5,
    seed: int = 0,
    random: bool = False,
    alike: bool = False,
    features: Float[Tensor, "1 F x y z"] | None = None,
    overlap: float = 0.25,
    device: str = "auto",
) -> InspectedFeatures:
    """Voxels of each region of a labelled case with their features: for inspection, since the label names the regions.

    The same seed samples the same voxels, whatever the network.

    Args:
        random: sample as the control does: voxels from anywhere, under the region names of a guided sample.
        alike: of near and far tissue only voxels that look like the pancreas (`method.regions.lookalikes`).
        features: what `feature_map` gave for this case, if it is at hand.

    Raises:
        InputError: a case without a label.

    Example:
        >>> seen = features_of(load_weights("contrast"), case)    # doctest: +SKIP
        >>> seen.draw.regions.bincount()    # doctest: +SKIP
    """
    labelled = case.label is not None and bool(case.label.any())
    require(labelled, f"a labelled pancreas in case {case.id}", "none", "regions need a label")
    regions, uncertainty = label_regions(case.label[0] == 1, case.image[0], case.spacing, s_mm=s_mm)
    if alike:
        distance = torch.from_numpy(signed_distance(case.label[0] == 1, case.spacing))
        like = lookalikes(torch.as_tensor(case.image), regions[None], distance[None])[0]
        regions = torch.where((regions >= Region.NEAR) & ~like, int(Region.OUTSIDE), regions)
    sampler = sample_random if random else sample_guided
    sample = sampler(regions[None], uncertainty[None], np.random.default_rng(seed), counts=counts)
    if features is None:
        features = feature_map(model, case.image, overlap=overlap, device=device)
    shape = tuple(2 * size for size in features.shape[2:])  # an odd image ends within its last feature
    vectors = sample_features(features, sample.positions, shape)
    return InspectedFeatures(vectors, sample, case.id, case.source)


def core_prototype(z: Float[Tensor, "N D"], sample: VoxelSample) -> Float32[Tensor, " D"]:
    """Direction of the core's mean, weighted with certainty: a prototype for features that were never trained with one.

    Raises:
        InputError: no voxel of the core.
    """
    require(bool((sample.regions == Region.CORE).any()), "voxels of the core", "none", "sample some")
    total, _ = core_sum(z, sample.regions, sample.uncertainty)
    return F.normalize(total.float(), dim=0, eps=1e-6)


def principal_axes(
    z: Float[Tensor, "N D"], towards: Float[Tensor, " D"] | None = None, k: int = 2
) -> tuple[Float32[Tensor, " D"], Float32[Tensor, "D k"], Float32[Tensor, " k"]]:
    """Mean, the first k principal axes and their shares of the variance; shown are `(z - mean) @ axes`.

    Args:
        towards: a direction (a prototype) that shall lie on the positive side of each axis; an axis has no sign.

    Example:
        >>> mean, axes, share = principal_axes(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), k=1)
        >>> share.tolist()
        [1.0]
    """
    mean = z.float().mean(0)
    _, values, rows = torch.linalg.svd(z.float() - mean, full_matrices=False)
    axes = rows[:k].T.contiguous()
    lean = axes[axes.abs().argmax(0), torch.arange(axes.shape[1])] if towards is None else (towards.to(z) - mean) @ axes
    axes = axes * torch.where(lean < 0, -1.0, 1.0)
    return mean, axes, values[:k] ** 2 / (values**2).sum().clamp_min(1e-12)


def separability(
    model: Model, home: Sequence[Prepared], away: Sequence[Prepared] = (), *, seed: int = 0, device: str = "auto"
) -> pd.DataFrame:
    """What is left to separate: how well the cosine with the pancreas's direction tells its tissue from others.

    Both columns are areas under the ROC curve, 0.5 for chance and 1 for nothing left: `rim`, rim_in against rim_out;
    `lookalikes`, the pancreas against tissue around it that is as bright. A row per case and `space`: the `decoder`'s
    features, whose direction is the core's of all cases at home; and, where the weights have a contrast that reads
    these features, its `projection`, whose direction is the pancreas prototype.

    Args:
        home: labelled cases of the source that trained, held out from it.
        away: labelled cases of others; the direction from home is used there too.

    Raises:
        InputError: a case without a label.

    Example:
        >>> separability(load_weights("contrast"), held_out).groupby("space")[["rim", "lookalikes"]].mean()
        ... # doctest: +SKIP
    """
    cases = [*home, *away]
    seen = [features_of(model, case, counts=MANY, alike=True, seed=seed, device=device) for case in cases]
    core = sum(core_sum(one.unit, one.draw.regions, one.draw.uncertainty)[0] for one in seen[: len(home)])
    spaces = {"decoder": (lambda one: one.unit, F.normalize(core, dim=0, eps=1e-6))}
    contrast = trained_contrast(model) if "contrast" in model.parts else None
    if contrast is not None and contrast.projection.first.in_features == seen[0].features.shape[1]:
        spaces["projection"] = (lambda one: contrast.projection(one.features), contrast.prototypes.pancreas)
    rows = []
    for one in seen:
        regions, inside = one.draw.regions, one.draw.anchors
        judged = inside | (regions >= Region.NEAR)
        for space, (vectors, towards) in spaces.items():
            z = vectors(one)
            like = error_auroc((z[judged] @ towards).numpy(force=True), inside[judged].numpy(force=True))
            row = {"source": one.source, "case": one.id, "space": space}
            rows.append(row | {"rim": rim_auc(z, regions, towards), "lookalikes": like})
    return pd.DataFrame(rows)

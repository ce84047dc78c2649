"""Looking into a feature space after the training: features of voxels that are named by region, and their prototypes.

`features_of` asks for a label, since it names its voxels: it is for inspection, never for a prediction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.contrast.feature_maps import feature_map
from pancreas_ssl.contrast.module import GlobalContrast
from pancreas_ssl.contrast.prototypes import core_sum
from pancreas_ssl.contrast.sampling import COUNTS, Draw, draw_guided, draw_random, sample_features
from pancreas_ssl.errors import InputError
from pancreas_ssl.uncertainty import (
    Region,
    body_mask,
    medial_skeleton,
    signed_distance,
    training_regions,
)

if TYPE_CHECKING:
    from pancreas_ssl.data.preprocessing import Prepared
    from pancreas_ssl.inference import Model

__all__ = [
    "Sampled",
    "core_prototype",
    "features_of",
    "label_regions",
    "principal_axes",
    "trained_contrast",
]


@dataclass(frozen=True)
class Sampled:
    """Voxels of one case, drawn by region, and their decoder features."""

    features: Float32[Tensor, "N F"]
    draw: Draw
    id: str
    source: str

    @property
    def unit(self) -> Float32[Tensor, "N F"]:
        """The features' directions, without any projection."""
        return F.normalize(self.features, dim=1, eps=1e-6)


def trained_contrast(model: "Model") -> GlobalContrast:
    """The projection and the prototypes that were trained beside a network, ready to look with.

    Raises:
        InputError: weights of an arm without contrast.

    Example:
        >>> trained_contrast(load_weights("contrast")).prototypes.pancreas.shape    # doctest: +SKIP
        torch.Size([32])
    """
    state = model.parts.get("contrast")
    if state is None:
        raise InputError(
            "expected weights that were trained with contrast, these have no projection; use load_weights('contrast')"
        )
    recipe = model.metadata.get("recipe", {})
    outputs, inputs = state["projection.second.weight"].shape[0], state["projection.first.weight"].shape[1]
    kind, temperature = recipe.get("contrast", "guided"), float(recipe.get("temperature", 0.1))
    contrast = GlobalContrast(kind, inputs, outputs, temperature=temperature)
    missing, unknown = contrast.load_state_dict(state, strict=False)
    lost = [name for name in missing if "queue" not in name]
    if lost or unknown:
        raise InputError(
            f"expected a projection and prototypes, {', '.join([*lost, *unknown])} does not fit; use weights of this "
            f"version"
        )
    return contrast.eval().requires_grad_(False)


def label_regions(case: "Prepared", *, s_mm: float = 1.5, tau: float = 0.5):
    """Regions `(X, Y, Z)` and structural uncertainty by the label alone: the same for whichever network is looked at.

    Raises:
        InputError: a case without a label.
    """
    if case.label is None or not case.label.any():
        raise InputError(f"expected a labelled pancreas in case {case.id}, got none; regions need a label")
    label = np.ascontiguousarray(case.label[0] == 1)
    distance = torch.from_numpy(signed_distance(label, case.spacing))
    body, medial = body_mask(torch.from_numpy(case.image[0])), torch.from_numpy(medial_skeleton(label))
    return training_regions(torch.from_numpy(label), distance, None, body, s_mm=s_mm, tau=tau, medial=medial)


def features_of(
    model: "Model",
    case: "Prepared",
    *,
    counts: Mapping[int, int] = COUNTS,
    s_mm: float = 1.5,
    seed: int = 0,
    random: bool = False,
    features: Float[Tensor, "1 F x y z"] | None = None,
    overlap: float = 0.25,
    device: str = "auto",
) -> Sampled:
    """Voxels of each region of a labelled case with their features: for inspection, since the label names the regions.

    The same seed draws the same voxels, whichever the network.

    Args:
        random: draw as the control does: voxels of anywhere, called what the guided draw's are called.
        features: what `feature_map` gave for this case, if it is at hand.

    Raises:
        InputError: a case without a label.

    Example:
        >>> seen = features_of(load_weights("contrast"), case)    # doctest: +SKIP
        >>> seen.draw.regions.bincount()    # doctest: +SKIP
    """
    named, doubt = label_regions(case, s_mm=s_mm)
    way = draw_random if random else draw_guided
    draw = way(named[None], doubt[None], np.random.default_rng(seed), counts=counts)
    if features is None:
        features = feature_map(model, case.image, overlap=overlap, device=device)
    shape = tuple(2 * size for size in features.shape[2:])  # an odd image ends within its last feature
    return Sampled(
        sample_features(features, draw.positions, shape), draw, case.id, case.source.split("/")[-1]
    )


def core_prototype(z: Float[Tensor, "N D"], draw: Draw) -> Float32[Tensor, " D"]:
    """Direction of the core's mean, weighted with certainty: a prototype for features that never were trained with one.

    Raises:
        InputError: no voxel of the core.
    """
    if not (draw.regions == Region.CORE).any():
        raise InputError("expected voxels of the core, got none; draw some")
    total, _ = core_sum(z, draw)
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
    lean = (
        axes[axes.abs().argmax(0), torch.arange(axes.shape[1])]
        if towards is None
        else (towards.to(z) - mean) @ axes
    )
    axes = axes * torch.where(lean < 0, -1.0, 1.0)
    return mean, axes, values[:k] ** 2 / (values**2).sum().clamp_min(1e-12)

"""One case in feature space: what the feature explorer shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

__all__ = ["FeatureSpace", "space_of"]


@dataclass(frozen=True)
class FeatureSpace:
    """One case's voxels in feature space.

    positions on the case's grid; regions as in `Region`; points in the plane that is shown; cosines with the pancreas
    prototype; cosine_map the same for every voxel; stars: prototypes in that plane; shares: of the variance.
    """

    case: Any
    positions: Int[np.ndarray, "N 3"]
    regions: Int[np.ndarray, " N"]
    points: Float[np.ndarray, "N 2"]
    cosines: Float[np.ndarray, " N"]
    cosine_map: Float[np.ndarray, "X Y Z"]
    stars: dict[str, tuple[float, float]]
    shares: tuple[float, float] | None = None


def space_of(
    case: Any, sampled: Any, contrast: Any, plane: tuple, cosine_map: Float[np.ndarray, "X Y Z"]
) -> FeatureSpace:
    """A case's drawn voxels, projected, in a plane of principal axes.

    Args:
        sampled: from `pancreas_ssl.lessons.inspected_features.features_of`.
        contrast: from `pancreas_ssl.inference.prototype_vote.trained_contrast`; its prototypes become the stars.
        plane: mean, axes and shares, from `principal_axes`; the same for all cases that are to be compared.
        cosine_map: of the pancreas prototype, from `pancreas_ssl.inference.feature_maps.cosine_map`.
    """
    (mean, axes, shares), prototypes = plane, contrast.prototypes
    z = contrast.projection(sampled.features)
    centres = {"m_P": prototypes.pancreas} | {f"b{k + 1}": b for k, b in enumerate(prototypes.background)}
    return FeatureSpace(
        case,
        sampled.draw.positions[:, 1:].numpy(),
        sampled.draw.regions.numpy(),
        ((z - mean) @ axes).numpy(),
        (z @ prototypes.pancreas).numpy(),
        cosine_map,
        {what: tuple(((centre - mean) @ axes).tolist()) for what, centre in centres.items()},
        tuple(shares.tolist()),
    )

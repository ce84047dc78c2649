"""The contrast without a network: a projection trained on features that stay as they are, in seconds.

It shows what a loss and its choice of voxels do to a feature space. In a real training the network's own features
change too, which these few seconds cannot show.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pancreas_ssl.devices import one_thread
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.feature_space import cohesion, effective_rank, rim_auc, separation
from pancreas_ssl.lessons.inspected_features import InspectedFeatures
from pancreas_ssl.method.contrast import GlobalContrast, contrast_loss
from pancreas_ssl.method.sampling import VoxelSample

__all__ = ["compare_spaces", "join_samples", "train_projection"]


def join_samples(seen: Sequence[InspectedFeatures]) -> tuple[Float[Tensor, "N F"], VoxelSample]:
    """Features and voxels of several cases as one.

    Raises:
        InputError: no case.
    """
    require(len(seen) > 0, "the voxels of at least one case", "none", "draw some")
    names = ("positions", "regions", "uncertainty", "confidence")
    parts = {name: torch.cat([getattr(one.draw, name) for one in seen]) for name in names}
    return torch.cat([one.features for one in seen]), VoxelSample(**parts)


@one_thread()
def train_projection(
    seen: Sequence[InspectedFeatures],
    *,
    steps: int = 120,
    renamed: Mapping[int, int] | None = None,
    temperature: float = 0.1,
    learning_rate: float = 5e-3,
    seed: int = 0,
) -> tuple[GlobalContrast, pd.DataFrame]:
    """A projection with its prototypes, trained by the guided loss on the same voxels in every step.

    Args:
        seen: drawn voxels and features; the features stay as they are.
        renamed: region -> region it is taken for, to plant a mistake such as a swap.
        temperature: see `contrast_loss`.

    Returns:
        The trained `GlobalContrast`, and a table with step and loss.

    Raises:
        InputError: no case.

    Example:
        >>> contrast, history = train_projection(seen, renamed={1: 4, 4: 1})    # doctest: +SKIP
    """
    features, sample = join_samples(seen)
    regions = sample.regions.clone()
    for true, taken in (renamed or {}).items():
        regions[sample.regions == true] = int(taken)
    voxels = regions, sample.uncertainty
    contrast = GlobalContrast("guided", features.shape[1], seed=seed, temperature=temperature)
    optimiser = torch.optim.Adam(contrast.projection.parameters(), lr=learning_rate)
    history = []
    for step in range(1, steps + 1):
        z = contrast.projection(features)
        if step == 1:
            contrast.prototypes.update(z, *voxels)
        loss = contrast_loss(z, *voxels, *contrast.prototypes.known, temperature=temperature).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        contrast.prototypes.update(z, *voxels)
        history.append({"step": step, "loss": float(loss.detach())})
    return contrast.eval().requires_grad_(False), pd.DataFrame(history)


def compare_spaces(
    spaces: Mapping[str, tuple[Sequence[InspectedFeatures], Callable[[InspectedFeatures], Tensor], Tensor]],
) -> pd.DataFrame:
    """Diagnostics per space and source, each the mean over its patients.

    Args:
        spaces: name -> drawn voxels of labelled cases; the function from them to unit vectors; the pancreas prototype
            among these vectors.

    Example:
        >>> compare_spaces({"decoder": (seen, lambda one: one.unit, prototype)})    # doctest: +SKIP
    """
    rows = []
    for name, (seen, vectors, prototype) in spaces.items():
        for one in seen:
            z = vectors(one)
            how = z, one.draw.regions, prototype
            auc = rim_auc(*how)
            row = {"space": name, "source": one.source, "cohesion": cohesion(*how), "separation": separation(*how)}
            rows.append(row | {"rim AUC": float("nan") if auc is None else auc, "effective rank": effective_rank(z)})
    require(bool(rows), "at least one space with a case", "none", "name one")
    return pd.DataFrame(rows).groupby(["space", "source"], sort=False).mean().reset_index()

"""The regions as a training cuts them: structure and model's doubt joined into U, and U into regions."""

from jaxtyping import Bool, Float, Float32, Int64, Shaped
from torch import Tensor

from pancreas_ssl.uncertainty.regions import regions
from pancreas_ssl.uncertainty.structural import structural_map, training_map

__all__ = ["training_regions"]


def training_regions(
    label: Shaped[Tensor, "*s"],
    distance: Float[Tensor, "*s"],
    doubt: Float[Tensor, "*s"] | None,
    body: Bool[Tensor, "*s"],
    *,
    s_mm: float = 1.5,
    a: float = 1.0,
    tau: float = 0.5,
    band_mm: float = 15.0,
    medial: Bool[Tensor, "*s"] | None = None,
    predicted: Bool[Tensor, "*s"] | None = None,
) -> tuple[Int64[Tensor, "*s"], Float32[Tensor, "*s"]]:
    """Regions, and the U = 1 - (1 - U_s)(1 - a U_m) that they were cut by.

    Args:
        doubt: U_m, the model's map; None: U is the structural map alone.
        s_mm, a: as in `structural_map` and `training_map`.
        label, distance, body, tau, band_mm, medial, predicted: as in `regions`.

    Raises:
        InputError: as the three.

    Example:
        >>> import torch
        >>> phi = torch.tensor([-7.5, -1.5, 1.5, 28.5])
        >>> codes, u = training_regions(phi < 0, phi, None, torch.ones(4, dtype=torch.bool))
        >>> codes.tolist()
        [1, 2, 3, 5]
    """
    uncertainty = structural_map(distance, s_mm)
    if doubt is not None:
        uncertainty = training_map(uncertainty, doubt, a)
    how = {"medial": medial, "predicted": predicted, "tau": tau, "band_mm": band_mm}
    return regions(label, distance, uncertainty, body, **how), uncertainty

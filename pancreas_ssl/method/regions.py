"""Six regions of a patch: where the pancreas is certain, where its rim is uncertain, and what lies around it.

    outside   not body and not label
    core      label, and on the medial skeleton or U < tau
    rim_in    the rest of the label
    rim_out   not label, phi <= band, and U >= tau or predicted as pancreas
    near      the rest of the band
    far       the rest of the body

A voxel belongs to the first of these that fits, so the regions are disjoint and exhaustive whatever the maps hold. phi
is the signed distance to the label's surface in mm, U the uncertainty. Both rims together are the uncertain region in
which the restoration corrupts and from which the contrast takes its hardest voxels. Nothing is resampled: the regions
have the voxels of the patch.

The label is needed here: regions exist in training, and for looking at a labelled case, never at test time.
"""

from enum import IntEnum

import torch
from jaxtyping import Bool, Float, Float32, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.uncertainty import structural_map, training_map

__all__ = ["Region", "body_mask", "lookalikes", "region_counts", "regions", "training_regions", "uncertain_region"]

LIKE_MM = 3.0  # from the pancreas's surface, beyond which tissue may be a lookalike and no partial volume
BODY = -0.9  # local mean above which a voxel is body: -130 HU in the default window, below fat and above air


class Region(IntEnum):
    """The codes of a map of regions.

    Example:
        >>> Region.RIM_IN.name.lower(), int(Region.RIM_IN)
        ('rim_in', 2)
    """

    OUTSIDE = 0
    CORE = 1
    RIM_IN = 2
    RIM_OUT = 3
    NEAR = 4
    FAR = 5


def regions(
    label: Shaped[Tensor, "*s"],
    distance: Float[Tensor, "*s"],
    uncertainty: Float[Tensor, "*s"],
    body: Bool[Tensor, "*s"],
    *,
    medial: Bool[Tensor, "*s"] | None = None,
    predicted: Bool[Tensor, "*s"] | None = None,
    tau: float = 0.5,
    band_mm: float = 15.0,
) -> Int64[Tensor, "*s"]:
    """Codes of `Region`, one per voxel; disjoint and exhaustive.

    Args:
        label: pancreas where not 0. A label voxel is never outside, even where `body` misses it.
        distance: phi, mm to the label's surface, negative inside; from `signed_distance`.
        uncertainty: U, 0 to 1; from `training_map`.
        body: from `body_mask`.
        medial: the label's skeleton, from `medial_skeleton`. It is core however large U is, so that a thin organ
            keeps a core. None: U alone decides.
        predicted: voxels that a model takes for pancreas. In the band and outside the label they are mistakes, and
            rim_out however certain the model is. None: U alone decides.
        tau: uncertainty from which a voxel counts as uncertain. With U_s of s = 1.5 mm, 0.5 is reached 1.8 mm from the
            surface.
        band_mm: what is still near; 15 mm is about the thickness of a pancreas.

    Shapes: any, the same for all; on one device.

    Raises:
        InputError: shapes differ, or the band is negative.

    Example: a row of voxels 3 mm apart; the label's surface lies between the third and the fourth.
        >>> phi = torch.tensor([-7.5, -4.5, -1.5, 1.5, 4.5, 28.5])
        >>> u = torch.exp(-(phi**2) / 4.5)
        >>> regions(phi < 0, phi, u, torch.ones(6, dtype=torch.bool)).tolist()
        [1, 1, 2, 3, 4, 5]
    """
    given = {"distance": distance, "uncertainty": uncertainty, "body": body}
    given |= {name: m for name, m in (("medial", medial), ("predicted", predicted)) if m is not None}
    for name, tensor in given.items():
        if tensor.shape != label.shape:
            raise InputError(
                f"expected {name} in the label's shape {tuple(label.shape)}, got {tuple(tensor.shape)}; cut all maps "
                f"from the same voxels"
            )
    if not band_mm >= 0:
        raise InputError(f"expected a band of 0 mm or more, got {band_mm}; 15 is the default")
    inside = label != 0
    uncertain = uncertainty >= tau
    core = uncertainty < tau if medial is None else (uncertainty < tau) | (medial != 0)
    claimed = uncertain if predicted is None else uncertain | (predicted != 0)
    band = distance <= band_mm

    codes = torch.full(label.shape, Region.FAR, dtype=torch.uint8, device=label.device)
    for where, region in (  # later lines take precedence
        (band, Region.NEAR),
        (band & claimed, Region.RIM_OUT),
        (body == 0, Region.OUTSIDE),
        (inside, Region.RIM_IN),
        (inside & core, Region.CORE),
    ):
        codes.masked_fill_(where, int(region))
    return codes.long()


def training_regions(
    label: Shaped[Tensor, "*s"],
    distance: Float[Tensor, "*s"],
    model_map: Float[Tensor, "*s"] | None,
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
        model_map: U_m, the model's map; None: U is the structural map alone.
        s_mm, a: as in `structural_map` and `training_map`.
        label, distance, body, tau, band_mm, medial, predicted: as in `regions`.

    Raises:
        InputError: as the three.

    Example:
        >>> phi = torch.tensor([-7.5, -1.5, 1.5, 28.5])
        >>> codes, u = training_regions(phi < 0, phi, None, torch.ones(4, dtype=torch.bool))
        >>> codes.tolist()
        [1, 2, 3, 5]
    """
    uncertainty = structural_map(distance, s_mm)
    if model_map is not None:
        uncertainty = training_map(uncertainty, model_map, a)
    how = {"medial": medial, "predicted": predicted, "tau": tau, "band_mm": band_mm}
    return regions(label, distance, uncertainty, body, **how), uncertainty


def uncertain_region(regions: Int64[Tensor, "*s"]) -> Bool[Tensor, "*s"]:
    """R, the union of both rims: where the restoration corrupts, and the contrast finds its hardest voxels.

    Example:
        >>> uncertain_region(torch.tensor([1, 2, 3, 4])).tolist()
        [False, True, True, False]
    """
    return (regions == Region.RIM_IN) | (regions == Region.RIM_OUT)


def lookalikes(
    image: Float[Tensor, "B X Y Z"],
    regions: Int64[Tensor, "B X Y Z"],
    distance: Float[Tensor, "B X Y Z"],
    far_mm: float = 30.0,
) -> Bool[Tensor, "B X Y Z"]:
    """Tissue around the pancreas that is as bright as it: vessels and bowel, found without a map of organs.

    A voxel of the body, 3 mm to `far_mm` from the surface, whose intensity lies within two standard deviations of the
    mean of the patch's core; nothing in a patch with fewer than two voxels of core.

    Args:
        image: before its appearance was varied.
        distance: phi, in mm.

    Example: a core of 0.1 and 0.3, then fat, a vessel as bright as the core, and one too far away
        >>> image = torch.tensor([0.1, 0.3, -0.5, 0.2, 0.2]).view(1, 5, 1, 1)
        >>> codes, phi = torch.tensor([1, 1, 4, 4, 5]), torch.tensor([-6.0, -6, 9, 9, 40])
        >>> lookalikes(image, codes.view(1, 5, 1, 1), phi.view(1, 5, 1, 1)).flatten().tolist()
        [False, False, False, True, False]
    """
    core, flat = (regions == Region.CORE).flatten(1), image.float().flatten(1)
    n = core.sum(1)
    mean = (flat * core).sum(1) / n.clamp_min(1)
    sd = (((flat - mean[:, None]) ** 2 * core).sum(1) / (n - 1).clamp_min(1)).sqrt()
    alike = ((flat - mean[:, None]).abs() <= 2 * sd[:, None]) & (n > 1)[:, None]
    around = (distance > LIKE_MM) & (distance < far_mm) & (regions >= Region.RIM_OUT)
    return alike.view_as(around) & around


def region_counts(regions: Int64[Tensor, "*s"]) -> dict[str, int]:
    """Voxels of each region by its name in small letters; every region is named, also one without voxels.

    Example:
        >>> region_counts(torch.tensor([1, 1, 2, 5]))
        {'outside': 0, 'core': 2, 'rim_in': 1, 'rim_out': 0, 'near': 0, 'far': 1}
    """
    counts = torch.bincount(regions.flatten(), minlength=len(Region)).tolist()
    return {region.name.lower(): counts[region] for region in Region}


def body_mask(image: Float[Tensor, "*b X Y Z"]) -> Bool[Tensor, "*b X Y Z"]:
    r"""Body where the mean over 3 x 3 x 3 voxels is above -0.9 (air = -1); at the image's edge, edge voxels repeat.

    The mean forgives single dark voxels in noise, and takes along the voxel next to the skin. Lung and bowel gas are
    as dark as air and count as outside: nothing there is distinguished from the pancreas.

    Args:
        image: prepared image(s) in [-1, 1].

    Shapes: (X, Y, Z), (1, X, Y, Z) or (B, 1, X, Y, Z), kept.

    Raises:
        InputError: fewer than three axes, or no floating-point image.

    Example:
        >>> image = torch.full((1, 8, 8, 8), -1.0)
        >>> image[:, 2:6, 2:6, 2:6] = 0.2
        >>> body_mask(image)[0, :, 4, 4].int().tolist()    # four voxels, and one more on each side
        [0, 1, 1, 1, 1, 1, 1, 0]
    """
    if image.ndim < 3 or not image.is_floating_point():
        raise InputError(
            f"expected an image (..., X, Y, Z) in floating point, got {image.dtype} with {image.ndim} axes; pass a "
            f"prepared image in [-1, 1]"
        )
    total = F.pad(image.float().reshape(-1, 1, *image.shape[-3:]), (1,) * 6, mode="replicate")
    for axis, size in enumerate(image.shape[-3:], start=2):  # in half the time of `avg_pool3d`
        total = sum(total.narrow(axis, start, size) for start in range(3))
    return (total > 27 * BODY).reshape(image.shape)

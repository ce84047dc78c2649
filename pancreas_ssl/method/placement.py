r"""Where the image is corrupted: boxes in the uncertain region, more of them where the uncertainty is high.

Let R be the uncertain region (rim_in and rim_out) and U the uncertainty.

1. Draw the share of R to be covered, `c` from U(0.5, 0.9).
2. Draw a voxel of R that no box has covered yet, with a chance in proportion to U; put a box around it, each of its
   sides from U(15, 60) mm; the box corrupts its voxels within R dilated by 2 voxels, in one drawn way.
3. Repeat until the share c of R is covered, or 40 boxes are used.

The dilation puts a margin around R into the task, so that its outline does not betray where the boundary lies. The last
box is made smaller where it would cover more of R than the upper limit of c. Where boxes meet, a voxel belongs to the
first of them: each corrupted voxel is corrupted once. That part of a box which is its own is its *piece*.

Large boxes and a high share were chosen on the development sources: with sides of 9 to 24 mm and 0.3 to 0.6 of R the
trained network lost more of its Dice there (the first study of `assets/study/NOTES.md`).

Drawing one voxel after the other in proportion to U, without those already covered, is done in one go: with E from the
exponential distribution, the order of E / U is the order of such draws (Efraimidis & Spirakis 2006).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from pancreas_ssl.augmentation.patch import check_patch
from pancreas_ssl.errors import require
from pancreas_ssl.method.corruptions import DEFAULT_FAMILIES, Box, Placement, corrupt, draw_corruption
from pancreas_ssl.method.regions import Region, uncertain_region

__all__ = [
    "COVERAGE",
    "PLACEMENTS",
    "SIDE_MM",
    "Box",
    "Placement",
    "apply_placement",
    "place",
    "place_everywhere",
    "place_guided",
]

PLACEMENTS = ("guided", "random", "everywhere")
"""In the uncertain region; in random boxes of equal volume (the control); in the whole body (exploratory)."""

SIDE_MM = (15.0, 60.0)
"""Range of a box's sides, mm."""

COVERAGE = (0.5, 0.9)
"""Range of the share of R that is corrupted."""


def place(
    uncertainty: Float[Tensor, "x y z"],
    regions: Int[Tensor, "x y z"],
    rng: np.random.Generator,
    kind: str = "guided",
    **settings,
) -> Placement:
    """Draw where and how one patch is corrupted, from its region codes.

    Args:
        uncertainty: U, 0 to 1.
        regions: codes of `Region`. Rim_in and rim_out are the uncertain region R; whatever is
            not outside is the body.
        rng: numpy generator. `random` first draws the guided placement, with the same draws, and then moves it.
        kind: one of `PLACEMENTS`.
        settings: of `place_guided`; `everywhere` uses families and strength only.

    Raises:
        InputError: an unknown kind; whatever the placements themselves refuse.

    Example:
        >>> regions = torch.full((16, 16, 16), 5)
        >>> regions[6:10, 6:10, 6:10] = 2
        >>> place(torch.ones(16, 16, 16), regions, np.random.default_rng(0), "random").mask.any()
        tensor(True)
    """

    require(kind in PLACEMENTS, f"a kind out of {', '.join(PLACEMENTS)}", kind, "name one of these")
    body = regions != Region.OUTSIDE
    if kind == "everywhere":
        return place_everywhere(
            body, rng, **{name: settings[name] for name in ("families", "strength") if name in settings}
        )
    guided = place_guided(uncertainty, uncertain_region(regions), rng, **settings)
    if kind == "guided":
        return guided
    from pancreas_ssl.method.control import place_random

    return place_random(guided, body, rng)


def place_guided(
    uncertainty: Float[Tensor, "x y z"],
    region_mask: Bool[Tensor, "x y z"],
    rng: np.random.Generator,
    *,
    spacing_mm: float | Sequence[float] = 3.0,
    side_mm: tuple[float, float] = SIDE_MM,
    coverage: tuple[float, float] = COVERAGE,
    families: Sequence[str] = DEFAULT_FAMILIES,
    strength: float | None = None,
    dilate: int = 2,
    max_boxes: int = 40,
) -> Placement:
    """Boxes in the uncertain region, in proportion to the uncertainty; see the three steps above.

    Args:
        uncertainty: U, 0 to 1; only its proportions within R matter. Voxels of R with U = 0 come last.
        region_mask: R. Empty: no boxes and an empty mask.
        rng: numpy generator.
        spacing_mm: of the patch, one number or three.
        side_mm: range of a box's sides, rounded to voxels, at least one.
        coverage: range of the share of R that is corrupted. It holds to one voxel, unless `max_boxes` ends it sooner;
            a non-empty R gets at least one corrupted voxel.
        families, strength: as in `draw_corruption`.
        dilate: voxels around R, edges and corners included, that a box may corrupt too.
        max_boxes: limits the time.

    Raises:
        InputError: shapes differ, or a range is not one.

    Example:
        >>> rim = torch.zeros(16, 16, 16, dtype=torch.bool)
        >>> rim[4:12, 4:12, 6:9] = True
        >>> placement = place_guided(rim.float(), rim, np.random.default_rng(0))
        >>> bool(0.5 <= placement.mask[0][rim].float().mean() <= 0.9)
        True
    """
    sides, limits = _sides(spacing_mm, side_mm), tuple(coverage)
    _check(uncertainty, region_mask, limits, dilate, max_boxes)
    region = region_mask.numpy(force=True)
    taken = np.zeros(region.shape, bool)
    inside = np.flatnonzero(region)
    boxes: list[Box] = []
    if len(inside):
        room = max(int(limits[1] * len(inside)), 1)
        needed = min(max(int(np.ceil(rng.uniform(*limits) * len(inside))), 1), room)
        allowed = _dilated(region, dilate)
        found, covered = taken.reshape(-1), 0
        for centre in _in_proportion(uncertainty.numpy(force=True).reshape(-1)[inside], rng):
            at = int(inside[centre])
            if covered >= needed or len(boxes) >= max_boxes:
                break
            if found[at]:
                continue
            size = np.maximum(np.rint(rng.uniform(*sides)), 1).astype(int)
            low, high, piece, gained = _fit(at, size, region, allowed, taken, room - covered)
            where = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            taken[where] |= piece
            covered += gained
            boxes.append(Box(low, high, draw_corruption(rng, families, strength), piece))
    return Placement(tuple(boxes), torch.from_numpy(taken)[None].to(region_mask.device))


def place_everywhere(
    body: Bool[Tensor, "x y z"],
    rng: np.random.Generator,
    *,
    families: Sequence[str] = DEFAULT_FAMILIES,
    strength: float | None = None,
) -> Placement:
    """Whole-image restoration: one box, as large as the patch, whose piece is the body. An exploratory variant.

    Example:
        >>> place_everywhere(torch.ones(4, 4, 4, dtype=torch.bool), np.random.default_rng(0)).mask.sum()
        tensor(64)
    """
    require(body.ndim == 3, "a body mask (x, y, z)", tuple(body.shape), "pass one patch at a time")
    piece = body.numpy(force=True).astype(bool)
    box = Box((0, 0, 0), tuple(piece.shape), draw_corruption(rng, families, strength), piece)
    return Placement((box,) if piece.any() else (), body.bool()[None])


@torch.no_grad()
def apply_placement(image: Float32[Tensor, "1 x y z"], placement: Placement) -> Float32[Tensor, "1 x y z"]:
    """The image with its boxes corrupted; outside the mask every voxel keeps every bit. A new tensor.

    Every corruption sees the content of its box as it was before all of them.

    Args:
        image: patch in [-1, 1].
        placement: of a patch of the same size.

    Raises:
        InputError: not one patch in float32, or a placement of another size.

    Example:
        >>> placement = Placement((), torch.zeros(1, 4, 4, 4, dtype=torch.bool))
        >>> apply_placement(torch.ones(1, 4, 4, 4), placement).mean()
        tensor(1.)
    """
    check_patch(image)
    require(
        placement.mask.shape == image.shape,
        f"a placement on a patch {tuple(image.shape)}",
        tuple(placement.mask.shape),
        "draw the placement from the regions of this patch",
    )
    out = image.clone()
    for box in placement.boxes:
        where = (slice(None), *box.slices)
        piece = placement.mask[where] if box.piece is None else torch.from_numpy(box.piece)[None]
        changed = corrupt(image[where].contiguous(), box.corruption)
        out[where] = torch.where(piece.to(image.device), changed, out[where])
    return out


def _in_proportion(weights: Float[np.ndarray, " n"], rng: np.random.Generator) -> np.ndarray:
    """An order of 0 to n - 1 as if drawn one by one, without putting back, in proportion to `weights`."""
    weights = np.nan_to_num(weights.astype(np.float64)).clip(0)
    least = 1e-9 * weights.max() or 1.0  # voxels without uncertainty: last, in any order
    return np.argsort(rng.exponential(size=len(weights)) / np.maximum(weights, least))


def _fit(at: int, size: np.ndarray, region, allowed, taken, room: int):
    """A box around voxel `at` that covers at most `room` voxels of the region: low, high, its piece, what it covers."""
    centre = np.array(np.unravel_index(at, region.shape))
    while True:
        low = np.maximum(centre - size // 2, 0)
        high = np.minimum(centre - size // 2 + size, region.shape)
        where = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        piece = allowed[where] & ~taken[where]
        gained = int((piece & region[where]).sum())
        if gained <= room or (size == 1).all():
            return tuple(low.tolist()), tuple(high.tolist()), piece, gained
        size = np.maximum(size - (size == size.max()), 1)  # the longest sides first


def _dilated(mask: Bool[np.ndarray, "x y z"], voxels: int) -> Bool[np.ndarray, "x y z"]:
    """The mask and all voxels within a cube of `voxels` around it; as `max_pool3d`, in a tenth of the time."""
    out = mask.copy()
    for axis in range(3):
        source, grown = np.moveaxis(out.copy(), axis, 0), np.moveaxis(out, axis, 0)
        for step in range(1, min(voxels, len(source) - 1) + 1):
            grown[step:] |= source[:-step]
            grown[:-step] |= source[step:]
    return out


def _sides(spacing_mm: float | Sequence[float], side_mm: Sequence[float]) -> np.ndarray:
    """Shortest and longest sides in voxels, (2, 3)."""
    spacing = np.broadcast_to(np.asarray(spacing_mm, float), (3,))
    require(
        len(side_mm) == 2 and 0 < side_mm[0] <= side_mm[1] and bool((spacing > 0).all()),
        "two rising sides and a spacing above 0 mm",
        f"{tuple(side_mm)} and {spacing_mm}",
        f"the defaults are {SIDE_MM} and 3",
    )
    return np.asarray(side_mm, float)[:, None] / spacing


def _check(uncertainty, region_mask, coverage, dilate, max_boxes) -> None:
    require(
        region_mask.ndim == 3 and region_mask.dtype == torch.bool and uncertainty.shape == region_mask.shape,
        "uncertainty and a boolean region, both (x, y, z)",
        f"{tuple(uncertainty.shape)} and {tuple(region_mask.shape)} in {str(region_mask.dtype).removeprefix('torch.')}",
        "pass one patch at a time",
    )
    require(
        len(coverage) == 2 and 0 < coverage[0] <= coverage[1] <= 1,
        "two rising shares from above 0 to 1 as coverage",
        coverage,
        f"the default is {COVERAGE}",
    )
    require(dilate >= 0 and max_boxes >= 1, "dilate >= 0 and max_boxes >= 1", (dilate, max_boxes), "raise them")

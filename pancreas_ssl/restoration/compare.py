"""Restorations judged beside what needs no learning, on many patches; where they invent; and what segments them.

Every patch is corrupted in a few draws, restored, and judged inside the mask: the restoration, the corrupted copy, the
local mean, and the mean of the uncorrupted voxels around. A fifth row is for orientation: the *repainted original*,
what the head makes of the patch when nothing is corrupted. It is about the best that this head can paint; it sees
what no restoration sees and takes no part in the contest.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pancreas_ssl.augmentation.patch import require
from pancreas_ssl.devices import one_thread
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.restoration.quality import copy_of, hu_per_unit, local_mean, psnr, ssim
from pancreas_ssl.restoration.restore import restore_image
from pancreas_ssl.restoration.spots import Attempt, Spot, attempt, place_on

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ORIGINAL",
    "RESTORED",
    "RIVALS",
    "compare_restorations",
    "compare_segmentations",
    "errors_of",
    "verdict",
]

RESTORED = "restored"
RIVALS = ("corrupted copy", "local mean", "mean of the uncorrupted")
"""What needs no learning, in the order of the tables."""
ORIGINAL = "repainted original"
ALL = "all of the mask"
MEASURES = ("PSNR (dB)", "SSIM", "MAE (HU)")
EDGE = 7  # voxels around the mask that the measures may look at


@one_thread()
def compare_restorations(
    model: Model,
    spots: Iterable[Spot],
    *,
    kinds: Sequence[str] = ("guided",),
    families: Sequence[str | None] = (None,),
    strength: float | None = None,
    draws: int = 2,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> "pd.DataFrame":
    """Corrupt, restore and judge.

    Args:
        model: with a restoration head.
        spots: patches, of any sources.
        kinds: places, of `KINDS`.
        families: one placement each; None: mixed, as in training.
        strength: 0 to 1; None draws it for each box.
        draws: placements of each spot.
        seed: of the first draw; the k-th has seed + k, and the same boxes for all families.
        device, precision: as in `restore_image`.

    Returns:
        One row per spot, kind, family, draw, part and method: source, case, kind, family ("mixed" for None), draw,
        part ("all of the mask", "uncertain region", "elsewhere": the mask inside and outside R), method (RESTORED,
        RIVALS, ORIGINAL), voxels, "PSNR (dB)", "MAE (HU)" (NaN where a part is empty), "SSIM" (of the whole mask
        alone, else NaN).

    Raises:
        InputError: no spot or no draw; see `place_on` and `restore_image`.

    Example:
        >>> rows = compare_restorations(model, [spot], families=("noise",))    # doctest: +SKIP
        >>> rows.groupby("method")["PSNR (dB)"].mean()    # doctest: +SKIP
    """
    import pandas as pd

    require(draws >= 1, "at least one draw", draws, "2 is the default")
    how, rows = {"device": device, "precision": precision}, []
    for spot in spots:
        repainted = restore_image(model, spot.image, overlap=0.0, **how)
        for kind in kinds:
            for family in families:
                for draw in range(draws):
                    tried = attempt(model, spot, place_on(spot, seed + draw, kind, family, strength), **how)
                    about = _about(spot) | {"kind": kind, "family": family or "mixed", "draw": draw}
                    rows += [about | row for row in _judged(spot, tried, repainted)]
    require(bool(rows), "at least one spot, kind and family", "none", "make spots with spot_of")
    return pd.DataFrame(rows)


def verdict(rows: "pd.DataFrame", source: str = "A") -> dict[str, object]:
    """Does the restoration win on a source? Means over patients, of their means over draws.

    Args:
        rows: of `compare_restorations`, of one kind.

    Returns:
        `wins` (PSNR and SSIM above those of every rival), `sentence` (one in words, with the numbers), `patients`.

    Raises:
        InputError: no row of that source.

    Example:
        >>> print(verdict(rows)["sentence"])    # doctest: +SKIP
    """
    taken = (rows["source"] == source) & (rows["part"] == ALL) & rows["method"].isin([RESTORED, *RIVALS])
    some = rows[taken]
    require(len(some) > 0, f"rows of source {source}", "none", "compare restorations there first")
    by_case = some.groupby(["method", "case"])[list(MEASURES)].mean()
    mean, told, wins = by_case.groupby("method").mean(), [], True
    patients = len(by_case.loc[RESTORED])
    for measure, unit, digits in (("PSNR (dB)", " dB", 2), ("SSIM", "", 3)):
        ours, others = mean.loc[RESTORED, measure], mean.loc[list(RIVALS), measure]
        best = others.idxmax()
        ahead = int((by_case.loc[RESTORED, measure] > by_case.loc[best, measure]).sum())
        word = "ahead of" if ours > others[best] else "not ahead of"
        wins = wins and bool(ours > others[best])
        told.append(
            f"{measure.split(' ')[0]} {ours:.{digits}f}{unit} is {word} the best rival ({best}, "
            f"{others[best]:.{digits}f}{unit}; ahead in {ahead} of {patients} patients)"
        )
    start = "the restoration wins" if wins else "the restoration does not win"
    sentence = f"On source {source}, {start}: {told[0]}; {told[1]}."
    return {"wins": wins, "patients": patients, "sentence": sentence}


@one_thread()
def errors_of(
    model: Model, spots: Iterable[Spot], *, draws: int = 2, seed: int = 0, size: int = 3, **how
) -> "pd.DataFrame":
    """The largest errors of restorations: where bright tissue was painted that is not there, or erased that is.

    An error is a mean of restored minus original over size^3 voxels that are all corrupted: a lump, not noise.

    Args:
        draws, seed: guided placements of each spot, families mixed.
        how: device, precision of `attempt`.

    Returns:
        Two rows per spot and draw, sign "brighter" and "darker": source, case, draw (seed of `place_on`), x, y, z of
        the patch, "error (HU)", "original (HU)" and "restored (HU)" there, in_label; the largest error first.

    Raises:
        InputError: no mask is wide enough for a lump.
    """
    import pandas as pd
    from scipy import ndimage

    unit, rows = hu_per_unit(model.window), []
    middle = sum(model.window) / 2
    for spot in spots:
        for draw in range(seed, seed + draws):
            tried = attempt(model, spot, place_on(spot, draw), **how)
            inside = ndimage.binary_erosion(tried.placement.mask[0].numpy(), np.ones((size,) * 3))
            if not inside.any():
                continue
            images = {"original (HU)": spot.image, "restored (HU)": tried.restored}
            lumps = {
                name: middle + unit * ndimage.uniform_filter(x[0].numpy(), size) for name, x in images.items()
            }
            error = lumps["restored (HU)"] - lumps["original (HU)"]
            for sign, word in ((1, "brighter"), (-1, "darker")):
                at = np.unravel_index(np.where(inside, sign * error, -np.inf).argmax(), error.shape)
                about = _about(spot) | {"draw": draw, "sign": word}
                about |= dict(zip("xyz", map(int, at), strict=True)) | {"error (HU)": float(error[at])}
                about |= {name: float(lump[at]) for name, lump in lumps.items()}
                label = spot.case.label
                rows.append(about | {"in_label": bool(label[0][at]) if label is not None else None})
    require(bool(rows), f"masks that hold a cube of {size} voxels", "none", "lower the size")
    return pd.DataFrame(rows).sort_values("error (HU)", key=np.abs, ascending=False, ignore_index=True)


def compare_segmentations(
    models: dict[str, Model], spots: Iterable[Spot], *, draws: int = 2, seed: int = 0, **how
) -> "pd.DataFrame":
    """Dice of the patch as it is, and of the same patch corrupted (guided, mixed), for each model.

    Args:
        models: name -> model, all for one spacing and patch.
        how: device, precision of `predict_prepared`.

    Returns:
        One row per model, spot, draw and image ("as it is" once per spot, "corrupted"): model, source, case, draw,
        image, dice.

    Raises:
        InputError: no spot, or one without a label.
    """
    import pandas as pd

    from pancreas_ssl.inference import predict_prepared
    from pancreas_ssl.restoration.placement import apply_placement

    rows = []
    for spot in spots:
        require(spot.case.label is not None, f"a label in case {spot.case.id}", "none", "Dice needs one")
        label = spot.case.label[0] != 0
        images = [("as it is", seed, spot.image)]
        images += [
            ("corrupted", seed + k, apply_placement(spot.image, place_on(spot, seed + k)))
            for k in range(draws)
        ]
        for what, draw, image in images:
            for name, model in models.items():
                said = predict_prepared(model, image, overlap=0.25, crop=False, **how)[1] > 0.5
                dice = 2 * int((said & label).sum()) / max(int(said.sum() + label.sum()), 1)
                about = {"model": name} | _about(spot) | {"draw": draw, "image": what}
                rows.append(about | {"dice": dice})
    require(bool(rows), "at least one spot", "none", "make spots with spot_of")
    return pd.DataFrame(rows)


def _about(spot: Spot) -> dict[str, str]:
    return {"source": spot.case.source.split("/")[-1], "case": spot.case.id}


def _judged(spot: Spot, tried: Attempt, repainted: Tensor) -> list[dict]:
    """Rows of one attempt; only the surroundings of the mask are looked at."""
    from pancreas_ssl.evaluation.components import bounding_box

    mask = tried.placement.mask
    box = bounding_box(mask[0].numpy(), margin=EDGE)
    if box is None:
        return []
    where = (slice(None), *box)
    mask, target, corrupted = mask[where], spot.image[where], tried.corrupted[where]
    uncertain = spot.uncertain[None][where]
    images = {
        RESTORED: tried.restored[where],
        RIVALS[0]: copy_of(corrupted),
        RIVALS[1]: local_mean(corrupted, mask),
        RIVALS[2]: local_mean(corrupted, mask, inside_out=True),
        ORIGINAL: torch.where(mask, repainted[where], target),
    }
    parts = {ALL: mask, "uncertain region": mask & uncertain, "elsewhere": mask & ~uncertain}
    unit, rows = hu_per_unit(spot.case.window), []
    for part, voxels in parts.items():
        for method, image in images.items():
            error = float((image[voxels] - target[voxels]).abs().mean()) * unit
            alike = ssim(image, target, voxels) if part == ALL else np.nan  # the slowest of the three
            values = psnr(image, target, voxels), alike, error
            about = {"part": part, "method": method, "voxels": int(voxels.sum())}
            rows.append(about | dict(zip(MEASURES, values, strict=True)))
    return rows

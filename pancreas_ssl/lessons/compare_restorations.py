"""Restorations judged beside what needs no learning, on many patches; where they invent; and what segments them.

Every patch is corrupted in a few draws, restored, and judged inside the mask: the restoration, the corrupted copy, the
local mean, and the mean of the uncorrupted voxels around. A fifth row is for orientation: the *repainted original*,
the head's answer to the uncorrupted patch. No restoration sees as much, so it is about the best this head can do.
"""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch import Tensor

from pancreas_ssl.devices import one_thread
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.metrics import dice_coefficient
from pancreas_ssl.evaluation.restoration_quality import hu_per_unit, local_mean, mae_hu, psnr, ssim
from pancreas_ssl.inference.restore import restore_image
from pancreas_ssl.inference.sliding import predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.lessons.inspected_patch import InspectedPatch, RestorationResult, place_boxes, restore_patch
from pancreas_ssl.method.placement import apply_placement
from pancreas_ssl.method.structure import bounding_box

__all__ = ["ORIGINAL", "RESTORED", "RIVALS", "compare_restorations", "compare_segmentations", "errors_of", "verdict"]

RESTORED = "restored"
RIVALS = ("corrupted copy", "local mean", "mean of the uncorrupted")
"""What needs no learning, in the order of the tables."""
ORIGINAL = "repainted original"
ALL = "all of the mask"
EDGE = 7  # voxels around the mask that the measures may look at


@one_thread()
def compare_restorations(
    model: Model,
    patches: Iterable[InspectedPatch],
    *,
    kinds: Sequence[str] = ("guided",),
    families: Sequence[str | None] = (None,),
    strength: float | None = None,
    draws: int = 2,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> pd.DataFrame:
    """Corrupt, restore and judge.

    Args:
        model: with a restoration head.
        patches: of any sources.
        kinds: where the boxes go, names among `PLACEMENTS`.
        families: one placement each; None: mixed, as in training.
        strength: 0 to 1; None draws it for each box.
        draws: placements of each patch.
        seed: of the first draw; the k-th has seed + k, and the same boxes for all families.
        device, precision: as in `restore_image`.

    Returns:
        One row per patch, kind, family, draw, part and method: source, case, kind, family ("mixed" for None), draw,
        part ("all of the mask", "uncertain region", "elsewhere": the mask inside and outside R), method (RESTORED,
        RIVALS, ORIGINAL), voxels, "PSNR (dB)", "MAE (HU)" (NaN where a part is empty), "SSIM" (NaN unless the part is
        the whole mask).

    Raises:
        InputError: no patch or no draw; see `place_boxes` and `restore_image`.

    Example:
        >>> rows = compare_restorations(model, [patch], families=("noise",))    # doctest: +SKIP
        >>> rows.groupby("method")["PSNR (dB)"].mean()    # doctest: +SKIP
    """
    require(draws >= 1, "at least one draw", draws, "2 is the default")
    how, rows = {"device": device, "precision": precision}, []
    for patch in patches:
        repainted = restore_image(model, patch.image, overlap=0.0, **how)
        for kind, family, draw in product(kinds, families, range(draws)):
            result = restore_patch(model, patch, place_boxes(patch, seed + draw, kind, family, strength), **how)
            about = _about(patch) | {"kind": kind, "family": family or "mixed", "draw": draw}
            rows += [about | row for row in _judged(patch, result, repainted)]
    require(bool(rows), "at least one patch, kind and family", "none", "make patches with inspect_patch")
    return pd.DataFrame(rows)


def verdict(rows: pd.DataFrame, source: str) -> dict[str, object]:
    """Does the restoration win on a source, in `compare_restorations` rows of one kind?

    Compared are means over patients, of their means over draws.

    Returns:
        `wins` (PSNR and SSIM above those of every rival), `sentence` (one in words, with the numbers), `patients`.

    Raises:
        InputError: no row of that source.

    Example:
        >>> print(verdict(rows, "phantom/A")["sentence"])    # doctest: +SKIP
    """
    chosen = rows[(rows["source"] == source) & (rows["part"] == ALL) & rows["method"].isin([RESTORED, *RIVALS])]
    require(len(chosen) > 0, f"rows of source {source}", "none", "compare restorations there first")
    by_case = chosen.groupby(["method", "case"])[["PSNR (dB)", "SSIM"]].mean()
    mean, patients, wins, told = by_case.groupby("method").mean(), len(by_case.loc[RESTORED]), True, []
    for measure, style in (("PSNR (dB)", "{:.2f} dB"), ("SSIM", "{:.3f}")):
        ours, rivals = mean.loc[RESTORED, measure], mean.loc[list(RIVALS), measure]
        best = rivals.idxmax()
        ahead = int((by_case.loc[RESTORED, measure] > by_case.loc[best, measure]).sum())
        better = bool(ours > rivals[best])
        wins &= better
        told.append(
            f"{measure.split()[0]} {style.format(ours)} is {'' if better else 'not '}ahead of the best rival ({best}, "
            f"{style.format(rivals[best])}; ahead in {ahead} of {patients} patients)"
        )
    start = "the restoration wins" if wins else "the restoration does not win"
    return {"wins": wins, "patients": patients, "sentence": f"On source {source}, {start}: {'; '.join(told)}."}


@one_thread()
def errors_of(
    model: Model, patches: Iterable[InspectedPatch], *, draws: int = 2, seed: int = 0, size: int = 3, **how
) -> pd.DataFrame:
    """The largest errors of restorations: where bright tissue is invented, or erased.

    An error is a mean of restored minus original over size^3 voxels that are all corrupted: a lump, not noise.

    Args:
        draws, seed: guided placements of each patch, families mixed.
        how: device, precision of `restore_patch`.

    Returns:
        Two rows per patch and draw, sign "brighter" and "darker": source, case, draw (seed of `place_boxes`), x, y, z
        in the patch, "error (HU)", "original (HU)" and "restored (HU)" there, in_label; the largest error first.

    Raises:
        InputError: no mask is wide enough for a lump.
    """
    unit, middle, rows = hu_per_unit(model.window), sum(model.window) / 2, []
    for patch, draw in product(patches, range(seed, seed + draws)):
        result = restore_patch(model, patch, place_boxes(patch, draw), **how)
        inside = ndimage.binary_erosion(result.placement.mask[0].numpy(), np.ones((size,) * 3))
        if not inside.any():
            continue
        images = patch.image, result.restored
        original, restored = (middle + unit * ndimage.uniform_filter(image[0].numpy(), size) for image in images)
        error, label = restored - original, patch.case.label
        for sign, word in ((1, "brighter"), (-1, "darker")):
            at = np.unravel_index(np.where(inside, sign * error, -np.inf).argmax(), error.shape)
            values = {"error (HU)": error, "original (HU)": original, "restored (HU)": restored}
            row = _about(patch) | {"draw": draw, "sign": word} | dict(zip("xyz", map(int, at), strict=True))
            row |= {name: float(array[at]) for name, array in values.items()}
            rows.append(row | {"in_label": bool(label[0][at]) if label is not None else None})
    require(bool(rows), f"masks that hold a cube of {size} voxels", "none", "lower the size")
    return pd.DataFrame(rows).sort_values("error (HU)", key=np.abs, ascending=False, ignore_index=True)


def compare_segmentations(
    models: dict[str, Model], patches: Iterable[InspectedPatch], *, draws: int = 2, seed: int = 0, **how
) -> pd.DataFrame:
    """Dice of the patch as it is, and of the same patch corrupted (guided, mixed), for each model.

    Args:
        models: name -> model, all for one spacing and patch.
        how: device, precision of `predict_prepared`.

    Returns:
        One row per model, patch, draw and image ("as it is" once per patch, "corrupted"): model, source, case, draw,
        image, dice (None where the patch has no label voxel).

    Raises:
        InputError: no patch, or one without a label.
    """
    rows = []
    for patch in patches:
        require(patch.case.label is not None, f"a label in case {patch.case.id}", "none", "Dice needs one")
        placed = [(k, apply_placement(patch.image, place_boxes(patch, k))) for k in range(seed, seed + draws)]
        images = [("as it is", seed, patch.image), *(("corrupted", *one) for one in placed)]
        for (what, draw, image), (name, model) in product(images, models.items()):
            predicted = predict_prepared(model, image, overlap=0.25, crop=False, **how)[1] > 0.5
            dice = dice_coefficient(predicted, patch.case.label)
            rows.append({"model": name} | _about(patch) | {"draw": draw, "image": what, "dice": dice})
    require(bool(rows), "at least one patch", "none", "make patches with inspect_patch")
    return pd.DataFrame(rows)


def _about(patch: InspectedPatch) -> dict[str, str]:
    return {"source": patch.case.source, "case": patch.case.id}


def _judged(patch: InspectedPatch, result: RestorationResult, repainted: Tensor) -> list[dict]:
    """Rows of one restoration; only the surroundings of the mask are looked at."""
    box = bounding_box(result.placement.mask[0].numpy(), margin=EDGE)
    if box is None:
        return []
    tensors = result.placement.mask, patch.image, result.corrupted, result.restored, repainted, patch.uncertain[None]
    mask, target, corrupted, restored, repainted, uncertain = (tensor[:, *box] for tensor in tensors)
    rivals = corrupted, local_mean(corrupted, mask), local_mean(corrupted, mask, inside_out=True)
    images = dict(zip(RIVALS, rivals, strict=True)) | {ORIGINAL: torch.where(mask, repainted, target)}
    rows = []
    for part, voxels in {ALL: mask, "uncertain region": mask & uncertain, "elsewhere": mask & ~uncertain}.items():
        for method, image in ({RESTORED: restored} | images).items():
            alike = ssim(image, target, voxels) if part == ALL else np.nan  # the slowest of the three
            values = {"PSNR (dB)": psnr(image, target, voxels), "SSIM": alike}
            values["MAE (HU)"] = mae_hu(image, target, voxels, patch.case.window)
            rows.append({"part": part, "method": method, "voxels": int(voxels.sum())} | values)
    return rows

"""Corruption and restoration as pictures: original, corrupted and restored patch, and their difference."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pancreas_ssl.errors import InputError, require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_fill, draw_outline, draw_regions, draw_ring, draw_slice
from pancreas_ssl.figures.planes import (
    as_volume,
    best_index,
    box_around,
    page_places,
    page_size,
    scene,
    to_hu,
    to_page,
    zoomed,
)
from pancreas_ssl.figures.style import REGIONS, YELLOW, SeriesStyle, drawing, legend_below, legend_handles, new_figure

__all__ = ["box_panel", "corruption_grid", "restoration_panel"]

DIFFERENCE = "PuOr_r"  # purple darker, orange brighter than the original
LIMIT = 150.0  # HU at which a difference is fully coloured
BOXES = SeriesStyle(YELLOW, "solid", "s")  # the outline of what is corrupted
DOTTED = SeriesStyle(YELLOW, (0, (1, 1.5)), "s")  # where many small pictures stand side by side
DARK = SeriesStyle("#333333", "solid", "s")  # the same outline on a difference


def restoration_panel(
    case: Any,
    corrupted: Float[np.ndarray, "1 x y z"],
    restored: Float[np.ndarray, "1 x y z"],
    mask: Bool[np.ndarray, "1 x y z"],
    *,
    at: int | None = None,
    point: tuple[int, int, int] | None = None,
    title: str = "",
    name: str = "restoration",
) -> Described:
    """Original, corrupted, restored and their difference in one axial slice; the mask in yellow, the label in blue.

    Args:
        case: the patch, with its label if there is one; see `pancreas_ssl.figures.planes.scene`.
        corrupted, restored: images in [-1, 1] on the patch's grid (array or tensor).
        mask: the corrupted voxels.
        at: slice; by default the point's, else the one that the corruption changed most.
        point: a voxel to be ringed in the last three pictures.

    The table holds mean HU and the error against the original, in the mask of the slice and of the patch.

    Raises:
        InputError: an image of another size.
    """
    drawn, inside = scene(case), as_volume(mask) > 0
    corrupted, restored = (to_hu(image, case.window) for image in (corrupted, restored))
    images = {"original": drawn.hu, "corrupted": corrupted, "restored": restored}
    for what, image in (images | {"mask": inside}).items():
        fine, got = image.shape == drawn.hu.shape, f"{image.shape} for {what}"
        require(fine, f"images of the patch's size {drawn.hu.shape}", got, "cut all alike")
    if at is None:
        changed = np.abs(corrupted - drawn.hu).sum(axis=(0, 1))
        at = point[2] if point is not None else int(changed.argmax())
    box = box_around(np.logical_or.reduce([inside, *drawn.masks.values()]), drawn.spacing, 12.0, "axial")
    cut = zoomed(drawn, box)
    size, page, rows = page_size(cut, "axial"), to_page(inside[box], "axial", at), []
    with drawing():
        figure = new_figure(12.0, 12.0 / 4.4 * size[1] / size[0] + 0.8, title)
        axes = figure.subplots(1, 4)
        for axis, (what, image) in zip(axes, images.items(), strict=False):
            draw_slice(axis, replace(cut, hu=image[box]), "axial", at, bar=what == "original")
            draw_outline(axis, page, BOXES)
            axis.set_title(what)
            where = {"slice": to_page(inside, "axial", at), "patch": inside}
            for name_, within in where.items():
                cuts = [to_page(i, "axial", at) if name_ == "slice" else i for i in (image, drawn.hu)]
                rows.append({"picture": what, "where": f"mask, {name_}"} | _numbers(*cuts, within))
        error, how = replace(cut, hu=(restored - drawn.hu)[box]), {"outlines": False, "bar": False}
        image = draw_slice(axes[3], error, "axial", at, (-LIMIT, LIMIT), DIFFERENCE, **how)
        draw_outline(axes[3], page, DARK)
        axes[3].set_title("restored - original")
        if point is not None:
            for axis in axes[[0, 2, 3]]:
                draw_ring(axis, *page_places([point], drawn, box))
        figure.colorbar(image, ax=axes[3], shrink=0.85, label="HU")
    errors = {r["picture"]: r["mean absolute error (HU)"] for r in rows if r["where"] == "mask, patch"}
    ringed = f" A ring marks voxel {', '.join(str(int(one)) for one in point)}." if point is not None else ""
    outline = " The label is outlined in sky blue." if drawn.label is not None else ""
    alt = (
        f"{title or 'Restoration'}: axial slice {at} as it was, corrupted, restored, and restored minus original. In "
        f"the {int(inside.sum())} corrupted voxels (outlined in yellow) the mean error is {errors['corrupted']:.0f} HU "
        f"corrupted and {errors['restored']:.0f} HU restored.{outline}{ringed}"
    )
    return Described(figure, alt, rows, name)


def corruption_grid(
    case: Any,
    images: Mapping[str, Mapping[str, Any]],
    mask: Bool[np.ndarray, "1 x y z"],
    *,
    at: int | None = None,
    title: str = "",
    name: str = "corruptions",
) -> Described:
    """One axial slice in many versions: a row for each entry, a column for each of its images.

    Args:
        case: the patch as it was.
        images: row -> column -> image in [-1, 1]; all rows have the same columns.
        mask: the corrupted voxels, outlined.
        at: slice; by default the one with most of the mask.

    The table says how far each image is from the original, in the mask of the whole patch.

    Raises:
        InputError: no image, or rows with different columns.
    """
    columns = list(next(iter(images.values()), {}))
    if not columns or any(list(row) != columns for row in images.values()):
        raise InputError(f"expected rows with the same columns, got {[list(row) for row in images.values()]}")
    drawn, inside, rows = scene(case), as_volume(mask) > 0, []
    at = best_index(inside, drawn.hu.shape, "axial") if at is None else at
    box = box_around(inside, drawn.spacing, 9.0, "axial")
    cut, page = zoomed(drawn, box), to_page(inside[box], "axial", at)
    size = page_size(cut, "axial")
    with drawing():
        each = min(11.0 / len(columns), 2.9)
        figure = new_figure(each * len(columns) + 0.6, each * size[1] / size[0] * len(images) + 0.7, title)
        axes = figure.subplots(len(images), len(columns), squeeze=False)
        for number, (line, (row, versions)) in enumerate(zip(axes, images.items(), strict=True)):
            for axis, (column, image) in zip(line, versions.items(), strict=True):
                hu = to_hu(image, case.window)
                draw_slice(axis, replace(cut, hu=hu[box]), "axial", at, outlines=False, bar=axis is axes[0, 0])
                draw_outline(axis, page, DOTTED, width=1.0)
                if number == 0:
                    axis.set_title(column, fontsize=10)
                if axis is line[0]:
                    axis.set_ylabel(row, fontsize=10, fontweight="bold")
                rows.append({"row": row, "picture": column} | _numbers(hu, drawn.hu, inside))
    told = {row: [] for row in images}
    for r in rows:
        told[r["row"]].append(f"{r['picture']} {r['mean absolute error (HU)']:.0f}")
    said = "; ".join(f"{row}: {', '.join(part)}" for row, part in told.items())
    alt = f"{title or 'Corruptions'}: axial slice {at}. Mean error in the corrupted voxels in HU: {said}."
    return Described(figure, alt, rows, name)


def box_panel(patch: Any, placements: Mapping[str, Any], *, title: str = "", name: str = "boxes") -> Described:
    """The regions of a patch in colour, and the corrupted voxels of each placement in yellow over them.

    Args:
        patch: of `pancreas_ssl.lessons.inspected_patch.inspect_patch`.
        placements: title -> `Placement` on that patch.

    The table counts boxes, voxels, the share of R that is corrupted, and the share of the mask that lies in R.
    """
    from matplotlib.patches import Patch

    drawn, codes, uncertain = scene(patch.case), patch.regions.numpy(), patch.uncertain.numpy()
    at, rows = best_index(uncertain, drawn.hu.shape, "axial"), []
    size = page_size(drawn, "axial")
    with drawing():
        panels = len(placements) + 1
        figure = new_figure(12.0, 12.0 / panels * size[1] / size[0] + 1.1, title)
        axes = figure.subplots(1, panels)
        draw_slice(axes[0], drawn, "axial", at, outlines=False)
        draw_regions(axes[0], to_page(codes, "axial", at))
        axes[0].set_title("regions")
        for axis, (what, placement) in zip(axes[1:], placements.items(), strict=True):
            inside = placement.mask[0].numpy()
            draw_slice(axis, drawn, "axial", at, outlines=False, bar=False)
            draw_outline(axis, to_page(uncertain, "axial", at), REGIONS[3][1])
            draw_fill(axis, (to_page(inside, "axial", at), YELLOW, 0.55))
            axis.set_title(f"{what}\n{int(inside.sum())} voxels, boxes: {len(placement.boxes)}", fontsize=10)
            both = (inside & uncertain).sum()
            row = {"placement": what, "boxes": len(placement.boxes), "voxels": int(inside.sum())}
            row["% of R corrupted"] = 100 * float(both / max(uncertain.sum(), 1))
            rows.append(row | {"% of mask in R": 100 * float(both / max(inside.sum(), 1))})
        handles = legend_handles(dict(REGIONS.values()) | {"corrupted": BOXES}, "patch")
        handles += [Patch(fill=False, edgecolor=REGIONS[3][1].colour, linestyle="--", label="outline of R")]
        legend_below(figure, handles)
    said = "; ".join(f"{r['placement']} {r['voxels']} voxels, {r['% of R corrupted']:.0f} % of R" for r in rows)
    alt = f"{title or 'Placements'}: axial slice {at} with its regions, then the corrupted voxels: {said}."
    return Described(figure, alt, rows, name)


def _numbers(image, original, inside) -> dict[str, float]:
    voxels = int(inside.sum())
    mean, error = (
        float(values[inside].mean()) if voxels else float("nan") for values in (image, np.abs(image - original))
    )
    return {"voxels": voxels, "mean HU": mean, "mean absolute error (HU)": error}

"""Corruption and restoration as pictures: what was, what was spoiled, what was painted back, and the difference."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.maps import paint_regions
from pancreas_ssl.figures.planes import Scene, best_index, box_around, scene, to_page, zoomed
from pancreas_ssl.figures.slices import WINDOW, draw_outline, draw_slice, frame_plane, page_size
from pancreas_ssl.figures.style import ORANGE, REGIONS, YELLOW, Mark, drawing, new_figure

__all__ = ["box_panel", "corruption_grid", "restoration_panel"]

BOXES = Mark(YELLOW, "solid", "s")  # the outline of what is corrupted
DOTTED = Mark(YELLOW, (0, (1, 1.5)), "s")  # where many small pictures stand side by side
DIFFERENCE = "PuOr_r"  # purple darker, orange brighter than the original
LIMIT = 150.0  # HU at which the difference is fully coloured


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
    import pandas as pd

    drawn, inside = scene(case), _volume(mask) > 0
    images = {"original": drawn.hu, "corrupted": _hu(case, corrupted), "restored": _hu(case, restored)}
    for what, image in [*images.items(), ("mask", inside)]:
        if image.shape != drawn.hu.shape:
            raise InputError(
                f"expected images of the patch's size {drawn.hu.shape}, {what} has {image.shape}; cut all alike"
            )
    if at is None:
        changed = np.abs(images["corrupted"] - drawn.hu).sum(axis=(0, 1))
        at = point[2] if point is not None else int(changed.argmax())
    box = _view(inside | (drawn.label if drawn.label is not None else inside), drawn)
    cut = zoomed(drawn, box)
    size, page, rows = page_size(cut, "axial"), to_page(inside[box], "axial", at), []
    with drawing():
        figure = new_figure(12.0, 12.0 / 4.4 * size[1] / size[0] + 0.8)
        axes = figure.subplots(1, 4)
        for axis, (what, image) in zip(axes, images.items(), strict=False):
            part = Scene(image[box], cut.spacing, cut.label, None, cut.affine)
            draw_slice(axis, part, "axial", at, WINDOW, bar=what == "original")
            draw_outline(axis, page, size, BOXES)
            axis.set_title(what)
            where = {"slice": to_page(inside, "axial", at), "patch": inside}
            for name_, within in where.items():
                cuts = [to_page(i, "axial", at) if name_ == "slice" else i for i in (image, drawn.hu)]
                rows.append({"picture": what, "where": f"mask, {name_}"} | _numbers(*cuts, within))
        shown = to_page((images["restored"] - drawn.hu)[box], "axial", at)
        painted = axes[3].imshow(
            shown, cmap=DIFFERENCE, vmin=-LIMIT, vmax=LIMIT, extent=(0, size[0], size[1], 0), interpolation="nearest"
        )  # fmt: skip
        draw_outline(axes[3], page, size, Mark("#333333", "solid", "s"))
        frame_plane(axes[3], "axial", size, bar=False)
        axes[3].set_title("restored - original")
        if point is not None:
            middle = _on_page(point, box, cut)
            for axis in axes[[0, 2, 3]]:
                axis.plot(
                    *middle, "o", markersize=22, markerfacecolor="none", color="black", markeredgewidth=3.2
                )
                axis.plot(
                    *middle, "o", markersize=22, markerfacecolor="none", color=ORANGE, markeredgewidth=1.6
                )
        figure.colorbar(painted, ax=axes[3], shrink=0.85, label="HU")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    table = pd.DataFrame(rows)
    errors = table[table["where"] == "mask, patch"].set_index("picture")["mean absolute error (HU)"]
    ringed = f" A ring marks voxel {point}." if point is not None else ""
    outline = " The label is outlined in sky blue." if drawn.label is not None else ""
    alt = (
        f"{title or 'Restoration'}: axial slice {at} as it was, corrupted, restored, and restored minus original. In "
        f"the {int(inside.sum())} corrupted voxels (outlined in yellow) the mean error is {errors['corrupted']:.0f} HU "
        f"corrupted and {errors['restored']:.0f} HU restored.{outline}{ringed}"
    )
    return Described(figure, alt, table, name)


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
    import pandas as pd

    columns = list(next(iter(images.values()), {}))
    if not columns or any(list(row) != columns for row in images.values()):
        raise InputError(f"expected rows with the same columns, got {[list(row) for row in images.values()]}")
    drawn, inside, rows = scene(case), _volume(mask) > 0, []
    at = best_index(inside, drawn.hu.shape, "axial") if at is None else at
    box = _view(inside, drawn, margin_mm=9.0)
    cut, page = zoomed(drawn, box), to_page(inside[box], "axial", at)
    size = page_size(cut, "axial")
    with drawing():
        each = min(11.0 / len(columns), 2.9)
        figure = new_figure(each * len(columns) + 0.6, each * size[1] / size[0] * len(images) + 0.7)
        axes = figure.subplots(len(images), len(columns), squeeze=False)
        for number, (line, (row, versions)) in enumerate(zip(axes, images.items(), strict=True)):
            for axis, (column, image) in zip(line, versions.items(), strict=True):
                hu = _hu(case, image)
                part = Scene(hu[box], cut.spacing, None, None, cut.affine)
                draw_slice(axis, part, "axial", at, WINDOW, bar=axis is axes[0, 0])
                draw_outline(axis, page, size, DOTTED)
                for line_ in axis.collections:
                    line_.set_linewidth(1.0)
                if number == 0:
                    axis.set_title(column, fontsize=10)
                if axis is line[0]:
                    axis.set_ylabel(row, fontsize=10, fontweight="bold")
                rows.append({"row": row, "picture": column} | _numbers(hu, drawn.hu, inside))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    table = pd.DataFrame(rows)
    said = "; ".join(
        f"{row}: " + ", ".join(f"{c} {e:.0f}" for c, e in zip(part["picture"], part.iloc[:, -1], strict=True))
        for row, part in table.groupby("row", sort=False)
    )
    alt = f"{title or 'Corruptions'}: axial slice {at}. Mean error in the corrupted voxels in HU: {said}."
    return Described(figure, alt, table, name)


def box_panel(spot: Any, placements: Mapping[str, Any], *, title: str = "", name: str = "boxes") -> Described:
    """The regions of a spot in colour, and the corrupted voxels of each placement in yellow over them.

    Args:
        spot: of `pancreas_ssl.restoration.spot_of`.
        placements: title -> `Placement` on that spot.

    The table counts boxes, voxels, the share of R that is corrupted, and the share of the mask that lies in R.
    """
    import pandas as pd

    drawn, codes, uncertain = scene(spot.case), spot.regions.numpy(), spot.uncertain.numpy()
    at, rows = best_index(uncertain, drawn.hu.shape, "axial"), []
    size = page_size(drawn, "axial")
    bare = Scene(drawn.hu, drawn.spacing, None, None, drawn.affine)
    with drawing():
        panels = len(placements) + 1
        figure = new_figure(12.0, 12.0 / panels * size[1] / size[0] + 1.1)
        axes = figure.subplots(1, panels)
        draw_slice(axes[0], bare, "axial", at, WINDOW)
        paint_regions(axes[0], to_page(codes, "axial", at), size)
        axes[0].set_title("regions")
        for axis, (what, placement) in zip(axes[1:], placements.items(), strict=True):
            inside = placement.mask[0].numpy()
            draw_slice(axis, bare, "axial", at, WINDOW, bar=False)
            draw_outline(axis, to_page(uncertain, "axial", at), size, REGIONS[3][1])
            page = to_page(inside, "axial", at)
            tint = np.zeros((*page.shape, 4))
            tint[page] = [0.94, 0.89, 0.26, 0.55]
            axis.imshow(tint, extent=(0, size[0], size[1], 0), interpolation="nearest")
            axis.set_title(f"{what}\n{int(inside.sum())} voxels, boxes: {len(placement.boxes)}", fontsize=10)
            rows.append(
                {
                    "placement": what,
                    "boxes": len(placement.boxes),
                    "voxels": int(inside.sum()),
                    "% of R corrupted": 100 * float((inside & uncertain).sum() / max(uncertain.sum(), 1)),
                    "% of mask in R": 100 * float((inside & uncertain).sum() / max(inside.sum(), 1)),
                }
            )
        from matplotlib.patches import Patch

        handles = [Patch(facecolor=mark.colour, label=region) for region, mark in REGIONS.values()]
        handles += [Patch(facecolor=YELLOW, label="corrupted")]
        handles += [Patch(fill=False, edgecolor=REGIONS[3][1].colour, linestyle="--", label="outline of R")]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = "; ".join(
        f"{r['placement']} {r['voxels']} voxels, {r['% of R corrupted']:.0f} % of R" for r in rows
    )
    alt = f"{title or 'Placements'}: axial slice {at} with its regions, then the corrupted voxels: {said}."
    return Described(figure, alt, pd.DataFrame(rows), name)


def _volume(image: Any) -> np.ndarray:
    array = np.asarray(image)
    return array[0] if array.ndim == 4 else array


def _hu(case: Any, image: Any) -> np.ndarray:
    low, high = case.window
    return low + (_volume(image).astype(np.float32) + 1) / 2 * (high - low)


def _view(mask, drawn: Scene, margin_mm: float = 12.0) -> tuple[slice, slice, slice]:
    box = box_around(mask, drawn.spacing, margin_mm)
    return (*box[:2], slice(0, drawn.hu.shape[2]))


def _numbers(image, original, inside) -> dict[str, float]:
    voxels = int(inside.sum())
    mean, error = (
        float(values[inside].mean()) if voxels else float("nan")
        for values in (image, np.abs(image - original))
    )
    return {"voxels": voxels, "mean HU": mean, "mean absolute error (HU)": error}


def _on_page(point: tuple[int, int, int], box, cut: Scene) -> tuple[float, float]:
    """A voxel's middle on the axial page, in mm from the left and from the top."""
    x, y = point[0] - box[0].start, point[1] - box[1].start
    nx, ny = cut.hu.shape[:2]
    return (nx - x - 0.5) * cut.spacing[0], (ny - y - 0.5) * cut.spacing[1]

"""Maps over anatomy: uncertainty, cosine or any other number per voxel beside the CT, and regions in colour."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_outline, draw_regions, draw_slice
from pancreas_ssl.figures.planes import Scene, best_index, box_around, page_size, scene, to_page, zoomed
from pancreas_ssl.figures.style import (
    BLACK,
    REGIONS,
    SeriesStyle,
    drawing,
    grid,
    legend_below,
    legend_handles,
    new_figure,
)

__all__ = ["map_panel", "region_panel"]

COLOURS = "cividis"  # the same order of light and dark for every reader
DIVERGING = "RdBu_r"  # blue below zero, white at zero, red above; red and blue stay apart in colour deficiencies
ZERO = SeriesStyle(BLACK, (0, (1, 1)), "")


def map_panel(
    volume: Any,
    maps: dict[str, Float[np.ndarray, "X Y Z"]],
    *,
    label: Any = None,
    index: int | None = None,
    plane: str = "axial",
    margin_mm: float | None = 35.0,
    limits: tuple[float, float] = (0.0, 1.0),
    diverging: bool = False,
    unit: str = "",
    title: str = "",
    name: str = "maps",
) -> Described:
    """One slice of the CT, and beside it the same slice of each map, with the label's outline.

    Args:
        volume, label: see `pancreas_ssl.figures.planes.scene`.
        maps: name -> values per voxel, on the volume's grid.
        index: slice; by default the one that shows most of the label (else of the prediction or the first map).
        margin_mm: draw only the surroundings of the label, this far; None draws the whole slice.
        limits: values shown as darkest and as lightest colour.
        diverging: colours that part at zero, which is marked in maps and colour bar; choose limits around it.
        unit: written at the colour bar.

    Raises:
        InputError: no map, or one on another grid.
    """
    drawn = scene(volume, label)
    require(bool(maps), "at least one map", "none", "name one")
    for what, values in maps.items():
        fine, got = values.shape == drawn.hu.shape, f"{values.shape} for {what}"
        require(fine, f"maps of the image's shape {drawn.hu.shape}", got, "resample it first")
    guide = drawn.label if drawn.label is not None else next(iter(maps.values())) > np.mean(limits)
    at = best_index(guide, drawn.hu.shape, plane) if index is None else index
    box = (slice(None),) * 3 if margin_mm is None else box_around(guide, drawn.spacing, margin_mm, plane)
    drawn, rows, colours = zoomed(drawn, box), [], DIVERGING if diverging else COLOURS
    size = page_size(drawn, plane)
    columns = min(len(maps) + 1, 4)
    lines = -(-(len(maps) + 1) // columns)
    with drawing():
        figure = new_figure(2.9 * columns + 0.6, 2.9 * lines * size[1] / size[0] + 0.5 * lines, title)
        axes = grid(figure, len(maps) + 1, columns)
        draw_slice(axes[0], drawn, plane, at)
        axes[0].set_title("CT")
        for axis, (what, values) in zip(axes[1:], maps.items(), strict=True):
            image = draw_slice(axis, replace(drawn, hu=values[box]), plane, at, limits, colours, bar=False)
            if diverging:
                draw_outline(axis, to_page(values[box], plane, at) > 0, ZERO, width=0.8)
            axis.set_title(what)
            rows.append({"map": what, "slice": at} | _numbers(to_page(values[box], plane, at), drawn, plane, at))
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, label=unit or "value")
        if diverging:
            bar.ax.axhline(0, color=ZERO.colour, linestyle=ZERO.line)
    said = "; ".join(_sentence(row) for row in rows)
    outline = " The label is outlined in sky blue." if drawn.label is not None else ""
    outline += " A dotted line marks zero." if diverging else ""
    alt = f"{title or 'Maps'}: {plane} slice {at}, first the CT, then {said}.{outline}"
    return Described(figure, alt, rows, name)


def _numbers(page, drawn: Scene, plane: str, at: int) -> dict[str, float]:
    numbers = {"mean": float(page.mean()), "largest": float(page.max())}
    if drawn.label is not None:
        inside = to_page(drawn.label, plane, at)
        if inside.any():
            numbers |= {"mean in label": float(page[inside].mean())}
        numbers |= {"mean outside": float(page[~inside].mean())}
    return numbers


def _sentence(row: dict) -> str:
    inside = f", {row['mean in label']:.2f} in the label" if "mean in label" in row else ""
    return f"{row['map']} {row['mean']:.2f} on average{inside}"


def region_panel(
    volume: Any,
    regions: dict[str, Int[np.ndarray, "X Y Z"]],
    *,
    index: int | None = None,
    plane: str = "axial",
    margin_mm: float = 35.0,
    title: str = "",
    name: str = "regions",
) -> Described:
    """A slice with its regions in colour, once per entry of `regions`: core, rim_in, rim_out, near, far.

    Args:
        volume: with its label; see `pancreas_ssl.figures.planes.scene`.
        regions: title -> numbers as in `pancreas_ssl.method.regions.Region`.

    The table counts voxels and mL of the whole volume.
    """
    drawn = scene(volume)
    inside = next(iter(regions.values()))
    guide = drawn.label if drawn.label is not None else np.isin(inside, (1, 2))
    at = best_index(guide, drawn.hu.shape, plane) if index is None else index
    box = box_around(guide, drawn.spacing, margin_mm, plane)
    cut, rows = zoomed(drawn, box), []
    size = page_size(cut, plane)
    with drawing():
        figure = new_figure(3.6 * (len(regions) + 1), 3.6 * size[1] / size[0] + 1.0, title)
        axes = figure.subplots(1, len(regions) + 1)
        draw_slice(axes[0], cut, plane, at)
        axes[0].set_title("CT")
        for axis, (what, numbers) in zip(axes[1:], regions.items(), strict=True):
            draw_slice(axis, cut, plane, at, outlines=False, bar=False)
            draw_regions(axis, to_page(numbers[box], plane, at))
            axis.set_title(what)
            for number, (region, _) in REGIONS.items():
                voxels = int((numbers == number).sum())
                rows.append({"picture": what, "region": region, "voxels": voxels, "mL": voxels * drawn.ml})
        legend_below(figure, legend_handles(dict(REGIONS.values()), "patch"))
    said = ", ".join(f"{r['region']} {r['mL']:.0f} mL" for r in rows[: len(REGIONS)])
    alt = f"{title or 'Regions'}: {plane} slice {at}; in the first picture {said}."
    return Described(figure, alt, rows, name)

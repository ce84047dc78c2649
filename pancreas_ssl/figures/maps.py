"""Maps over anatomy: uncertainty, cosine or any other number per voxel beside the CT, and regions in colour."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import PLANES, Scene, best_index, box_around, scene, to_page, zoomed
from pancreas_ssl.figures.slices import draw_outline, draw_slice, frame_plane, page_size
from pancreas_ssl.figures.style import LABEL, REGIONS, drawing, new_figure

__all__ = ["map_panel", "region_panel"]

COLOURS = "cividis"  # the same order of light and dark for every reader
WINDOW = (-150.0, 250.0)


def map_panel(
    volume: Any,
    maps: dict[str, Float[np.ndarray, "X Y Z"]],
    *,
    label: Any = None,
    index: int | None = None,
    plane: str = "axial",
    margin_mm: float | None = 35.0,
    limits: tuple[float, float] = (0.0, 1.0),
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
        unit: written at the colour bar.

    Raises:
        InputError: no map, or one on another grid.
    """
    import pandas as pd

    drawn = scene(volume, label)
    for what, values in maps.items():
        if values.shape != drawn.hu.shape:
            raise InputError(
                f"expected maps of the image's shape {drawn.hu.shape}, {what} has {values.shape}; resample it first"
            )
    if not maps:
        raise InputError("expected at least one map, got none; name one")
    guide = drawn.label if drawn.label is not None else next(iter(maps.values())) > np.mean(limits)
    at = best_index(guide, drawn.hu.shape, plane) if index is None else index
    box = box_around(guide, drawn.spacing, margin_mm) if margin_mm is not None else (slice(None),) * 3
    box = tuple(slice(None) if axis == PLANES[plane].axis else part for axis, part in enumerate(box))
    drawn, rows = zoomed(drawn, box), []
    size = page_size(drawn, plane)
    columns = min(len(maps) + 1, 4)
    lines = -(-(len(maps) + 1) // columns)
    with drawing():
        figure = new_figure(2.9 * columns + 0.6, 2.9 * lines * size[1] / size[0] + 0.5 * lines)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis in axes[len(maps) + 1 :]:
            axis.set_visible(False)
        draw_slice(axes[0], drawn, plane, at, WINDOW)
        axes[0].set_title("CT")
        for axis, (what, values) in zip(axes[1:], maps.items(), strict=False):
            page = to_page(values[box], plane, at)
            painted = axis.imshow(
                page, cmap=COLOURS, vmin=limits[0], vmax=limits[1], extent=(0, size[0], size[1], 0),
                interpolation="nearest",
            )  # fmt: skip
            if drawn.label is not None:
                draw_outline(axis, to_page(drawn.label, plane, at), size, LABEL)
            frame_plane(axis, plane, size, bar=False)
            axis.set_title(what)
            rows.append({"map": what, "slice": at} | _numbers(page, drawn, plane, at))
        figure.colorbar(painted, ax=list(axes), shrink=0.8, label=unit or "value")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = "; ".join(_sentence(row) for row in rows)
    outline = " The label is outlined in sky blue." if drawn.label is not None else ""
    alt = f"{title or 'Maps'}: {plane} slice {at}, first the CT, then {said}.{outline}"
    return Described(figure, alt, pd.DataFrame(rows), name)


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
        regions: title -> numbers as in `pancreas_ssl.uncertainty.Region`.

    The table counts voxels and mL of the whole volume.
    """
    import pandas as pd

    drawn = scene(volume)
    inside = next(iter(regions.values()))
    guide = drawn.label if drawn.label is not None else np.isin(inside, (1, 2))
    at = best_index(guide, drawn.hu.shape, plane) if index is None else index
    box = box_around(guide, drawn.spacing, margin_mm)
    box = tuple(slice(None) if axis == PLANES[plane].axis else part for axis, part in enumerate(box))
    cut, rows = zoomed(drawn, box), []
    size, cell = page_size(cut, plane), float(np.prod(drawn.spacing)) / 1000
    with drawing():
        figure = new_figure(3.6 * (len(regions) + 1), 3.6 * size[1] / size[0] + 1.0)
        axes = figure.subplots(1, len(regions) + 1)
        draw_slice(axes[0], cut, plane, at, WINDOW)
        axes[0].set_title("CT")
        for axis, (what, numbers) in zip(axes[1:], regions.items(), strict=True):
            draw_slice(axis, Scene(cut.hu, cut.spacing, None, None, cut.affine), plane, at, WINDOW, bar=False)
            page = to_page(numbers[box], plane, at)
            paint_regions(axis, page, size)
            axis.set_title(what)
            for number, (region, _) in REGIONS.items():
                voxels = int((numbers == number).sum())
                rows.append({"picture": what, "region": region, "voxels": voxels, "mL": voxels * cell})
        from matplotlib.patches import Patch

        handles = [Patch(facecolor=mark.colour, label=region) for region, mark in REGIONS.values()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = ", ".join(f"{r['region']} {r['mL']:.0f} mL" for r in rows[: len(REGIONS)])
    alt = f"{title or 'Regions'}: {plane} slice {at}; in the first picture {said}."
    return Described(figure, alt, pd.DataFrame(rows), name)


def paint_regions(axis, page: Int[np.ndarray, "rows columns"], size: tuple[float, float]) -> None:
    """Regions as translucent colours on a drawn plane."""
    rgba = np.zeros((*page.shape, 4))
    for number, (_, mark) in REGIONS.items():
        colour = [int(mark.colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        rgba[page == number] = [*colour, 0.25 if number == 5 else 0.6]
    axis.imshow(rgba, extent=(0, size[0], size[1], 0), interpolation="nearest")

"""Which voxels a contrast compares: their places on a slice, and what lies there in truth."""

from typing import Any

import numpy as np
from jaxtyping import Int

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.feature_space_charts import draw_places, region_handles
from pancreas_ssl.figures.planes import best_index, scene
from pancreas_ssl.figures.style import REGIONS, drawing, legend_below, new_figure

__all__ = ["sampling_panel"]


def sampling_panel(
    volume: Any,
    draws: dict[str, tuple[Int[np.ndarray, "N 3"], Int[np.ndarray, " N"]]],
    regions: Int[np.ndarray, "X Y Z"],
    *,
    index: int | None = None,
    within: int = 4,
    margin_mm: float | None = None,
    title: str = "",
    name: str = "sampling",
) -> Described:
    """Which voxels are compared: their places on a slice, marked by the region they lie in, and what they are called.

    Args:
        draws: title -> positions, and the regions as which the loss takes these voxels.
        regions: the true region of every voxel of the volume.
        within: voxels this many slices above and below are drawn too.
        margin_mm: draw only the surroundings of the label; None draws the whole slice.

    Raises:
        InputError: no draw.
    """
    require(bool(draws), "at least one draw", "none", "name one")
    drawn, rows = scene(volume), []
    at = best_index(drawn.label, drawn.hu.shape, "axial") if index is None else index
    names = ["outside", *[region for region, _ in REGIONS.values()]]
    with drawing():
        figure = new_figure(3.9 * len(draws), 5.4, title)
        axes = figure.subplots(2, len(draws), squeeze=False, height_ratios=[3.2, 1])
        for column, (what, (positions, called)) in enumerate(draws.items()):
            positions, called = np.asarray(positions), np.asarray(called)
            true = np.asarray(regions)[tuple(positions.T)]
            draw_places(axes[0, column], drawn, at, positions, true, within, margin_mm)
            axes[0, column].set_title(what)
            for group, codes in (("pancreas", (1, 2)), ("other", (3, 4, 5))):
                inside = np.isin(called, codes)
                counts = {names[code]: int((true[inside] == code).sum()) for code in range(6)}
                rows.append({"draw": what, "taken as": group, "voxels": int(inside.sum())} | counts)
            _bars(axes[1, column], rows[-2:], names, labels=column == 0)
        legend_below(figure, region_handles(REGIONS))
    said = "; ".join(
        f"{row['draw']}: of {row['voxels']} voxels taken as pancreas {row['core'] + row['rim_in']} are pancreas"
        for row in rows
        if row["taken as"] == "pancreas"
    )
    alt = f"{title or 'Which voxels are compared'}: axial slice {at} with the drawn voxels near it. {said}."
    return Described(figure, alt, rows, name)


def _bars(axis, rows: list[dict], names: list[str], labels: bool) -> None:
    for y, row in enumerate(rows):
        left = 0
        for code, region in enumerate(names):
            if row[region] and code:
                axis.barh(y, row[region], left=left, color=REGIONS[code][1].colour, edgecolor="white")
                colour, words = "black" if code in (2, 4) else "white", str(row[region]) if row[region] > 14 else ""
                axis.text(left + row[region] / 2, y, words, ha="center", va="center", fontsize=8, color=colour)
                left += row[region]
    axis.set(yticks=range(len(rows)), yticklabels=[row["taken as"] for row in rows] if labels else [])
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlabel="voxels drawn")
    if labels:
        axis.set_ylabel("taken as")

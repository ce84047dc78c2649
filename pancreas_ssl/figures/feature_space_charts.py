"""Feature spaces: voxels as points in the plane of their principal axes, and where these voxels lie in the body."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import Scene, best_index, box_around, page_places, scene, zoomed
from pancreas_ssl.figures.style import BLACK, REGIONS, drawing, grid, legend_below, legend_handles, new_figure

__all__ = ["draw_places", "draw_points", "draw_voxels", "feature_panel", "region_handles", "space_panels"]

DRAWN_FIRST = (5, 4, 3, 2, 1)  # the pancreas on top


def feature_panel(
    volume: Any,
    positions: Int[np.ndarray, "N 3"],
    regions: Int[np.ndarray, " N"],
    points: Float[np.ndarray, "N 2"],
    *,
    stars: dict[str, tuple[float, float]] | None = None,
    shares: tuple[float, float] | None = None,
    index: int | None = None,
    within: int = 2,
    margin_mm: float = 45.0,
    title: str = "",
    name: str = "feature_space",
) -> Described:
    """Voxels in feature space, and beside it those of one slice in their place, with the same markers.

    Args:
        volume: with its label; see `pancreas_ssl.figures.planes.scene`.
        positions: voxels on the volume's grid.
        regions: their numbers as in `pancreas_ssl.method.regions.Region`.
        points: their two coordinates in feature space.
        stars: prototypes by name, in the same coordinates.
        shares: of the variance that the two axes show.
        index: axial slice; by default the one that shows most of the label.
        within: voxels this many slices above and below are drawn too.

    Raises:
        InputError: unequal numbers of positions, regions and points.
    """
    positions, regions, points = (np.asarray(part) for part in (positions, regions, points))
    counts = [len(positions), len(regions), len(points)]
    fine = len(set(counts)) == 1 and counts[0] > 0
    require(fine, "a position, a region and a point for each voxel", counts, "pass those of one draw")
    drawn = scene(volume)
    at = best_index(drawn.label, drawn.hu.shape, "axial") if index is None else index
    with drawing():
        figure = new_figure(11.0, 5.0, title)
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
        draw_points(left, points, regions, stars)
        said = [f" ({share:.0%} of the variance)" for share in shares] if shares is not None else ["", ""]
        left.set(xlabel=f"first axis{said[0]}", ylabel=f"second axis{said[1]}", title="feature space")
        draw_places(right, drawn, at, positions, regions, within, margin_mm)
        right.set_title(f"place: axial slice {at}, voxels within {within} slices")
        legend_below(figure, region_handles(regions, stars))
    rows = _numbers(points, regions)
    where = "; ".join(f"{r['region']} around ({r['first axis']:.2f}, {r['second axis']:.2f})" for r in rows)
    alt = f"{title or 'Feature space'}: on the left {len(points)} voxels as points, {where}; on the right their places."
    return Described(figure, alt, rows, name)


def space_panels(
    spaces: dict[str, tuple[Float[np.ndarray, "N 2"], Int[np.ndarray, " N"]]],
    *,
    stars: dict[str, dict[str, tuple[float, float]]] | None = None,
    title: str = "",
    name: str = "feature_spaces",
) -> Described:
    """Several feature spaces side by side; each has axes of its own, so shapes may be compared, not places.

    Args:
        spaces: title -> points and regions.
        stars: title -> prototypes by name.

    Raises:
        InputError: no space.
    """
    require(bool(spaces), "at least one feature space", "none", "name one")
    columns = min(len(spaces), 4)
    lines, rows, gaps = -(-len(spaces) // columns), [], []
    with drawing():
        figure = new_figure(3.1 * columns, 3.1 * lines + 0.7, title)
        axes = grid(figure, len(spaces), columns)
        for axis, (what, (points, regions)) in zip(axes, spaces.items(), strict=True):
            points, regions = np.asarray(points), np.asarray(regions)
            draw_points(axis, points, regions, (stars or {}).get(what), size=14)
            axis.set(title=what, xticks=[], yticks=[])
            axis.title.set_fontsize(10)
            rows += [{"space": what} | row for row in _numbers(points, regions)]
            if np.any(regions == 1) and np.any(regions == 4):
                gap = np.linalg.norm(points[regions == 1].mean(0) - points[regions == 4].mean(0))
                gaps.append(f"{what} {gap:.2f}")
        legend_below(figure, region_handles(np.concatenate([r for _, r in spaces.values()]), stars))
    alt = f"{title or 'Feature spaces'}: principal axes of {', '.join(spaces)}."
    alt += f" Distance between the middles of core and near: {', '.join(gaps)}." if gaps else ""
    return Described(figure, alt, rows, name)


def _numbers(points: Float[np.ndarray, "N 2"], regions: Int[np.ndarray, " N"]) -> list[dict[str, Any]]:
    """Voxels, middle and spread per region."""
    rows = []
    for number, (region, _) in REGIONS.items():
        part = points[regions == number]
        if len(part):
            x, y = float(part[:, 0].mean()), float(part[:, 1].mean())
            row = {"region": region, "voxels": len(part), "first axis": x, "second axis": y}
            rows.append(row | {"spread": float(np.sqrt(part.var(axis=0).sum()))})
    return rows


def draw_points(axis, points, regions, stars: dict | None, size: float = 22, highlight: int = 0) -> None:
    """Voxels as points in feature space, the pancreas on top; a region to `highlight` leaves the others in outline."""
    draw_voxels(axis, points[:, 0], points[:, 1], regions, highlight, s=size, alpha=0.8, linewidths=0.3)
    for x, y in (stars or {}).values():
        axis.plot(x, y, "*", markersize=16, color="white", markeredgecolor=BLACK, markeredgewidth=1.4, zorder=5)
    for what, place in joined_names(stars or {}, 0.08 * float(np.ptp(points, axis=0).max())).items():
        axis.annotate(what, place, xytext=(8, 7), textcoords="offset points", fontsize=9, fontweight="bold", zorder=6)
    axis.set_aspect("equal", adjustable="datalim")
    axis.margins(0.1)


def draw_voxels(axis, x, y, regions, highlight: int = 0, edge: str = "white", **options) -> None:
    """Points in the colours and with the markers of their regions."""
    for number in sorted(DRAWN_FIRST, key=lambda number: number == highlight):
        part, style = regions == number, REGIONS[number][1]
        look = {"color": style.colour, "edgecolors": edge} | options
        if highlight not in (0, number):
            look |= {"color": "white", "edgecolors": "#B4B4B4", "linewidths": 0.8}
        axis.scatter(x[part], y[part], marker=style.marker, **look)


def joined_names(stars: dict[str, tuple[float, float]], near: float) -> dict[str, tuple[float, float]]:
    """One name for prototypes that lie together, so that their names do not cover each other."""
    groups: list[list[str]] = []
    for what, place in stars.items():
        for group in groups:
            if np.hypot(*(np.subtract(place, stars[group[0]]))) < near:
                group.append(what)
                break
        else:
            groups.append([what])
    return {", ".join(group): max((stars[what] for what in group), key=lambda p: p[1]) for group in groups}


def draw_places(axis, drawn: Scene, at: int, positions, regions, within: int, margin_mm: float | None) -> None:
    """Voxels near a slice on that slice; positions on the page follow the convention of `to_page`."""
    box = (slice(None),) * 3
    if margin_mm is not None and drawn.label is not None:
        box = box_around(drawn.label, drawn.spacing, margin_mm, "axial")
    draw_slice(axis, zoomed(drawn, box), "axial", at)
    near = np.abs(positions[:, 2] - at) <= within
    x, y = page_places(positions[near], drawn, box)
    draw_voxels(axis, x, y, regions[near], edge=BLACK, s=24, linewidths=0.5)


def region_handles(regions, stars: dict | None = None) -> list:
    """Legend handles of the regions that are present, and of the prototypes' stars."""
    from matplotlib.lines import Line2D

    present = sorted(set(REGIONS).intersection(map(int, regions)))
    handles = legend_handles(dict(REGIONS[number] for number in present), "marker")
    if stars:
        look = {"marker": "*", "markersize": 12, "color": "white", "markeredgecolor": BLACK, "linestyle": "none"}
        handles.append(Line2D([], [], label="prototype", **look))
    return handles

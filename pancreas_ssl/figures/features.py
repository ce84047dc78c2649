"""Feature spaces: voxels as points in the plane of their principal axes, and where these voxels lie in the body."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import Scene, best_index, box_around, scene, zoomed
from pancreas_ssl.figures.slices import WINDOW, draw_slice, page_size
from pancreas_ssl.figures.style import BLACK, REGIONS, drawing, new_figure

__all__ = ["draw_places", "feature_panel", "page_places", "region_legend", "space_panels", "space_table"]

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
    """Voxels in feature space, and beside it those of one slice in their place, with the same marks.

    Args:
        volume: with its label; see `pancreas_ssl.figures.planes.scene`.
        positions: voxels on the volume's grid.
        regions: their numbers as in `pancreas_ssl.uncertainty.Region`.
        points: their two coordinates in feature space.
        stars: prototypes by name, in the same coordinates.
        shares: of the variance that the two axes show.
        index: axial slice; by default the one that shows most of the label.
        within: voxels this many slices above and below are drawn too.

    Raises:
        InputError: unequal numbers of positions, regions and points.
    """
    positions, regions, points = (np.asarray(part) for part in (positions, regions, points))
    if not len(positions) == len(regions) == len(points) or not len(points):
        raise InputError(
            f"expected a position, a region and a point for each voxel, got {len(positions)}, {len(regions)} and "
            f"{len(points)}; pass those of one draw"
        )
    drawn = scene(volume)
    at = best_index(drawn.label, drawn.hu.shape, "axial") if index is None else index
    with drawing():
        figure = new_figure(11.0, 5.0)
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.25]})
        _scatter(left, points, regions, stars)
        said = [f" ({share:.0%} of the variance)" for share in shares] if shares is not None else ["", ""]
        left.set(xlabel=f"first axis{said[0]}", ylabel=f"second axis{said[1]}", title="feature space")
        draw_places(right, drawn, at, positions, regions, within, margin_mm)
        right.set_title(f"place: axial slice {at}, voxels within {within} slices")
        region_legend(figure, regions, bool(stars))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    table = space_table(points, regions)
    where = "; ".join(
        f"{row['region']} around ({row['first axis']:.2f}, {row['second axis']:.2f})"
        for row in table.to_dict("records")
    )
    alt = f"{title or 'Feature space'}: on the left {len(points)} voxels as points, {where}; on the right their places."
    return Described(figure, alt, table, name)


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
    import pandas as pd

    if not spaces:
        raise InputError("expected at least one feature space, got none; name one")
    columns = min(len(spaces), 4)
    lines = -(-len(spaces) // columns)
    tables = []
    with drawing():
        figure = new_figure(3.1 * columns, 3.1 * lines + 0.7)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis in axes[len(spaces) :]:
            axis.set_visible(False)
        for axis, (what, (points, regions)) in zip(axes, spaces.items(), strict=False):
            _scatter(axis, np.asarray(points), np.asarray(regions), (stars or {}).get(what), size=14)
            axis.set(title=what, xticks=[], yticks=[])
            axis.title.set_fontsize(10)
            tables.append(space_table(np.asarray(points), np.asarray(regions)).assign(space=what))
        region_legend(figure, np.concatenate([r for _, r in spaces.values()]), bool(stars))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    table = pd.concat(tables, ignore_index=True)
    said = []
    for what, part in table.groupby("space", sort=False):
        middle = part.set_index("region")[["first axis", "second axis"]]
        if {"core", "near"} <= set(middle.index):
            gap = float(np.linalg.norm(middle.loc["core"] - middle.loc["near"]))
            said.append(f"{what} {gap:.2f}")
    alt = f"{title or 'Feature spaces'}: principal axes of {', '.join(spaces)}."
    alt += f" Distance between the middles of core and near: {', '.join(said)}." if said else ""
    columns_ = ["space", *[column for column in table if column != "space"]]
    return Described(figure, alt, table[columns_], name)


def space_table(points: Float[np.ndarray, "N 2"], regions: Int[np.ndarray, " N"]):
    """Voxels, middle and spread per region."""
    import pandas as pd

    rows = []
    for number, (region, _) in REGIONS.items():
        part = points[regions == number]
        if len(part):
            spread = float(np.sqrt(part.var(axis=0).sum()))
            rows.append(
                {"region": region, "voxels": len(part), "first axis": float(part[:, 0].mean())}
                | {"second axis": float(part[:, 1].mean()), "spread": spread}
            )
    return pd.DataFrame(rows)


def _scatter(axis, points, regions, stars, size: float = 22) -> None:
    for number in DRAWN_FIRST:
        part, mark = points[regions == number], REGIONS[number][1]
        axis.scatter(
            part[:, 0], part[:, 1], s=size, color=mark.colour, marker=mark.marker, alpha=0.8, linewidths=0.3,
            edgecolors="white",
        )  # fmt: skip
    for x, y in (stars or {}).values():
        axis.plot(
            x, y, "*", markersize=16, color="white", markeredgecolor=BLACK, markeredgewidth=1.4, zorder=5
        )
    for what, place in joined(stars or {}, 0.08 * float(np.ptp(points, axis=0).max())).items():
        axis.annotate(
            what, place, xytext=(8, 7), textcoords="offset points", fontsize=9, fontweight="bold", zorder=6
        )
    axis.set_aspect("equal", adjustable="datalim")
    axis.margins(0.1)


def joined(stars: dict[str, tuple[float, float]], near: float) -> dict[str, tuple[float, float]]:
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


def draw_places(
    axis, drawn: Scene, at: int, positions, regions, within: int, margin_mm: float | None
) -> None:
    """Voxels near a slice as marks on it; positions on the page follow the convention of `to_page`."""
    box = (slice(None),) * 3
    if margin_mm is not None and drawn.label is not None:
        box = box_around(drawn.label, drawn.spacing, margin_mm)
        box = (*box[:2], slice(None))
    cut = zoomed(drawn, box)
    size = page_size(cut, "axial")
    draw_slice(axis, cut, "axial", at, WINDOW)
    x, y = page_places(positions, drawn, box)
    shown = np.abs(positions[:, 2] - at) <= within
    for number in DRAWN_FIRST:
        part, mark = shown & (regions == number), REGIONS[number][1]
        axis.scatter(
            x[part], y[part], s=24, color=mark.colour, marker=mark.marker, linewidths=0.5, edgecolors="black"
        )
    axis.set(xlim=(0, size[0]), ylim=(size[1], 0))


def page_places(positions, drawn: Scene, box=None) -> tuple[np.ndarray, np.ndarray]:
    """Where voxels' centres lie on an axial page, in mm from its upper left corner; of the part inside `box`."""
    cut = (slice(None),) * 3 if box is None else box
    stops = [part.indices(n)[1] for part, n in zip(cut[:2], drawn.hu.shape[:2], strict=True)]
    x, y = ((stops[k] - 0.5 - np.asarray(positions)[:, k]) * drawn.spacing[k] for k in (0, 1))
    return x, y


def region_legend(figure, regions, stars: bool) -> None:
    """Marks of the regions that are present, below the figure."""
    from matplotlib.lines import Line2D

    present = set(np.unique(regions).tolist())
    handles = [
        Line2D([], [], linestyle="none", marker=mark.marker, color=mark.colour, label=region)
        for number, (region, mark) in REGIONS.items()
        if number in present
    ]
    if stars:
        handles.append(
            Line2D([], [], linestyle="none", marker="*", markersize=12, color="white", markeredgecolor=BLACK,
                   label="prototype")
        )  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))

"""Marks of the regions, and a feature space of them, painted with PIL."""

from collections.abc import Sequence

import numpy as np

from pancreas_ssl.figures.style import REGIONS
from pancreas_ssl.widgets.space import FeatureSpace

__all__ = ["draw_mark", "painted_space", "region_legend"]


def region_legend(regions: Sequence[int] = tuple(REGIONS)) -> str:
    """The regions' names underlined in their colours, as HTML."""
    return " &nbsp; ".join(
        f'<span style="border-bottom:5px solid {mark.colour};padding:0 5px">{region}</span>'
        for region, mark in (REGIONS[number] for number in regions)
    )


def draw_mark(pen, x: float, y: float, half: float, mark, faint: bool = False) -> None:
    """A marker of the regions' legend; a faint one is an outline in light grey."""
    fill, edge = ("white", "#C8C8C8") if faint else (mark.colour, "white")
    shapes = {
        "s": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "D": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "^": [(0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
        "v": [(0, 1.2), (1.1, -0.9), (-1.1, -0.9)],
    }
    if mark.marker in shapes:
        corners = [(x + half * dx, y + half * dy) for dx, dy in shapes[mark.marker]]
        pen.polygon(corners, fill=fill, outline=edge)
    else:
        pen.ellipse([x - half, y - half, x + half, y + half], fill=fill, outline=edge)


def painted_space(space: FeatureSpace, region: int, spaces: list[FeatureSpace], size: int):
    """The feature space on a white canvas twice as wide, and the function from a point to its pixel on it.

    Args:
        region: its voxels stand out; 0 shows all alike.
        spaces: all that are to be shown on one scale.
        size: pixels of the canvas's height.
    """
    from PIL import Image, ImageDraw, ImageFont

    every = np.concatenate(
        [one.points for one in spaces] + [np.array(list(space.stars.values())).reshape(-1, 2)]
    )
    low, high = every.min(0), every.max(0)
    scale = (size - 60) / max(float((high - low).max()), 1e-6)
    middle = (low + high) / 2

    def place(point) -> tuple[float, float]:
        x, y = (np.asarray(point) - middle) * scale
        return size / 2 + float(x), size / 2 - float(y)

    canvas = Image.new("RGB", (2 * size + 20, size), "white")
    pen = ImageDraw.Draw(canvas)
    order = sorted(range(len(space.points)), key=lambda k: (space.regions[k] == region, -space.regions[k]))
    for k in order:
        mark = REGIONS[int(space.regions[k])][1]
        faint = region not in (0, int(space.regions[k]))
        draw_mark(pen, *place(space.points[k]), 5, mark, faint=faint)
    font = ImageFont.load_default(size=17)
    for what, star in space.stars.items():
        x, y = place(star)
        turns = np.radians(90 + 36 * np.arange(10))
        reach = np.where(np.arange(10) % 2, 5, 12)
        outline = [(x + r * np.cos(t), y - r * np.sin(t)) for r, t in zip(reach, turns, strict=True)]
        pen.polygon(outline, fill="white", outline="black", width=2)
        pen.text((x + 10, y - 20), what, fill="black", font=font, stroke_width=2, stroke_fill="white")
    return canvas, place

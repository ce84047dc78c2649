"""Where scans begin and end: fields of view to scale, with the pancreas's box inside."""

from textwrap import fill
from typing import Any

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import scene
from pancreas_ssl.figures.style import LABEL, drawing, grid, new_figure, series_styles

__all__ = ["geometry"]


def geometry(volumes: dict[str, Any], title: str = "", *, name: str = "geometry") -> Described:
    """Front view of each volume's field of view in mm, its pancreas's box, and a line every ten slices.

    Args:
        volumes: title -> volume (anything that `pancreas_ssl.figures.planes.scene` takes). Of an `original` (how the
            file was stored), the table tells shape and orientation.

    Raises:
        InputError: no volume.
    """
    from matplotlib.patches import Rectangle

    require(bool(volumes), "at least one volume", "none", "pass {'A': volume, ...}")
    scenes = {what: scene(volume) for what, volume in volumes.items()}
    wide = max(d.hu.shape[0] * d.spacing[0] for d in scenes.values())
    tall = max(d.hu.shape[2] * d.spacing[2] for d in scenes.values())
    rows = []
    with drawing():
        columns = min(len(scenes), 4)
        lines, width = -(-len(scenes) // columns), max(3.0 * columns, 4)
        figure = new_figure(width, lines * (width / columns * tall / wide + 0.3) + 0.7, title)
        axes = grid(figure, len(scenes), columns)
        for axis, (what, drawn), style in zip(axes, scenes.items(), series_styles(scenes).values(), strict=True):
            size = np.array(drawn.hu.shape) * drawn.spacing
            left = (wide - size[0]) / 2
            heights = np.arange(0, drawn.hu.shape[2], 10) * drawn.spacing[2]
            axis.hlines(heights, left, left + size[0], color=style.colour, linewidth=0.6, alpha=0.6)
            axis.add_patch(Rectangle((left, 0), size[0], size[2], fill=False, edgecolor=style.colour, linewidth=2))
            box = _box(drawn)
            if box is not None:
                low, high = box[0] * drawn.spacing, box[1] * drawn.spacing
                look = {"facecolor": LABEL.colour, "edgecolor": "black", "hatch": "///", "linewidth": 1}
                corner = (left + size[0] - high[0], low[2])
                axis.add_patch(Rectangle(corner, high[0] - low[0], high[2] - low[2], **look))
            axis.set(
                xlim=(0, wide), ylim=(0, tall), aspect="equal", xticks=[at for at in (0, 200, 400) if at <= 1.05 * wide]
            )
            axis.set_title(what, fontsize=9)
            axis.spines[:].set_visible(False)
            rows.append(_row(what, volumes[what], drawn, box))
        for axis in axes[::columns]:
            axis.set_ylabel("mm from the lowest slice")
        said = "mm, the patient's right on the left; hatched: the pancreas's box; a line every ten slices"
        figure.supxlabel(fill(said, round(14 * width)), fontsize=9)
    said = "; ".join(f"{r['scan']} {r['size, mm']} mm in voxels of {r['spacing, mm']} mm" for r in rows)
    alt = (
        f"{title or 'Fields of view'}: a front view of each scan's extent, with the pancreas's box hatched "
        f"and a line every ten slices. {said}."
    )
    return Described(figure, alt, rows, name)


def _box(drawn):
    if drawn.label is None or not drawn.label.any():
        return None
    places = np.argwhere(drawn.label)
    return places.min(axis=0), places.max(axis=0) + 1


def _row(what: str, volume: Any, drawn, box) -> dict[str, Any]:
    def by(values, form):
        return " x ".join(format(v, form) for v in values)

    row = {
        "scan": what,
        "shape (X, Y, Z)": by(drawn.hu.shape, "d"),
        "spacing, mm": by(drawn.spacing, ".3g"),
        "size, mm": by(np.array(drawn.hu.shape) * drawn.spacing, ".0f"),
        "voxel, µL": float(np.prod(drawn.spacing)),
        "origin, mm": ", ".join(f"{v:.0f}" for v in drawn.affine[:3, 3]),
    }
    original = getattr(volume, "original", None)
    for field in ("orientation", "axcodes", "codes"):
        if original is not None and hasattr(original, field):
            row["stored as"] = "".join(map(str, getattr(original, field)))
    if box is not None:
        row["pancreas box, mm"] = by((box[1] - box[0]) * np.array(drawn.spacing), ".0f")
        row["slices below the pancreas"] = int(box[0][2])
        row["slices above it"] = int(drawn.hu.shape[2] - box[1][2])
    return row

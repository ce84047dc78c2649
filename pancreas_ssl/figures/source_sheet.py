"""All sources on one sheet: the same level of the body, the same scale, the same window."""

from textwrap import fill
from typing import Any

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import WINDOW, best_index, scene, to_page
from pancreas_ssl.figures.style import drawing, grid, new_figure

__all__ = ["source_sheet"]

MARGIN = 8.0  # mm around the widest and the deepest body


def source_sheet(
    volumes: dict[str, Any],
    labels: dict[str, Any] | None = None,
    *,
    subtitles: dict[str, str] | None = None,
    window: tuple[float, float] = WINDOW,
    columns: int = 4,
    title: str = "",
    name: str = "source_sheet",
) -> Described:
    """One axial slice per source through its largest pancreas area, on one scale in mm and in one window.

    Args:
        volumes: title of the panel -> volume (anything that `pancreas_ssl.figures.planes.scene` takes).
        labels: title -> pancreas mask, where the volume does not carry it.
        subtitles: title -> a second line, such as the phase.
        columns: panels in a row.

    Raises:
        InputError: no volume, or a volume that is not three-dimensional.
    """
    require(bool(volumes), "at least one volume for the sheet", "none", "pass {'A': scan, ...}")
    scenes = {what: scene(volume, (labels or {}).get(what)) for what, volume in volumes.items()}
    cuts = {what: best_index(drawn.label, drawn.hu.shape, "axial") for what, drawn in scenes.items()}
    bodies = {what: _body(drawn, cuts[what]) for what, drawn in scenes.items()}
    wide = max(right - left for left, right, _, _ in bodies.values()) + 2 * MARGIN
    high = max(bottom - top for _, _, top, bottom in bodies.values()) + 2 * MARGIN
    columns = min(columns, len(scenes))
    lines = -(-len(scenes) // columns)
    rows = []
    with drawing():
        each = 12.4 / max(columns, 3)
        figure = new_figure(each * columns, lines * (each * high / wide + 0.55) + (0.6 if title else 0.3), title)
        panels = grid(figure, len(scenes), columns)
        for axis, (what, drawn) in zip(panels, scenes.items(), strict=True):
            at = cuts[what]
            draw_slice(axis, drawn, "axial", at, window, bar=False)
            left, right, top, bottom = bodies[what]
            x, y = (left + right - wide) / 2, (top + bottom - high) / 2
            axis.set(xlim=(x, x + wide), ylim=(y + high, y))
            axis.set_facecolor("black")
            if axis is panels[0]:
                axis.plot([x + 12, x + 62], [y + high - 12] * 2, color="white", linewidth=2.5)
                axis.text(x + 12, y + high - 16, "50 mm", color="white", fontsize=8, va="bottom")
            second = (subtitles or {}).get(what, "")
            heading = "\n".join(fill(text, 34) for text in (what, second) if text)
            axis.set_title(heading, fontsize=9)
            rows.append(_row(what, second, drawn, at))
        said = f"window {window[0]:.0f} to {window[1]:.0f} HU; outline: the label of the pancreas"
        figure.supxlabel(said, fontsize=8)
    said = ", ".join(f"{r['source']} {r['pancreas, mean HU']:.0f}" for r in rows)
    alt = (
        f"{title or 'Sources side by side'}: one axial slice per source through the largest area of the pancreas "
        f"(outlined), {len(scenes)} panels on one scale, shown from {window[0]:.0f} to {window[1]:.0f} HU. "
        f"Mean HU of the pancreas: {said}."
    )
    return Described(figure, alt, rows, name)


def _body(drawn, at: int) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the tissue in an axial slice, in mm on the page; the whole slice if none."""
    page = to_page(drawn.hu, "axial", at)
    tissue = page > (-300 if page.min() < -300 else -50)  # of an image cut to the network's window, fat is left out
    edges = []
    for axis, step, least in ((0, drawn.spacing[0], 40), (1, drawn.spacing[1], 60)):
        other = drawn.spacing[1 - axis]
        there = np.flatnonzero(tissue.sum(axis=axis) * other > least)  # mm of tissue in a column, in a row
        edges += [there[0] * step, (there[-1] + 1) * step] if there.size else [0.0, tissue.shape[1 - axis] * step]
    return tuple(edges)


def _row(what: str, second: str, drawn, at: int) -> dict[str, Any]:
    inside = drawn.hu[drawn.label].astype(np.float64) if drawn.label is not None and drawn.label.any() else None
    return {
        "source": what,
        "note": second,
        "slice": at,
        "slices": drawn.hu.shape[2],
        "spacing, mm": " x ".join(f"{s:.3g}" for s in drawn.spacing),
        "field of view, mm": " x ".join(f"{n * s:.0f}" for n, s in zip(drawn.hu.shape, drawn.spacing, strict=True)),
        "pancreas, mean HU": inside.mean() if inside is not None else float("nan"),
        "pancreas, sd HU": inside.std() if inside is not None else float("nan"),
        "pancreas, mL": inside.size * drawn.ml if inside is not None else float("nan"),
    }

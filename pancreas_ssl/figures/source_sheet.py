"""All sources on one sheet: the same level of the body, the same scale, the same window."""

from textwrap import fill
from typing import Any

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import best_index, scene
from pancreas_ssl.figures.slices import WINDOW, draw_slice
from pancreas_ssl.figures.style import drawing, new_figure

__all__ = ["source_sheet"]


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
    import pandas as pd

    if not volumes:
        raise InputError("expected at least one volume for the sheet, got none; pass {'A': scan, ...}")
    scenes = {what: scene(volume, (labels or {}).get(what)) for what, volume in volumes.items()}
    cuts = {what: best_index(drawn.label, drawn.hu.shape, "axial") for what, drawn in scenes.items()}
    wide = max(d.hu.shape[0] * d.spacing[0] for d in scenes.values())
    high = max(d.hu.shape[1] * d.spacing[1] for d in scenes.values())
    columns = min(columns, len(scenes))
    lines = -(-len(scenes) // columns)
    rows = []
    with drawing():
        each = 12.4 / max(columns, 3)
        figure = new_figure(each * columns, lines * (each * high / wide + 0.55) + (0.6 if title else 0.3))
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis in panels[len(scenes) :]:
            axis.set_visible(False)
        for axis, (what, drawn) in zip(panels, scenes.items(), strict=False):
            at = cuts[what]
            draw_slice(axis, drawn, "axial", at, window, bar=axis is panels[0])
            across, down = drawn.hu.shape[0] * drawn.spacing[0], drawn.hu.shape[1] * drawn.spacing[1]
            axis.set(
                xlim=((across - wide) / 2, (across + wide) / 2), ylim=((down + high) / 2, (down - high) / 2)
            )
            axis.set_facecolor("black")
            second = (subtitles or {}).get(what, "")
            heading = "\n".join(fill(text, 34) for text in (what, second) if text)
            axis.set_title(heading, fontsize=9)
            rows.append(_row(what, second, drawn, at))
        figure.supxlabel(
            f"window {window[0]:.0f} to {window[1]:.0f} HU; outline: the label of the pancreas", fontsize=8
        )
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = ", ".join(f"{r['source']} {r['pancreas, mean HU']:.0f}" for r in rows)
    alt = (
        f"{title or 'Sources side by side'}: one axial slice per source through the largest area of the pancreas "
        f"(outlined), {len(scenes)} panels on one scale, shown from {window[0]:.0f} to {window[1]:.0f} HU. "
        f"Mean HU of the pancreas: {said}."
    )
    return Described(figure, alt, pd.DataFrame(rows), name)


def _row(what: str, second: str, drawn, at: int) -> dict[str, Any]:
    inside = (
        drawn.hu[drawn.label].astype(np.float64) if drawn.label is not None and drawn.label.any() else None
    )
    return {
        "source": what,
        "note": second,
        "slice": at,
        "slices": drawn.hu.shape[2],
        "spacing, mm": " x ".join(f"{s:.3g}" for s in drawn.spacing),
        "field of view, mm": " x ".join(
            f"{n * s:.0f}" for n, s in zip(drawn.hu.shape, drawn.spacing, strict=True)
        ),
        "pancreas, mean HU": inside.mean() if inside is not None else float("nan"),
        "pancreas, sd HU": inside.std() if inside is not None else float("nan"),
        "pancreas, mL": inside.size * np.prod(drawn.spacing) / 1000 if inside is not None else float("nan"),
    }

"""Where label and prediction agree and where they do not, as coloured and hatched areas."""

from typing import Any

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_slice, voxel_grid
from pancreas_ssl.figures.planes import WINDOW, best_index, page_size, scene, to_page
from pancreas_ssl.figures.slices import agreement
from pancreas_ssl.figures.style import BLUE, VERMILLION, YELLOW, drawing, legend_below, new_figure

__all__ = ["error_map"]

_ERROR_STYLES = {"found": (YELLOW, ""), "missed": (BLUE, "////"), "false": (VERMILLION, "....")}


def error_map(
    volume: Any,
    label: Any = None,
    prediction: Any = None,
    *,
    plane: str = "axial",
    window: tuple[float, float] = WINDOW,
    spacing=None,
    title: str = "",
    name: str = "error_map",
) -> Described:
    """Where label and prediction agree (yellow, plain), what was missed (blue, ///) and what is false (red, ...).

    Left the slice with the largest label, right the one with the most wrong voxels. The table gives mL for the whole
    volume and for both slices.
    """
    from matplotlib.patches import Patch

    drawn = scene(volume, label, prediction, spacing)
    got = "one is missing" if drawn.masks else "neither"
    require(len(drawn.masks) == 2, "a label and a prediction for the error map", got, "pass both")
    parts = {
        "found": drawn.label & drawn.prediction,
        "missed": drawn.label & ~drawn.prediction,
        "false": ~drawn.label & drawn.prediction,
    }
    cuts = {
        "largest label": best_index(drawn.label, drawn.hu.shape, plane),
        "most errors": best_index(drawn.label ^ drawn.prediction, drawn.hu.shape, plane),
    }
    wide, high = page_size(drawn, plane)
    with drawing():
        figure = new_figure(10.5, min(5.25 * high / wide, 6) + 0.9, title)
        for axis, (what, at) in zip(figure.subplots(1, 2), cuts.items(), strict=True):
            draw_slice(axis, drawn, plane, at, window, outlines=False)
            for mask, (colour, hatch) in zip(parts.values(), _ERROR_STYLES.values(), strict=True):
                _fill(axis, to_page(mask, plane, at), colour, hatch)
            axis.set_title(f"{what}: {plane} slice {at}", fontsize=9, fontweight="normal")
        look = {"edgecolor": "black", "linewidth": 0.4}
        handles = [
            Patch(facecolor=colour, hatch=hatch, label=f"{part}: {parts[part].sum() * drawn.ml:.1f} mL", **look)
            for part, (colour, hatch) in _ERROR_STYLES.items()
        ]
        legend_below(figure, handles)
    rows = [
        {"part": part, "whole volume, mL": float(mask.sum() * drawn.ml)}
        | {f"{what} (slice {at}), mL": float(to_page(mask, plane, at).sum() * drawn.ml) for what, at in cuts.items()}
        for part, mask in parts.items()
    ]
    said = ", ".join(f"{part} {mask.sum() * drawn.ml:.1f} mL" for part, mask in parts.items())
    alt = f"{title or 'Errors of a segmentation'}: {plane} slices {' and '.join(map(str, cuts.values()))}; {said}. "
    return Described(figure, alt + agreement(drawn), rows, name)


def _fill(axis, mask, colour: str, hatch: str) -> None:
    if mask.any():
        look = {"colors": [colour], "alpha": 0.75, "hatches": [hatch]}
        drawn = axis.contourf(*voxel_grid(axis, mask), np.pad(mask.astype(float), 1), levels=[0.5, 1.5], **look)
        drawn.set_edgecolor("black")
        drawn.set_linewidth(0.0)

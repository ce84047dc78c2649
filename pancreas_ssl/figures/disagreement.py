"""Where label and prediction agree and where they do not, as coloured and hatched areas."""

from typing import Any

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import PLANES, Scene, best_index, scene, to_page
from pancreas_ssl.figures.slices import WINDOW, agreement, draw_slice, page_size
from pancreas_ssl.figures.style import BLUE, VERMILLION, YELLOW, drawing, new_figure

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
    import pandas as pd

    drawn = scene(volume, label, prediction, spacing)
    if drawn.label is None or drawn.prediction is None:
        raise InputError("expected a label and a prediction for the error map, one is missing; pass both")
    parts = {
        "found": drawn.label & drawn.prediction,
        "missed": drawn.label & ~drawn.prediction,
        "false": ~drawn.label & drawn.prediction,
    }
    cuts = {
        "largest label": best_index(drawn.label, drawn.hu.shape, plane),
        "most errors": best_index(drawn.label ^ drawn.prediction, drawn.hu.shape, plane),
    }
    axis_cut = PLANES[plane].axis
    ml = float(np.prod(drawn.spacing)) / 1000
    wide, high = page_size(drawn, plane)
    with drawing():
        figure = new_figure(10.5, min(5.25 * high / wide, 6) + 0.9)
        for axis, (what, at) in zip(figure.subplots(1, 2), cuts.items(), strict=True):
            draw_slice(axis, Scene(drawn.hu, drawn.spacing, None, None, drawn.affine), plane, at, window)
            for mask, (colour, hatch) in zip(parts.values(), _ERROR_STYLES.values(), strict=True):
                _fill(axis, to_page(mask, plane, at), (wide, high), colour, hatch)
            axis.set_title(f"{what}: {plane} slice {at}", fontsize=9, fontweight="normal")
        from matplotlib.patches import Patch

        handles = [
            Patch(
                facecolor=c,
                hatch=h,
                edgecolor="black",
                linewidth=0.4,
                label=f"{p}: {parts[p].sum() * ml:.1f} mL",
            )
            for p, (c, h) in _ERROR_STYLES.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    rows = [
        {"part": part, "whole volume, mL": float(mask.sum() * ml)}
        | {
            f"{what} (slice {at}), mL": float(np.moveaxis(mask, axis_cut, 0)[at].sum() * ml)
            for what, at in cuts.items()
        }
        for part, mask in parts.items()
    ]
    said = ", ".join(f"{part} {mask.sum() * ml:.1f} mL" for part, mask in parts.items())
    alt = f"{title or 'Errors of a segmentation'}: {plane} slices {' and '.join(map(str, cuts.values()))}; {said}. "
    return Described(figure, alt + agreement(drawn), pd.DataFrame(rows), name)


def _fill(axis, mask, size, colour: str, hatch: str) -> None:
    if mask.any():
        dy, dx = size[1] / mask.shape[0], size[0] / mask.shape[1]
        drawn = axis.contourf(
            np.arange(-0.5, mask.shape[1] + 1) * dx,
            np.arange(-0.5, mask.shape[0] + 1) * dy,
            np.pad(mask.astype(float), 1), levels=[0.5, 1.5], colors=[colour], alpha=0.75, hatches=[hatch],
        )  # fmt: skip
        drawn.set_edgecolor("black")
        drawn.set_linewidth(0.0)

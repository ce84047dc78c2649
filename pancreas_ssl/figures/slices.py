"""Slices of a CT with outlines of label and prediction."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import PLANES, WINDOW, Scene, best_index, page_size, scene, to_page
from pancreas_ssl.figures.style import BLACK, MASKS, SeriesStyle, drawing, legend_below, legend_handles, new_figure

__all__ = ["agreement", "dice_of", "orthogonal_planes", "slice_panel", "window_strip"]


def slice_panel(
    volume: Any,
    label: Any = None,
    prediction: Any = None,
    *,
    plane: str = "axial",
    index: int | None = None,
    window: tuple[float, float] = WINDOW,
    spacing: tuple[float, float, float] | None = None,
    title: str = "",
    name: str = "slice",
) -> Described:
    """One slice with the outlines of label (solid, sky blue) and prediction (dashed, orange).

    Args:
        volume, label, prediction, spacing: see `pancreas_ssl.figures.planes.scene`.
        plane: "axial", "coronal" or "sagittal".
        index: the slice; default: where the label (else the prediction) is largest.
        window: HU shown as black and as white.

    Example:
        >>> slice_panel(scan, title="Patient 3 of source A")      # doctest: +SKIP
    """
    return _panel(scene(volume, label, prediction, spacing), [plane], index, window, title, name)


def orthogonal_planes(
    volume: Any,
    label: Any = None,
    prediction: Any = None,
    *,
    window: tuple[float, float] = WINDOW,
    spacing: tuple[float, float, float] | None = None,
    title: str = "",
    name: str = "planes",
) -> Described:
    """Axial, coronal and sagittal slice side by side, each where the label (else the prediction) is largest."""
    return _panel(scene(volume, label, prediction, spacing), list(PLANES), None, window, title, name)


def _panel(drawn: Scene, planes: list[str], index, window, title: str, name: str) -> Described:
    guide = drawn.label if drawn.label is not None and drawn.label.any() else drawn.prediction
    cuts = [(p, best_index(guide, drawn.hu.shape, p) if index is None else index) for p in planes]
    sizes = [page_size(drawn, p) for p in planes]
    with drawing():
        height = 4.6 if len(planes) == 1 else 3.6
        width = sum(min(w / h, 2.2) for w, h in sizes) * height
        figure = new_figure(float(np.clip(width, 4.2, 12.5)), height + 0.7, title)
        ratios = [wide / high for wide, high in sizes]
        axes = figure.subplots(1, len(planes), squeeze=False, width_ratios=ratios)[0]
        for axis, (plane, at) in zip(axes, cuts, strict=True):
            draw_slice(axis, drawn, plane, at, window)
            slices = drawn.hu.shape[PLANES[plane].axis]
            axis.set_title(f"{plane}, slice {at} of {slices}", fontsize=9, fontweight="normal")
        handles = legend_handles({what: MASKS[what] for what in drawn.masks}, "line")
        words = SeriesStyle(BLACK, "none", "")
        handles += legend_handles({f"window {window[0]:.0f} to {window[1]:.0f} HU": words}, "line")
        legend_below(figure, handles)
    where = ", ".join(f"{p} slice {i}" for p, i in cuts)
    alt = (
        f"{title or 'CT'}: {where}, shown from {window[0]:.0f} to {window[1]:.0f} HU, the patient's right on the left"
        + (f", with the outline of the {' and the '.join(drawn.masks)} of the pancreas. " if drawn.masks else ". ")
        + agreement(drawn)
    )
    return Described(figure, alt.strip(), _table(drawn, cuts), name)


def window_strip(
    volume: Any,
    windows: dict[str, tuple[float, float]],
    *,
    label: Any = None,
    index: int | None = None,
    spacing=None,
    title: str = "",
    name: str = "windows",
) -> Described:
    """The same axial slice in several HU windows: what a window shows, and what it hides.

    The table says which share of the slice's voxels each window shows as plain black or plain white.
    """
    require(bool(windows), "at least one window", "none", "pass e.g. {'soft tissue': (-150, 250)}")
    drawn = scene(volume, label, None, spacing)
    at = best_index(drawn.label, drawn.hu.shape, "axial") if index is None else index
    wide, high = page_size(drawn, "axial")
    rows = []
    with drawing():
        each = 3.4 if len(windows) <= 3 else 2.9
        figure = new_figure(min(each * len(windows), 12.5), each * high / wide + 0.8, title)
        for axis, (what, window) in zip(np.atleast_1d(figure.subplots(1, len(windows))), windows.items(), strict=True):
            draw_slice(axis, drawn, "axial", at, window)
            axis.set_title(f"{what}\n{window[0]:.0f} to {window[1]:.0f} HU", fontsize=9)
            cut = drawn.hu[:, :, at]
            inside = cut[drawn.label[:, :, at]] if drawn.label is not None else cut[:0]
            rows.append(
                {
                    "window": what,
                    "black at HU": window[0],
                    "white at HU": window[1],
                    "% plain black": 100 * float((cut <= window[0]).mean()),
                    "% plain white": 100 * float((cut >= window[1]).mean()),
                    "greys per 10 HU": 256 / (window[1] - window[0]) * 10,
                    "pancreas, mean HU": float(inside.mean()) if inside.size else float("nan"),
                }
            )
    said = "; ".join(f"{r['window']} ({r['black at HU']:.0f} to {r['white at HU']:.0f} HU)" for r in rows)
    alt = f"{title or 'One CT slice in several windows'}: axial slice {at} with the windows {said}."
    return Described(figure, alt, rows, name)


def _table(drawn: Scene, cuts: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Voxels, volume, mean and sd of HU under label and prediction (without both: of everything), per drawn slice."""
    rows = []
    for part, mask in (drawn.masks or {"everything": np.ones(drawn.hu.shape, bool)}).items():
        places = {"whole volume": (drawn.hu, mask)}
        places |= {f"{p} slice {i}": (to_page(drawn.hu, p, i), to_page(mask, p, i)) for p, i in cuts}
        for where, (hu, inside) in places.items():
            values = np.asarray(hu[inside], dtype=np.float64)
            rows.append(
                {
                    "where": where,
                    "under": part,
                    "voxels": values.size,
                    "mL": values.size * drawn.ml,
                    "mean HU": values.mean() if values.size else float("nan"),
                    "sd HU": values.std() if values.size else float("nan"),
                }
            )
    return rows


def dice_of(label: Bool[np.ndarray, "X Y Z"], prediction: Bool[np.ndarray, "X Y Z"]) -> float:
    """2 |L and P| / (|L| + |P|); 1 when both are empty. For captions; results come from `evaluation`."""
    total = int(label.sum()) + int(prediction.sum())
    return 2 * int((label & prediction).sum()) / total if total else 1.0


def agreement(drawn: Scene) -> str:
    """A sentence with the Dice of label and prediction; empty without both."""
    if len(drawn.masks) < 2:
        return ""
    return f"Dice between label and prediction in the whole volume: {dice_of(drawn.label, drawn.prediction):.3f}."

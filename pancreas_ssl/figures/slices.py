"""Slices of a CT with outlines of label and prediction."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_fill, draw_outline, draw_slice
from pancreas_ssl.figures.planes import PLANES, WINDOW, Scene, best_index, box_around, page_size, scene, to_page, zoomed
from pancreas_ssl.figures.style import (
    BLACK,
    MASKS,
    SeriesStyle,
    drawing,
    grid,
    legend_below,
    legend_handles,
    new_figure,
)

__all__ = ["agreement", "dice_of", "orthogonal_planes", "projections", "slice_panel", "slice_strip", "window_strip"]


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


def slice_strip(
    volume: Any,
    label: Any = None,
    prediction: Any = None,
    *,
    slices: int = 6,
    window: tuple[float, float] = WINDOW,
    spacing: tuple[float, float, float] | None = None,
    title: str = "",
    name: str = "strip",
) -> Described:
    """Axial slices from the lowest to the highest that show the label (else the prediction, else any), evenly spaced.

    Arguments as `slice_panel`; the surroundings of the organ are shown, 50 mm of them.
    """
    require(slices > 0, "a number of slices above 0", slices, "give one")
    drawn = scene(volume, label, prediction, spacing)
    guide = next((mask for mask in drawn.masks.values() if mask.any()), np.ones(drawn.hu.shape, bool))
    heights = np.flatnonzero(guide.any(axis=(0, 1)))
    shown = sorted({int(k) for k in np.linspace(heights[0], heights[-1], slices + 2)[1:-1].round()})
    cut = zoomed(drawn, box_around(guide, drawn.spacing, 50.0, "axial"))
    wide, high = page_size(cut, "axial")
    with drawing():
        columns = min(len(shown), 3)
        each = 12.5 / 3
        lines = -(-len(shown) // columns)
        figure = new_figure(each * columns, lines * (each * high / wide + 0.3) + 0.7, title)
        for axis, at in zip(grid(figure, len(shown), columns), shown, strict=True):
            draw_slice(axis, cut, "axial", at, window, bar=at == shown[0])
            axis.set_title(f"slice {at} of {drawn.hu.shape[2]}", fontsize=9, fontweight="normal")
        if drawn.masks:
            legend_below(figure, legend_handles({what: MASKS[what] for what in drawn.masks}, "line"))
    alt = (
        f"{title or 'CT'}: axial slices {', '.join(map(str, shown))}, from low to high, with "
        f"{'the outline of the ' + ' and the '.join(drawn.masks) if drawn.masks else 'no outline'}. {agreement(drawn)}"
    )
    return Described(figure, alt.strip(), _table(drawn, [("axial", at) for at in shown]), name)


def projections(
    volume: Any, label: Any = None, *, spacing=None, title: str = "", name: str = "projections"
) -> Described:
    """The whole volume from the front and from the patient's side: the highest HU along each line of sight.

    Bone and vessels with contrast medium stand out; the label is drawn as a silhouette. The table tells extents in mm.
    """
    drawn = scene(volume, label, None, spacing)
    rows, looks = [], (("from the front", "coronal"), ("from the patient's left", "sagittal"))
    sizes = [page_size(drawn, plane) for _, plane in looks]
    with drawing():
        figure = new_figure(10.5, 10.5 * max(h for _, h in sizes) / sum(w for w, _ in sizes) + 0.6, title)
        for axis, (what, plane) in zip(figure.subplots(1, 2, width_ratios=[w for w, _ in sizes]), looks, strict=True):
            along = PLANES[plane].axis
            flat = Scene(drawn.hu.max(axis=along, keepdims=True), drawn.spacing, None, None, drawn.affine)
            draw_slice(axis, flat, plane, 0, (-100, 600))
            axis.set_title(what)
            if drawn.label is not None and drawn.label.any():
                shadow = to_page(drawn.label.any(axis=along, keepdims=True), plane, 0)
                draw_fill(axis, (shadow, MASKS["label"].colour, 0.45))
                draw_outline(axis, shadow, MASKS["label"])
    parts = {"volume": np.ones(drawn.hu.shape, bool)} | {k: m for k, m in drawn.masks.items() if m.any()}
    for what, mask in parts.items():
        places = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
        extent = [(p[-1] - p[0] + 1) * mm for p, mm in zip(places, drawn.spacing, strict=True)]
        row = dict(zip(("right to left, mm", "front to back, mm", "low to high, mm"), extent, strict=True))
        rows.append({"what": what} | row | {"mL": float(mask.sum() * drawn.ml)})
    told = "; ".join(f"{r['what']} {r['right to left, mm']:.0f} x {r['front to back, mm']:.0f} x "
                     f"{r['low to high, mm']:.0f} mm" for r in rows)  # fmt: skip
    alt = f"{title or 'CT'}: the brightest values along each line, from the front and from the side. {told}."
    return Described(figure, alt, rows, name)


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

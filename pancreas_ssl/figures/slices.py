"""Slices of a CT with outlines of label and prediction."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.planes import PLANES, Scene, best_index, scene, to_page
from pancreas_ssl.figures.style import LABEL, PREDICTION, drawing, new_figure

__all__ = [
    "agreement",
    "dice_of",
    "draw_outline",
    "draw_slice",
    "frame_plane",
    "orthogonal_planes",
    "page_size",
    "slice_panel",
    "slice_table",
    "window_strip",
]

WINDOW = (-150.0, 250.0)  # HU; soft tissue, the window that the networks see


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
        figure = new_figure(float(np.clip(width, 4.2, 12.5)), height + 0.7)
        axes = figure.subplots(
            1, len(planes), squeeze=False, gridspec_kw={"width_ratios": [w / h for w, h in sizes]}
        )[0]
        for axis, (plane, at) in zip(axes, cuts, strict=True):
            draw_slice(axis, drawn, plane, at, window)
            axis.set_title(
                f"{plane}, slice {at} of {drawn.hu.shape[PLANES[plane].axis]}",
                fontsize=9,
                fontweight="normal",
            )
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        _legend(figure, drawn, window)
    where = ", ".join(f"{p} slice {i}" for p, i in cuts)
    outlines = [n for n, m in (("label", drawn.label), ("prediction", drawn.prediction)) if m is not None]
    alt = (
        f"{title or 'CT'}: {where}, shown from {window[0]:.0f} to {window[1]:.0f} HU, the patient's right on the left"
        + (f", with the outline of the {' and the '.join(outlines)} of the pancreas. " if outlines else ". ")
        + agreement(drawn)
    )
    return Described(figure, alt.strip(), slice_table(drawn, cuts), name)


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
    import pandas as pd

    if not windows:
        raise InputError("expected at least one window, got none; pass e.g. {'soft tissue': (-150, 250)}")
    drawn = scene(volume, label, None, spacing)
    at = best_index(drawn.label, drawn.hu.shape, "axial") if index is None else index
    wide, high = page_size(drawn, "axial")
    rows = []
    with drawing():
        each = 3.4 if len(windows) <= 3 else 2.9
        figure = new_figure(min(each * len(windows), 12.5), each * high / wide + 0.8)
        for axis, (what, window) in zip(
            np.atleast_1d(figure.subplots(1, len(windows))), windows.items(), strict=True
        ):
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
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = "; ".join(f"{r['window']} ({r['black at HU']:.0f} to {r['white at HU']:.0f} HU)" for r in rows)
    alt = f"{title or 'One CT slice in several windows'}: axial slice {at} with the windows {said}."
    return Described(figure, alt, pd.DataFrame(rows), name)


def draw_slice(axis, drawn: Scene, plane: str, index: int, window, *, bar: bool = True) -> None:
    """Draw one plane on a matplotlib axis: grey values, outlines, letters at the edges, a bar of 50 (or 10) mm."""
    wide, high = page_size(drawn, plane)
    axis.imshow(
        to_page(drawn.hu, plane, index),
        cmap="gray",
        vmin=window[0],
        vmax=window[1],
        extent=(0, wide, high, 0),
        interpolation="nearest",
    )
    for mask, mark in ((drawn.label, LABEL), (drawn.prediction, PREDICTION)):
        if mask is not None:
            draw_outline(axis, to_page(mask, plane, index), (wide, high), mark)
    frame_plane(axis, plane, (wide, high), bar=bar)


def frame_plane(axis, plane: str, size: tuple[float, float], *, bar: bool = True) -> None:
    """Letters at the edges of a drawn plane, and a bar of 50 (or 10) mm; size (width, height) in mm."""
    wide, high = size
    letters = PLANES[plane]
    for text, x, y in (
        (letters.left, 0.02, 0.5),
        (letters.right, 0.98, 0.5),
        (letters.top, 0.5, 0.97),
        (letters.bottom, 0.5, 0.03),
    ):
        axis.text(
            x, y, text, transform=axis.transAxes, color="white", fontsize=9, fontweight="bold",
            ha={0.02: "left", 0.98: "right"}.get(x, "center"), va={0.97: "top", 0.03: "bottom"}.get(y, "center"),
            path_effects=_halo(2),
        )  # fmt: skip
    if bar:
        x, y, length = 0.05 * wide, 0.95 * high, 50 if wide > 150 else 10
        axis.plot(
            [x, x + length],
            [y, y],
            color="white",
            linewidth=2.5,
            path_effects=_halo(4.5),
            solid_capstyle="butt",
        )
        axis.text(
            x, y - 0.02 * high, f"{length} mm", color="white", fontsize=8, va="bottom", path_effects=_halo(2)
        )
    axis.set(xlim=(0, wide), ylim=(high, 0), xticks=[], yticks=[], aspect="equal")
    for spine in axis.spines.values():
        spine.set_visible(False)


def slice_table(drawn: Scene, cuts: list[tuple[str, int]]):
    """Voxels, volume, mean and sd of HU under label and prediction (without both: of everything), per drawn slice."""
    import pandas as pd

    rows = []
    ml = float(np.prod(drawn.spacing)) / 1000
    for part, mask in (("label", drawn.label), ("prediction", drawn.prediction), ("everything", None)):
        if (mask is None) != (part == "everything" and drawn.label is None and drawn.prediction is None):
            continue
        places = [("whole volume", drawn.hu, mask)] + [
            (f"{p} slice {i}", to_page(drawn.hu, p, i), None if mask is None else to_page(mask, p, i))
            for p, i in cuts
        ]
        for where, hu, inside in places:
            values = np.asarray(hu if inside is None else hu[inside], dtype=np.float64)
            rows.append(
                {
                    "where": where,
                    "under": part,
                    "voxels": values.size,
                    "mL": values.size * ml,
                    "mean HU": values.mean() if values.size else float("nan"),
                    "sd HU": values.std() if values.size else float("nan"),
                }
            )
    return pd.DataFrame(rows)


def dice_of(label: Bool[np.ndarray, "X Y Z"], prediction: Bool[np.ndarray, "X Y Z"]) -> float:
    """2 |L and P| / (|L| + |P|); 1 when both are empty. For captions; results come from `evaluation`."""
    total = int(label.sum()) + int(prediction.sum())
    return 2 * int((label & prediction).sum()) / total if total else 1.0


def agreement(drawn: Scene) -> str:
    if drawn.label is None or drawn.prediction is None:
        return ""
    return f"Dice between label and prediction in the whole volume: {dice_of(drawn.label, drawn.prediction):.3f}."


def page_size(drawn: Scene, plane: str) -> tuple[float, float]:
    across, up = [(0, 1), (0, 2), (1, 2)][2 - PLANES[plane].axis]
    return drawn.hu.shape[across] * drawn.spacing[across], drawn.hu.shape[up] * drawn.spacing[up]


def _halo(width: float):
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="black")]


def draw_outline(axis, mask, size, mark) -> None:
    """The outline of a page's mask on a drawn plane; size (width, height) in mm."""
    if mask.any() and not mask.all():
        padded = np.pad(mask.astype(float), 1)
        dy, dx = size[1] / mask.shape[0], size[0] / mask.shape[1]
        axis.contour(
            np.arange(-0.5, mask.shape[1] + 1) * dx,
            np.arange(-0.5, mask.shape[0] + 1) * dy,
            padded, levels=[0.5], colors=[mark.colour], linestyles=[mark.line], linewidths=1.7,
        )  # fmt: skip


def _legend(figure, drawn: Scene, window) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=mark.colour, linestyle=mark.line, linewidth=2, label=what)
        for what, mask, mark in (("label", drawn.label, LABEL), ("prediction", drawn.prediction, PREDICTION))
        if mask is not None
    ]
    handles.append(Line2D([], [], linestyle="none", label=f"window {window[0]:.0f} to {window[1]:.0f} HU"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))

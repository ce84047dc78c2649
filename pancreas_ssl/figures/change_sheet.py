"""What a change does to a scan: the changed slice, and below it the difference to the unchanged one in HU."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_outline
from pancreas_ssl.figures.planes import WINDOW, Scene, best_index, box_around, scene, to_page
from pancreas_ssl.figures.style import BLACK, GREY, LABEL, drawing, new_figure

__all__ = ["change_sheet"]

LIMIT = 40.0  # HU; stronger differences are drawn as this one
COLUMNS = 4


def change_sheet(
    unchanged: Any, changed: dict[str, Any], *, margin_mm: float = 45.0, title: str = "", name: str = "changes"
) -> Described:
    """One axial slice around the pancreas, unchanged and with each change; below, changed minus unchanged in HU.

    Scans on another grid are interpolated to the unchanged one's voxels, by their affines; where a scan ends, its
    panel stays grey. Red is brighter than before, blue darker, white unchanged.

    Args:
        unchanged: anything that `pancreas_ssl.figures.planes.scene` takes, with a label.
        changed: what was changed -> the scan.
        margin_mm: how much is shown around the label of the unchanged scan.

    Raises:
        InputError: nothing changed, or no label.

    Example:
        >>> change_sheet(scan, {"noise": noisier})      # doctest: +SKIP
    """
    require(bool(changed), "at least one changed scan", "none", "pass {'noise': scan, ...}")
    base = scene(unchanged)
    require(base.label is not None and bool(base.label.any()), "a labelled scan", "none", "pass its label")
    at, box = best_index(base.label, base.hu.shape, "axial"), box_around(base.label, base.spacing, margin_mm, "axial")
    plane, mask = _sampled(base, base, at, box), to_page(base.label[box], "axial", at)
    pages = {what: _sampled(scene(scan), base, at, box) for what, scan in changed.items()}
    columns = min(COLUMNS, len(pages) + 1)
    lines, rows = -(-(len(pages) + 1) // columns), []
    wide, high = (n * mm for n, mm in zip(plane.shape[::-1], base.spacing[:2], strict=True))
    with drawing():
        each = 12.0 / COLUMNS
        figure = new_figure(each * columns + 0.4, lines * (2 * each * high / wide + 0.4) + 0.6, title)
        axes = figure.subplots(2 * lines, columns, squeeze=False)
        figure.get_layout_engine().set(hspace=0, h_pad=0.02)
        for axis in axes.ravel():
            axis.set_axis_off()
        for k, (what, page) in enumerate(({"unchanged": plane} | pages).items()):
            line, column = divmod(k, columns)
            top, bottom = axes[2 * line : 2 * line + 2, column]
            _show(top, page, mask, wide, high, "gray", *WINDOW)
            top.set_title(what, fontsize=9)
            if k:
                image = _show(bottom, page - plane, mask, wide, high, "RdBu_r", -LIMIT, LIMIT)
                rows.append({"changed": what} | _numbers(page - plane, mask))
        axes[1, 0].text(0.5, 0.5, "below each slice:\nchanged minus\nunchanged", ha="center", va="center", fontsize=9)
        bar = figure.colorbar(image, ax=axes, shrink=0.5, aspect=30, extend="both", label="changed minus unchanged, HU")
        bar.set_ticks([-LIMIT, -LIMIT / 2, 0, LIMIT / 2, LIMIT])
        bar.ax.axhline(0, color=BLACK, linewidth=1.5)
    said = "; ".join(f"{row['changed']} {row['mean size of the difference, HU']:.1f} HU" for row in rows)
    alt = (
        f"{title or 'One change at a time'}: a slice unchanged and with each change, and below it the difference "
        f"(red brighter, blue darker, white unchanged). Mean size of the difference in the picture: {said}."
    )
    return Described(figure, alt, rows, name)


def _sampled(drawn: Scene, base: Scene, at: int, box) -> Float[np.ndarray, "rows columns"]:
    """The HU of a scan at the voxels of the base's slice, on the page; NaN where the scan does not reach."""
    from scipy.ndimage import map_coordinates

    x, y = (np.arange(*part.indices(n)[:2]) for part, n in zip(box[:2], base.hu.shape[:2], strict=True))
    places = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), at), np.ones((len(x), len(y)))])
    link = np.linalg.inv(drawn.affine) @ base.affine
    there = np.tensordot(link, places, 1)[:3].round(6)
    look = {"order": 1, "mode": "constant", "cval": np.nan}
    return to_page(map_coordinates(drawn.hu.astype(np.float32), there, **look)[..., None], "axial", 0)


def _show(axis, page, mask, wide: float, high: float, colours: str, dark: float, light: float):
    axis.set_facecolor(GREY)
    look = {"extent": (0, wide, high, 0), "interpolation": "nearest"}
    image = axis.imshow(page, cmap=colours, vmin=dark, vmax=light, **look)
    draw_outline(axis, mask, LABEL if colours == "gray" else replace(LABEL, colour=BLACK), width=0.9)
    axis.set(xlim=(0, wide), ylim=(high, 0), aspect="equal")
    return image


def _numbers(difference, mask) -> dict[str, float]:
    known, inside = difference[np.isfinite(difference)], difference[mask & np.isfinite(difference)]
    return {
        "mean difference, HU": float(known.mean()) if known.size else 0.0,
        "mean size of the difference, HU": float(np.abs(known).mean()) if known.size else 0.0,
        "% of the picture changed by more than 10 HU": 100 * float((np.abs(known) > 10).mean()) if known.size else 0.0,
        "mean difference in the pancreas, HU": float(inside.mean()) if inside.size else 0.0,
    }

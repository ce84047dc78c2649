"""A patient at several settings of the scanner, with label, prediction and Dice; and two networks on one patient."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_fill, draw_outline, draw_slice
from pancreas_ssl.figures.planes import WINDOW, Scene, best_index, box_around, page_size, scene, to_page, zoomed
from pancreas_ssl.figures.slices import dice_of
from pancreas_ssl.figures.style import (
    BLUE,
    LABEL,
    MASKS,
    VERMILLION,
    YELLOW,
    SeriesStyle,
    drawing,
    grid,
    legend_below,
    legend_handles,
    new_figure,
)

__all__ = ["MODELS", "compare_panel", "dial_strip", "draw_models"]

MODELS = (SeriesStyle(BLUE, (0, (4, 1.6)), "s"), SeriesStyle(VERMILLION, (0, (1, 1)), "D"))
"""How the outlines of the first and the second network are drawn."""

_ONLY = (BLUE, VERMILLION, YELLOW)  # marked by the first alone, by the second alone, by both


def dial_strip(rescanned: Mapping[str, Any], *, title: str = "", name: str = "dial") -> Described:
    """One slice of the patient at each setting, the outlines of label and prediction, and the Dice below.

    Args:
        rescanned: what was changed -> a `pancreas_ssl.lessons.rescanned.Rescanned`.

    Raises:
        InputError: no setting.
    """
    require(bool(rescanned), "at least one setting", "none", "pass {'as at home': rescanner.turn(Setting()), ...}")
    scenes = {what: scene(one.case, prediction=one.mask) for what, one in rescanned.items()}
    first = next(iter(scenes.values()))
    at = best_index(first.label, first.hu.shape, "axial")
    box = box_around(first.label, first.spacing, 45.0, "axial")
    wide, high = page_size(zoomed(first, box), "axial")
    columns = min(len(scenes), 3)
    lines = -(-len(scenes) // columns)
    with drawing():
        figure = new_figure(4.2 * columns, lines * (4.2 * high / wide + 0.75) + 0.6, title)
        for axis, (what, drawn) in zip(grid(figure, len(scenes), columns), scenes.items(), strict=True):
            draw_slice(axis, zoomed(drawn, box), "axial", at, WINDOW, bar=what == next(iter(scenes)))
            axis.set_title(what, fontsize=10)
            axis.set_xlabel(f"Dice {rescanned[what].dice:.2f}, doubt {rescanned[what].doubt:.2f} bits", fontsize=10)
        legend_below(figure, legend_handles(MASKS, "line"))
    rows = [
        {"setting": what, "Dice": one.dice, "doubt, bits": one.doubt}
        | {"phase": one.setting.phase, "noise, HU": one.setting.noise, "kernel": one.setting.kernel}
        | {"slice thickness, mm": one.setting.thickness, "fat, share": one.setting.fat}
        for what, one in rescanned.items()
    ]
    said = "; ".join(f"{row['setting']}: Dice {row['Dice']:.2f}" for row in rows)
    alt = (
        f"{title or 'One patient, scanned again'}: axial slice {at} with the outlines of label and prediction. {said}."
    )
    return Described(figure, alt, rows, name)


def compare_panel(
    volume: Any,
    masks: Mapping[str, Bool[np.ndarray, "X Y Z"]],
    *,
    label: Any = None,
    title: str = "",
    name: str = "compared",
) -> Described:
    """Two networks on one patient: their outlines, and where they differ, on the slice on which they differ most.

    Args:
        volume, label: see `pancreas_ssl.figures.planes.scene`.
        masks: name of a network -> what it marks; exactly two.

    Raises:
        InputError: not two masks, or one of another shape.
    """
    require(len(masks) == 2, "two masks to compare", len(masks), "pass {'baseline': mask, 'strong': other}")
    drawn = scene(volume, label)
    pair = {what: scene(volume, label, mask).prediction for what, mask in masks.items()}
    one, other = pair.values()
    guide = drawn.label if drawn.label is not None and drawn.label.any() else one | other
    box = box_around(guide | one | other, drawn.spacing, 30.0, "axial")
    at = best_index(one ^ other, drawn.hu.shape, "axial")
    wide, high = page_size(zoomed(drawn, box), "axial")
    with drawing():
        figure = new_figure(12.0, 6.0 * high / wide + 1.0, title)
        for axis, areas in zip(figure.subplots(1, 2), (False, True), strict=True):
            draw_models(axis, zoomed(drawn, box), [m[box] for m in pair.values()], "axial", at, areas=areas)
            axis.set_title(f"where they differ, axial slice {at}" if areas else f"outlines, axial slice {at}")
        styles = dict(zip(pair, MODELS, strict=True)) | ({"label": LABEL} if drawn.label is not None else {})
        only = dict(zip([f"only {what}" for what in pair] + ["both"], _ONLY, strict=True))
        handles = legend_handles(styles, "line")
        handles += legend_handles({what: SeriesStyle(colour, "solid", "o") for what, colour in only.items()}, "patch")
        legend_below(figure, handles)
    rows = [{"network": what, "mL": float(mask.sum() * drawn.ml)} for what, mask in pair.items()]
    for row, (what, mask) in zip(rows, pair.items(), strict=True):
        rest = next(m for w, m in pair.items() if w != what)
        row["marked by it alone, mL"] = float((mask & ~rest).sum() * drawn.ml)
        if drawn.label is not None:
            row["Dice"] = dice_of(drawn.label, mask)
    said = "; ".join(
        f"{row['network']} {row['mL']:.0f} mL" + (f", Dice {row['Dice']:.2f}" if "Dice" in row else "") for row in rows
    )
    agree = dice_of(one, other)
    alt = f"{title or 'Two networks on one patient'}: {said}. The Dice of the two masks is {agree:.2f}."
    return Described(figure, alt, rows, name)


def draw_models(axis, drawn: Scene, masks: list, plane: str, at: int, *, areas: bool) -> None:
    """A slice with the label's outline and either two networks' outlines or the areas in which they differ."""
    draw_slice(axis, drawn, plane, at, WINDOW)
    one, other = (to_page(mask, plane, at) for mask in masks)
    if areas:
        parts = (one & ~other, other & ~one, one & other)
        draw_fill(axis, *((part, colour, 0.65) for part, colour in zip(parts, _ONLY, strict=True)))
    else:
        for page, style in zip((one, other), MODELS, strict=True):
            draw_outline(axis, page, style, width=2.2)

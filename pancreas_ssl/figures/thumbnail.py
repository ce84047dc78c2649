"""A case at a glance: one small axial slice through the pancreas."""

import io
from typing import Any

from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import WINDOW, best_index, page_size, scene
from pancreas_ssl.figures.style import drawing, new_figure

__all__ = ["thumbnail"]

WIDE = 2.6  # inches
DOTS = 100  # per inch


def thumbnail(volume: Any, label: Any = None) -> tuple[bytes, str]:
    """PNG of the axial slice with the largest area of the pancreas (its label outlined), and the picture in words.

    The patient's right is on the left, marked R and L. Without a label the middle slice is shown.

    Args:
        volume, label: `Volume`s.

    Example:
        >>> png, words = thumbnail(image, label)    # doctest: +SKIP
    """
    mask = label.array if label is not None and label.array.any() else None
    at = best_index(mask, volume.shape, "axial")
    box = (slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(at, at + 1))
    drawn = scene(volume.part(box), label.part(box) if mask is not None else None)
    wide, high = page_size(drawn, "axial")
    with drawing():
        figure = new_figure(WIDE, WIDE * min(max(high / wide, 0.4), 2.0))
        axis = figure.subplots()
        draw_slice(axis, drawn, "axial", 0, WINDOW)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS, metadata={"Software": None})
    what = "through the largest area of the labelled pancreas, outlined" if mask is not None else "without a label"
    words = f"axial slice {at + 1} of {volume.shape[2]} {what}; the patient's right (R) is on the left of the picture"
    return buffer.getvalue(), words

"""One slice as PNG bytes in a few milliseconds, for sliders that must follow the hand."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from pancreas_ssl.figures.planes import PLANES, Scene, to_page
from pancreas_ssl.figures.style import LABEL, PREDICTION

__all__ = ["colour_table", "grey_page", "paint", "paint_page", "pixels"]


def paint(
    drawn: Scene,
    plane: str,
    index: int,
    window: tuple[float, float] = (-150.0, 250.0),
    opacity: float = 0.3,
    size: int = 520,
) -> bytes:
    """A slice with label (sky blue, whole outline) and prediction (orange, dashed outline), PNG bytes.

    Args:
        window: HU shown as black and as white.
        opacity: of the filled overlays, 0 to 1; at 0 their outlines stay.
        size: pixels of the longer side of the picture; voxels keep their shape in mm.
    """
    layers = [
        (to_page(mask, plane, index), mark.colour, dashed, opacity)
        for mask, mark, dashed in ((drawn.label, LABEL, False), (drawn.prediction, PREDICTION, True))
        if mask is not None
    ]
    return paint_page(grey_page(drawn, plane, index, window), plane, pixels(drawn, plane, size), layers)


def grey_page(
    drawn: Scene, plane: str, index: int, window: tuple[float, float] = (-150.0, 250.0)
) -> Float[np.ndarray, "rows columns"]:
    """A slice for `paint_page`: the window's lower end in HU is 0, its upper end 1."""
    low, high = window
    return (to_page(drawn.hu, plane, index).astype(np.float32) - low) / max(high - low, 1.0)


def paint_page(
    page: Float[np.ndarray, "rows columns"],
    plane: str,
    wide_tall: tuple[int, int],
    layers: Sequence[tuple[Bool[np.ndarray, "rows columns"], str, bool, float]] = (),
    colours: UInt8[np.ndarray, "256 3"] | None = None,
) -> bytes:
    """One page as PNG bytes: values from 0 (black) to 1 (white), masks over them, letters at the edges.

    Args:
        page: what `to_page` gives, scaled.
        wide_tall: pixels, as `pixels` gives.
        layers: (mask, colour as "#RRGGBB", dashed outline, opacity of the filling) each.
        colours: a table of 256 colours (`colour_table`) in place of grey values.
    """
    from PIL import Image, ImageDraw

    levels = (np.clip(page, 0, 1) * 255).astype(np.uint8)
    grey = np.asarray(Image.fromarray(levels).resize(wide_tall, Image.BILINEAR))
    rgb = (colours[grey] if colours is not None else np.repeat(grey[..., None], 3, axis=2)).astype(np.float32)
    for mask, colour, dashed, opacity in layers:
        cut = Image.fromarray(mask.astype(np.uint8) * 255).resize(wide_tall, Image.NEAREST)
        _overlay(rgb, np.asarray(cut) > 0, colour, opacity, dashed)
    picture = Image.fromarray(rgb.astype(np.uint8))
    _letters(ImageDraw.Draw(picture), plane, *wide_tall)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def colour_table(name: str = "cividis") -> UInt8[np.ndarray, "256 3"]:
    """A matplotlib colour map as a table for `paint_page`."""
    import matplotlib

    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)


def pixels(drawn: Scene, plane: str, size: int = 520) -> tuple[int, int]:
    """Width and height of a plane in pixels, the longer one `size`; voxels keep their shape in mm."""
    across, up = [(0, 1), (0, 2), (1, 2)][2 - PLANES[plane].axis]
    wide, tall = drawn.hu.shape[across] * drawn.spacing[across], drawn.hu.shape[up] * drawn.spacing[up]
    scale = size / max(wide, tall)
    return max(round(wide * scale), 1), max(round(tall * scale), 1)


def _overlay(rgb, mask: Bool[np.ndarray, "rows columns"], colour: str, opacity: float, dashed: bool) -> None:
    if not mask.any():
        return
    tint = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32)
    rgb[mask] = (1 - opacity) * rgb[mask] + opacity * tint
    padded = np.pad(mask, 2)
    inner = padded[:-4, 2:-2] & padded[4:, 2:-2] & padded[2:-2, :-4] & padded[2:-2, 4:]
    edge = mask & ~inner
    if dashed:
        rows, columns = np.indices(mask.shape, sparse=True)
        edge &= ((rows + columns) // 7) % 2 == 0
    rgb[edge] = tint


def _letters(pen, plane: str, wide: int, tall: int) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(size=17)
    at = PLANES[plane]
    for letter, x, y, anchor in (
        (at.left, 6, tall / 2, "lm"),
        (at.right, wide - 6, tall / 2, "rm"),
        (at.top, wide / 2, 6, "mt"),
        (at.bottom, wide / 2, tall - 6, "mb"),
    ):
        pen.text((x, y), letter, fill="white", font=font, anchor=anchor, stroke_width=2, stroke_fill="black")

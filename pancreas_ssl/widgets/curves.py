"""Curves painted with PIL in a few milliseconds, for a picture that is drawn anew while a training runs."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from pancreas_ssl.figures.terms import term_marks

__all__ = ["paint_curves", "smoothed"]

SIZE = (640, 360)  # pixels; painted at twice that and made smaller
LEFT, RIGHT, TOP, BOTTOM = 58, 132, 16, 40  # margins


def smoothed(values: Sequence[float], over: int) -> list[float]:
    """Each value's mean with up to `over - 1` values before it.

    Example:
        >>> smoothed([1.0, 3.0, 5.0], 2)
        [1.0, 2.0, 4.0]
    """
    return [float(np.mean(values[max(0, k + 1 - over) : k + 1])) for k in range(len(values))]


def paint_curves(
    steps: Sequence[int], curves: Mapping[str, Sequence[float]], most: int, logarithmic: bool = False
) -> bytes:
    """Each curve over the steps as PNG bytes, its name at its end in its colour.

    Args:
        steps: of the points.
        curves: name -> a value per step; what is not above 0 is left out of a logarithmic picture.
        most: step at the right edge.
    """
    from PIL import Image, ImageDraw, ImageFont

    wide, tall = (2 * side for side in SIZE)
    left, right, top, bottom = (2 * margin for margin in (LEFT, RIGHT, TOP, BOTTOM))
    canvas = Image.new("RGB", (wide, tall), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=24)
    shown = {name: [(s, v) for s, v in zip(steps, values, strict=True) if v > 0 or not logarithmic]
             for name, values in curves.items()}  # fmt: skip
    every = [value for points in shown.values() for _, value in points] or [0.1, 1.0]
    if logarithmic:
        low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)) + 1e-9)
        ticks = [10.0**power for power in range(low, max(high, low + 1) + 1)]
    else:
        gap = _gap(max(every))
        ticks = [gap * k for k in range(math.ceil(max(every) / gap) + 1)]

    def place(step: float, value: float) -> tuple[float, float]:
        ends = ticks[0], ticks[-1]
        if logarithmic:
            value, ends = math.log10(value), tuple(math.log10(end) for end in ends)
        x = left + (wide - left - right) * step / max(most, 1)
        return x, tall - bottom - (tall - top - bottom) * (value - ends[0]) / max(ends[1] - ends[0], 1e-9)

    for tick in ticks:
        (x, y), (end, _) = place(0, tick), place(most, tick)
        pen.line([x, y, end, y], fill="#DDDDDD", width=2)
        pen.text((x - 12, y), f"{tick:.3g}", fill="#444444", font=font, anchor="rm")
    for step in np.linspace(0, most, 5):
        x, y = place(step, ticks[0])
        pen.text((x, y + 12), f"{step:.0f}", fill="#444444", font=font, anchor="mt")
    pen.text(((left + wide - right) / 2, tall - 4), "step", fill="#444444", font=font, anchor="mb")
    looks, ends = term_marks(shown), []
    for name, points in shown.items():
        colour = looks[name].colour
        corners = [place(*point) for point in points]
        if len(corners) > 1:
            pen.line(corners, fill=colour, width=8 if name == "loss" else 5, joint="curve")
        for x, y in corners if len(corners) <= 40 else corners[-1:]:
            pen.ellipse([x - 6, y - 6, x + 6, y + 6], fill=colour)
        if corners:
            ends.append((corners[-1][1], name, colour))
    above = -math.inf
    for y, name, colour in sorted(ends):  # names move down where they would overlap
        above = max(y, above + 28)
        pen.text((wide - right + 14, above), name, fill=colour, font=font, anchor="lm")
    picture = canvas.resize(SIZE, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _gap(top: float) -> float:
    """A round distance between ticks, about five of them up to the top."""
    rough = max(top, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)

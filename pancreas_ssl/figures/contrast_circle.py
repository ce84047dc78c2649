"""Points on a circle, their prototypes, and where the contrast would move them."""

from typing import TYPE_CHECKING

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.feature_space_charts import region_handles
from pancreas_ssl.figures.style import BLACK, GREY, REGIONS, drawing, legend_below, new_figure

if TYPE_CHECKING:
    from pancreas_ssl.lessons.contrast_in_2d import Circle

__all__ = ["circle_panels", "draw_circle", "longest_pull"]

LONGEST = 35.0  # degrees: the arrow of the strongest pull


def circle_panels(circles: "dict[str, Circle]", *, title: str = "", name: str = "circles") -> Described:
    """Arrangements side by side: points by region, prototypes as arrows from the middle, pulls along the circle.

    A point's size grows with its share of the loss; an arrow from it shows where the gradient step would move it. The
    arrows of all panels have one scale.

    Raises:
        InputError: no arrangement.
    """
    import pandas as pd

    require(bool(circles), "at least one arrangement", "none", "make one with on_circle()")
    strongest = max(longest_pull(one) for one in circles.values())
    with drawing():
        figure = new_figure(4.0 * len(circles), 4.9, title)
        axes = figure.subplots(1, len(circles), squeeze=False)[0]
        for axis, (what, one) in zip(axes, circles.items(), strict=True):
            draw_circle(axis, one, strongest)
            axis.set_title(what)
            axis.set_xlabel(f"loss {float(one.terms.loss):.2f}", fontsize=11)
        legend_below(figure, region_handles(REGIONS))
    tables = {what: _table(one) for what, one in circles.items()}
    table = pd.concat(tables, names=["arrangement", "point"]).reset_index(level=0).reset_index(drop=True)
    said = "; ".join(
        f"{what}: loss {float(one.terms.loss):.2f}, of it {_largest(one)}" for what, one in circles.items()
    )
    alt = f"{title or 'Contrast on a circle'}: twenty points of five regions on a circle with prototypes. {said}."
    return Described(figure, alt, table, name)


def _table(one: "Circle"):
    """Per point: region, angle, cosine with the pancreas prototype, part of the loss, pull."""
    import pandas as pd

    columns = {
        "region": [REGIONS[int(number)][0] for number in one.regions],
        "angle": one.angles.round(1),
        "cosine with m_P": (one.z @ one.prototypes.pancreas).numpy(),
        "part of the loss": one.parts.numpy(),
        "pull": one.pull.numpy(),
    }
    return pd.DataFrame(columns)


def longest_pull(one: "Circle") -> float:
    """Size of the strongest pull; never 0."""
    return max(float(one.pull.abs().max()), 1e-6)


def _largest(one: "Circle") -> str:
    sums = {region: float(one.parts[one.regions == number].sum()) for number, (region, _) in REGIONS.items()}
    region = max(sums, key=sums.get)
    return f"{sums[region]:.2f} by {region}"


def draw_circle(axis, one: "Circle", strongest: float, chosen: int | None = None, cone: float | None = None) -> None:
    """Points, prototypes and pulls of one arrangement.

    Args:
        strongest: the pull whose arrow is longest, of `longest_pull`.
        chosen: a point to be ringed.
        cone: angle (radians) around the pancreas prototype inside which the hinge works; its edges are dotted.
    """
    axis.plot(*_at(np.linspace(0, 2 * np.pi, 181)), color="#BBBBBB", linewidth=1, zorder=0)
    centres = [(one.prototypes.pancreas, BLACK, "m_P")]
    if one.prototypes.has_background:
        centres += [(centre, GREY, "b") for centre in one.prototypes.background]
    arrow = {"arrowstyle": "-|>", "linewidth": 2}
    for centre, colour, what in centres:
        x, y = (float(v) for v in centre)
        axis.annotate("", (0.93 * x, 0.93 * y), (0, 0), arrowprops=arrow | {"color": colour})
        where = (0.55 * x - 0.09 * y, 0.55 * y + 0.09 * x)
        axis.text(*where, f"${what}$", color=colour, fontsize=11, ha="center", va="center")
    if cone is not None:
        towards = np.arctan2(*reversed(one.prototypes.pancreas.tolist()))
        for edge in (towards - cone, towards + cone):
            axis.plot(*np.outer(_at(edge), (0.1, 1)), ":", color=REGIONS[3][1].colour, linewidth=1.6, zorder=1)
    for k, (angle, region, part, pull) in enumerate(
        zip(np.radians(one.angles), one.regions, one.parts, one.pull, strict=True)
    ):
        style, size = REGIONS[int(region)][1], 7 + 8 * float(part) ** 0.5
        look = {"color": style.colour, "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 3}
        axis.plot(*_at(angle), style.marker, markersize=size, **look)
        if k == chosen:
            ring = {"markerfacecolor": "none", "markeredgecolor": BLACK, "markeredgewidth": 2}
            axis.plot(*_at(angle), "o", markersize=size + 8, **ring)
        # the root of the pull, so that weak pulls are seen as well
        step = np.sign(float(pull)) * LONGEST * min(abs(float(pull)) / strongest, 1.0) ** 0.5
        if abs(step) > 2:
            out = 1.1 + 0.035 * (k % 4)  # the arrow leaves its point and runs outside the circle
            radius = np.concatenate([np.linspace(1.02, out, 4), np.full(12, out)])
            turn = np.concatenate([np.linspace(0, 0.15, 4), np.linspace(0.2, 1, 12)])
            way = radius * _at(angle + np.radians(step * turn))
            axis.plot(*way[:, :-1], color=style.colour, linewidth=1.6, zorder=2)
            axis.annotate("", way[:, -1], way[:, -3], arrowprops=arrow | {"color": style.colour, "linewidth": 1.6})
    axis.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _at(angle) -> np.ndarray:
    """x and y on the circle."""
    return np.stack([np.cos(angle), np.sin(angle)])

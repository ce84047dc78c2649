"""Points on a circle, their prototypes, and where the contrast would move them."""

from typing import TYPE_CHECKING

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.features import region_legend
from pancreas_ssl.figures.style import BLACK, GREEN, GREY, REGIONS, drawing, new_figure

if TYPE_CHECKING:
    from pancreas_ssl.contrast.circle import Circle

__all__ = ["circle_panels", "circle_table", "longest_pull", "step_of"]

LONGEST = 35.0  # degrees: the arrow of the strongest pull


def circle_panels(circles: "dict[str, Circle]", *, title: str = "", name: str = "circles") -> Described:
    """Arrangements side by side: points by region, prototypes as arrows from the middle, pulls along the circle.

    A point's size grows with its share of the loss; a green arrow shows where the gradient step would move it. The
    arrows of all panels have one scale.

    Raises:
        InputError: no arrangement.
    """
    import pandas as pd

    if not circles:
        raise InputError("expected at least one arrangement, got none; make one with on_circle()")
    strongest = max(longest_pull(one) for one in circles.values())
    with drawing():
        figure = new_figure(4.0 * len(circles), 4.9)
        axes = figure.subplots(1, len(circles), squeeze=False)[0]
        for axis, (what, one) in zip(axes, circles.items(), strict=True):
            _draw(axis, one, strongest)
            axis.set_title(what)
            axis.set_xlabel(f"loss {float(one.terms.loss):.2f}", fontsize=11)
        region_legend(figure, np.arange(1, 6), False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    table = pd.concat([circle_table(one).assign(arrangement=what) for what, one in circles.items()])
    said = "; ".join(
        f"{what}: loss {float(one.terms.loss):.2f}, of it {_largest(one)}" for what, one in circles.items()
    )
    alt = f"{title or 'Contrast on a circle'}: twenty points of five regions on a circle with prototypes. {said}."
    order = ["arrangement", *[column for column in table if column != "arrangement"]]
    return Described(figure, alt, table[order].reset_index(drop=True), name)


def circle_table(one: "Circle"):
    """One row per point: region, angle, cosine with the pancreas prototype, part of the loss, pull."""
    import pandas as pd

    cosine = one.z @ one.prototypes.pancreas
    return pd.DataFrame(
        {
            "region": [REGIONS[int(number)][0] for number in one.regions],
            "angle": one.angles.round(1),
            "cosine with m_P": cosine.numpy(),
            "part of the loss": one.parts.numpy(),
            "pull": one.pull.numpy(),
        }
    )


def longest_pull(one: "Circle") -> float:
    """Size of the strongest pull; never 0."""
    return max(float(one.pull.abs().max()), 1e-6)


def step_of(pull: float, strongest: float) -> float:
    """Degrees of an arrow: the root of the pull, so that weak pulls are seen as well."""
    return float(np.sign(pull) * LONGEST * np.sqrt(min(abs(pull) / strongest, 1.0)))


def _largest(one: "Circle") -> str:
    sums = {region: float(one.parts[one.regions == number].sum()) for number, (region, _) in REGIONS.items()}
    region = max(sums, key=sums.get)
    return f"{sums[region]:.2f} by {region}"


def _draw(axis, one: "Circle", strongest: float) -> None:
    around = np.radians(np.arange(0, 361, 2))
    axis.plot(np.cos(around), np.sin(around), color="#BBBBBB", linewidth=1, zorder=0)
    centres = [(one.prototypes.pancreas, BLACK, "m_P")]
    if one.prototypes.has_background:
        centres += [(centre, GREY, "b") for centre in one.prototypes.background]
    for centre, colour, what in centres:
        x, y = (float(v) for v in centre)
        axis.annotate(
            "",
            (0.93 * x, 0.93 * y),
            (0, 0),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2},
        )
        axis.text(
            0.55 * x - 0.09 * y, 0.55 * y + 0.09 * x, f"${what}$", color=colour, fontsize=11, ha="center",
            va="center",
        )  # fmt: skip
    for k, (angle, region, part, pull) in enumerate(
        zip(one.angles, one.regions, one.parts, one.pull, strict=True)
    ):
        mark, step = REGIONS[int(region)][1], step_of(float(pull), strongest)
        place = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        axis.plot(
            *place, mark.marker, color=mark.colour, markersize=7 + 8 * float(part) ** 0.5, markeredgecolor="white",
            markeredgewidth=0.7, zorder=3,
        )  # fmt: skip
        if abs(step) > 2:
            way = (1.1 + 0.035 * (k % 4)) * np.stack([np.cos(np.radians(angle + np.linspace(0, step, 12))),
                                  np.sin(np.radians(angle + np.linspace(0, step, 12)))])  # fmt: skip
            axis.plot(*way[:, :-1], color=GREEN, linewidth=1.4, zorder=2)
            axis.annotate(
                "", way[:, -1], way[:, -3], arrowprops={"arrowstyle": "-|>", "color": GREEN, "linewidth": 1.4}
            )
    axis.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)

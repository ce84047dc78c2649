"""One look for all figures: colours that colour-blind readers can tell apart, and a second mark beside each colour."""

from contextlib import contextmanager
from dataclasses import dataclass

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "HIGHLIGHT",
    "LABEL",
    "ORANGE",
    "PREDICTION",
    "PURPLE",
    "REGIONS",
    "SKY",
    "VERMILLION",
    "YELLOW",
    "Mark",
    "drawing",
    "legend_below",
    "marks",
    "new_figure",
]

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), chosen to stay apart in all common colour deficiencies.
BLACK, GREY = "#000000", "#6B6B6B"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


@dataclass(frozen=True)
class Mark:
    """How one series is drawn: a colour, and a line style and a marker for whoever does not see the colour."""

    colour: str
    line: str | tuple
    marker: str


LABEL = Mark(SKY, "solid", "o")
PREDICTION = Mark(ORANGE, (0, (4, 1.6)), "D")
HIGHLIGHT = Mark(ORANGE, "solid", "D")

# Regions around the pancreas, by their number (0 = outside the body is not drawn): inside blue, outside warm.
REGIONS = {
    1: ("core", Mark(BLUE, "solid", "o")),
    2: ("rim_in", Mark(SKY, (0, (5, 1.5)), "s")),
    3: ("rim_out", Mark(VERMILLION, (0, (4, 1.6)), "D")),
    4: ("near", Mark(ORANGE, (0, (1, 1)), "^")),
    5: ("far", Mark(GREY, (0, (6, 1, 2, 1)), "v")),
}

_KNOWN = {
    "A": Mark(BLACK, "solid", "o"),
    "V": Mark(BLUE, (0, (5, 1.5)), "s"),
    "W": Mark(GREEN, (0, (1, 1)), "^"),
    "X": Mark(PURPLE, (0, (5, 1, 1, 1)), "v"),
    "B": Mark(ORANGE, (0, (8, 2)), "D"),
    "C": Mark(VERMILLION, (0, (3, 1, 1, 1, 1, 1)), "P"),
    "D": Mark(SKY, (0, (2, 2)), "X"),
}
_OTHERS = [
    Mark(VERMILLION, (0, (3, 1, 1, 1, 1, 1)), "P"),
    Mark(GREY, (0, (6, 1, 2, 1)), "*"),
    Mark(SKY, (0, (2, 2)), "X"),
    Mark(ORANGE, (0, (8, 2)), "D"),
    Mark(GREEN, (0, (1, 1)), "^"),
    Mark(BLUE, (0, (5, 1.5)), "s"),
    Mark(PURPLE, (0, (5, 1, 1, 1)), "v"),
    Mark(BLACK, "solid", "o"),
]

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.8,
}


@contextmanager
def drawing():
    """The project's matplotlib settings for the time of one picture; the reader's own stay untouched."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float):
    """A matplotlib figure of `width` x `height` inches that belongs to no window and needs no closing."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend_below(figure, names) -> None:
    """The legend of these labelled series below the axes, in at most four columns, so that long names are not cut."""
    inches = 0.085 * max(len(str(name)) for name in names) + 0.6  # of an entry with its mark
    columns = max(1, min(4, len(names), int(figure.get_figwidth() / inches)))
    figure.legend(loc="outside lower center", ncols=columns)


def marks(names, highlight: str | None = None) -> dict[str, Mark]:
    """A mark per name; a source of the phantom keeps the same one in every figure ("A" and "phantom/A" alike).
    `highlight` gets the orange diamond that other charts give what they highlight."""
    chosen = {name: HIGHLIGHT for name in names if name == highlight}
    others = _OTHERS
    if chosen:  # colours near to the highlight's come last, and its own not at all
        others = [mark for mark in reversed(_OTHERS) if mark.colour != HIGHLIGHT.colour]
    for name in names:
        known = _KNOWN.get(str(name).split("/")[-1])
        if known is not None and known not in chosen.values() and name not in chosen:
            chosen[name] = known
    rest = (mark for mark in others if mark not in chosen.values())
    for name in names:
        if name not in chosen:
            chosen[name] = next(rest, others[len(chosen) % len(others)])
    return chosen

"""One look for all figures: colours that colour-blind readers can tell apart, each with a line style and a marker."""

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "HIGHLIGHT",
    "LABEL",
    "MASKS",
    "ORANGE",
    "PREDICTION",
    "PURPLE",
    "REGIONS",
    "SKY",
    "VERMILLION",
    "YELLOW",
    "SeriesStyle",
    "drawing",
    "grid",
    "legend_below",
    "legend_columns",
    "legend_handles",
    "series_styles",
    "new_figure",
    "printed",
]

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), chosen to stay apart in all common colour deficiencies.
BLACK, GREY = "#000000", "#6B6B6B"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


@dataclass(frozen=True)
class SeriesStyle:
    """How one series is drawn: a colour, and a line style and a marker for readers who cannot see the colour."""

    colour: str
    line: str | tuple
    marker: str

    @property
    def options(self) -> dict[str, Any]:
        """Of matplotlib's `plot`."""
        return {"color": self.colour, "linestyle": self.line, "marker": self.marker}


LABEL = SeriesStyle(SKY, "solid", "o")
PREDICTION = SeriesStyle(ORANGE, (0, (4, 1.6)), "D")
MASKS = {"label": LABEL, "prediction": PREDICTION}
HIGHLIGHT = SeriesStyle(ORANGE, "solid", "D")

# Regions around the pancreas, by their number (0 = outside the body is not drawn): inside cold, outside warm colours.
REGIONS = {
    1: ("core", SeriesStyle(BLUE, "solid", "o")),
    2: ("rim_in", SeriesStyle(GREEN, (0, (5, 1.5)), "s")),
    3: ("rim_out", SeriesStyle(VERMILLION, (0, (4, 1.6)), "D")),
    4: ("near", SeriesStyle(ORANGE, (0, (1, 1)), "^")),
    5: ("far", SeriesStyle(GREY, (0, (6, 1, 2, 1)), "v")),
}

_KNOWN = {
    "A": SeriesStyle(BLACK, "solid", "o"),
    "V": SeriesStyle(BLUE, (0, (5, 1.5)), "s"),
    "W": SeriesStyle(GREEN, (0, (1, 1)), "^"),
    "X": SeriesStyle(PURPLE, (0, (5, 1, 1, 1)), "v"),
    "B": SeriesStyle(ORANGE, (0, (8, 2)), "D"),
    "C": SeriesStyle(VERMILLION, (0, (3, 1, 1, 1, 1, 1)), "P"),
    "D": SeriesStyle(SKY, (0, (2, 2)), "X"),
}
_KNOWN |= {f"{name}2": _KNOWN[name] for name in "AVWX"} | dict(zip("EFG", map(_KNOWN.get, "BCD"), strict=True))
_OTHERS = [
    SeriesStyle(VERMILLION, (0, (3, 1, 1, 1, 1, 1)), "P"),
    SeriesStyle(GREY, (0, (6, 1, 2, 1)), "*"),
    SeriesStyle(SKY, (0, (2, 2)), "X"),
    SeriesStyle(ORANGE, (0, (8, 2)), "D"),
    SeriesStyle(GREEN, (0, (1, 1)), "^"),
    SeriesStyle(BLUE, (0, (5, 1.5)), "s"),
    SeriesStyle(PURPLE, (0, (5, 1, 1, 1)), "v"),
    SeriesStyle(BLACK, "solid", "o"),
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
    "pdf.fonttype": 42,  # fonts embedded as outlines that journals take
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "pancreas_ssl",  # the same file every time
}

_PRINTED = {"font.size": 8, "axes.titlesize": 8, "legend.fontsize": 7, "xtick.labelsize": 7, "ytick.labelsize": 7}
_COLUMN: ContextVar[float | None] = ContextVar("column", default=None)  # inches, while figures are made for print
_GUTTER, _WHOLE, _NARROW, _PAGE = 0.16, 5.0, 7.5, 8.5  # inches


@contextmanager
def drawing():
    """The project's matplotlib settings while one picture is drawn; the reader's own stay untouched."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS | (_PRINTED if _COLUMN.get() else {})):
        yield


@contextmanager
def printed(column: float = 3.5):
    """Figures made in this context have their size on paper, with text of 7 and 8 points.

    Args:
        column: inches. Figures with much in them take two columns, unless one is as wide as a page (5 inches or more).

    Example:
        >>> from pancreas_ssl.figures import dice_dots
        >>> import pandas as pd
        >>> with printed(3.3):
        ...     drawn = dice_dots(pd.DataFrame({"source": ["A"] * 5, "dice": [0.7, 0.8, 0.6, 0.8, 0.9]}))
        >>> float(drawn.figure.get_figwidth())
        3.3
    """
    token = _COLUMN.set(column)
    try:
        yield
    finally:
        _COLUMN.reset(token)


def new_figure(width: float, height: float, title: str = ""):
    """A matplotlib figure of `width` x `height` inches that belongs to no window and needs no closing; within `printed`
    its width is that of a column, or of two, and its height at most that of a page."""
    from matplotlib.figure import Figure

    if column := _COLUMN.get():
        wide = width > _NARROW and column < _WHOLE
        across = 2 * column + _GUTTER if wide else column
        width, height = across, min(height * max(across / width, 0.75), _PAGE)
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def grid(figure, panels: int, columns: int):
    """Axes of this many panels, row by row; the rest of the last row stays empty."""
    axes = figure.subplots(-(-panels // columns), columns, squeeze=False).ravel()
    for axis in axes[panels:]:
        axis.set_visible(False)
    return axes[:panels]


def legend_handles(styles: dict[str, SeriesStyle], kind: str) -> list:
    """One handle per name, for `legend_below`; `kind` is "line", "marker" or "patch"."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    make = {
        "line": lambda style, **label: Line2D([], [], color=style.colour, linestyle=style.line, linewidth=2, **label),
        "marker": lambda style, **label: Line2D([], [], **(style.options | {"linestyle": "none"}), **label),
        "patch": lambda style, **label: Patch(facecolor=style.colour, **label),
    }[kind]
    return [make(style, label=str(name)) for name, style in styles.items()]


def legend_below(figure, handles: list | None = None, columns: int = 7, **options) -> None:
    """A legend below the axes: of these handles, or else of the labelled series, without cutting long names."""
    if handles is None:
        names = [str(line.get_label()) for axis in figure.axes for line in axis.get_legend_handles_labels()[0]]
        columns = legend_columns(figure, names)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles or names)), **options)


def legend_columns(figure, names: list[str]) -> int:
    """How many columns of such entries fit below a figure, at most four."""
    import matplotlib

    letter = 0.0094 * matplotlib.rcParams["legend.fontsize"]  # inches
    return max(1, min(4, len(names), int(figure.get_figwidth() / (letter * max(map(len, names)) + 0.6))))


def series_styles(names, highlight: str | None = None) -> dict[str, SeriesStyle]:
    """A style per name; a source of the phantom keeps its own in every figure ("A" and "phantom/A" alike).
    `highlight` gets the orange diamond of highlights in other charts."""
    chosen = {name: HIGHLIGHT for name in names if name == highlight}
    others = _OTHERS
    if chosen:  # colours close to the highlight's come last, and its own not at all
        others = [style for style in reversed(_OTHERS) if style.colour != HIGHLIGHT.colour]
    for name in names:
        known = _KNOWN.get(str(name).removeprefix("phantom/").removeprefix("phantom2/"))
        if known is not None and known not in chosen.values() and name not in chosen:
            chosen[name] = known
    rest = (style for style in others if style not in chosen.values())
    for name in names:
        if name not in chosen:
            one, turn = others[len(chosen) % len(others)], 3 * (len(chosen) // len(others))
            other = others[(len(chosen) + turn) % len(others)]  # a colour comes again with another line and marker
            chosen[name] = next(rest, SeriesStyle(one.colour, other.line, other.marker))
    return chosen

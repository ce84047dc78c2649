"""The phantoms beside real label maps: how far their organs' places and sizes are from real ones."""

from pathlib import Path

from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    SeriesStyle,
    drawing,
    legend_below,
    legend_handles,
    new_figure,
)

__all__ = ["MEAN", "PLACES", "SPREAD", "realism_chart"]

PLACES = Path(__file__).resolve().parents[1] / "assets" / "phantom" / "places.csv"
"""Means and spreads of both phantoms and of thirty real label maps; made by `python -m tests.phantom.places`."""

MEAN, SPREAD = 1 / 3, 0.25  # of a real standard deviation: how far means and spreads may be off

_LOOKS = {"A": SeriesStyle(VERMILLION, "none", "X"), "A2": SeriesStyle(BLUE, "none", "o")}


def realism_chart(table: DataFrame, *, title: str = "", name: str = "realism") -> Described:
    """How far each figure of a phantom is from real label maps, in units of the real spread.

    A mark at 0 is the mean of real patients, at 1 a patient as far out as one in six is. The grey band is a third to
    either side. On the right stands the phantom's spread over the real one, with a band of a quarter to either side.

    Args:
        table: as in `PLACES`: indexed by the figure's name, with the columns real, sd, A, sd of A, A2 and sd of A2.

    Raises:
        InputError: a column is missing, or there is no row.

    Example:
        >>> import pandas as pd
        >>> realism_chart(pd.read_csv(PLACES, index_col=0)).name
        'realism'
    """
    require_columns(table, "real", "sd", "A", "sd of A", "A2", "sd of A2")
    rows = table[~table.index.str.startswith("touching")]
    off = {source: (rows[source] - rows["real"]) / rows["sd"] for source in _LOOKS}
    spread = {source: rows[f"sd of {source}"] / rows["sd"] for source in _LOOKS}
    with drawing():
        figure = new_figure(8.4, 0.19 * len(rows) + 1.6, title)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        left.axvspan(-MEAN, MEAN, color=GREY, alpha=0.2, linewidth=0)
        right.axvspan(1 - SPREAD, 1 + SPREAD, color=GREY, alpha=0.2, linewidth=0)
        for source, look in _LOOKS.items():
            for axis, values in ((left, off[source]), (right, spread[source])):
                axis.plot(values, range(len(rows)), **look.options, markersize=5)
        left.set_yticks(range(len(rows)), rows.index, fontsize=7)
        left.set_ylim(len(rows) - 0.5, -0.5)
        left.set_xlabel("mean: phantom minus real, in real standard deviations")
        right.set_xlabel("spread: phantom over real")
        for axis in (left, right):
            axis.grid(axis="x")
            axis.set_axisbelow(True)
        named = {"phantom (A)": _LOOKS["A"], "phantom2 (A2)": _LOOKS["A2"]}
        legend_below(figure, legend_handles(named, "marker"))
    within = {
        source: int(((off[source].abs() <= MEAN) & ((spread[source] - 1).abs() <= SPREAD)).sum()) for source in _LOOKS
    }
    worst = {source: off[source].abs().idxmax() for source in _LOOKS}
    far = {source: f"{worst[source]} ({off[source][worst[source]]:+.1f} standard deviations)" for source in _LOOKS}
    alt = (
        f"{title or 'Phantoms beside real label maps'}: {len(rows)} places, sizes and shapes. Of the first phantom "
        f"{within['A']} agree in mean and spread, of the second {within['A2']}. Furthest off: {far['A']} of the first, "
        f"{far['A2']} of the second."
    )
    told = rows.assign(**{f"{source} off": off[source] for source in _LOOKS}).round(2).reset_index()
    return Described(figure, alt, told, name)

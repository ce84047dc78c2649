"""Lines: several series of one number over another, each with a colour, a line style and a marker of its own."""

from collections.abc import Mapping

from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import GREY, drawing, legend_below, new_figure, series_styles

__all__ = ["line_chart"]


def line_chart(
    table: DataFrame,
    x: str,
    y: str,
    *,
    by: str | None = None,
    panels: str | None = None,
    diagonal: bool = False,
    limits: tuple[float, float] | None = None,
    highlight: str | None = None,
    interval: tuple[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    name: str = "lines",
) -> Described:
    """`y` over `x`, a line for each value of `by`, a panel for each value of `panels`.

    Args:
        table: one row per point; it is the figure's table twin too.
        diagonal: a grey line y = x, where a calibrated probability lies.
        limits: of the y axis.
        highlight: a value of `by` that is drawn in orange, with diamonds.
        interval: columns with the lower and the upper end of each point's interval, drawn as bars.
        labels: words for readers in place of a column's name or of a value of `by` or `panels`.

    Raises:
        InputError: a column is missing, or there is no row.

    Example:
        >>> import pandas as pd
        >>> line_chart(pd.DataFrame({"t": [0, 1], "loss": [2.0, 1.0]}), "t", "loss", title="A loss").name
        'lines'
    """
    require_columns(table, *(column for column in (x, y, by, panels, *(interval or ())) if column))
    groups = list(dict.fromkeys(table[panels])) if panels else [""]
    series = list(dict.fromkeys(table[by])) if by else [y]
    looks, ends = series_styles(series, highlight), []
    words = {one: str(one) for one in (x, y, *groups, *series)} | dict(labels or {})
    with drawing():
        figure = new_figure(max(5.2, 3.1 * len(groups) + 0.6), 3.8, title)
        axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        for axis, group in zip(axes, groups, strict=True):
            part = table[table[panels] == group] if panels else table
            if diagonal:
                axis.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            for one in series:
                line = (part[part[by] == one] if by else part).dropna(subset=[x, y])
                if line.empty:
                    continue
                every = max(1, len(line) // 8)
                axis.plot(line[x], line[y], markersize=4, markevery=every, linewidth=1.8, **looks[one].options)
                if interval:
                    axis.vlines(line[x], *(line[end] for end in interval), color=looks[one].colour, linewidth=1.2)
                where = f" ({words[group]})" if panels else ""
                ends.append(f"{words[one]}{where} from {line[y].iloc[0]:.3g} to {line[y].iloc[-1]:.3g}")
            axis.set(xlabel=words[x], title=words[group])
            axis.grid(axis="y")
            if table[x].dtype.kind in "iu":  # no half patients
                axis.xaxis.get_major_locator().set_params(integer=True)
            if limits:
                axis.set_ylim(*limits)
        axes[0].set_ylabel(words[y])
        if by:
            for one in series:
                axes[0].plot([], [], label=words[one], **looks[one].options)
            legend_below(figure)
    alt = f"{title or words[y]}: {words[y]} over {words[x]}. From first to last point: {'; '.join(ends)}."
    return Described(figure, alt, table.reset_index(drop=True), name)

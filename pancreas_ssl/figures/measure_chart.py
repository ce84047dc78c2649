"""A row per map, region or method, a panel per measure, a marker per source: many numbers at a glance."""

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import GREY, drawing, legend_below, legend_handles, new_figure, series_styles

__all__ = ["measure_chart"]


def measure_chart(
    table: DataFrame,
    rows: str,
    measures: dict[str, str],
    *,
    by: str = "source",
    lines: dict[str, float] | None = None,
    title: str = "",
    name: str = "measures",
) -> Described:
    """A marker for each value, in the order of the table; missing values leave a gap.

    Args:
        table: one row per value of `rows` and of `by`, with a column for each measure.
        rows: the column whose values stand on the left.
        measures: column -> the title of its panel.
        by: the column that the markers tell apart.
        lines: column -> a value at which a dashed line stands, such as 0.5 for an AUROC.

    Raises:
        InputError: a column is missing, or there is no row or no measure.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"map": ["a", "b"], "source": "A", "auroc": [0.6, 0.8]})
        >>> measure_chart(table, "map", {"auroc": "AUROC"}).name
        'measures'
    """
    require(bool(measures), "at least one measure", "none", "name a column and its title")
    require_columns(table, rows, by, *measures)
    names, groups = list(dict.fromkeys(table[rows])), list(dict.fromkeys(table[by]))
    looks, shifts = series_styles(groups), np.linspace(-0.24, 0.24, len(groups)) if len(groups) > 1 else [0.0]
    with drawing():
        width = float(np.clip(2.9 * len(measures) + 1.6, 5.5, 12.5))
        entry = 0.085 * max(len(str(group)) for group in groups) + 0.6  # inches of one in the legend
        figure = new_figure(width, 0.46 * len(names) + 1.5, title)
        axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
            for group, shift in zip(groups, shifts, strict=True):
                part = table[table[by] == group].set_index(rows)[measure].reindex(names).astype(float)
                there = part.notna().to_numpy()
                look = looks[group].options | {"linestyle": "none", "markeredgecolor": "white", "clip_on": False}
                size, y = 11 if looks[group].marker == "*" else 6.5, np.arange(len(names))[there] + shift
                axis.plot(part.to_numpy()[there], y, markersize=size, markeredgewidth=0.5, **look)
            for y in np.arange(len(names) - 1) + 0.5:
                axis.axhline(y, color="#E4E4E4", linewidth=0.8)
            if lines and measure in lines:
                axis.axvline(lines[measure], color=GREY, linestyle=(0, (4, 3)), linewidth=1)
            axis.set_title(heading, fontsize=10)
            axis.grid(axis="x")
            axis.set_axisbelow(True)
            axis.tick_params(axis="y", length=0)
        axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        legend_below(figure, legend_handles(looks, "marker"), max(1, min(7, int(width / entry))), title=by)
    said = "; ".join(_said(table, rows, by, measure, heading) for measure, heading in measures.items())
    alt = f"{title or 'Measures'}: for {len(names)} rows ({rows}) and {by} {', '.join(map(str, groups))}. {said}."
    return Described(figure, alt, table[[rows, by, *measures]].reset_index(drop=True), name)


def _said(table: DataFrame, rows: str, by: str, measure: str, heading: str) -> str:
    told = []
    for row, part in table.dropna(subset=measure).groupby(rows, sort=False):
        ends = part.set_index(by)[measure].sort_values()
        low, high = (f"{ends.iloc[k]:.3g} ({ends.index[k]})" for k in (0, -1))
        told.append(f"{row} {low}" + (f" to {high}" if len(ends) > 1 else ""))
    return f"{heading.replace(chr(10), ' ')}, lowest to highest: " + (", ".join(told) or "no value")

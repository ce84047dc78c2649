"""One line per map, region or method, one panel per measure, one mark per source: many numbers in one look."""

from typing import TYPE_CHECKING

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.style import GREY, drawing, marks, new_figure

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["measure_chart"]


def measure_chart(
    table: "DataFrame",
    rows: str,
    measures: dict[str, str],
    *,
    by: str = "source",
    lines: dict[str, float] | None = None,
    title: str = "",
    name: str = "measures",
) -> Described:
    """A mark for each value, sorted as the table is; values that do not exist leave a gap.

    Args:
        table: one row per value of `rows` and of `by`, with a column for each measure.
        rows: the column whose values stand on the left.
        measures: column -> the title of its panel.
        by: the column that gives the marks.
        lines: column -> a value at which a dashed line stands, such as 0.5 for an AUROC.

    Raises:
        InputError: a column is missing, or there is no row or no measure.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"map": ["a", "b"], "source": "A", "auroc": [0.6, 0.8]})
        >>> measure_chart(table, "map", {"auroc": "AUROC"}).name
        'measures'
    """
    needed = [rows, by, *measures]
    if table.empty or not measures or set(needed) - set(table.columns):
        raise InputError(
            f"expected rows, a measure and the columns {', '.join(needed)}, got {list(table.columns)} with "
            f"{len(table)} rows"
        )
    names, groups = list(dict.fromkeys(table[rows])), list(dict.fromkeys(table[by]))
    looks, shifts = marks(groups), np.linspace(-0.24, 0.24, len(groups)) if len(groups) > 1 else [0.0]
    with drawing():
        figure = new_figure(float(np.clip(2.9 * len(measures) + 1.6, 5.5, 12.5)), 0.46 * len(names) + 1.5)
        axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
            for group, shift in zip(groups, shifts, strict=True):
                part = table[table[by] == group].set_index(rows)[measure].reindex(names).astype(float)
                there = part.notna().to_numpy()
                axis.plot(
                    part.to_numpy()[there], np.arange(len(names))[there] + shift, looks[group].marker,
                    markersize=11 if looks[group].marker == "*" else 6.5,
                    color=looks[group].colour, markeredgecolor="white", markeredgewidth=0.5, clip_on=False,
                )  # fmt: skip
            for y in np.arange(len(names) - 1) + 0.5:
                axis.axhline(y, color="#E4E4E4", linewidth=0.8)
            if lines and measure in lines:
                axis.axvline(lines[measure], color=GREY, linestyle=(0, (4, 3)), linewidth=1)
            axis.set_title(heading, fontsize=10)
            axis.grid(axis="x")
            axis.set_axisbelow(True)
            axis.tick_params(axis="y", length=0)
        axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=looks[g].colour, marker=looks[g].marker, linestyle="none", label=str(g))
            for g in groups
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7), title=by)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = "; ".join(_said(table, rows, measure, heading) for measure, heading in measures.items())
    alt = f"{title or 'Measures'}: for {len(names)} rows ({rows}) and {by} {', '.join(map(str, groups))}. {said}."
    return Described(figure, alt, table[[rows, by, *measures]].reset_index(drop=True), name)


def _said(table: "DataFrame", rows: str, measure: str, heading: str) -> str:
    means = table.groupby(rows, sort=False)[measure].mean().dropna()
    if means.empty:
        return f"{heading}: no value"
    told = ", ".join(f"{row} {value:.3g}" for row, value in means.items())
    return f"{heading.replace(chr(10), ' ')}, mean over all: {told}"

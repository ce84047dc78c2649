"""Arms below each other, sources side by side: each arm's mean with its interval, and a stroke for every seed."""

from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import BLACK, BLUE, GREY, HIGHLIGHT, drawing, new_figure

__all__ = ["arms_chart"]


def arms_chart(
    table: DataFrame,
    title: str = "",
    *,
    baseline: str | None = None,
    highlight: str | None = None,
    unit: str = "Dice",
    name: str = "arms",
) -> Described:
    """A row per arm, a panel per source: a dot for the mean, a bar for its 95 % interval, a stroke for each seed.

    Args:
        table: of `evaluation.crossed_means`: arm, source, mean, low, high, and the columns `seed 0` ...
        baseline: an arm whose mean is a dashed line in every panel.
        highlight: an arm that is drawn as an orange diamond.

    Raises:
        InputError: a column is missing, or there is no row.

    Example:
        >>> import pandas as pd
        >>> row = {"arm": "dual", "source": "B", "mean": 0.6, "low": 0.5, "high": 0.7, "seed 0": 0.6}
        >>> arms_chart(pd.DataFrame([row])).name
        'arms'
    """
    require_columns(table, "arm", "source", "mean", "low", "high", remedy="pass what `crossed_means` gives")
    arms, sources = list(dict.fromkeys(table["arm"])), list(dict.fromkeys(table["source"]))
    seeds = [column for column in table.columns if column.startswith("seed ")]
    with drawing():
        figure = new_figure(2.2 * len(sources) + 2.2, 0.34 * len(arms) + 1.5, title)
        axes = figure.subplots(1, len(sources), sharex=True, sharey=True, squeeze=False)[0]
        for axis, source in zip(axes, sources, strict=True):
            part = table[table["source"] == source].set_index("arm")
            if baseline in part.index:
                axis.axvline(part.loc[baseline, "mean"], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            for y, arm in enumerate(arms):
                if arm not in part.index:
                    continue
                row, special = part.loc[arm], arm == highlight
                colour = HIGHLIGHT.colour if special else GREY if arm.startswith("oracle") else BLUE
                axis.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2.5, solid_capstyle="butt")
                shape = HIGHLIGHT.marker if special else "o"
                axis.plot(row["mean"], y, shape, color=colour, markersize=7, markeredgecolor=BLACK)
                single = row[seeds].dropna()
                axis.plot(single, [y + 0.3] * len(single), "|", color=BLACK, markersize=6)
            axis.set(title=str(source), xlabel=unit, ylim=(len(arms) - 0.4, -0.6))
            axis.set_yticks(range(len(arms)), arms)
            axis.grid(axis="x")
    said = "; ".join(
        f"{source}: "
        + ", ".join(
            f"{row['arm']} {row['mean']:.3f}" + _range(row["low"], row["high"])
            for _, row in table[table["source"] == source].iterrows()
        )
        for source in sources
    )
    alt = f"{title or unit}, mean of each arm with its 95 % interval, a small stroke for every seed. {said}."
    return Described(figure, alt, table, name)


def _range(low: float, high: float) -> str:
    """The interval in words; nothing where a single patient leaves none."""
    return f" ({low:.3f} to {high:.3f})" if low <= high else ""

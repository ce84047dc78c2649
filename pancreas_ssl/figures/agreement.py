"""What networks say about their masks against what is true: a point for each patient, and the line of agreement."""

from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import GREY, drawing, legend_below, legend_handles, new_figure, series_styles

__all__ = ["agreement_chart"]


def agreement_chart(
    rows: DataFrame,
    said: str = "expected_dice",
    *,
    panels: str = "arm",
    by: str = "source",
    title: str = "",
    name: str = "agreement",
) -> Described:
    """The true Dice over the one that was expected, a panel for each network, a marker for each source.

    Points on the dashed line are what the network said, points below it are worse. Each panel's heading has the rank
    correlation: 1 where the order of the patients is right, however far the points lie from the line.

    Args:
        rows: one per network and patient, with the columns `panels`, `by`, `said` and `dice`.

    Raises:
        InputError: a column is missing, or there is no row.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"arm": "net", "source": "V", "expected_dice": [0.9, 0.8, 0.7], "dice": [0.8, 0.6, 0]})
        >>> agreement_chart(rows).table["rank_correlation"].tolist()
        [1.0]
    """
    from pancreas_ssl.evaluation.uncertainty_quality import rank_agreement

    require_columns(rows, panels, by, said, "dice")
    table, groups = rank_agreement(rows, (panels,), said), list(dict.fromkeys(rows[by]))
    looks, words = series_styles(groups), said.replace("_dice", " Dice").replace("_", " ")
    with drawing():
        figure = new_figure(max(4.6, 3.6 * len(table) + 0.6), 4.3, title)
        axes = figure.subplots(1, len(table), sharey=True, squeeze=False)[0]
        for axis, (_, line) in zip(axes, table.iterrows(), strict=True):
            axis.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            axis.text(0.27, 0.32, "as expected", rotation=45, ha="center", va="center", fontsize=8, color=GREY)
            for group in groups:
                part = rows[(rows[panels] == line[panels]) & (rows[by] == group)]
                look = looks[group].options | {"linestyle": "none", "markeredgecolor": "white"}
                axis.plot(part[said], part["dice"], markersize=7, markeredgewidth=0.5, **look)
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=words)
            axis.set_title(f"{line[panels]}: rank correlation {line['rank_correlation']:.2f}")
            axis.grid()
            axis.set_axisbelow(True)
        axes[0].set_ylabel("true Dice")
        legend_below(figure, legend_handles(looks, "marker"), title=by)
    told = "; ".join(
        f"{line[panels]}, {line['patients']} patients: rank correlation {line['rank_correlation']:.2f}, mean "
        f"{words} {line[said]:.2f}, mean Dice {line['dice']:.2f}"
        for _, line in table.iterrows()
    )
    alt = f"{title or 'What was said and what is true'}: true Dice over {words}. {told}."
    return Described(figure, alt, table, name)

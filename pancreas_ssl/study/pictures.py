"""The study in pictures, each with alt text and table: patients per source, differences, convergence."""

import numpy as np
import pandas as pd

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.dots import dice_dots, interval_chart
from pancreas_ssl.figures.style import drawing, legend_columns, new_figure, series_styles

__all__ = ["convergence", "differences", "dice_by_source", "pictures"]

CROWDED = 5  # arms in a chart from which their names are slanted


def pictures(rows: pd.DataFrame, comparisons: pd.DataFrame, curves: pd.DataFrame) -> list[Described]:
    """All figures of a study, in the order of its report."""
    drawn = dice_by_source(rows)
    if not comparisons.empty:
        drawn.append(differences(comparisons))
    return [*drawn, convergence(curves)]


def dice_by_source(rows: pd.DataFrame) -> list[Described]:
    """Per source a chart with the arms side by side: a dot per patient (the mean over seeds), and the arm's mean."""
    drawn = []
    for source, part in rows.dropna(subset=["dice"]).groupby("source", sort=False):
        patients = part.astype({"dice": float}).groupby(["arm", "case"], sort=False)["dice"].mean().reset_index()
        seeds = part["seed"].nunique()
        title = f"Dice on {source}, mean of {seeds} seed{'s' * (seeds > 1)}"
        name = "dice_" + "".join(c if c.isalnum() else "_" for c in str(source))
        chart = dice_dots(patients, title, by="arm", value="dice", name=name)
        arms = list(map(str, patients["arm"].unique()))
        letters = max(map(len, arms)) * len(arms) * 0.085  # inches of the names side by side
        if len(arms) >= CROWDED or letters > chart.figure.get_figwidth() - 0.8:
            axis = chart.figure.axes[0]
            axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=30, ha="right")
        drawn.append(chart)
    return drawn


def differences(comparisons: pd.DataFrame) -> Described:
    """Every comparison on every source with its 95 % interval; a star marks the lines that decide."""
    table = comparisons.copy()
    stars = np.where(table["decides"].astype(bool), " *", "")
    table["comparison"] = table["comparison"] + ", " + table["source"] + stars
    columns = ["comparison", "difference", "low", "high", "p", "holm_p", "patients", "seeds"]
    metrics = ", ".join(dict.fromkeys(comparisons["metric"]))
    title = "Differences (*: decides, Holm)"
    return interval_chart(table[columns], title, unit=metrics, name="differences")


def convergence(curves: pd.DataFrame) -> Described:
    """Loss, and Dice on held-out patients of the training source, per step: a thin line per seed, a thick one for the
    mean of an arm's seeds.

    Raises:
        InputError: no row.
    """
    if curves.empty:
        raise InputError("expected the histories of trainings, there is no row; train an arm first")
    arms = list(dict.fromkeys(curves["arm"]))
    table = _ends(curves, arms)
    with drawing():
        figure = new_figure(9.2, 4.4)
        panels = figure.subplots(1, 2)
        looks = series_styles(arms)
        for arm in arms:
            part, mark = curves[curves["arm"] == arm], looks[arm]
            for axis, column in zip(panels, ("loss", "held_out_dice"), strict=True):
                known = part.dropna(subset=[column])
                for _, one in known.groupby([name for name in ("seed", "fold") if name in known]):
                    axis.plot(one["step"], one[column], color=mark.colour, linewidth=0.6, alpha=0.4)
                mean = known.groupby("step")[column].mean()
                style = {"color": mark.colour, "linestyle": mark.line, "linewidth": 2}
                if column == "loss":
                    mean = mean.rolling(max(len(mean) // 15, 1), center=True, min_periods=1).median()
                else:
                    style |= {"marker": mark.marker, "markersize": 5}
                axis.plot(mean.index, mean, label=arm, **style)
        panels[0].set(xlabel="step", ylabel="loss", title="Training")
        panels[1].set(xlabel="step", ylabel="Dice", ylim=(0, 1), title="Held-out patients")
        for axis in panels:
            axis.grid(axis="y")
            axis.xaxis.get_major_locator().set_params(integer=True)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=legend_columns(figure, labels))
    said = "; ".join(
        f"{row['arm']} {row['last loss']:.3f}"
        + (f", Dice {row['last held-out Dice']:.3f}" if np.isfinite(row["last held-out Dice"]) else "")
        for _, row in table.iterrows()
    )
    alt = f"Convergence: loss (left) and Dice on held-out patients (right) per step, by arm. At the end: {said}."
    return Described(figure, alt, table, "convergence")


def _ends(curves: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """Per arm: steps, loss and held-out Dice at half time and at the end, means over seeds; is it still rising?"""
    rows = []
    for arm in arms:
        part = curves[curves["arm"] == arm]
        steps, row = int(part["step"].max()), {"arm": arm, "seeds": part["seed"].nunique()}
        row["steps"] = steps
        for when, until in (("half-time", steps / 2), ("last", steps)):
            for column, name in (("loss", "loss"), ("held_out_dice", "held-out Dice")):
                known = part[part["step"] <= until].dropna(subset=[column])
                last = known[known["step"] == known["step"].max()] if len(known) else known
                row[f"{when} {name}"] = float(last[column].mean()) if len(last) else float("nan")
        rows.append(row)
    return pd.DataFrame(rows)

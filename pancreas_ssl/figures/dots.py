"""Charts of patients: a dot for each, and differences with their intervals."""

from textwrap import fill

import numpy as np

from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    SeriesStyle,
    drawing,
    legend_below,
    new_figure,
    series_styles,
)

__all__ = ["dice_dots", "interval_chart", "patient_lines"]

FEWEST = 5  # patients; of fewer, a bootstrap interval would promise what it cannot keep

_PAIR = (SeriesStyle(BLUE, "solid", "o"), SeriesStyle(ORANGE, (0, (4, 1.6)), "D"))


def dice_dots(
    rows: DataFrame,
    title: str = "",
    *,
    by: str = "source",
    value: str = "dice",
    compare: str | None = None,
    failure: float | None = 0.5,
    seed: int = 0,
    name: str = "dice_dots",
) -> Described:
    """A dot for each patient, and per group the mean, from five patients on with its 95 % bootstrap interval.

    Args:
        rows: one row per patient, with the columns `by` and `value` (0 to 1) and, if named, `compare`.
        compare: a column whose values (two models, say) are drawn side by side within a group.
        failure: a dashed line; patients below it are drawn as crosses and counted in the table. None: no line.
        seed: of the bootstrap and of the dots' sideways scatter.

    Raises:
        InputError: a column is missing or there is no row.
    """
    require_columns(rows, by, value, *([compare] if compare else []))
    rng = np.random.default_rng(seed)
    groups, series = list(dict.fromkeys(rows[by])), list(dict.fromkeys(rows[compare])) if compare else [""]
    looks = dict(zip(series, _PAIR, strict=False)) | series_styles(series[len(_PAIR) :] if compare else groups)
    table = []
    with drawing():
        figure = new_figure(float(np.clip(1.3 * len(groups) * len(series) ** 0.5 + 2.2, 5, 11)), 4.2)
        axis = figure.subplots()
        for g, group in enumerate(groups):
            for s, one in enumerate(series):
                part = rows[rows[by] == group]
                if compare:
                    part = part[part[compare] == one]
                v = part[value].dropna().to_numpy(dtype=float)
                style = looks[one if compare else group]
                x = g + (s - (len(series) - 1) / 2) * 0.36
                failed = v < failure if failure is not None else np.zeros(v.size, bool)
                row = {by: group} | ({compare: one} if compare else {}) | {"patients": v.size}
                if v.size:
                    low, high = _bootstrap(v, rng) if v.size >= FEWEST else (np.nan, np.nan)
                    row |= {f"mean {value}": v.mean(), "95 % from": low, "95 % to": high}
                    row |= {"median": float(np.median(v)), "lowest": v.min(), "highest": v.max()}
                    spread = x - 0.05 + rng.uniform(-0.08, 0.08, v.size)
                    axis.plot(spread[~failed], v[~failed], style.marker, color=style.colour, markersize=5, alpha=0.6)
                    axis.plot(spread[failed], v[failed], "x", color=style.colour, markersize=7, markeredgewidth=2)
                    look = {"color": style.colour, "markersize": 8, "markeredgecolor": BLACK, "linewidth": 2}
                    bars = [[v.mean() - low], [high - v.mean()]] if v.size >= FEWEST else None
                    axis.errorbar(x + 0.12, v.mean(), yerr=bars, fmt=style.marker, capsize=4, **look)
                if failure is not None:
                    row[f"below {failure:g}"] = int(failed.sum())
                table.append(row)
        if failure is not None:
            axis.axhline(failure, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
        axis.set(ylim=(-0.02, 1.02), ylabel=value.replace("_", " ").capitalize(), xlim=(-0.55, len(groups) - 0.45))
        axis.set_xticks(range(len(groups)), [str(g) for g in groups])
        cross = f" (x: below {failure:g}, a failure)" if failure is not None else ""
        said = f"small: one patient{cross}\nlarge: mean; bar: 95 % interval (from {FEWEST} patients)"
        axis.set_xlabel(f"{by.replace('_', ' ')}\n{said}", fontsize=8)
        axis.set_title(title)
        axis.grid(axis="y")
        if compare:
            for one in series:
                axis.plot([], [], looks[one].marker, color=looks[one].colour, label=str(one), markersize=6)
            legend_below(figure)
    said = "; ".join(_sentence(row, by, compare, value, failure) for row in table)
    beside = f"the mean beside (from {FEWEST} patients on with its 95 % interval)"
    alt = f"{title or value}: a dot per patient, {beside}. {said}."
    return Described(figure, alt, table, name)


def patient_lines(
    rows: DataFrame,
    title: str = "",
    *,
    by: str,
    value: str = "dice",
    patient: str = "case",
    name: str = "patient_lines",
) -> Described:
    """The same patients under several conditions: a line for each patient, a black bar for the mean, no interval.

    Args:
        rows: one row per patient and condition: the columns `by`, `patient` and `value` (0 to 1).

    Raises:
        InputError: a column is missing or there is no row.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"case": ["A_1", "A_1"], "changed": ["nothing", "noise"], "dice": [0.8, 0.7]})
        >>> patient_lines(rows, by="changed").table["mean"].tolist()
        [0.8, 0.7]
    """
    require_columns(rows, by, patient, value)
    table = rows.pivot_table(index=by, columns=patient, values=value, sort=False)
    means, looks = table.mean(axis=1), series_styles([str(one) for one in table.columns])
    with drawing():
        figure = new_figure(float(np.clip(1.05 * len(table) + 2, 5.5, 11)), 4.2)
        axis = figure.subplots()
        for one in table.columns:
            look = looks[str(one)]
            axis.plot(range(len(table)), table[one], color=look.colour, linewidth=0.8, linestyle=look.line, alpha=0.6)
            axis.plot(range(len(table)), table[one], look.marker, color=look.colour, markersize=6, label=str(one))
        axis.hlines(means, np.arange(len(table)) - 0.22, np.arange(len(table)) + 0.22, color=BLACK, linewidth=2.5)
        axis.set(ylim=(-0.02, 1.02), ylabel=value.replace("_", " ").capitalize(), title=title)
        axis.set_xticks(range(len(table)), [fill(str(one), 11) for one in table.index])
        axis.set_xlabel(f"{by.replace('_', ' ')}\none line per patient; black bar: mean of the patients", fontsize=8)
        axis.grid(axis="y")
        legend_below(figure)
    said = "; ".join(f"{what} {mean:.3f}" for what, mean in means.items())
    alt = f"{title or value}: a line per patient ({len(table.columns)}), a black bar for the mean. Means: {said}."
    twin = table.assign(mean=means).rename_axis(columns=None).reset_index()
    return Described(figure, alt, twin, name)


def interval_chart(
    table: DataFrame,
    title: str = "",
    *,
    what: str = "comparison",
    middle: str = "difference",
    low: str = "low",
    high: str = "high",
    unit: str = "Dice",
    name: str = "intervals",
) -> Described:
    """Differences with their intervals as horizontal bars around a line at zero, one row per comparison."""
    require_columns(table, what, middle, low, high)
    with drawing():
        figure = new_figure(7.8, 0.5 * len(table) + 1.6)
        axis = figure.subplots()
        for y, (_, row) in enumerate(table.iterrows()):
            away = row[low] > 0 or row[high] < 0
            colour = (BLUE if row[middle] > 0 else VERMILLION) if away else GREY
            axis.plot([row[low], row[high]], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
            axis.plot(row[middle], y, "D" if away else "o", color=colour, markersize=7, markeredgecolor="black")
        axis.axvline(0, color=BLACK, linewidth=1)
        axis.set_yticks(range(len(table)), [str(w) for w in table[what]])
        said = f"difference in {unit}, with its 95 % interval\n(diamond: zero is outside; grey circle: zero is inside)"
        axis.set(xlabel=said, ylim=(len(table) - 0.5, -0.5), title=title)
        axis.grid(axis="x")
    said = "; ".join(f"{r[what]} {r[middle]:+.3f} ({r[low]:+.3f} to {r[high]:+.3f})" for _, r in table.iterrows())
    return Described(figure, f"{title or 'Differences'} in {unit}, with 95 % intervals: {said}.", table, name)


def _bootstrap(v: np.ndarray, rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    means = v[rng.integers(0, v.size, (draws, v.size))].mean(axis=1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def _sentence(row, by, compare, value, failure) -> str:
    who = f"{row[by]}" + (f", {row[compare]}" if compare else "")
    if not row["patients"]:
        return f"{who}: no patient"
    mean, low, high = row[f"mean {value}"], row["95 % from"], row["95 % to"]
    text = f"{who}: mean {mean:.3f}" + (f" ({low:.3f} to {high:.3f})" if low <= high else "")
    text += f", n = {row['patients']}"
    return text + (f", {row[f'below {failure:g}']} below {failure:g}" if failure is not None else "")

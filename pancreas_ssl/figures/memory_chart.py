"""Memory of a training: forecast and measured peak beside each other, and what common machines hold."""

from collections.abc import Mapping

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import BLACK, GREY, ORANGE, SKY, drawing, new_figure

__all__ = ["memory_chart"]


def memory_chart(
    table: DataFrame,
    machines: Mapping[str, float] | None = None,
    title: str = "",
    *,
    what: str = "training",
    forecast: str = "forecast (GiB)",
    measured: str = "measured (GiB)",
    name: str = "memory",
) -> Described:
    """A bar per training for the forecast, a diamond for the measured peak, a dashed line for each machine's memory.

    Args:
        table: one row per training; where `measured` is missing or NaN there is no diamond.
        machines: name -> GiB.

    Raises:
        InputError: no row, a column is missing, or a size is not above 0 (the axis is logarithmic).

    Example:
        >>> import pandas as pd
        >>> sizes = pd.DataFrame({"training": ["batch 2"], "forecast (GiB)": [0.5], "measured (GiB)": [0.4]})
        >>> memory_chart(sizes, {"laptop": 8}, "Memory").name
        'memory'
    """
    machines = dict(machines or {})
    require_columns(table, what, forecast)
    least = min([*table[forecast], *machines.values()])
    require(least > 0, "sizes above 0 GiB", f"{least:g}", "the axis is logarithmic")
    found = table[measured] if measured in table else table[forecast] * float("nan")
    with drawing():
        figure = new_figure(8.6, 0.42 * len(table) + 1.9)
        axis = figure.subplots()
        places = range(len(table))
        axis.barh(places, table[forecast], height=0.6, color=SKY, label="forecast")
        known = found.notna().to_numpy()
        look = {"color": ORANGE, "markeredgecolor": BLACK, "markersize": 8, "label": "measured"}
        axis.plot(found[known], [y for y in places if known[y]], "D", **look)
        for y, size in zip(places, table[forecast], strict=True):
            axis.annotate(f"{size:.2g} ", (size, y), ha="right", va="center", fontsize=8, color=BLACK)
        for machine, size in machines.items():
            axis.axvline(size, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
            words = machine.replace(", ", "\n")
            axis.text(size, -0.55, words, va="bottom", ha="center", fontsize=8, color=GREY, backgroundcolor="white")
        everything = [*table[forecast], *found.dropna(), *machines.values()]
        axis.set_xscale("log")
        axis.set_xlim(min(everything) / 2, max(everything) * 1.8)
        axis.set_ylim(len(table) - 0.5, -1.5 if machines else -0.5)
        axis.set_yticks(places, [str(one) for one in table[what]])
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set(xlabel="GiB at the peak (logarithmic)", title=title)
        axis.grid(axis="x")
        axis.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=2)
    said = "; ".join(
        f"{row[what]} {row[forecast]:.2g}" + (f" (measured {size:.2g})" if size == size else "")
        for (_, row), size in zip(table.iterrows(), found, strict=True)
    )
    alt = f"{title or 'Memory'}: forecast peaks in GiB, and measured ones where they were. {said}."
    if machines:
        alt += " Lines at " + ", ".join(f"{machine} {size:g}" for machine, size in machines.items()) + " GiB."
    return Described(figure, alt, table.reset_index(drop=True), name)

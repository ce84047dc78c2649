"""Charts of many numbers: HU histograms of voxels, training curves of steps."""

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import DataFrame, Described, require_columns
from pancreas_ssl.figures.style import BLACK, BLUE, GREY, drawing, new_figure, series_styles

__all__ = ["hu_histograms", "training_curve"]


def hu_histograms(
    values: dict[str, np.ndarray],
    title: str = "",
    *,
    limits: tuple[float, float] = (-200.0, 300.0),
    bin_width: float = 10.0,
    name: str = "hu_histogram",
) -> Described:
    """Step lines, one per group (an organ, a source): the share of its voxels in each bin of HU.

    Args:
        values: group -> HU of its voxels, any shape. Empty groups are left out of the chart and kept in the table.
        limits: HU shown; the table is computed from all values.
        bin_width: HU per bin.

    Raises:
        InputError: no group holds any value.
    """
    flat = {group: np.asarray(v, dtype=np.float64).ravel() for group, v in values.items()}
    if not any(v.size for v in flat.values()):
        raise InputError("expected HU values of at least one group, all are empty; choose a region that exists")
    edges = np.arange(limits[0], limits[1] + bin_width, bin_width)
    rows = []
    with drawing():
        figure = new_figure(8.6, 3.9)
        axis = figure.subplots()
        for (group, v), style in zip(flat.items(), series_styles(flat).values(), strict=True):
            rows.append({"group": group, "voxels": v.size} | _spread(v))
            if v.size:
                share = 100 * np.histogram(v, edges)[0] / v.size
                axis.stairs(share, edges, color=style.colour, linestyle=style.line, linewidth=1.8)
                middle = (edges[:-1] + edges[1:]) / 2
                look = style.options | {"markersize": 4}
                axis.plot(middle[::4], share[::4], **(look | {"linestyle": "none"}))
                axis.plot([], [], label=f"{group} ({v.mean():.0f} ± {v.std():.0f} HU)", **look)
        axis.set(xlabel="HU", ylabel=f"% of voxels per {bin_width:.0f} HU", xlim=limits, ylim=(0, None))
        axis.set_title(title)
        axis.grid(axis="y")
        figure.legend(loc="outside right upper")
    said = "; ".join(f"{r['group']} {r['mean HU']:.0f} ± {r['sd HU']:.0f}" for r in rows if r["voxels"])
    alt = f"{title or 'Histogram of HU'}: one step line per group. Mean and standard deviation in HU: {said}."
    return Described(figure, alt, rows, name)


def training_curve(history: DataFrame, title: str = "Training", *, name: str = "training_curve") -> Described:
    """Loss per step (points, with a running median) and, where it was measured, Dice on held-out patients.

    Args:
        history: column `step`, a column `loss`, and a column whose name holds "dice" (missing where not measured).

    Raises:
        InputError: no `step` or `loss` column, or no row.
    """
    require_columns(history, "step", "loss", remedy="pass the history that `fit` returns")
    dice = next((c for c in history.columns if "dice" in c.lower()), None)
    with drawing():
        figure = new_figure(8.6, 3.6)
        left, right = figure.subplots(1, 2)
        losses = history.dropna(subset=["loss"])
        left.plot(losses["step"], losses["loss"], ".", color=GREY, markersize=3, alpha=0.5, label="each logged step")
        smooth = losses["loss"].rolling(max(len(losses) // 15, 1), center=True, min_periods=1).median()
        left.plot(losses["step"], smooth, color=BLACK, linewidth=2, label="running median")
        left.set(xlabel="step", ylabel="loss", title=title)
        left.grid(axis="y")
        left.legend(loc="upper right")
        measured = history.dropna(subset=[dice]) if dice else history.iloc[:0]
        right.plot(measured["step"], measured[dice] if dice else [], "o-", color=BLUE, linewidth=1.8)
        right.set(xlabel="step", ylabel="Dice", ylim=(0, 1), title="Held-out patients")
        right.grid(axis="y")
        if measured.empty:
            right.text(0.5, 0.5, "not measured", transform=right.transAxes, ha="center", color=GREY)
    tenth = max(len(losses) // 10, 1)
    first, last = losses["loss"].iloc[:tenth].mean(), losses["loss"].iloc[-tenth:].mean()
    alt = (
        f"{title}: the loss goes from {first:.3f} (mean of the first tenth) to {last:.3f} (last tenth) "
        f"in {int(history['step'].max())} steps."
    )
    keep = history.iloc[np.unique(np.linspace(0, len(history) - 1, 12).astype(int))]
    if not measured.empty:
        alt += f" Dice on held-out patients ends at {measured[dice].iloc[-1]:.3f}."
        keep = history[history["step"].isin([*keep["step"], *measured["step"]])].drop_duplicates("step")
    return Described(figure, alt, keep, name)


def _spread(v: np.ndarray) -> dict[str, float]:
    numbers = (v.mean(), v.std(), *np.percentile(v, [5, 50, 95])) if v.size else [float("nan")] * 5
    return dict(zip(("mean HU", "sd HU", "5 % HU", "median HU", "95 % HU"), numbers, strict=True))

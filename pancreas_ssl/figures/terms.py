"""The terms of a loss over the steps of a training."""

from collections.abc import Mapping, Sequence

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import DataFrame, Described
from pancreas_ssl.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    SeriesStyle,
    drawing,
    new_figure,
)

__all__ = ["draw_terms", "loss_terms", "terms_said"]

_KNOWN = {
    "loss": SeriesStyle(BLACK, "solid", "o"),
    "segmentation": SeriesStyle(BLUE, (0, (5, 1.5)), "s"),
    "contrast": SeriesStyle(VERMILLION, (0, (4, 1.6)), "D"),
    "restoration": SeriesStyle(GREEN, (0, (1, 1)), "^"),
}
_OTHERS = [SeriesStyle(c, (0, (6, 1, 2, 1)), "v") for c in (ORANGE, PURPLE, SKY, GREY)]
LARGE = ("loss", "segmentation")


def draw_terms(axis, steps: Sequence[float], terms: Mapping[str, Sequence[float]], most: int) -> None:
    """A line over the steps for each term, with at most `most` markers; a term has the same style in every picture."""
    others, every = iter(_OTHERS), max(1, len(steps) // most)
    for one, values in terms.items():
        style = _KNOWN.get(one) or next(others, _OTHERS[-1])
        width = 2.4 if one == "loss" else 1.8
        axis.plot(steps, values, label=one, markersize=4, markevery=every, linewidth=width, **style.options)
    axis.set(xlabel="step")
    axis.grid(axis="y", color="#DDDDDD")


def loss_terms(history: DataFrame, title: str = "Training", *, name: str = "loss_terms") -> Described:
    """The loss and its segmentation term; beside them, on a scale of their own, the other terms, already weighted.

    Args:
        history: columns `step`, `loss` and `loss_<term>`, as `fit` returns it; the terms add up to the loss. A term
            that had not begun yet (NaN) is 0.

    Raises:
        InputError: no row, or no column of a term.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"step": [10, 20], "loss": [2.0, 1.5], "loss_contrast": [0.0, 0.2]})
        >>> loss_terms(rows, "A training").name
        'loss_terms'
    """
    columns = [one for one in history if one == "loss" or str(one).startswith("loss_")]
    if history.empty or len(columns) < 2 or "step" not in history:
        raise InputError(
            f"expected a history with rows and the columns step, loss and loss_<term>, got {list(history.columns)} "
            f"with {len(history)} rows; pass the history of a training with several terms"
        )
    table = history[["step", *columns]].fillna(0).rename(columns=lambda one: one.removeprefix("loss_"))
    names = table.columns[1:]
    panels = {
        "Loss and segmentation": [one for one in names if one in LARGE],
        "The other terms, weighted": [one for one in names if one not in LARGE],
    }
    with drawing():
        figure = new_figure(8.6, 3.8, title)
        for axis, (said, shown) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            draw_terms(axis, table["step"], table[shown], most=10)
            axis.set(title=said, ylim=(0, None))
            if shown:
                axis.legend(loc="best")
    ends = "; ".join(f"{one} from {table[one].iloc[0]:.3g} to {table[one].iloc[-1]:.3g}" for one in names)
    alt = f"{title}: weighted terms of the loss over {len(table)} rows of the history: {ends}."
    return Described(figure, alt, table.reset_index(drop=True), name)


def terms_said(history: DataFrame, from_step: int, ramp_ends: int) -> str:
    """What a joint training's curves show, in sentences chosen by the numbers.

    Args:
        history: as for `loss_terms`.
        from_step: at which the modules set in.
        ramp_ends: the step from which on their weights stay the same.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"step": [10, 20, 30, 40], "loss": [2.0, 2.2, 1.9, 1.5]})
        >>> rows = rows.assign(loss_segmentation=[2.0, 1.7, 1.5, 1.2], loss_contrast=[0, 0.5, 0.4, 0.3])
        >>> print(terms_said(rows, 10, 20))
        While the modules set in, the sum rises: what was added is more than what the segmentation lost.
        The segmentation goes on falling after that.
        Once the ramp is over, contrast falls.
    """
    table = history.fillna(0).set_index("step").rename(columns=lambda one: str(one).removeprefix("loss_"))
    before, after = table.loc[:from_step], table.loc[ramp_ends:]
    if before.empty or len(after) < 2:
        return "The history has too few rows to compare what came before the modules with what came after."
    rises = after["loss"].iloc[0] > before["loss"].iloc[-1]
    told = "the sum rises: what was added is more than" if rises else "the sum still falls: what was added is less than"
    lines = [f"While the modules set in, {told} what the segmentation lost."]
    falls = after["segmentation"].iloc[-1] < before["segmentation"].iloc[-1]
    lines.append(f"The segmentation {'goes on falling' if falls else 'does not fall any further'} after that.")
    for one in (name for name in ("contrast", "restoration") if name in after):
        ends = [part[one].mean() for part in (after.iloc[: len(after) // 2], after.iloc[len(after) // 2 :])]
        lines.append(f"Once the ramp is over, {one} {'falls' if ends[1] < ends[0] else 'does not fall'}.")
    return "\n".join(lines)

"""The terms of a loss over the steps of a training."""

from typing import TYPE_CHECKING

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Mark,
    drawing,
    new_figure,
)

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["loss_terms", "term_marks"]

_KNOWN = {
    "loss": Mark(BLACK, "solid", "o"),
    "segmentation": Mark(BLUE, (0, (5, 1.5)), "s"),
    "contrast": Mark(VERMILLION, (0, (4, 1.6)), "D"),
    "restoration": Mark(GREEN, (0, (1, 1)), "^"),
}
_OTHERS = [Mark(c, (0, (6, 1, 2, 1)), "v") for c in (ORANGE, PURPLE, SKY, GREY)]
LARGE = ("loss", "segmentation")


def term_marks(names) -> dict[str, Mark]:
    """A mark per term, the same in every picture."""
    others = iter(_OTHERS)
    return {name: _KNOWN.get(name) or next(others, _OTHERS[-1]) for name in names}


def loss_terms(history: "DataFrame", title: str = "Training", *, name: str = "loss_terms") -> Described:
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
    looks = term_marks(table.columns[1:])
    groups = [[n for n in looks if n in LARGE], [n for n in looks if n not in LARGE]]
    with drawing():
        figure = new_figure(8.6, 3.8)
        for axis, names, said in zip(
            figure.subplots(1, 2), groups, ("Loss and segmentation", "The other terms, weighted"), strict=True
        ):
            for one in names:
                axis.plot(
                    table["step"], table[one], color=looks[one].colour, linestyle=looks[one].line, label=one,
                    marker=looks[one].marker, markersize=4, markevery=max(1, len(table) // 10),
                    linewidth=2.4 if one == "loss" else 1.8,
                )  # fmt: skip
            axis.set(xlabel="step", title=said, ylim=(0, None))
            axis.grid(axis="y")
            if names:
                axis.legend(loc="best")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    ends = "; ".join(f"{one} from {table[one].iloc[0]:.3g} to {table[one].iloc[-1]:.3g}" for one in looks)
    alt = f"{title}: weighted terms of the loss over {len(table)} rows of the history: {ends}."
    return Described(figure, alt, table.reset_index(drop=True), name)

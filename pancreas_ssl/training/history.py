"""The history of a training: a row every ten steps and wherever held-out cases were measured."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pancreas_ssl.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LOG_EVERY", "frame_of", "note_of", "row_of"]

LOG_EVERY = 10  # steps between rows


def row_of(step: int, losses: list[dict[str, Tensor]], rate: float, seconds: float, several: bool = False) -> dict:
    """One row of the history: means over the steps since the last one, the terms too where there are several.

    A term that began in between counts as 0 before, so that the terms always add up to the loss.
    """
    names = dict.fromkeys(name for terms in losses for name in terms)
    means = {
        name: float(torch.stack([terms[name] for terms in losses if name in terms]).sum()) / len(losses)
        for name in names
    }
    loss = sum(means.values())
    if not np.isfinite(loss):
        raise RunError(
            f"the loss is no longer a number at step {step}; lower the learning rate, or use precision 'fp32'"
        )
    row = {"step": step, "loss": loss, "learning_rate": rate, "seconds": seconds}
    return row | ({f"loss_{name}": value for name, value in means.items()} if several or len(means) > 1 else {})


def note_of(history: list[dict]) -> str:
    """Latest loss and latest held-out Dice, for the progress line."""
    if not history:
        return ""
    dice = [row["held_out_dice"] for row in history if "held_out_dice" in row]
    return f"loss {history[-1]['loss']:.3f}" + (f", held-out Dice {dice[-1]:.3f}" if dice else "")


def frame_of(history: list[dict]) -> "pd.DataFrame":
    """The rows as a table; columns that every training has come first."""
    import pandas as pd

    usual = ["step", "loss", "learning_rate", "seconds", "held_out_dice"]
    terms = [name for name in (history[-1] if history else ()) if name not in usual]
    return pd.DataFrame(history, columns=usual + terms)

"""Checkpoints: the whole state of a training in one file that is either the old one or the new one, never half.

The file is written beside its goal, flushed to disk and renamed over it, so the previous checkpoint stays until the
new one is complete: a process killed at any moment leaves a state to continue from. Draws are keyed by step
(`patches.py`) and the learning rate is a function of the step, so weights, their average, the optimiser's moments and
the step are all there is to keep.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.files import atomic_path, claim
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.versions import code_digest

__all__ = ["Checkpoint", "checkpoint_file", "load_checkpoint", "save_checkpoint"]


TRAINS = ("augmentation", "method", "training")  # the rooms whose code decides what a training becomes


@dataclass
class Checkpoint:
    """The state after `step` optimiser steps."""

    step: int
    recipe: dict
    cases: str  # digest of the training cases
    precision: str  # resolved: 'fp32' or 'bf16'
    channels_last: bool
    network: dict
    ema: dict
    optimiser: dict
    history: list[dict] = field(default_factory=list)
    losses: list = field(default_factory=list)  # of the steps since the last row of the history
    seconds: float = 0.0  # spent so far, all sittings together
    guides: list = field(default_factory=list)  # the teacher's last answers, where modules need them
    code: str = ""  # digest of the code that trains


def checkpoint_file(folder: str | Path) -> Path:
    """Where the training of `folder` keeps its state."""
    return Path(folder) / "checkpoint.pt"


def save_checkpoint(folder: str | Path, checkpoint: Checkpoint) -> Path:
    """Write the state; the previous one is replaced only by a complete one.

    Raises:
        RunError: the disk is full (the previous checkpoint is still there).
    """
    path = checkpoint_file(folder)
    state = {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}
    with atomic_path(path, state=True) as temporary:
        torch.save(state, temporary)
    return path


def load_checkpoint(folder: str | Path, recipe: Recipe, cases: str) -> Checkpoint | None:
    """The state in `folder`, or None when there is none.

    Args:
        recipe, cases: what is to be trained; a state of another recipe, of other cases or of other code is refused.
            A field that a state of an earlier version does not know has its default there.

    Raises:
        InputError: the state belongs to another recipe, other cases or other code, or cannot be read.
    """
    path = checkpoint_file(folder)
    if not path.exists():
        return None
    try:
        state = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"expected a checkpoint of a training in {path}, it cannot be read "
            f"({str(error).splitlines()[0][:100] if str(error) else type(error).__name__}); "
            f"remove it or name another folder"
        ) from error
    wanted, there = recipe.to_dict(), Recipe.from_dict(state.recipe).to_dict()
    different = [name for name in wanted if there[name] != wanted[name]]
    if different:
        changes = ", ".join(f"{name} {there[name]} there, {wanted[name]} now" for name in different)
        raise InputError(
            f"expected the recipe of the training in {folder} to go on with it, got another one ({changes}); "
            f"use that recipe or another folder"
        )
    if state.cases != cases:
        raise InputError(
            f"expected the training cases that {folder} was started with, got others; "
            f"use the same cases or another folder"
        )
    if state.code != code_digest(*TRAINS):
        raise InputError(
            f"expected the code that the training in {folder} was begun with, this version of pancreas-ssl trains "
            f"otherwise; install that version again or use another folder"
        )
    claim([path], overwrite=None)
    return state

"""One line per finished cell, with the time left."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pancreas_ssl.study.plan import Cell
from pancreas_ssl.training.progress import duration

__all__ = ["Progress"]


class Progress:
    """Counts finished cells and tells the time left by the optimiser steps that are left.

    Args:
        cells: all of the study; todo: those of them that this start runs.
        workers: how many run at a time.
        say: takes a line.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        todo: Sequence[Cell],
        workers: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self.done = len(cells), len(cells) - len(todo)
        self.steps_left = sum(cell.recipe["steps"] for cell in todo)
        self.steps_done, self.workers, self.say, self.clock = 0, workers, say, clock
        self.start = clock()

    def finished(self, cell: Cell, facts: dict[str, Any]) -> None:
        """Tell that a cell is done; `facts` is its `done.json`."""
        self.done += 1
        self.steps_left -= cell.recipe["steps"]
        self.steps_done += cell.recipe["steps"]
        self.say(
            f"cell {self.done} of {self.total} done: {cell.arm}, seed {cell.seed}, {facts['rows']} rows, trained in "
            f"{duration(facts['seconds'])}{self._left()}"
        )

    def _left(self) -> str:
        if not self.steps_left:
            return ""
        # What the other workers have begun does not count as done, so the first guesses are on the high side.
        begun = min(self.workers - 1, self.total - self.done) / 2 * self.steps_done / max(1, self.done)
        rate = (self.steps_done + begun) / max(1e-9, self.clock() - self.start)
        return f"; about {duration(max(0.0, self.steps_left - begun) / rate)} left"

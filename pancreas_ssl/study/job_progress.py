"""One line per finished job of a study, with the time left."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pancreas_ssl.progress import duration
from pancreas_ssl.study.plan import Job

__all__ = ["JobProgress"]


class JobProgress:
    """Counts finished jobs and estimates the time left from the optimiser steps that are left.

    Args:
        jobs, todo: all jobs of the study, and those of them that this start runs.
        workers: how many run at a time.
        say: called with each line.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        todo: Sequence[Job],
        workers: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self.done = len(jobs), len(jobs) - len(todo)
        self.steps_left = sum(map(_steps, todo))
        self.steps_done, self.workers, self.say, self.clock = 0, workers, say, clock
        self.start = clock()

    def finished(self, job: Job, facts: dict[str, Any]) -> None:
        """Report that a job is done; `facts` is its `done.json`."""
        self.done += 1
        self.steps_left -= _steps(job)
        self.steps_done += _steps(job)
        fold = getattr(job, "fold", None)
        trained = "nothing to train" if facts.get("base") else f"trained in {duration(facts['seconds'])}"
        cell = f"{job.arm}, seed {job.seed}" + ("" if fold is None else f", fold {fold}")
        self.say(f"cell {self.done} of {self.total} done: {cell}, {facts['rows']} rows, {trained}{self._left()}")

    def _left(self) -> str:
        if not self.steps_left:
            return ""
        # The jobs that the other workers have begun count as half done, so that the first guesses are not far too high.
        begun = min(self.workers - 1, self.total - self.done) / 2 * self.steps_done / max(1, self.done)
        rate = (self.steps_done + begun) / max(1e-9, self.clock() - self.start)
        return f"; about {duration(max(0.0, self.steps_left - begun) / rate)} left"


def _steps(job: Job) -> int:
    """Optimiser steps of a job; none where it asks the network of another."""
    return 0 if getattr(job, "base", None) else job.recipe["steps"]

"""Progress with the time left: a bar in a terminal, one updating line in a notebook, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["Progress", "duration", "tracked"]

Item = TypeVar("Item")

NOTEBOOK_EVERY, LOG_EVERY = 1.0, 15.0  # seconds between updates


def duration(seconds: float) -> str:
    """Seconds for a person: '42 s', '3 min 05 s', '2 h 10 min'."""
    seconds = int(round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


class Progress:
    """Shows `done` of `total` steps (or patients, ...), a note and the time left; use it as a context.

    Example:
        >>> with Progress(total=100, show=False) as progress:
        ...     progress.update(10, "loss 0.5")
    """

    def __init__(
        self, total: int, done: int = 0, show: bool = True, title: str = "training", unit: str = "step"
    ):
        self.total, self.first, self.title, self.unit = total, done, title, unit
        self.start = self.last = time.perf_counter()
        self.style = _style() if show else "silent"
        self.bar = self.handle = None

    def __enter__(self) -> "Progress":
        if self.style == "terminal":
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self.bar = Bar(*columns, TextColumn("{task.fields[note]}"))
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total, completed=self.first, note="")
        elif self.style == "notebook":
            from IPython.display import display

            self.handle = display(_Line(f"{self.title}: starting"), display_id=True)
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, done: int, note: str = "") -> None:
        """`done` steps are complete; `note` stands behind the time left."""
        if self.style == "silent":
            return
        if self.bar is not None:
            self.bar.update(self.task, completed=done, note=note)
            return
        now = time.perf_counter()
        every = NOTEBOOK_EVERY if self.style == "notebook" else LOG_EVERY
        if now - self.last < every and done < self.total:
            return
        self.last = now
        line = self.line(done, note, now)
        if self.handle is not None:
            self.handle.update(_Line(line))
        else:
            print(line, flush=True)

    def line(self, done: int, note: str, now: float) -> str:
        """The text for notebooks and logs."""
        spent, steps = now - self.start, max(1, done - self.first)
        left = spent / steps * (self.total - done)
        state = f"{duration(left)} left" if done < self.total else f"done in {duration(spent)}"
        return f"{self.title}: {self.unit} {done} of {self.total}, {state}" + (f", {note}" if note else "")


def tracked(items: Sequence[Item], title: str, unit: str = "patient") -> Iterator[Item]:
    """The items one by one, with progress and the time left.

    Example:
        >>> list(tracked([1, 2], "counting", "number"))    # doctest: +SKIP
        counting: number 2 of 2, done in 0 s
        [1, 2]
    """
    with Progress(len(items), title=title, unit=unit) as progress:
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(done)


class _Line:
    """Text that a notebook shows without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _style() -> str:
    """'notebook' in a Jupyter kernel, 'terminal' when standard output is one, else 'log'."""
    if "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
        if shell is not None and hasattr(shell, "kernel"):
            return "notebook"
    return "terminal" if sys.stdout.isatty() else "log"

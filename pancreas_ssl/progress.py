"""Progress with the time left: a bar in a terminal, one updating line in a notebook, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO, TypeVar

__all__ = ["Progress", "duration", "in_kernel", "tracked"]

Item = TypeVar("Item")

NOTEBOOK_EVERY, LOG_EVERY = 1.0, 15.0  # seconds between updates


def duration(seconds: float | None, tenths: bool = False) -> str:
    """Seconds for a person: '42 s', '3 min 05 s', '2 h 10 min'; with `tenths` also '0.4 s'. None is an empty text."""
    if seconds is None:
        return ""
    if tenths and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Shows `done` of `total` steps (or patients, ...), a note and the time left; use it as a context.

    Args:
        total, done: how many there are, and how many were complete before.
        title, unit: what is being done, and what is counted.
        stream: where bar or lines appear; standard output unless given.
        estimate: False shows the time spent, without a bar, where the units take too unequal times for an estimate.

    Example:
        >>> with Progress(total=100, show=False) as progress:
        ...     progress.update(10, "loss 0.5")
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        show: bool = True,
        title: str = "training",
        unit: str = "step",
        stream: TextIO | None = None,
        estimate: bool = True,
    ):
        self.total, self.first, self.title, self.unit, self.estimate = total, done, title, unit, estimate
        self.stream = stream or sys.stdout
        self.start = self.last = time.perf_counter()
        self.style = _style(self.stream) if show else "silent"
        self.bar = self.handle = None

    def __enter__(self) -> "Progress":
        if self.style == "terminal":
            from rich import progress as rich
            from rich.console import Console

            bar = [rich.TextColumn("{task.description}", markup=False), rich.BarColumn(), rich.MofNCompleteColumn(),
                   rich.TimeRemainingColumn()]  # fmt: skip
            columns = bar if self.estimate else [rich.SpinnerColumn()]
            columns.append(rich.TextColumn("{task.fields[note]}", markup=False))
            self.bar = rich.Progress(*columns, console=Console(file=self.stream), transient=not self.estimate)
            self.bar.start()
            total, note = (self.total, "") if self.estimate else (None, f"{self.title}: starting")
            self.task = self.bar.add_task(self.title, total=total, completed=self.first, note=note)
        elif self.style == "notebook":
            from IPython.display import display

            self.handle = display(_Line(f"{self.title}: starting"), display_id=True)
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, done: int, note: str = "", total: int | None = None) -> None:
        """`done` steps are complete; `note` stands behind the time left; `total` is a number known only now."""
        if self.style == "silent":
            return
        self.total = self.total if total is None else total
        now = time.perf_counter()
        if self.bar is not None:
            self.bar.update(self.task, completed=done, note=note if self.estimate else self.line(done, note, now))
            return
        every = NOTEBOOK_EVERY if self.style == "notebook" else LOG_EVERY
        if now - self.last < every and (done < self.total or not self.estimate):
            return
        self.last = now
        line = self.line(done, note, now)
        if self.handle is not None:
            self.handle.update(_Line(line))
        else:
            print(line, file=self.stream, flush=True)

    def line(self, done: int, note: str, now: float) -> str:
        """The text for notebooks and logs."""
        spent, steps = now - self.start, max(1, done - self.first)
        if not self.estimate:
            state = f"{duration(spent)} so far"
        elif done < self.total:
            state = f"{duration(spent / steps * (self.total - done))} left"
        else:
            state = f"done in {duration(spent)}"
        return f"{self.title}: {self.unit} {done} of {self.total}, {state}" + (f", {note}" if note else "")


def tracked(items: Sequence[Item], title: str, unit: str = "patient", **options) -> Iterator[Item]:
    """The items one by one, with progress and the time left; further `options` as of `Progress`.

    Example:
        >>> list(tracked([1, 2], "counting", "number"))    # doctest: +SKIP
        counting: number 2 of 2, done in 0 s
        [1, 2]
    """
    with Progress(len(items), title=title, unit=unit, **options) as progress:
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(done)


class _Line:
    """Text that a notebook shows without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def in_kernel() -> bool:
    """Whether this code runs in a notebook."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def _style(stream: TextIO) -> str:
    """'notebook' in a Jupyter kernel, 'terminal' when the stream is one, else 'log'."""
    return "notebook" if in_kernel() else "terminal" if stream.isatty() else "log"

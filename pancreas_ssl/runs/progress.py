"""Which cell of which notebook is running: a live line on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pancreas_ssl.runs.words import duration

__all__ = ["show_progress"]

EVERY = 20.0
"""Seconds between two plain lines when the output is no terminal."""


@contextmanager
def show_progress(name: str, stream: TextIO | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Yield the `progress` argument of `run_notebook`; `stream` is standard error unless given.

    Example:
        >>> with show_progress("02_baseline") as progress:   # doctest: +SKIP
        ...     run_notebook("notebooks/02_baseline.ipynb", out="out", progress=progress)
    """
    from rich.console import Console

    console = Console(file=stream or sys.stderr, highlight=False)
    begin = last = time.monotonic()

    def line(place: int, cells: int, heading: str) -> str:
        under = f": {heading}" if heading else ""
        return f"{name}  cell {place} of {cells}, {duration(time.monotonic() - begin)}{under}"

    if console.is_terminal:
        with console.status(f"{name}  starting its kernel") as status:
            yield lambda *where: status.update(line(*where).replace("[", r"\["))
        return

    def plain(*where) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            console.print(line(*where), markup=False, soft_wrap=True)

    yield plain

"""What a sweep shows while it runs: a live table in a terminal, a line for each finished run in a log."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import without_paths
from pancreas_ssl.files import PARTIAL
from pancreas_ssl.progress import duration
from pancreas_ssl.runs.collect import flat
from pancreas_ssl.runs.formatting import readable
from pancreas_ssl.runs.sweep_plan import SweepPlan

__all__ = ["Board"]

RESULTS = 2  # shown of each run


class Board:
    """The state of all runs; use it as a context.

    Args:
        plan, folder: of the sweep.
        entries: results by folder's name of those that were finished before.
        say: called with each line where there is no terminal.
    """

    def __init__(self, plan: SweepPlan, folder: Path, entries: Mapping[str, Any], say: Callable[[str], None]):
        self.folder, self.names, self.plain = folder, list(plan.runs), say
        self.before, self.done = len(entries), dict(entries)
        self.start, self.live = time.monotonic(), None

    def __enter__(self) -> "Board":
        if sys.stdout.isatty() and len(self.done) < len(self.names):
            from rich.live import Live

            self.live = Live(get_renderable=self.table, refresh_per_second=2)
            self.live.start()
        return self

    def __exit__(self, *_) -> None:
        if self.live is not None:
            self.live.stop()

    def say(self, line: str) -> None:
        """A line beside the table."""
        self.live.console.print(line, markup=False) if self.live is not None else self.plain(line)

    def ended(self, name: str, entry: Mapping[str, Any]) -> None:
        """A run has ended."""
        self.done[name] = entry
        if self.live is None:
            spent, told = duration(entry.get("seconds"), tenths=True), _results(entry)
            words = [f"{entry['status']:>6}  {name}", spent, told, entry["message"], self.summary()]
            self.plain("  ".join(without_paths(word) for word in words if word))
        elif entry["message"]:
            self.say(f"{name}: {without_paths(entry['message'])}")

    def summary(self) -> str:
        """How far the sweep is: `5 of 12, 1 failed, about 3 min 20 s left`."""
        made, left = len(self.done) - self.before, len(self.names) - len(self.done)
        failed = sum(entry["status"] != "ok" for entry in self.done.values())
        words = [f"{len(self.done)} of {len(self.names)}", f"{failed} failed" if failed else ""]
        spent = time.monotonic() - self.start
        words.append(f"about {duration(spent / made * left)} left" if made and left else "")
        return ", ".join(word for word in words if word)

    def table(self):
        """The runs that fit into the terminal: those that run now, the last that ended, and the next."""
        from rich.table import Table

        room = max(5, (self.live.console.height if self.live else 30) - 6)
        waiting = [name for name in self.names if name not in self.done]
        begun = {name: since for name in waiting[: 4 * room] if (since := self._since(name))}
        rest = [name for name in waiting if name not in begun]
        ended = list(self.done)[-max(1, room - len(begun) - min(3, len(rest))) :]
        rows = [*ended, *begun, *rest][:room]
        table = Table(box=None, pad_edge=False, header_style="bold", caption=self.summary(), caption_justify="left")
        for head, how in (
            ("Run", {"overflow": "fold"}),
            ("State", {}),
            ("Time", {"justify": "right"}),
            ("Results", {}),
        ):
            table.add_column(head, **how)
        for name in rows:
            entry = self.done.get(name)
            if entry:
                style, spent = ("green" if entry["status"] == "ok" else "red"), entry.get("seconds")
                cells = (entry["status"], duration(spent, tenths=True), _results(entry))
            else:
                style, spent = ("bold" if name in begun else "dim"), time.time() - begun.get(name, time.time())
                cells = ("running", duration(spent), "") if name in begun else ("waiting", "", "")
            table.add_row(name, *cells, style=style)
        return table

    def _since(self, name: str) -> float | None:
        """When a run began that is being made: its unfinished notebook lies in its folder."""
        try:
            return max((path.stat().st_mtime for path in (self.folder / name).glob(f"{PARTIAL}*")), default=None)
        except OSError:
            return None


def _results(entry: Mapping[str, Any]) -> str:
    numbers = {name: value for name, value in flat(entry.get("results", {})).items() if isinstance(value, float)}
    names = sorted(numbers, key=lambda name: "seconds" in name)[:RESULTS]
    return ", ".join(f"{name} {readable(numbers[name])}" for name in names)

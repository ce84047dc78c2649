"""Schedules of a workshop, computed: measured minutes of the cells, reading minutes, and the exercises' minutes.

`assets/teaching/plans.yml` names blocks, sections and priorities; no minute of a notebook is written down there.
"""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from pancreas_ssl.course.catalogue import exercises
from pancreas_ssl.errors import require
from pancreas_ssl.runs.minutes import expected_seconds, known_tours
from pancreas_ssl.runs.notebook_profiles import find_notebooks

__all__ = ["DAY", "FORMATS", "Block", "page", "schedule", "seconds_of"]

PLANS = Path(__file__).resolve().parents[1] / "assets" / "teaching" / "plans.yml"
DAY = 420  # minutes of a day, breaks and lunch among them
FORMATS = {"60": 60, "90": 90, "180": 180, "two-days": DAY}
KINDS = ("bf16", "fp32", "this")
READING, ROUND = re.compile(r"Time: (\d+) minutes"), re.compile(r"^## (.+)$", re.M)
LEVELS = ("easy", "medium", "hard")
ALOUD, RESERVE = 1.5, 0.05  # ours: explaining takes longer than reading; the share of a day that exercises leave free


@dataclass(frozen=True)
class Block:
    """One row of a schedule: `minutes` without those of its exercises; `machine` minutes of the cells, meanwhile."""

    what: str
    priority: int
    minutes: int
    notebook: str = ""
    sections: tuple[str, ...] = ()
    exercises: tuple = ()
    machine: float = 0.0

    @property
    def all_minutes(self) -> int:
        return self.minutes + sum(one.minutes for one in self.exercises)


def seconds_of(kind: str) -> dict[str, float]:
    """Seconds of each notebook's cells in the profile `class`, on a kind of processor: bf16, fp32, or this machine.

    Raises:
        InputError: another kind.
    """
    require(kind in KINDS, f"one of {', '.join(KINDS)}", kind, "choose one")
    return expected_seconds() if kind == "this" else known_tours()[kind]["notebooks"]


def schedule(format: str, kind: str = "fp32", slower: float = 1.0) -> list[list[Block]]:
    """The blocks of each day that fit: those of the highest priority numbers are left out, exercises added.

    Args:
        format: 60, 90, 180 (minutes) or two-days.
        kind: bf16, fp32 or this.
        slower: by how much the slowest machine of the room is slower than that.

    Raises:
        InputError: another format or kind, or a plan whose indispensable blocks do not fit.

    Example:
        >>> day, = schedule("90")
        >>> sum(block.all_minutes for block in day) <= 90
        True
    """
    require(format in FORMATS, f"a schedule for one of {', '.join(FORMATS)}", format, "choose one")
    seconds, limit = {name: slower * s for name, s in seconds_of(kind).items()}, FORMATS[format]
    plans, used, days = yaml.safe_load(PLANS.read_text(encoding="utf-8"))[format], set(), []
    books = {path: _read(path) for path in find_notebooks()}
    for plan in plans:
        blocks = [_block(entry, books, seconds) for entry in plan]
        while sum(block.minutes for block in blocks) > limit:
            last = max(blocks, key=lambda block: block.priority)
            shorter = f"{limit} minutes for what cannot be left out"
            require(last.priority > 1, shorter, f"{sum(b.minutes for b in blocks)}", "choose a longer format")
            blocks.remove(last)
        room = (1 - RESERVE) * limit - sum(block.minutes for block in blocks)
        most = {(e["notebook"], tuple(e["sections"])): e.get("exercises", 0) for e in plan if "notebook" in e}
        for level in LEVELS:  # one after the other, so that no block takes all the time
            for i, block in enumerate(blocks):
                known = _exercises(block.notebook)
                wanted = next((n for (_, sections), n in most.items() if sections == block.sections), 0)
                for one in known:
                    fits = one.minutes <= room and len(block.exercises) < wanted and one.id not in used
                    if one.level == level and fits:
                        block = replace(block, exercises=(*block.exercises, one))
                        used.add(one.id)
                        room -= one.minutes
                blocks[i] = block
        days.append(blocks)
    return days


def page(format: str, kind: str = "fp32", slower: float = 1.0) -> str:
    """A schedule as Markdown: the table, what to leave out when late, and what to do while cells run."""
    days, limit = schedule(format, kind, slower), FORMATS[format]
    machines = {
        "this": "this machine",
        "bf16": "processors with bfloat16 units",
        "fp32": "processors without bfloat16 units",
    }
    times = f", times {slower:.1f}" if slower != 1 else ""
    lines = [f"# Schedule: {'two days' if format == 'two-days' else f'{format} minutes'}", "",
             f"Minutes of the cells are those of {machines[kind]}{times}, in the profile `class`; a section "
             f"takes its share of the notebook's reading minutes, times {ALOUD} for explaining (an assumption); "
             "exercises take the minutes of the catalogue. In a workshop run the profile `workshop`: smaller sizes.",
             ""]  # fmt: skip
    for number, blocks in enumerate(days, 1):
        lines += [f"## Day {number}", ""] if len(days) > 1 else []
        lines += ["| from | min | what | cells run |", "|---|---|---|---|"]
        at = 0
        for block in blocks:
            lines.append(f"| {_clock(at)} | {block.minutes} | {block.what} | {_cells(block)} |")
            at += block.minutes
            for one in block.exercises:
                lines.append(f"| {_clock(at)} | {one.minutes} | Exercise {one.id}: {one.title} ({one.level}) | |")
                at += one.minutes
        lines += [f"| {_clock(at)} | {limit - at} | In reserve: questions, late machines | |"] if limit > at else []
        cuts = sorted((b for b in blocks if b.priority > 1), key=lambda b: -b.priority)
        late = [f"exercise {one.id} ({one.minutes} min)" for b in reversed(blocks) for one in reversed(b.exercises)]
        cut = late + [f"{_short(b)} ({b.minutes} min)" for b in cuts]
        lines += [
            "",
            "**When you are late, leave out in this order:** " + "; ".join(cut or ["nothing can go"]) + ".",
            "",
        ]
    slow = max((block for day in days for block in day), key=lambda block: block.machine)
    lines += ["**Setting up** is the first row. The machines should be ready the evening before (checklist); a machine "
              "that is not ready works in a pair, and is repaired in the break.", "",
              "**While cells run:** start *Run All Cells* at the beginning of each block, talk through the sections "
              f"meanwhile; the longest wait is {slow.notebook}, {_cells(slow)}. Let pairs write down what they expect "
              "of the next figure, and compare when it appears. `pancreas-ssl run NN --profile workshop`, started in a "
              "terminal before the break, leaves the executed notebook for those who fell behind.", ""]  # fmt: skip
    return "\n".join(lines)


def _block(entry: dict, books: dict[Path, dict[str, int]], seconds: dict[str, float]) -> Block:
    if "notebook" not in entry:
        return Block(entry["what"], entry["priority"], entry["minutes"])
    number, sections = entry["notebook"], tuple(entry["sections"])
    fits = [path for path, shares in books.items() if path.name.startswith(number) and set(sections) <= set(shares)]
    require(
        len(fits) == 1, f"one notebook {number} with the sections {', '.join(sections)}", len(fits), "correct plans.yml"
    )
    (path,), stem = fits, fits[0].stem
    reading = READING.search("".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]))
    exercising = sum(one.minutes for one in _exercises(stem))
    whole = max(int(reading.group(1)) - exercising, int(reading.group(1)) / 2)
    share = sum(books[path][section] for section in sections) / sum(books[path].values())
    machine = seconds.get(stem, max(seconds.values(), default=0.0)) / 60  # a notebook not measured yet: as the longest
    minutes = max(math.ceil(ALOUD * whole * share), math.ceil(machine), 2)
    return Block(f"{stem}: " + ", ".join(f"*{s}*" for s in sections), entry["priority"], minutes, stem, sections,
                 machine=machine)  # fmt: skip


def _read(path: Path) -> dict[str, int]:
    """Section -> how long it is, in characters of text and code; what comes before the first counts for none."""
    shares, section = {}, None
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and (found := ROUND.search(text)):
            section = found.group(1).strip()
        if section:
            shares[section] = shares.get(section, 0) + len(text)
    return shares


def _exercises(stem: str) -> list:
    return [one for one in exercises() if one.notebook == stem.split("_")[0]]


def _cells(block: Block) -> str:
    return f"{max(block.machine, 0.1):.1f} min" if block.notebook else ""


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _short(block: Block) -> str:
    return f"{block.notebook} ({', '.join(block.sections)})" if block.notebook else block.what.split(":")[0]

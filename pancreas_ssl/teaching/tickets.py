"""Tickets: what a participant's machine can do, in lines to paste, and what a room full of them means for the teacher.

A ticket holds versions, the kind of processor and a measured pass; no name, host or path.
"""

import hashlib
import json
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pancreas_ssl import __version__
from pancreas_ssl.doctor import Check
from pancreas_ssl.errors import InputError, require
from pancreas_ssl.runs.minutes import reference_seconds, tour_of

__all__ = ["read_room", "room_page", "slowest", "ticket"]

HEAD, SAFE = "pancreas-ssl ticket", re.compile(r"[\w.+() -]{0,40}", re.A)
TICKET = re.compile(rf"{HEAD} ([0-9a-f]{{8}})\s*(\{{[^{{}}]*\}})")
SLOW = 3.0  # times the measured tour's machine: from there on a pair should share a faster one
NUMBERS = ("pass", "minutes", "memory", "cohort")


def ticket(checks: Sequence[Check] = ()) -> str:
    """The ticket of this machine, two lines; measures a pass of the network, about a second.

    Args:
        checks: of `doctor.examine`; the parts that failed are named.
    """
    import psutil

    from pancreas_ssl.runs.notebook_profiles import find_notebooks

    precision, seconds = reference_seconds()
    tour = tour_of(precision)
    try:
        import torch

        built, device = torch.__version__, "cuda" if torch.cuda.is_available() else "cpu"
        packages = {name: version(name) for name in ("monai", "jupyterlab")}
        books = len(find_notebooks())
    except (ImportError, PackageNotFoundError, InputError) as error:
        raise InputError(f"expected the whole course, got {type(error).__name__}; run pancreas-ssl doctor") from error
    facts = {
        "tool": __version__, "python": platform.python_version(), "torch": built, **packages,
        "system": platform.system(), "device": device, "precision": precision, "pass": round(seconds, 3),
        "minutes": round(sum(tour["notebooks"].values()) * seconds / tour["reference_seconds"] / 60, 1),
        "memory": round(psutil.virtual_memory().total / 1e9), "cohort": _made(), "notebooks": books,
        "failed": " ".join(re.sub(r"\W", "_", check.part) for check in checks if not check.ok)[:40],
    }  # fmt: skip
    text = json.dumps(facts)
    return f"{HEAD} {_digest(text)}\n{text}"


def read_room(path: str | Path) -> list[dict]:
    """The tickets in a text of any form, such as a saved chat; a ticket pasted twice counts once.

    Raises:
        InputError: no such file, no whole ticket, or one that was changed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"expected a text file with pasted tickets, got {path} ({error.strerror}); name one"
        ) from error
    tickets = {}
    for digest, body in TICKET.findall(text):
        whole = " ".join(body.split())
        require(_digest(whole) == digest, "whole tickets", f"a changed one ({digest})", "ask for it to be pasted again")
        facts = json.loads(whole)
        numbers = all(isinstance(facts.get(name), int | float) for name in NUMBERS)
        words = all(SAFE.fullmatch(str(value)) for value in facts.values())
        require(numbers and words and facts.get("precision") in ("bf16", "fp32"), "a ticket of doctor --paste", digest,
                "ask for a new one")  # fmt: skip
        tickets[digest] = facts
    begun = text.count(HEAD)
    require(bool(tickets), "tickets of pancreas-ssl doctor --paste", f"none in {path}", "paste them into it")
    require(begun <= len(TICKET.findall(text)), "whole tickets", f"{begun} heads", "look for a ticket cut short")
    return list(tickets.values())


def slowest(tickets: Sequence[dict]) -> tuple[str, float]:
    """The kind of processor to plan for, and how much slower than the measured one the slowest machine is.

    Machines slower than a room can wait for (`SLOW` times) work in pairs and do not count; where there are no others,
    the room plans with that bound.
    """
    apart = [(_slower(one), one["precision"]) for one in tickets]
    times, kind = max([one for one in apart if one[0] <= SLOW] or apart)
    return kind, min(max(times, 1.0), SLOW)


def room_page(tickets: Sequence[dict]) -> str:
    """What the teacher should know of the room, as Markdown."""
    lines = [
        "# The room",
        "",
        "| | ready | all cells | memory | cohort cached | torch | to do |",
        "|---|---|---|---|---|---|---|",
    ]
    ready, paired = 0, 0
    for number, one in enumerate(sorted(tickets, key=_slower, reverse=True), 1):
        todo = [f"repair: {one['failed']}"] if one["failed"] else []
        slow = _slower(one) > SLOW
        todo += ["share a faster machine"] * slow + ["fill the cache (kit, or make tour)"] * (one["cohort"] < 1)
        todo += ["close other programs"] * (one["memory"] < 6) + ["install again"] * (one["tool"] != __version__)
        ready, paired = ready + (not todo), paired + slow
        lines.append(f"| {number} | {'no' if todo else 'yes'} | {one['minutes']} min | {one['memory']} GB "
                     f"| {one['cohort']:.0%} | {one['torch']} | {'; '.join(todo)} |")  # fmt: skip
    kind, times = slowest(tickets)
    lines += ["", f"{ready} of {len(tickets)} are ready. The schedule is made for the slowest that works alone: "
              f"{kind}, {times:.1f} times the measured processor's time."
              + f" {paired} should share a faster machine." * bool(paired), ""]  # fmt: skip
    return "\n".join(lines)


def _slower(one: dict) -> float:
    return one["pass"] / tour_of(one["precision"])["reference_seconds"]


def _made() -> float:
    """The share of the cohort that the cache holds, without making any."""
    from pancreas_ssl.data.access import fetched_folder
    from pancreas_ssl.data.cards import load_card
    from pancreas_ssl.data.generate import generator_version

    card = load_card("phantom")
    listed = [(s, i) for s, parts in card.splits.items() for ids in parts.values() for i in ids]
    root = Path(f"{fetched_folder(card)}-{generator_version()}")
    return round(sum((root / s / i / "image.nii.gz").is_file() for s, i in listed) / len(listed), 2)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

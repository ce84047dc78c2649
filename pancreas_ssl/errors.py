"""The ways in which things go wrong, each told in one sentence: what was expected, what came, what to do."""

import os
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IDENTIFIERS = "PANCREAS_SSL_SHOW_IDENTIFIERS"
_ABSOLUTE = re.compile(r"(?<![\w./\\<}])(?:~\w*|[A-Za-z]:)?[/\\](?=[^\s/\\])")
_SHOWN: set[str] = set()


class InputError(ValueError):
    """The user's input cannot be used (a file, a name, a value). The command line exits with 2.

    Example:
        >>> raise InputError("expected a 3D image, scan.nii.gz has 4 dimensions; pass one time point")
        Traceback (most recent call last):
        ...
        pancreas_ssl.errors.InputError: expected a 3D image, scan.nii.gz has 4 dimensions; pass one time point
    """


class RunError(RuntimeError):
    """The input was fine, but a check or a run failed (a full disk, say). The command line exits with 1."""


class DataWarning(UserWarning):
    """Something about the user's data deserves a look, and the work goes on. The command line shows it in one line."""


def warn(sentence: str) -> None:
    """Give a `DataWarning`; each sentence is shown once in a process. A notebook shows it as a plain line."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        warnings.warn(sentence, DataWarning, stacklevel=3)
    elif sentence not in _SHOWN:
        _SHOWN.add(sentence)
        print(f"Worth a look: {without_paths(sentence)}.")


def require(fine: bool, expected: str, got: Any, remedy: str) -> None:
    """Raise the sentence "expected ..., got ...; ..." as an `InputError` unless `fine`."""
    if not fine:
        raise InputError(f"expected {expected}, got {got}; {remedy}")


def complaint(problem: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, and the value that came where it is a simple one."""
    message = problem["msg"].removeprefix("Value error, ")
    message = re.sub(r" or (instance of \w+|object to extract fields from)$", "", message)
    given = problem["input"]
    given = f"{given[:60]}..." if isinstance(given, str) and len(given) > 60 else given
    came = f", it is {given!r}" if isinstance(given, str | int | float | bool | None) else ""
    return f"{message[0].lower()}{message[1:]}{came}"


def show_identifiers() -> bool:
    """Whether reports, tables and messages may hold what can name a patient: PANCREAS_SSL_SHOW_IDENTIFIERS=1, or the
    command line's --show-identifiers."""
    return os.environ.get(IDENTIFIERS, "") not in ("", "0")


def without_paths(value: Any) -> Any:
    """Texts, also inside lists and dictionaries, with every absolute path cut to its last name; others as they are.

    Folders name people and hospitals. `show_identifiers` keeps them.

    Example:
        >>> without_paths({"file": "cannot read /home/jane/scans/p01.nii.gz; check it"})
        {'file': 'cannot read .../p01.nii.gz; check it'}
    """
    if show_identifiers():
        return value
    if isinstance(value, dict):
        return {without_paths(key): without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_paths(item) for item in value)
    if isinstance(value, Path):
        return without_paths(str(value))
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    done, at = [], 0
    while match := _ABSOLUTE.search(text, at):
        end = _end(text, match.start())
        *_, folder, name = ["", *re.split(r"[/\\]", text[match.start() : end].rstrip("/\\"))]
        kept = f"{folder}/{name}" if folder.endswith(".md") else name  # a card and its source
        done += [text[at : match.start()], f".../{kept}"]
        at = end
    return "".join([*done, text[at:]])


def _end(text: str, start: int) -> int:
    """Where a path ends: after the longest one that exists (its names may hold spaces) and what joins it."""
    line = text[start:].split("\n")[0]
    stops = [len(line), *(match.start() for match in re.finditer(r"[\s/\\'\"),;:]", line[:1000]) if match.start())]
    there = next((stop for stop in sorted(stops, reverse=True) if _exists(line[:stop])), 0)
    return start + there + re.match(r"(?:[A-Za-z]:)?[^\s'\"),;:<>|`]*", line[there:]).end()


def _exists(path: str) -> bool:
    try:
        return len(path) > 1 and os.path.exists(os.path.expanduser(path))
    except (OSError, ValueError):
        return False

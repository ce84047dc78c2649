"""The two ways in which things go wrong, each told in one sentence: what was expected, what came, what to do."""

from collections.abc import Mapping
from typing import Any


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


def require(fine: bool, expected: str, got: Any, remedy: str) -> None:
    """Raise the sentence "expected ..., got ...; ..." as an `InputError` unless `fine`."""
    if not fine:
        raise InputError(f"expected {expected}, got {got}; {remedy}")


def complaint(problem: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, and the value that came where it is a simple one."""
    message = problem["msg"].removeprefix("Value error, ")
    given = problem["input"]
    came = f", it is {given!r}" if isinstance(given, str | int | float | bool | None) else ""
    return f"{message[0].lower()}{message[1:]}{came}"

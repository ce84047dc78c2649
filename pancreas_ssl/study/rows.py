"""One line of JSON per patient, appended as soon as it is known, so that a killed process loses no finished row."""

import json
import os
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import claim, open_to_append

__all__ = ["append_row", "read_rows", "repair_rows"]


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Write one whole line and flush it to disk.

    Raises:
        RunError: the disk is full. InputError: a file of that name is there which this tool did not write.
    """
    try:
        with open_to_append(path) as handle:
            handle.write(json.dumps(row, allow_nan=False) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise RunError(
            f"a result could not be written to {path} ({error.strerror}); free some space and start again"
        ) from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of the file, in order; a last line that was torn is left out.

    Example:
        >>> read_rows(Path("nowhere.jsonl"))
        []
    """
    return _whole(path)[0]


def repair_rows(path: Path) -> list[dict[str, Any]]:
    """`read_rows`, and cut a torn last line off the file, so that the next row starts on a line of its own.

    Raises:
        InputError: a file that this tool did not write, or another line than the last cannot be read.
    """
    rows, length = _whole(path)
    if path.exists() and path.stat().st_size > length:
        claim([path], overwrite=None)
        if b"\n" in path.read_bytes()[length:-1]:
            raise InputError(f"expected a row of JSON in each line of {path}, line {len(rows) + 1} is none; mend or "
                             f"remove the file")  # fmt: skip
        os.truncate(path, length)
    return rows


def _whole(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Rows, and how many bytes they take."""
    if not path.exists():
        return [], 0
    rows, length = [], 0
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
        length += len(line)
    return rows, length

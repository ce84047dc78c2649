"""The manifest of a folder: which of its files this tool wrote, and from what.

A line of JSON in `.pancreas_ssl.jsonl` holds a file's name, the sha256 of its content, the version of the package and
what the caller knows about the result (the digests of input, weights and settings). Lines are only ever appended,
before the file appears under its name. A file that grows, or is the tool's own state (rows, a log, a checkpoint), is
recorded by name alone.
"""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pancreas_ssl import __version__

__all__ = ["MANIFEST", "files_of", "key_of", "lines_of", "record", "record_of", "sha256_of", "states_of"]

MANIFEST = ".pancreas_ssl.jsonl"


def record_of(path: str | Path) -> dict[str, Any] | None:
    """What the manifest says about a file: the last line with its name and its present content, else None."""
    path = Path(path)
    lines = lines_of(path.parent).get(path.name, [])
    if not lines or path.is_symlink() or not path.is_file():
        return None
    if "sha256" not in lines[-1]:
        return lines[-1]
    with suppress(OSError):
        digest = sha256_of(path)
        return next((line for line in reversed(lines) if line.get("sha256", digest) == digest), None)
    return None


def files_of(path: Path) -> list[Path]:
    """A file itself, or all files of a folder, such as the slices of a series, by name; manifests aside."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST)


def states_of(path: Path) -> list[list]:
    """Name, size, times and place on the disk of `files_of` a path: what changes with a file, and needs no reading."""
    states = [(str(file), file.stat()) for file in files_of(path) if file.exists()]
    return [[name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino] for name, s in states]


def key_of(*parts: Any) -> str:
    """24 hex digits under which a result of these values (what JSON holds, else their text) is kept."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:24]


def sha256_of(path: str | Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def record(path: Path, facts: Mapping[str, Any]) -> None:
    """Append a line to the manifest, unless the last one of the file says the same."""
    line = {"file": path.name, "version": __version__} | dict(facts)
    known = lines_of(path.parent).get(path.name)
    if known and known[-1] == line:
        return
    text = json.dumps(line) + "\n"
    where, how = path.parent / MANIFEST, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(where, how, 0o644), "a+b") as handle:
        if handle.seek(0, os.SEEK_END) and (handle.seek(-1, os.SEEK_END), handle.read(1))[1] != b"\n":
            text = "\n" + text  # a line torn by a full disk
        handle.write(text.encode())


def lines_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of a folder's manifest by file name; what is no line of ours is passed over."""
    path = (folder / MANIFEST).absolute()
    with suppress(OSError):
        return _lines(path, (stat := path.stat()).st_mtime_ns, stat.st_size)
    return {}


@functools.lru_cache(16)
def _lines(path: Path, changed: int, size: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for text in path.read_bytes().splitlines():
        with suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("file"), str):
                found.setdefault(line["file"], []).append(line)
    return found

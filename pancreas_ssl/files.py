"""The one gate for writing: files appear whole or not at all, and only ever replace what this tool wrote.

Everything is written to a temporary name beside its goal, recorded in its folder's manifest, and renamed. A file in the
way is replaced only if the manifest has its name and its content.
"""

import errno
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from pancreas_ssl.errors import InputError, RunError, require
from pancreas_ssl.manifest import lines_of, record, record_of, sha256_of

__all__ = ["atomic_path", "claim", "copy_whole", "free_bytes", "inside", "make_folder", "nearest", "open_to_append",
           "record_of", "sha256_of", "sweep", "workspace", "write_text"]  # fmt: skip

PARTIAL = ".pancreas_ssl-partial-"  # folders of what is being written; their names go on with who writes
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.EISDIR,
             errno.ENOENT, errno.ENOTDIR)  # fmt: skip


def told(error: OSError, path: str | Path) -> InputError | RunError:
    """The sentence for an operating system's error: a full disk, or a place that cannot be read or written."""
    if error.errno in FULL:
        sentence = f"the disk is full: {path} was not written and nothing partial was left"
        return RunError(f"{sentence}; free some space or choose another folder")
    reason, place = (error.strerror or str(error) or type(error).__name__).lower(), shortened(path)
    if error.errno in FORBIDDEN:
        return InputError(f"expected a place that can be read and written, {place} is none ({reason}); name another")
    return RunError(f"{place} could not be read or written ({reason}); check the disk and try again")


def shortened(path: str | Path) -> str:
    """A path as a sentence can hold it: names beyond 80 letters are cut."""
    return "/".join(part if len(part) <= 80 else f"{part[:77]}..." for part in str(path).split("/"))


def inside(folder: Path, path: Path) -> Path:
    """The path itself if it stays below the folder, links followed; else an `InputError`: nothing is written there."""
    goal = path.resolve()
    require(
        goal != folder.resolve() and goal.is_relative_to(folder.resolve()),
        f"a place below {shortened(folder)}",
        f"{shortened(path)}, which leads out of it",
        "correct the card or remove the link",
    )
    return path


def nearest(folder: str | Path) -> Path:
    """A folder, or the nearest one above it that exists."""
    place = Path(folder).absolute()
    return next(one for one in (place, *place.parents) if one.exists())


def free_bytes(folder: str | Path) -> int:
    """What is free on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(nearest(folder)).free


def make_folder(path: str | Path) -> Path:
    """Make a folder and its parents; a file in the way, or a place that is read-only, is an `InputError`."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        blocker = next((p for p in [path, *path.parents] if p.exists() and not p.is_dir()), path)
        raise InputError(
            f"cannot make the folder {path}: {blocker} is a file; name another output or move that file"
        ) from error
    except OSError as error:
        raise told(error, path) from error
    except ValueError as error:  # a null character
        raise InputError(f"expected the name of a folder, got {str(path)!r} ({error}); name another") from error
    return path


@contextmanager
def atomic_path(path: str | Path, about: Mapping[str, Any] | None = None, *, state: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, with the same suffixes; rename it on success, else remove it.

    The temporary path may become a file or a folder. What lies at `path` is replaced only if this tool wrote it and
    nobody has changed it since; a folder is never replaced.

    Args:
        about: facts for the manifest, JSON-ready; `record_of` gives them back as long as the file is unchanged.
        state: the file is the tool's own state, such as a checkpoint: recorded by name, replaced whatever it holds.

    Raises:
        InputError: something else is in the way, or the place is read-only.
        RunError: the disk is full. Nothing partial is left.

    Example:
        >>> with atomic_path("out/table.csv") as temporary:    # doctest: +SKIP
        ...     temporary.write_text("a,b")
    """
    path = Path(path)
    make_folder(path.parent)
    _claim([path])
    try:
        with workspace(path.parent) as holder:
            temporary = holder / path.name
            yield temporary
            digest = None
            if temporary.is_file():
                digest = None if state else sha256_of(temporary)
                with open(temporary, "rb") as handle:
                    os.fsync(handle.fileno())
            _claim([path])
            _record(path, ({"sha256": digest} if digest else {}) | dict(about or {}))
            os.replace(temporary, path)
    except OSError as error:
        if error.errno in (*FULL, errno.EROFS, errno.ENAMETOOLONG):
            raise told(error, path) from error
        raise


@contextmanager
def workspace(folder: str | Path) -> Iterator[Path]:
    """A folder for unfinished work in `folder`, gone afterwards; what a killed process left is known to `sweep`.

    Raises:
        InputError: the place is read-only. RunError: the disk is full.
    """
    try:
        holder = Path(tempfile.mkdtemp(prefix=PARTIAL + _writer(os.getpid()), dir=folder))
    except OSError as error:
        raise told(error, folder) from error
    try:
        yield holder
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_text(path: str | Path, text: str, about: Mapping[str, Any] | None = None) -> None:
    """Write a text file, UTF-8, that appears whole or not at all; arguments and errors as `atomic_path`."""
    with atomic_path(path, about) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy_whole(source: Path, goal: Path, about: Mapping[str, Any] | None = None) -> None:
    """Copy a file, whole or not at all, unless this tool wrote the same there with the same facts `about` it."""
    known = record_of(goal) or {}
    if known.get("sha256") != sha256_of(source) or not known.items() >= (about or {}).items():
        with atomic_path(goal, about) as temporary:
            shutil.copyfile(source, temporary)


def open_to_append(path: str | Path):
    """Open one of the tool's own text files that grow line by line; the first call makes and records it.

    Raises:
        InputError: a file of that name is there which this tool did not write.
    """
    path = Path(path)
    make_folder(path.parent)
    _claim([path], None)
    if not path.exists():
        _record(path, {})
    return open(path, "a", encoding="utf-8")


def claim(paths: Iterable[str | Path], *, overwrite: bool | None = False, inputs: Iterable[str | Path] = ()) -> None:
    """Make sure that outputs may be written, before the work is done: nothing foreign lies where they go.

    Args:
        overwrite: the user asked by name to have such files replaced: they count as the tool's own from now on. None:
            these files cannot be taken over.
        inputs: files that the work reads, and folders of slices: no output replaces one or lies in one, whatever
            `overwrite` says and by whichever link it is named.

    Raises:
        InputError: a folder, a link, or a file that this tool did not write or that was changed since (names three);
            two outputs of one name; an input; a place that cannot be written.

    Example:
        >>> claim(["out/mask.nii.gz"], inputs=["scan.nii.gz"])    # doctest: +SKIP
    """
    paths = [Path(path) for path in paths]
    _possible(paths)
    try:
        goals = [path.resolve() for path in paths]
        often = Counter(goals)
        read = {path.resolve(): path for path in map(Path, inputs)}
        same = {(stat.st_dev, stat.st_ino): path for path in read.values() for stat in _stats(path)}
    except (OSError, RuntimeError) as error:  # a loop of links
        raise InputError(f"expected paths that lead somewhere, got {error}; name others") from error
    for path, goal in zip(paths, goals, strict=True):
        require(often[goal] == 1, "a file of its own for each output", f"{path} for two", "name another for one")
        taken = [read[one] for one in (goal, *goal.parents) if one in read]
        taken += [same[key] for key in ((stat.st_dev, stat.st_ino) for stat in _stats(path)) if key in same]
        if taken:
            raise InputError(f"expected another place for the output {path} than the input {taken[0]}; name a new one")
    for folder in dict.fromkeys(path.parent for path in paths):
        there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
        if not there.is_dir():
            make_folder(folder)
        sweep(there)
        with workspace(there):
            pass
    _claim(paths, overwrite)


def _possible(paths: Sequence[Path]) -> None:
    for path in paths:
        require("\0" not in str(path), "a file name for the output", repr(str(path)), "name another")
        if max((len(os.fsencode(part)) for part in path.parts), default=0) > 255:
            raise told(OSError(errno.ENAMETOOLONG, "file name too long"), path)


def _stats(path: Path) -> list[os.stat_result]:
    return [path.stat()] if path.exists() else []


def _claim(paths: Sequence[Path], overwrite: bool | None = False) -> None:
    """Nothing foreign lies at these paths; with `overwrite` what does becomes the tool's own."""
    _possible(paths)
    strange = [path for path in paths if os.path.lexists(path) and record_of(path) is None]
    for path in strange:
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"expected a file name for the output, {path} is a folder; name a file in it")
        if path.is_symlink() or not path.is_file():
            raise InputError(f"expected a free name for the output, {path} is a link or a device; name another")
    if strange and not overwrite:
        some = ", ".join(map(str, strange[:3])) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        were, them = ("were", "them") if len(strange) > 1 else ("was", "it")
        known = all(path.name in lines_of(path.parent) for path in strange)
        what = f"changed since pancreas-ssl wrote {them}" if known else "not written by pancreas-ssl"
        remedy = "move what you want to keep or name another output" + ", or add --overwrite" * (overwrite is False)
        raise InputError(f"expected to replace only files of pancreas-ssl, {some} {were} {what}; {remedy}")
    for path in strange:
        _record(path, {"sha256": sha256_of(path), "taken": True})


def sweep(folder: str | Path) -> None:
    """Remove what killed processes of this tool left half-written directly in a folder.

    What living ones are writing stays, and what another machine began less than a day ago.
    """
    for left in Path(folder).glob(f"{PARTIAL}*-*-*-*"):
        with suppress(OSError, ValueError, OverflowError):
            host, pid, started, _ = left.name.removeprefix(PARTIAL).split("-")
            here, old = host == _host(), time.time() - left.stat().st_mtime > 86_400
            if not _lives(int(pid), int(started)) if here else old:
                shutil.rmtree(left)


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _writer(pid: int) -> str:
    """Host, process and the moment it started, in seconds since 1970: no other process has the same."""
    return f"{_host()}-{pid}-{psutil.Process(pid).create_time():.0f}-"


def _lives(pid: int, started: int) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started) < 3  # a clock that is set right moves the moment
    except psutil.Error:
        return False


def _record(path: Path, facts: Mapping[str, Any]) -> None:
    try:
        record(path, facts)
    except OSError as error:
        raise told(error, path) from error

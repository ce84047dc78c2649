"""Files appear whole or not at all: everything is written to a temporary name beside its goal and renamed."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pancreas_ssl.errors import InputError, RunError

__all__ = ["atomic_path", "make_folder", "sha256_of"]


def make_folder(path: str | Path) -> Path:
    """Make a folder and its parents; a file in the way is an `InputError`."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        blocker = next((p for p in [path, *path.parents] if p.exists() and not p.is_dir()), path)
        raise InputError(
            f"cannot make the folder {path}: {blocker} is a file; name another output or move that file"
        ) from error
    except OSError as error:
        raise RunError(f"cannot make the folder {path}: {error.strerror or error}") from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, with the same suffixes; rename it on success, else remove it.

    The temporary path may become a file or a folder. A full disk is a `RunError` that says so.

    Example:
        >>> with atomic_path("out/table.csv") as temporary:    # doctest: +SKIP
        ...     temporary.write_text("a,b")
    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise InputError(f"expected a file name for the output, {path} is a folder; name a file in it")
    holder = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    temporary = holder / path.name
    try:
        yield temporary
        if temporary.is_file():
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"the disk is full: {path} was not written and nothing partial was left; "
                f"free some space or choose another folder"
            ) from error
        raise
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def sha256_of(path: str | Path) -> str:
    """Hex digest of a file, read in 1 MiB blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8, that appears whole or not at all; errors as `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

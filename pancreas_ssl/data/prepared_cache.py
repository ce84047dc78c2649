"""Prepared cases on disk: a file each that is mapped into memory, so that a training reads no more than it cuts.

A file is of the safetensors kind: `image` in half precision, `label` and `organs` as bytes, `inside` (indices of the
labelled voxels), and facts as text. It appears whole or not at all. `PANCREAS_SSL_CACHE_GB` bounds the folder, by
default half of what the disk could give it: the files that were used longest ago are removed first.
"""

import contextlib
import errno
import json
import math
import mmap
import os
import weakref
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pancreas_ssl.errors import RunError, require
from pancreas_ssl.files import atomic_path, free_bytes
from pancreas_ssl.manifest import MANIFEST, lines_of

__all__ = ["Mapped", "PreparedFile", "cache_limit", "held_bytes", "make_room", "restore", "save"]

LIMIT = "PANCREAS_SSL_CACHE_GB"
_KINDS = {"F16": np.float16, "U8": np.uint8, "I16": np.int16, "I32": np.int32}
_OPEN: "weakref.WeakSet[PreparedFile]" = weakref.WeakSet()  # what this process has mapped is not removed


class Mapped:
    """An array in a file, read where it is indexed: half precision comes as float32, other numbers as they are.

    Read pages are given back to the system at once, so a training on many cases holds none of them.

    Example:
        >>> prepared.image[:, 10:20].dtype, prepared.image.shape    # doctest: +SKIP
        (dtype('float32'), (1, 350, 350, 300))
    """

    def __init__(self, file: "PreparedFile", array: np.ndarray):
        self.file, self._array = file, array
        self.shape, self.ndim, self.size, self.nbytes = array.shape, array.ndim, array.size, array.nbytes
        self.dtype = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: Any) -> np.ndarray:
        found = np.array(self._array[index], self.dtype, order="C")
        self.file.release()
        return found

    def stored(self) -> np.ndarray:
        """A copy in the type of the file."""
        found = np.array(self._array)
        self.file.release()
        return found

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[...] if dtype is None else self[...].astype(dtype, copy=False)


class PreparedFile:
    """A file of the cache, mapped; `arrays` by name, `facts` as they were saved.

    Raises:
        ValueError, KeyError, OSError: missing, cut short or no such file.
    """

    def __init__(self, path: Path):
        try:
            self._map = _map_of(path)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            _allow_more_files()
            self._map = _map_of(path)
        start = 8 + int.from_bytes(self._map[:8], "little")
        header = json.loads(self._map[8:start])
        self.path, self.facts = path, json.loads(header.pop("__metadata__")["facts"])
        if len(self._map) != start + max(entry["data_offsets"][1] for entry in header.values()):
            raise ValueError(f"{path} is cut short")
        self.arrays: dict[str, np.ndarray] = {}
        for name, entry in header.items():
            kind, (first, _), shape = _KINDS[entry["dtype"]], entry["data_offsets"], entry["shape"]
            flat = np.frombuffer(self._map, kind, math.prod(shape), start + first)
            self.arrays[name] = flat.reshape(shape)
        _OPEN.add(self)

    def mapped(self, name: str) -> Mapped | None:
        """The array of this name, to be read in parts."""
        return Mapped(self, self.arrays[name]) if name in self.arrays else None

    def whole(self) -> bool:
        """Whether the image's bytes are those that were saved; reads all of them."""
        return all(_checksum(self.arrays[name]) == told for name, told in self.facts["checksums"].items())

    def release(self) -> None:
        """Give the pages that were read back to the system."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def _map_of(path: Path) -> mmap.mmap:
    with open(path, "rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def _allow_more_files() -> None:
    """A mapped file counts as open; a system's first limit is often 1024, and may be raised."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array))


def save(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write a case, and make room for it.

    Raises:
        RunError: the disk is full. InputError: the folder cannot be written.
    """
    from safetensors.numpy import save as as_bytes

    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    facts = dict(facts) | {"checksums": {name: _checksum(array) for name, array in arrays.items()}}
    with atomic_path(path, state=True) as temporary:
        temporary.write_bytes(as_bytes(arrays, {"facts": json.dumps(facts)}))  # `save_file` would hide it from others
    make_room(path.parent, keep=path)


def restore(path: Path, whole: bool = True) -> PreparedFile | None:
    """A case's file, or None where there is none or it is damaged; it counts as used now.

    Args:
        whole: compare its bytes with the checksums too, which reads all of them.
    """
    try:
        file = PreparedFile(path)
        if whole and not file.whole():
            return None
        with contextlib.suppress(OSError):  # a cache that is only read
            os.utime(path)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            remedy = "raise the limit of open files (ulimit -n) or use fewer cases"
            raise RunError(f"the system opens no more files than those of the cases so far; {remedy}") from error
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return file


def held_bytes(folder: Path) -> int:
    """Bytes of the prepared cases in a folder."""
    return sum(size for _, size, _ in _ours(folder))


def cache_limit(folder: Path) -> int:
    """Bytes that prepared cases may take: PANCREAS_SSL_CACHE_GB, else half of what is free and what they have.

    Raises:
        InputError: the variable is no number above 0.
    """
    told = os.environ.get(LIMIT, "").strip()
    if not told:
        return (free_bytes(folder) + held_bytes(folder)) // 2
    try:
        limit = float(told)
    except ValueError:
        limit = math.nan
    require(0 < limit < math.inf, f"a number of GB above 0 in {LIMIT}", repr(told), "set it to 50, say, or unset it")
    return int(limit * 1e9)


def make_room(folder: Path, keep: Path | None = None) -> None:
    """Remove prepared cases, those used longest ago first, until the folder is within its limit.

    Only files that this tool wrote go, and none that this process has open.
    """
    listed = sorted(_ours(folder))
    held, limit = sum(size for _, size, _ in listed), cache_limit(folder)
    if held <= limit:
        return
    used = {file.path for file in _OPEN} | {keep}
    for _, size, path in listed:
        if held > limit and path not in used:
            with contextlib.suppress(OSError):
                path.unlink()
                held -= size


def _ours(folder: Path) -> list[tuple[int, int, Path]]:
    """(time of last use, bytes, path) of the files that this tool wrote into the folder."""
    known, found = lines_of(folder), []
    for path in folder.glob("*") if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.name in known and path.name != MANIFEST and path.is_file() and not path.is_symlink():
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
    return found

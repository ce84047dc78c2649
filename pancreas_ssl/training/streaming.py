"""Where the volumes of a training lie: on the training device, or streamed, so that only what is cut comes to it.

Both ways hold the same numbers; only the memory differs.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, Num
from torch import Tensor

from pancreas_ssl.data.prepared_cache import Mapped

__all__ = ["BoxedMaps", "Streamed", "on_device", "scratch"]


class Streamed:
    """An array in memory or in a file; what is cut out of it comes to the device as a tensor."""

    def __init__(self, array: "np.ndarray | Mapped", device: torch.device | str):
        self.array, self.device, self.shape = array, torch.device(device), tuple(array.shape)

    def __getitem__(self, window: tuple[slice, ...]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.array[window])).to(self.device)


def on_device(array: "np.ndarray | Mapped", device: torch.device | str, keep: bool = True) -> "Tensor | Streamed":
    """An array as a tensor on the device, or `Streamed` where it is not to be kept there, or lies in a file and would
    have to be read into the memory of a processor. A card keeps an image of a file in half precision, as it is."""
    if not keep or isinstance(array, Mapped) and torch.device(device).type == "cpu":
        return Streamed(array, device)
    kept = array.stored() if isinstance(array, Mapped) else np.ascontiguousarray(array)
    return torch.from_numpy(kept).to(device)


class BoxedMaps:
    """Maps of one case, kept in a box alone: beyond it each has one value.

    Example:
        >>> maps = BoxedMaps(torch.zeros(1, 2, 2, 2, dtype=torch.float16), (slice(1, 3),) * 3, (4, 4, 4), (7.0,))
        >>> maps[:, 0:2, 1:2, 1:2].flatten().tolist()
        [7.0, 0.0]
    """

    def __init__(
        self,
        values: "Float16[Tensor, 'M a b c'] | Scratch",
        box: tuple[slice, slice, slice],
        shape: Sequence[int],
        outside: Sequence[float],
        device: torch.device | str = "cpu",
    ):
        self.values, self.box, self.shape, self.device = values, box, (len(outside), *shape), torch.device(device)
        self.outside = torch.tensor(outside, dtype=torch.float16, device=device).view(-1, 1, 1, 1)

    def __getitem__(self, window: tuple[slice, ...]) -> Float16[Tensor, "M x y z"]:
        asked = [range(*part.indices(size)) for part, size in zip(window[1:], self.shape[1:], strict=True)]
        found = self.outside.repeat(1, *map(len, asked))
        low = [max(ask.start, part.start) for ask, part in zip(asked, self.box, strict=True)]
        high = [min(ask.stop, part.stop) for ask, part in zip(asked, self.box, strict=True)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            here = [slice(a - ask.start, b - ask.start) for a, b, ask in zip(low, high, asked, strict=True)]
            found[(slice(None), *here)] = self.values[self._inside(map(slice, low, high))].to(self.device)
        return found

    def whole(self) -> Float16[Tensor, "M X Y Z"]:
        """The maps on the whole grid."""
        return self[(slice(None),) * 4]

    def put(self, number: int, box: tuple[slice, slice, slice], values: Tensor) -> None:
        """Set one map in a box that lies within that of the case."""
        self.values[(number, *self._inside(box)[1:])] = values

    def _inside(self, box) -> tuple[slice, ...]:
        moved = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, self.box, strict=True))
        return (slice(None), *moved)


class Scratch:
    """Numbers of a training in a file, read and written in parts; pages are given back to the system at once."""

    def __init__(self, array: Num[np.ndarray, "..."], memory: mmap.mmap):
        self.array, self._map = array, memory

    def __getitem__(self, index) -> Tensor:
        found = torch.from_numpy(np.array(self.array[index], order="C"))
        self._release()
        return found

    def __setitem__(self, index, values: Tensor) -> None:
        self.array[index] = values.numpy(force=True)
        self._release()

    def _release(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def scratch(shapes: Sequence[tuple[int, ...]], path: Path) -> list[Scratch]:
    """Half-precision arrays of these shapes, zeros, side by side in one new file."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    with open(path, "w+b") as handle:
        handle.truncate(max(2 * sum(sizes), 1))
        memory = mmap.mmap(handle.fileno(), 0)
    flat = np.frombuffer(memory, np.float16, sum(sizes))
    starts = np.cumsum([0, *sizes])
    return [
        Scratch(flat[start : start + size].reshape(shape), memory)
        for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]

"""Volumes from one spacing to another: a weight matrix along each axis, as wide as the coarser voxel.

Plain interpolation (MONAI's `Spacing`) going from 0.7 to 3 mm reads the eight nearest of about eighty voxels and keeps
all their noise. Here the weights widen with the output voxel, as in a scanner of that resolution. It is faster, too:
0.2 s for a CT of 512 x 512 x 133, where `Spacing` takes 1.9 s (one thread).
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Num

__all__ = ["covering_grid", "resample"]


def _weights(n_in: int, n_out: int, start: float, step: float, kernel: str) -> Float32[np.ndarray, "n_out n_in"]:
    """Weights for output voxels centred at input positions `start + k * step`; edges repeat the last voxel."""
    width = max(1.0, step)
    centres = start + step * np.arange(n_out)
    reach = int(np.ceil(width)) + 1
    taps = np.floor(centres)[:, None].astype(int) + np.arange(-reach, reach + 1)
    distance = np.abs(taps - centres[:, None])
    if kernel == "overlap" and step > 1:  # how much of each input voxel lies inside the output voxel
        values = np.clip((step + 1) / 2 - distance, 0, 1)
    else:
        values = np.clip(1 - distance / width, 0, None)
    matrix = np.zeros((n_out, n_in), dtype=np.float64)
    np.add.at(matrix, (np.arange(n_out)[:, None], np.clip(taps, 0, n_in - 1)), values)
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


def _along(
    array: Num[np.ndarray, "X Y Z"], axis: int, matrix: Float32[np.ndarray, "n m"]
) -> Float32[np.ndarray, "x y z"]:
    """Multiply one axis by a matrix, slab by slab, so that no second copy of a large volume is made."""
    shape = list(array.shape)
    shape[axis] = matrix.shape[0]
    out = np.empty(shape, dtype=np.float32, order="F")
    if axis == 2:
        for i in range(shape[1]):
            out[:, i, :] = np.asarray(array[:, i, :], np.float32) @ matrix.T
    else:
        for k in range(shape[2]):
            slab = np.asarray(array[:, :, k], np.float32)
            out[:, :, k] = matrix @ slab if axis == 0 else slab @ matrix.T
    return out


def covering_grid(
    shape: tuple[int, ...], spacing: tuple[float, ...], goal: tuple[float, ...]
) -> tuple[list[int], list[float], list[float]]:
    """Size, first position and step (in input voxels) of the grid of `goal` mm that covers the scan, centred on it."""
    steps = [1.0 if abs(g / s - 1) < 1e-3 else g / s for s, g in zip(spacing, goal, strict=True)]
    sizes = [max(1, int(np.ceil(n / step - 1e-3))) for n, step in zip(shape, steps, strict=True)]
    starts = [(n - 1) / 2 - step * (m - 1) / 2 for n, m, step in zip(shape, sizes, steps, strict=True)]
    return sizes, starts, steps


def resample(
    array: Num[np.ndarray, "X Y Z"],
    sizes: Iterable[int],
    starts: Iterable[float],
    steps: Iterable[float],
    kernel: str = "triangle",
    order: str = "C",
) -> Float32[np.ndarray, "x y z"]:
    r"""Values at positions `start + k * step` (input voxels) along each axis, averaged over the output voxel.

    out[i, j, k] = \sum_{xyz} W_{ix} W_{jy} W_{kz} in[x, y, z], W of rows that sum to one: a triangle of half-width
    max(1, step) (linear interpolation, widened), or with kernel="overlap" the shared length of the two voxels, so
    that a mask becomes the fraction of the output voxel that is covered. The axis that shrinks most goes first; an
    axis that does not change is not touched. With order="K" the memory order is the one that needs no further copy.
    """
    out = array
    todo = [(step, axis, n, start) for axis, (n, start, step) in enumerate(zip(sizes, starts, steps, strict=True))]
    for step, axis, n, start in sorted(todo, reverse=True):
        if n != out.shape[axis] or start != 0 or step != 1:
            out = _along(out, axis, _weights(out.shape[axis], n, start, step, kernel))
    return np.asarray(out, dtype=np.float32, order=order)

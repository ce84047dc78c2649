"""Smooth random fields that do not know the grid: random numbers on a lattice in mm, read through cubic B-splines.

The lattice is fixed in the world (mm) and repeats itself after its period, so that a patient has the same texture
on every grid, however large or fine. Reading a lattice is one small matrix product per axis.
"""

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["Noise", "read_lattice", "spline_weights"]

CELLS = {"lobule": (6.0, 72), "fine": (4.5, 96), "soft": (18.0, 26), "septa": (2.2, 90)}  # name: (mm, knots)


def spline_weights(at: Float[np.ndarray, "N"], size: int, *, periodic: bool) -> Float32[np.ndarray, "N size"]:
    """Cubic B-spline weights of `size` lattice knots at positions `at`, in units of the lattice's cell.

    Periodic lattices wrap round; others repeat their edge value. Each row sums to one.
    """
    base = np.floor(at).astype(int)
    t = at - base
    parts = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    weights = np.zeros((len(at), size), np.float32)
    rows = np.arange(len(at))
    for k, part in enumerate(parts):
        knot = base + k - 1
        knot = knot % size if periodic else np.clip(knot, 0, size - 1)
        np.add.at(weights, (rows, knot), part.astype(np.float32))
    return weights


def read_lattice(
    lattice: Float32[np.ndarray, "I J K"], weights: list[Float32[np.ndarray, "N M"]]
) -> Float32[np.ndarray, "X Y Z"]:
    """The field of a lattice on a grid, given one weight matrix (grid points, knots) per axis."""
    used = [np.flatnonzero(w.any(0)) for w in weights]
    lattice = lattice[np.ix_(*used)]
    wx, wy, wz = (np.ascontiguousarray(w[:, u]) for w, u in zip(weights, used, strict=True))
    field = lattice @ wz.T
    field = np.matmul(wy, field)
    return (wx @ field.reshape(field.shape[0], -1)).reshape(len(wx), len(wy), len(wz))


class Noise:
    """Named noise fields of one patient on one grid, each with mean 0 and variance 1, made when first asked for.

    Names: `lobule` (grains of about 10 mm), `fine` (7 mm), `soft` (30 mm), `septa` (4 mm; repeats after 198 mm).
    """

    def __init__(self, axes: list[Float32[np.ndarray, "N"]], seed: int):
        self._axes, self._seed = axes, seed
        self._fields: dict[str, Float32[np.ndarray, "X Y Z"]] = {}

    def __call__(self, name: str, slices: tuple[slice, slice, slice] | None = None) -> Float32[np.ndarray, "X Y Z"]:
        """The field on the whole grid, or on a box's slices."""
        if name not in self._fields:
            cell, size = CELLS[name]
            stream = np.random.default_rng([self._seed, list(CELLS).index(name)])
            lattice = stream.standard_normal((size,) * 3, dtype=np.float32)
            lattice *= np.float32((151 / 315) ** -1.5)  # the spline's mean squared weight, per axis
            weights = [spline_weights(np.asarray(a, float) / cell, size, periodic=True) for a in self._axes]
            self._fields[name] = read_lattice(lattice, weights)
        field = self._fields[name]
        return field if slices is None else field[slices]

"""Two faults that make an uncertainty map look better, or everything worse, than it is.

leak        a map that sees the label, directly or through an organ map, is found by moving the label
flip        a label on a mirrored grid, or with background and pancreas swapped, fits better when turned back
"""

import dataclasses
from collections.abc import Callable, Mapping
from itertools import chain, combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from pancreas_ssl.errors import require

__all__ = ["flipped_label", "sees_label"]

SECRET = ("label", "organs")  # fields of a case that tell where the pancreas is
MIRRORS = tuple(chain.from_iterable(combinations((0, 1, 2), n) for n in range(4)))


def sees_label(make_map: Callable[[Any], Any], case: Any, rng: np.random.Generator, atol: float = 0.0) -> bool:
    """Whether a map changes when nothing but the label does: True is a leak.

    The map is made twice from the case as it is, and once from a copy whose label, and organ map (it shows the pancreas
    too), are moved by a random step along each axis. A map for new patients cannot tell them apart. Leaks through other
    fields or files are not ruled out.

    Args:
        make_map: from a case to an array or tensor; all its randomness must be seeded.
        case: a dataclass such as `Prepared`, or a mapping, with `label` and, where there is one, `organs`.
        rng: numpy generator for the step.
        atol: difference that still counts as equal; 0 on a processor.

    Raises:
        InputError: no label in the case, or a map that differs from itself.

    Example:
        >>> case = {"image": np.zeros((4, 4, 4)), "label": np.eye(4)[..., None] * np.ones(4)}
        >>> rng = np.random.default_rng(0)
        >>> sees_label(lambda c: c["image"], case, rng), sees_label(lambda c: c["image"] + c["label"], case, rng)
        (False, True)
    """
    is_mapping = isinstance(case, Mapping)
    secrets = {name: case.get(name) if is_mapping else getattr(case, name, None) for name in SECRET}
    secrets = {name: value for name, value in secrets.items() if value is not None}
    labelled = "label" in secrets and bool(_array(secrets["label"]).size)
    require(labelled, "a case with a label", "one without", "pass a labelled case")
    step = tuple(int(rng.integers(1, max(size, 2))) for size in secrets["label"].shape[-3:])
    moved = {name: _moved(value, step) for name, value in secrets.items()}
    other = {**case, **moved} if is_mapping else dataclasses.replace(case, **moved)

    first, again, blind = (_array(make_map(which)) for which in (case, case, other))
    remedy = "seed the map's random draws, or raise atol"
    require(_equal(first, again, atol), "the same map from the same case", "two that differ", remedy)
    return not _equal(first, blind, atol)


def flipped_label(probability: Any, label: Any, spacing: tuple[float, float, float]) -> pd.DataFrame:
    r"""How well a prediction fits the label as it is, mirrored in each way, and with its two values swapped.

    Args:
        probability: of pancreas, from any reasonable model.
        label: pancreas where not 0, on the same grid of `spacing` mm.

    Returns:
        One row per orientation, the best first, named "as it is", "mirrored x" ... "mirrored x y z", "swapped".
        `correlation` (Pearson, over all voxels; 0 where one of them is constant) decides. `dice` is
        2 \sum p l / (\sum p + \sum l); `distance_mm` lies between the two centres of mass (NaN where one is empty).
        A first row other than "as it is" calls for a look at the files: x mirrored alone is a wrong side, x and y
        together a mix-up of LPS and RAS. A poor model may err; believe it when most cases of a source agree.

    Raises:
        InputError: shapes differ, or are not three axes.

    Example:
        >>> label = np.zeros((8, 6, 4)); label[1:3, 1:3, 1:3] = 1
        >>> flipped_label(label[::-1], label, (3, 3, 3)).index[0]
        'mirrored x'
    """
    p, y = _array(probability).astype(np.float64), _array(label) != 0
    fine, got = p.shape == y.shape and p.ndim == 3, f"{p.shape} and {y.shape}"
    require(fine, "probability and label on one grid (X, Y, Z)", got, "bring them onto one grid first")
    names = [f"mirrored {' '.join('xyz'[axis] for axis in axes)}" if axes else "as it is" for axes in MIRRORS]
    ways = {name: np.flip(y, axes) for name, axes in zip(names, MIRRORS, strict=True)} | {"swapped": ~y}
    rows = {name: _fit(p, turned, np.asarray(spacing, float)) for name, turned in ways.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["correlation", "dice", "distance_mm"])
    # Rounded, so that of orientations that fit equally well the first, and plainest, stays first.
    return table.loc[table["correlation"].round(9).sort_values(ascending=False, kind="stable").index]


def _fit(p: np.ndarray, y: np.ndarray, sides: np.ndarray) -> tuple[float, float, float]:
    spread = p.std() * y.std()
    correlation = float(((p - p.mean()) * y).mean() / spread) if spread > 1e-12 else 0.0
    total = p.sum() + y.sum()
    dice = float(2 * p[y].sum() / total) if total else 0.0
    distance = float("nan")
    if p.sum() > 0 and y.any():
        gap = np.subtract(ndimage.center_of_mass(p), ndimage.center_of_mass(y)) * sides
        distance = float(np.linalg.norm(gap))
    return correlation, dice, distance


def _moved(secret: Any, step: tuple[int, ...]) -> Any:
    """Rolled around the volume; where that changes nothing (all equal, say) each value is swapped for another."""
    values = _array(secret)
    moved = np.roll(values, step, axis=(-3, -2, -1))
    if (moved == values).all():
        moved = (values == 0).astype(values.dtype)
    return secret.new_tensor(moved) if hasattr(secret, "new_tensor") else moved


def _array(values: Any) -> np.ndarray:
    return values.numpy(force=True) if hasattr(values, "numpy") else np.asarray(values)


def _equal(a: np.ndarray, b: np.ndarray, atol: float) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=atol, equal_nan=True))

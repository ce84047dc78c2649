"""What a map of doubt must beat, and two faults that make one look better, or everything worse, than it is.

floors      the distance to the predicted edge alone; random numbers
leak        a map that sees the label, directly or through an organ map, is found by moving the label
flip        a label on a mirrored grid, or with background and pancreas swapped, fits better when turned back
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Shaped

from pancreas_ssl.errors import InputError

if TYPE_CHECKING:
    import pandas

__all__ = ["edge_distance", "flipped_label", "random_map", "sees_label"]

SECRET = ("label", "organs")  # fields of a case that tell where the pancreas is
MIRRORS = tuple(chain.from_iterable(combinations((0, 1, 2), n) for n in range(4)))


def edge_distance(
    probability: Any, spacing: tuple[float, float, float], scale_mm: float = 3.0
) -> Float32[np.ndarray, "X Y Z"]:
    """exp(-|d| / scale): high at the edge of the predicted mask (probability above 1/2), whatever the model doubts.

    Errors sit at edges, so this floor is strong: a map that does not beat it adds nothing. d is the distance to the
    predicted surface in mm, cut off at 30; only the order matters for an AUROC, not the scale.

    Example:
        >>> p = np.array([0.9, 0.8, 0.2, 0.1]).reshape(4, 1, 1)
        >>> edge_distance(p, (3, 3, 3)).ravel().round(2).tolist() == [np.float32(v) for v in (0.22, 0.61, 0.61, 0.22)]
        True
    """
    from pancreas_ssl.uncertainty.structural import signed_distance

    if not scale_mm > 0:
        raise InputError(f"expected a scale above 0 mm, got {scale_mm}; 3 is the default")
    distance = signed_distance(np.asarray(probability) > 0.5, spacing)
    return np.exp(-np.abs(distance) / np.float32(scale_mm))


def random_map(shape: Sequence[int], rng: np.random.Generator) -> Float32[np.ndarray, "..."]:
    """Independent numbers from U(0, 1): the floor of all floors, AUROC 0.5.

    Example:
        >>> random_map((2, 3, 4), np.random.default_rng(0)).shape
        (2, 3, 4)
    """
    return rng.random(tuple(shape), np.float32)


def sees_label(
    make_map: Callable[[Any], Any], case: Any, rng: np.random.Generator, atol: float = 0.0
) -> bool:
    """Whether a map changes when nothing but the label does: True is a leak.

    The map is made of the case as it is, twice, and of a copy whose label is moved by a random step along each axis,
    and its organ map, which shows the pancreas too, by the same. A map for new patients cannot tell them apart. The
    absence of a leak through other fields or files is not shown.

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
    secrets = {name: _array(value) for name, value in secrets.items() if value is not None}
    if "label" not in secrets or not secrets["label"].size:
        raise InputError("expected a case with a label, got one without; pass a labelled case")
    shape = secrets["label"].shape[-3:]
    step = tuple(int(rng.integers(1, max(size, 2))) for size in shape)
    moved = {name: _moved(value, step) for name, value in secrets.items()}
    moved = {name: _like(case[name] if is_mapping else getattr(case, name), v) for name, v in moved.items()}
    other = {**case, **moved} if is_mapping else dataclasses.replace(case, **moved)

    first, again, blind = (_array(make_map(which)) for which in (case, case, other))
    if not _equal(first, again, atol):
        raise InputError(
            "expected the same map from the same case, got two that differ; seed the map's random draws, or raise atol"
        )
    return not _equal(first, blind, atol)


def flipped_label(probability: Any, label: Any, spacing: tuple[float, float, float]) -> "pandas.DataFrame":
    r"""How well a prediction fits the label as it is, mirrored in each way, and with its two values swapped.

    Args:
        probability: of pancreas, from any half-way sound model.
        label: pancreas where not 0, on the same grid.
        spacing: voxel sides in mm.

    Returns:
        One row per orientation, the best first, named "as it is", "mirrored x" ... "mirrored x y z", "swapped".
        `correlation` (Pearson, over all voxels; 0 where one of them is constant) decides. `dice` is
        2 \sum p l / (\sum p + \sum l); `distance_mm` lies between the two centres of mass (NaN where one is empty).
        A first row other than "as it is" asks for a look at the files: x mirrored alone is a wrong side, x and y
        together is a mix-up of LPS and RAS. A poor model may err; believe it when most cases of a source agree.

    Raises:
        InputError: shapes differ, or are not three axes.

    Example:
        >>> label = np.zeros((8, 6, 4)); label[1:3, 1:3, 1:3] = 1
        >>> flipped_label(label[::-1], label, (3, 3, 3)).index[0]
        'mirrored x'
    """
    import pandas

    p, y = _array(probability).astype(np.float64), _array(label) != 0
    if p.shape != y.shape or p.ndim != 3:
        raise InputError(
            f"expected probability and label on one grid (X, Y, Z), got {p.shape} and {y.shape}; bring them onto one "
            f"grid first"
        )
    ways = {_name(axes): np.flip(y, axes) for axes in MIRRORS}
    ways["swapped"] = ~y
    rows = {name: _fit(p, turned, np.asarray(spacing, float)) for name, turned in ways.items()}
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=["correlation", "dice", "distance_mm"])
    # Rounded, so that of orientations that fit equally well the first, and plainest, stays first.
    return table.loc[table["correlation"].round(9).sort_values(ascending=False, kind="stable").index]


def _name(axes: tuple[int, ...]) -> str:
    return f"mirrored {' '.join('xyz'[axis] for axis in axes)}" if axes else "as it is"


def _fit(p: np.ndarray, y: np.ndarray, sides: np.ndarray) -> tuple[float, float, float]:
    from scipy import ndimage

    spread = p.std() * y.std()
    correlation = float(((p - p.mean()) * y).mean() / spread) if spread > 1e-12 else 0.0
    total = p.sum() + y.sum()
    dice = float(2 * p[y].sum() / total) if total else 0.0
    distance = float("nan")
    if p.sum() > 0 and y.any():
        gap = np.subtract(ndimage.center_of_mass(p), ndimage.center_of_mass(y)) * sides
        distance = float(np.linalg.norm(gap))
    return correlation, dice, distance


def _moved(values: Shaped[np.ndarray, "*b X Y Z"], step: tuple[int, ...]) -> Shaped[np.ndarray, "*b X Y Z"]:
    """Rolled around the volume; where that changes nothing (all equal, say) each value is swapped for another."""
    rolled = np.roll(values, step, axis=(-3, -2, -1))
    return rolled if (rolled != values).any() else (values == 0).astype(values.dtype)


def _array(values: Any) -> np.ndarray:
    return values.numpy(force=True) if hasattr(values, "numpy") else np.asarray(values)


def _like(model: Any, values: np.ndarray) -> Any:
    """The values in the kind (array or tensor) of the model."""
    return model.new_tensor(values) if hasattr(model, "new_tensor") else values


def _equal(a: np.ndarray, b: np.ndarray, atol: float) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=atol, equal_nan=True))

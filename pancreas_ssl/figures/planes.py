"""Cutting a plane out of an RAS volume so that it lies on the page as radiologists expect it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pancreas_ssl.errors import InputError

__all__ = [
    "PLANES",
    "Plane",
    "Scene",
    "best_index",
    "box_around",
    "plane_axis",
    "scene",
    "to_page",
    "zoomed",
]


@dataclass(frozen=True)
class Plane:
    """One way of cutting: the axis that is cut and the letters at the picture's edges."""

    name: str
    axis: int  # the array axis that the plane is perpendicular to
    left: str
    right: str
    top: str
    bottom: str


# The patient's right is on the left of the page; sagittal planes look from the patient's left, front on the left.
PLANES = {
    "axial": Plane("axial", 2, "R", "L", "A", "P"),
    "coronal": Plane("coronal", 1, "R", "L", "S", "I"),
    "sagittal": Plane("sagittal", 0, "A", "P", "S", "I"),
}


@dataclass(frozen=True)
class Scene:
    """A volume ready to be drawn.

    hu (X, Y, Z) in HU, axes RAS+; spacing in mm; label and prediction (X, Y, Z) boolean or None; affine 4x4 in mm.
    """

    hu: Shaped[np.ndarray, "X Y Z"]
    spacing: tuple[float, float, float]
    label: Shaped[np.ndarray, "X Y Z"] | None
    prediction: Shaped[np.ndarray, "X Y Z"] | None
    affine: Float[np.ndarray, "4 4"]


def scene(volume: Any, label: Any = None, prediction: Any = None, spacing=None) -> Scene:
    """Gather what is to be drawn from an array, a `Volume`, a phantom's `Scan` or a `Prepared` case.

    Args:
        volume: (X, Y, Z) array in HU with axes RAS+ (then `spacing` in mm is needed, default 1 mm), or an object with
            `array` or `image` and `affine`. A prepared image, scaled to [-1, 1], is put back to HU by its `window`.
        label: boolean-like (X, Y, Z), or an object with `array`; default: the `label` that `volume` carries, if any.
        prediction: the same for a predicted mask.

    Raises:
        InputError: not three axes, or a mask of another shape.
    """
    hu = np.asarray(_array(volume))
    window = getattr(volume, "window", None)
    if hu.ndim == 4 and hu.shape[0] == 1:
        hu = hu[0]
    if hu.ndim != 3:
        raise InputError(
            f"expected a volume with three axes (X, Y, Z), got shape {hu.shape}; pass one volume"
        )
    if window is not None:
        low, high = window
        hu = low + (hu.astype(np.float32) + 1) / 2 * (high - low)
    if label is None and hasattr(volume, "label"):
        label = volume.label
    affine = getattr(volume, "affine", None)
    if affine is None:
        affine = np.diag([*(spacing or (1.0, 1.0, 1.0)), 1.0])
    affine = np.asarray(affine, dtype=float)
    spacing = tuple(float(s) for s in (spacing or np.linalg.norm(affine[:3, :3], axis=0)))
    return Scene(
        hu, spacing, _mask(label, hu.shape, "label"), _mask(prediction, hu.shape, "prediction"), affine
    )


def zoomed(drawn: Scene, box: tuple[slice, slice, slice]) -> Scene:
    """The part of a scene inside a box of voxels; the affine moves along."""
    affine = drawn.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start or 0 for part in box]
    label, prediction = (None if m is None else m[box] for m in (drawn.label, drawn.prediction))
    return Scene(drawn.hu[box], drawn.spacing, label, prediction, affine)


def box_around(
    mask: Shaped[np.ndarray, "X Y Z"], spacing, margin_mm: float = 30.0
) -> tuple[slice, slice, slice]:
    """Box of voxels around a mask with a margin in mm, inside the volume; the whole volume for an empty mask."""
    from pancreas_ssl.evaluation.components import bounding_box

    mask = np.asarray(mask) > 0
    margin = int(np.ceil(margin_mm / min(spacing)))
    return bounding_box(mask, margin=margin) or tuple(slice(0, size) for size in mask.shape)


def _array(volume: Any):
    for name in ("array", "image", "mask"):
        if hasattr(volume, name):
            return getattr(volume, name)
    return volume


def _mask(mask: Any, shape: tuple[int, ...], what: str):
    if mask is None:
        return None
    mask = np.asarray(_array(mask))
    if mask.ndim == 4 and mask.shape[0] == 1:
        mask = mask[0]
    if mask.shape != shape:
        raise InputError(
            f"expected a {what} of the image's shape {shape}, got {mask.shape}; resample it first"
        )
    return mask > 0


def plane_axis(plane: str) -> int:
    """The array axis that a plane is perpendicular to; an unknown plane is an `InputError`."""
    if plane not in PLANES:
        raise InputError(f"expected a plane among {', '.join(PLANES)}, got {plane!r}; choose one of them")
    return PLANES[plane].axis


def to_page(array: Shaped[np.ndarray, "X Y Z"], plane: str, index: int) -> Shaped[np.ndarray, "rows columns"]:
    """One plane of an RAS+ array as rows from the top and columns from the left of the page.

    Example:
        >>> body = np.zeros((3, 4, 5)); body[2, 3, 0] = 1      # right, front, lowest slice
        >>> to_page(body, "axial", 0)[0, 0]                    # upper left corner
        np.float64(1.0)
    """
    axis = plane_axis(plane)
    if not 0 <= index < array.shape[axis]:
        raise InputError(
            f"expected a {plane} slice from 0 to {array.shape[axis] - 1}, got {index}; choose one inside the volume"
        )
    cut = np.moveaxis(array, axis, 0)[
        index
    ]  # a view; `np.take` copies the whole volume where it is Fortran-ordered
    return cut.T[::-1, ::-1]  # right (front, for sagittal) to the left, top up


def best_index(mask: Shaped[np.ndarray, "X Y Z"] | None, shape: tuple[int, ...], plane: str) -> int:
    """The slice that shows most of the mask; the middle one when there is no mask or it is empty."""
    axis = plane_axis(plane)
    if mask is None or not mask.any():
        return shape[axis] // 2
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    return int(np.argmax(areas))

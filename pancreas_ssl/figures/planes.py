"""Cutting a plane out of an RAS volume so that it lies on the page as radiologists expect it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pancreas_ssl.errors import require

__all__ = [
    "PLANES",
    "WINDOW",
    "Plane",
    "Scene",
    "as_volume",
    "best_index",
    "box_around",
    "page_places",
    "page_size",
    "plane_axis",
    "scene",
    "to_hu",
    "to_page",
    "zoomed",
]

WINDOW = (-150.0, 250.0)  # HU; soft tissue, the window that the networks see


@dataclass(frozen=True)
class Plane:
    """One way of cutting: the axis that is cut and the letters at the picture's edges."""

    axis: int  # the array axis that the plane is perpendicular to
    left: str
    right: str
    top: str
    bottom: str


# The patient's right is on the left of the page; sagittal planes look from the patient's left, front on the left.
PLANES = {
    "axial": Plane(2, "R", "L", "A", "P"),
    "coronal": Plane(1, "R", "L", "S", "I"),
    "sagittal": Plane(0, "A", "P", "S", "I"),
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

    @property
    def masks(self) -> dict[str, Shaped[np.ndarray, "X Y Z"]]:
        """Label and prediction by name, where they exist."""
        named = {"label": self.label, "prediction": self.prediction}
        return {what: mask for what, mask in named.items() if mask is not None}

    @property
    def ml(self) -> float:
        """Volume of a voxel in mL."""
        return float(np.prod(self.spacing)) / 1000


def scene(volume: Any, label: Any = None, prediction: Any = None, spacing=None) -> Scene:
    """Gather what is to be drawn from an array, a `Volume`, a phantom's `Scan` or a `Prepared` case.

    Args:
        volume: (X, Y, Z) array in HU with axes RAS+ (then `spacing` in mm is needed, default 1 mm), or an object with
            `array` or `image` and `affine`. A prepared image, scaled to [-1, 1], is converted to HU by its `window`.
        label: boolean-like (X, Y, Z), or an object with `array`; default: the `label` that `volume` carries, if any.
        prediction: the same for a predicted mask.

    Raises:
        InputError: not three axes, or a mask of another shape.
    """
    hu, window = as_volume(_array(volume)), getattr(volume, "window", None)
    require(hu.ndim == 3, "a volume with three axes (X, Y, Z)", f"shape {hu.shape}", "pass one volume")
    if window is not None:
        hu = to_hu(hu, window)
    if label is None and hasattr(volume, "label"):
        label = volume.label
    affine = getattr(volume, "affine", None)
    if affine is None:
        affine = np.diag([*(spacing or (1.0, 1.0, 1.0)), 1.0])
    affine = np.asarray(affine, dtype=float)
    spacing = tuple(float(s) for s in (spacing or np.linalg.norm(affine[:3, :3], axis=0)))
    return Scene(hu, spacing, _mask(label, hu.shape, "label"), _mask(prediction, hu.shape, "prediction"), affine)


def as_volume(image: Any) -> Shaped[np.ndarray, "X Y Z"]:
    """An array or tensor without the axis of its one channel."""
    array = np.asarray(image)
    return array[0] if array.ndim == 4 and len(array) == 1 else array


def to_hu(image: Any, window: tuple[float, float]) -> Float[np.ndarray, "X Y Z"]:
    """HU of an image that preprocessing has scaled from this window to [-1, 1]."""
    low, high = window
    return low + (as_volume(image).astype(np.float32) + 1) / 2 * (high - low)


def zoomed(drawn: Scene, box: tuple[slice, slice, slice]) -> Scene:
    """The part of a scene inside a box of voxels; the affine moves along."""
    affine = drawn.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start or 0 for part in box]
    label, prediction = (None if m is None else m[box] for m in (drawn.label, drawn.prediction))
    return Scene(drawn.hu[box], drawn.spacing, label, prediction, affine)


def box_around(
    mask: Shaped[np.ndarray, "X Y Z"], spacing, margin_mm: float = 30.0, plane: str | None = None
) -> tuple[slice, slice, slice]:
    """Box of voxels around a mask with a margin in mm, inside the volume; the whole volume for an empty mask.

    With a `plane` the box keeps all slices of that plane.
    """
    from pancreas_ssl.method.structure import bounding_box

    mask = np.asarray(mask) > 0
    whole = tuple(slice(0, size) for size in mask.shape)
    box = bounding_box(mask, margin=int(np.ceil(margin_mm / min(spacing)))) or whole
    return box if plane is None else tuple(whole[k] if k == plane_axis(plane) else box[k] for k in range(3))


def _array(volume: Any):
    for name in ("array", "image", "mask"):
        if hasattr(volume, name):
            return getattr(volume, name)
    return volume


def _mask(mask: Any, shape: tuple[int, ...], what: str):
    if mask is None:
        return None
    mask = as_volume(_array(mask))
    require(mask.shape == shape, f"a {what} of the image's shape {shape}", mask.shape, "resample it first")
    return mask > 0


def plane_axis(plane: str) -> int:
    """The array axis that a plane is perpendicular to; an unknown plane is an `InputError`."""
    require(plane in PLANES, f"a plane among {', '.join(PLANES)}", repr(plane), "choose one of them")
    return PLANES[plane].axis


def to_page(array: Shaped[np.ndarray, "X Y Z"], plane: str, index: int) -> Shaped[np.ndarray, "rows columns"]:
    """One plane of an RAS+ array as rows from the top and columns from the left of the page.

    Example:
        >>> body = np.zeros((3, 4, 5)); body[2, 3, 0] = 1      # right, front, lowest slice
        >>> to_page(body, "axial", 0)[0, 0]                    # upper left corner
        np.float64(1.0)
    """
    axis = plane_axis(plane)
    last = array.shape[axis] - 1
    require(0 <= index <= last, f"a {plane} slice from 0 to {last}", index, "choose one inside the volume")
    cut = np.moveaxis(array, axis, 0)[index]  # a view; `np.take` copies the whole volume where it is Fortran-ordered
    return cut.T[::-1, ::-1]  # right (front, for sagittal) to the left, top up


def best_index(mask: Shaped[np.ndarray, "X Y Z"] | None, shape: tuple[int, ...], plane: str) -> int:
    """The slice that shows most of the mask; the middle one when there is no mask or it is empty."""
    axis = plane_axis(plane)
    if mask is None or not mask.any():
        return shape[axis] // 2
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    return int(np.argmax(areas))


def page_size(drawn: Scene, plane: str) -> tuple[float, float]:
    """Width and height of a plane in mm."""
    across, up = (axis for axis in range(3) if axis != plane_axis(plane))
    return drawn.hu.shape[across] * drawn.spacing[across], drawn.hu.shape[up] * drawn.spacing[up]


def page_places(positions, drawn: Scene, box=(slice(None),) * 3) -> tuple[np.ndarray, np.ndarray]:
    """Where voxels' centres lie on an axial page, in mm from its upper left corner; of the part inside `box`."""
    stops = [part.indices(n)[1] for part, n in zip(box[:2], drawn.hu.shape[:2], strict=True)]
    x, y = ((stops[k] - 0.5 - np.asarray(positions)[:, k]) * drawn.spacing[k] for k in (0, 1))
    return x, y

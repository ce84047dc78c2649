"""A scan in memory: voxels with RAS+ axes, where they lie in the patient, and how the file had them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Num, Shaped
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

__all__ = ["Original", "Volume", "as_stored", "same_grid", "spacing_of"]


def spacing_of(affine: Float[np.ndarray, "4 4"]) -> tuple[float, float, float]:
    """Distance between neighbouring voxels in mm along the three axes: the lengths of the affine's columns."""
    lengths = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    return tuple(round(float(length), 6) for length in lengths)


@dataclass(frozen=True)
class Original:
    """How the file stored the scan: all that is needed to write a prediction back onto it.

    `shape` and `affine` (mm, RAS world) are the file's own, `orientation` its axis codes such as ("L", "A", "S"),
    `header` a copy of the NIfTI header (None for DICOM). `oriented` is False where the file carries neither sform
    nor qform, so that left and right are a guess. `frame` is a DICOM series' frame of reference.
    """

    shape: tuple[int, int, int]
    affine: Float[np.ndarray, "4 4"]
    orientation: tuple[str, str, str]
    header: Any = field(default=None, repr=False)
    oriented: bool = True
    path: str = ""
    frame: str = ""


@dataclass(frozen=True)
class Volume:
    """Voxels (X, Y, Z) with RAS+ axes: i grows towards the patient's right, j anterior, k superior.

    `affine` takes voxel indices to mm in the RAS world; for an oblique scan the axes are the closest to RAS.
    An image holds HU as float32, a label 0 and 1 as uint8.

    Example:
        >>> volume = Volume(np.zeros((4, 4, 2), np.float32), np.diag([3.0, 3.0, 5.0, 1.0]))
        >>> volume.spacing, volume.voxel_ml
        ((3.0, 3.0, 5.0), 0.045)
    """

    array: Num[np.ndarray, "X Y Z"]
    affine: Float[np.ndarray, "4 4"]
    original: Original | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.array.shape)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """mm along X, Y, Z."""
        return spacing_of(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL (right for sheared grids too)."""
        return round(float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000, 9)

    def part(self, box: tuple[slice, slice, slice]) -> "Volume":
        """The voxels of a box, where they lie in the patient; nothing is copied, and no file is remembered."""
        shift = np.eye(4)
        shift[:3, 3] = [side.start for side in box]
        return Volume(self.array[box], self.affine @ shift)


def as_stored(array: Shaped[np.ndarray, "X Y Z"], original: Original) -> Shaped[np.ndarray, "I J K"]:
    """An array of a volume's RAS axes in the order and direction of the axes of its file."""
    return apply_orientation(array, ornt_transform(axcodes2ornt("RAS"), io_orientation(original.affine)))


def same_grid(
    shape_a: tuple[int, ...],
    affine_a: Float[np.ndarray, "4 4"],
    shape_b: tuple[int, ...],
    affine_b: Float[np.ndarray, "4 4"],
    tolerance: float = 0.1,
) -> bool:
    """True where two grids have one shape and no corner of one lies further than `tolerance` voxels off the other's.

    Files round their affines to float32, so exact equality would refuse good pairs.
    """
    if tuple(shape_a) != tuple(shape_b):
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape_a[:3]], indexing="ij")).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    offset = (np.asarray(affine_a, float) - np.asarray(affine_b, float)) @ corners
    return bool(np.linalg.norm(offset[:3], axis=0).max() <= tolerance * min(spacing_of(affine_a)))

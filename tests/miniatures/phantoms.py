"""Small scans for the miniatures: a phantom patient cut to the surroundings of the pancreas, axes RAS."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pancreas_ssl.phantom.anatomy import Grid
from pancreas_ssl.phantom.cohort import SOURCES, make_case
from pancreas_ssl.phantom.tissues import Organ, Tissue

__all__ = ["Small", "small", "turned"]

MARGIN = np.array([[9, 15], [12, 14], [5, 6]])  # voxels around the pancreas: left and right, back and front, ...


COARSE = Grid((96, 78, 84), (4.0, 4.0, 4.0))  # of the anatomy: made in half the time


@dataclass(frozen=True)
class Small:
    """HU (int16), `Organ` values, `Tissue` values (uint8) and the affine of one small scan; RAS."""

    hu: np.ndarray
    organ: np.ndarray
    tissue: np.ndarray
    affine: np.ndarray

    @property
    def pancreas(self) -> np.ndarray:
        return self.organ == Organ.PANCREAS

    @property
    def mass(self) -> np.ndarray:
        return self.pancreas & (self.tissue == Tissue.MASS)

    @property
    def duct(self) -> np.ndarray:
        return self.pancreas & (self.tissue == Tissue.DUCT)

    def part(self, name: str) -> np.ndarray:
        """Head, body or tail: thirds of the pancreas from the patient's right to the left."""
        x = np.flatnonzero(self.pancreas.any((1, 2)))
        low, high = x[0] + np.array([1, 2]) * len(x) / 3
        place = np.arange(self.hu.shape[0])[:, None, None]
        inside = {"head": place >= high, "body": (place >= low) & (place < high), "tail": place < low}[name]
        return self.pancreas & inside


@lru_cache(maxsize=128)
def small(
    source: str, patient: int, spacing: tuple[float, float, float] = (3.0, 3.0, 3.0), below: bool = False
) -> Small:
    """Patient of a phantom source; the same arguments give the same voxels. `below`: what lies under the pancreas."""
    scan, _ = make_case(replace(SOURCES[source], spacing=spacing), patient, COARSE)
    where = np.argwhere(scan.label)
    first = np.maximum(where.min(0) - MARGIN[:, 0], 0)
    last = np.minimum(where.max(0) + 1 + MARGIN[:, 1], scan.label.shape)
    if below:
        first[2], last[2] = max(0, where[:, 2].min() - 30), where[:, 2].min() - 1
    box = tuple(map(slice, first, last))
    affine = scan.affine.copy()
    affine[:3, 3] += scan.affine[:3, :3] @ first
    return Small(*(array[box].copy() for array in (scan.image, scan.organ, scan.tissue)), affine)


def turned(array: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """A RAS array as a file stores it whose axes read `codes`, and that file's affine; same place in the patient."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(codes)))
    return np.ascontiguousarray(apply_orientation(array, change)), affine @ inv_ornt_aff(change, array.shape)

"""The canvas an anatomy is painted on: two maps on a grid, and tubes and ellipsoids evaluated in their own boxes.

A structure outside the grid has an empty box; painting it does nothing.
"""

from itertools import product

import numpy as np
from jaxtyping import Bool, Float32

from pancreas_ssl.phantom.geometry import FAR, Box, Pose, Solid, capsule, resample, rotation
from pancreas_ssl.phantom.noise import Noise
from pancreas_ssl.phantom.tissues import Organ, Tissue

__all__ = ["Canvas"]


class Canvas:
    """The two maps being painted (tissue, organ), their grid (spacing in mm), the patient's pose and noise fields."""

    def __init__(self, shape: tuple[int, int, int], spacing: tuple[float, float, float], pose: Pose, seed: int):
        self.shape, self.spacing, self.pose = tuple(shape), tuple(spacing), pose
        self.axes = [((np.arange(n) - (n - 1) / 2) * h).astype(np.float32) for n, h in zip(shape, spacing, strict=True)]
        self.tissue = np.zeros(self.shape, np.uint8)
        self.organ = np.zeros(self.shape, np.uint8)
        self.noise = Noise(self.axes, seed)
        self.fields: dict[str, Float32[np.ndarray, "X Y Z"]] = {}  # distances shared between organs

    def _indices(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First index and one past the last of the grid points between world corners (..., 3), inside the grid."""
        first = np.array([float(axis[0]) for axis in self.axes])
        start = np.clip(np.ceil((low - first) / self.spacing), 0, self.shape).astype(int)
        stop = np.clip(np.floor((high - first) / self.spacing) + 1, 0, self.shape).astype(int)
        return start, np.maximum(start, stop)

    def box(self, low: np.ndarray, high: np.ndarray) -> Box:
        """The voxels between two world corners (mm); empty where the grid holds none of them."""
        start, stop = self._indices(np.asarray(low, float), np.asarray(high, float))
        slices = tuple(map(slice, start.tolist(), stop.tolist()))
        x, y, z = (axis[s] for axis, s in zip(self.axes, slices, strict=True))
        return Box(slices, x[:, None, None], y[None, :, None], z[None, None, :])

    def body_box(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> Box:
        """The voxels around a box given in body mm."""
        world = self.pose.to_world(np.array(list(product(*zip(low, high, strict=True)))))
        return self.box(world.min(0), world.max(0))

    def body(self, box: Box) -> list[Float32[np.ndarray, "X Y Z"]]:
        """Body coordinates x, y, z (mm) of a box's voxels."""
        matrix, constant = self.pose.inverse()
        return [box.linear(matrix[a], constant[a]) for a in range(3)]

    def tube(
        self,
        points: np.ndarray,
        radii: np.ndarray | float,
        *,
        margin: float = 3.0,
        step: float = 6.0,
        flatten: tuple[float, float, float] | None = None,
    ) -> Solid:
        """A tube along a smooth curve through body points (mm); exact up to `margin` mm outside, `FAR` beyond.

        `flatten` divides the cross-section's extent along world x, y, z (0.8: 25 % taller), the length is kept.
        """
        curve, radius = resample(points, radii, step)
        curve, radius = self.pose.to_world(curve), radius * self.pose.size
        stretch = np.ones(3) if flatten is None else np.asarray(flatten, float)
        reach = (radius[:, None] + margin) / np.minimum(stretch, 1.0)
        low, high = curve - reach, curve + reach
        box = self.box(low.min(0), high.max(0))
        starts, stops = self._indices(np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:]))
        corner = np.array([s.start for s in box.slices])
        ends = (curve * stretch).astype(np.float32)
        scaled = [c * np.float32(s) for c, s in zip(box[1:], stretch, strict=True)]
        sd = np.full(box.shape, FAR, np.float32)
        for k in np.flatnonzero((stops > starts).all(1)):
            (i0, j0, k0), (i1, j1, k1) = starts[k] - corner, stops[k] - corner
            view = sd[i0:i1, j0:j1, k0:k1]
            local = scaled[0][i0:i1], scaled[1][:, j0:j1], scaled[2][:, :, k0:k1]
            np.minimum(view, capsule(*local, ends[k], ends[k + 1], radius[k], radius[k + 1]), out=view)
        return Solid(box, sd)

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        *,
        turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
        power: float = 2.0,
        margin: float = 4.0,
    ) -> Solid:
        """A (super)ellipsoid: body centre and radii (mm), turned by degrees about x, y, z; approximate distance."""
        own = rotation(turn)
        radii = np.asarray(radii, float)
        extent = np.abs(self.pose.turn @ (self.pose.scale[:, None] * own)) @ (radii + margin)
        middle = self.pose.to_world(np.asarray(centre, float)[None])[0]
        box = self.box(middle - extent, middle + extent)
        matrix, constant = self.pose.inverse()
        rows = own.T @ matrix
        offset = own.T @ (constant - np.asarray(centre, float))
        local = [box.linear(rows[a], offset[a]) for a in range(3)]
        if power == 2.0:
            first = sum((v * np.float32(1 / r)) ** 2 for v, r in zip(local, radii, strict=True))
            second = sum((v * np.float32(1 / r**2)) ** 2 for v, r in zip(local, radii, strict=True))
            root = np.sqrt(first)
            sd = root * (root - 1) / np.sqrt(second + np.float32(1e-12))
        else:
            total = sum(np.abs(v * np.float32(1 / r)) ** np.float32(power) for v, r in zip(local, radii, strict=True))
            sd = (total ** np.float32(1 / power) - 1) * np.float32(radii.min() * 1.2)
        return Solid(box, sd * np.float32(self.pose.size))

    def paint(self, box: Box, where: Bool[np.ndarray, "X Y Z"], tissue: Tissue, organ: Organ | None = None) -> None:
        """Write a tissue, and an organ when one is named, where `where` is true inside the box."""
        self.tissue[box.slices][where] = tissue
        if organ is not None:
            self.organ[box.slices][where] = organ

    def fill(
        self, solid: Solid, tissue: Tissue, organ: Organ | None = None, where: Bool[np.ndarray, "X Y Z"] | bool = True
    ) -> None:
        """Paint the inside of a solid, where `where` is true."""
        self.paint(solid.box, (solid.sd < 0) & where, tissue, organ)

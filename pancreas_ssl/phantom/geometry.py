"""Signed distances on any grid: poses, boxes, tubes, ellipsoids. Everything is said in millimetres.

Two frames are used. The *world* frame is the grid's (RAS, mm). The *body* frame is the patient's own: x to the
patient's right, y forward, z up, its origin in front of the disc L1/L2, close to the neck of the pancreas. Organ
modules speak body millimetres only; a `Canvas` carries the patient's `Pose` and turns them into voxels. Each
structure is evaluated inside its own box, so the time grows with the structure and not with the scan.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from pancreas_ssl.phantom.noise import Noise
from pancreas_ssl.phantom.tissues import Organ, Tissue

__all__ = ["Box", "Canvas", "Pose", "Solid", "resample", "rotation"]

FAR = np.float32(50.0)  # mm: the distance written where a structure is not near


def rotation(degrees: tuple[float, float, float]) -> Float[np.ndarray, "3 3"]:
    """Rotation matrix about x, then y, then z, by angles in degrees."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@dataclass(frozen=True)
class Pose:
    """How the body lies in the world: `world = turn @ (scale * body) + shift`, mm."""

    turn: Float[np.ndarray, "3 3"]
    scale: Float[np.ndarray, "3"]
    shift: Float[np.ndarray, "3"]

    @property
    def size(self) -> float:
        """Mean linear scale, the factor for radii."""
        return float(np.prod(self.scale) ** (1 / 3))

    def to_world(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Body points (mm) in the world."""
        return (np.asarray(points, float) * self.scale) @ self.turn.T + self.shift

    def inverse(self) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
        """Matrix M and vector t with `body = M @ world + t`."""
        matrix = self.turn.T / self.scale[:, None]
        return matrix, -matrix @ self.shift


class Box(NamedTuple):
    """A part of the grid: its slices, and its world coordinates as three open float32 arrays (mm)."""

    slices: tuple[slice, slice, slice]
    x: Float32[np.ndarray, "X 1 1"]
    y: Float32[np.ndarray, "1 Y 1"]
    z: Float32[np.ndarray, "1 1 Z"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        return self.x.size, self.y.size, self.z.size

    def linear(self, row: np.ndarray, constant: float) -> Float32[np.ndarray, "X Y Z"]:
        """`row . (x, y, z) + constant` on the box."""
        return (self.x * np.float32(row[0]) + np.float32(constant)) + (
            self.y * np.float32(row[1]) + self.z * np.float32(row[2])
        )


class Solid(NamedTuple):
    """A structure in its box: `sd` is the signed distance (mm), negative inside."""

    box: Box
    sd: Float32[np.ndarray, "X Y Z"]

    def on(self, box: Box) -> Float32[np.ndarray, "X Y Z"]:
        """The same distance on another box; `FAR` where the two do not overlap."""
        out = np.full(box.shape, FAR, np.float32)
        pairs = list(zip(self.box.slices, box.slices, strict=True))
        common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs]
        if all(c.stop > c.start for c in common):
            mine = tuple(
                slice(c.start - a.start, c.stop - a.start) for c, (a, _) in zip(common, pairs, strict=True)
            )
            there = tuple(
                slice(c.start - b.start, c.stop - b.start) for c, (_, b) in zip(common, pairs, strict=True)
            )
            out[there] = self.sd[mine]
        return out


def resample(
    points: np.ndarray, radii: np.ndarray | float, step: float = 6.0
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, " N"]]:
    """A smooth curve through `points` (K, 3) with radii (any number of them, or one), sampled about every `step` mm.

    A cubic Hermite curve over chord length, its slopes those of the parabola through three neighbours.
    """
    points = np.asarray(points, float)
    legs = points[1:] - points[:-1]
    lengths = np.maximum(np.sqrt((legs * legs).sum(1)), 1e-3)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    where = np.linspace(0.0, at[-1], max(int(np.ceil(at[-1] / step)) + 1, 3))
    radii = np.atleast_1d(np.asarray(radii, float))
    radius = np.interp(
        where, at if len(radii) == len(points) else np.linspace(0.0, at[-1], len(radii)), radii
    )
    slope = legs / lengths[:, None]
    tangent = np.vstack([slope[:1], slope[-1:]])
    if len(points) > 2:
        before, after = lengths[:-1, None], lengths[1:, None]
        inner = (slope[:-1] * after + slope[1:] * before) / (before + after)
        tangent = np.vstack([1.5 * slope[0] - 0.5 * inner[0], inner, 1.5 * slope[-1] - 0.5 * inner[-1]])
    leg = np.clip(np.searchsorted(at, where, side="right") - 1, 0, len(lengths) - 1)
    length = lengths[leg, None]
    t = (where - at[leg])[:, None] / length
    curve = (2 * t**3 - 3 * t**2 + 1) * points[leg] + (3 * t**2 - 2 * t**3) * points[leg + 1]
    curve += length * ((t**3 - 2 * t**2 + t) * tangent[leg] + (t**3 - t**2) * tangent[leg + 1])
    return curve, radius


class Canvas:
    """The two maps being painted (tissue, organ), the grid they live on, the patient's pose and noise fields.

    Args:
        shape: voxels along x, y, z. spacing: mm. pose: the patient's pose. seed: entropy for the noise fields.
    """

    def __init__(
        self, shape: tuple[int, int, int], spacing: tuple[float, float, float], pose: Pose, seed: int
    ):
        self.shape, self.spacing, self.pose = tuple(shape), tuple(spacing), pose
        self.axes = [
            ((np.arange(n) - (n - 1) / 2) * h).astype(np.float32) for n, h in zip(shape, spacing, strict=True)
        ]
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

    def box(self, low: np.ndarray, high: np.ndarray) -> Box | None:
        """The voxels between two world corners (mm); None where the grid holds none of them."""
        start, stop = self._indices(np.asarray(low, float), np.asarray(high, float))
        if (stop <= start).any():
            return None
        slices = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        x, y, z = (axis[s] for axis, s in zip(self.axes, slices, strict=True))
        return Box(slices, x[:, None, None], y[None, :, None], z[None, None, :])

    def body_box(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> Box | None:
        """The voxels around a box given in body mm."""
        corners = np.array(
            [[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i, j, k in np.ndindex(2, 2, 2)]
        )
        world = self.pose.to_world(corners)
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
    ) -> Solid | None:
        """A tube along a smooth curve through body points (mm); exact up to `margin` mm outside, `FAR` beyond.

        `flatten` divides the cross-section's extent along world x, y, z (0.8: 25 % taller), the length is kept.
        """
        curve, radius = resample(points, radii, step)
        curve, radius = self.pose.to_world(curve), radius * self.pose.size
        stretch = np.ones(3) if flatten is None else np.asarray(flatten, float)
        reach = (radius[:, None] + margin) / np.minimum(stretch, 1.0)
        low, high = curve - reach, curve + reach
        box = self.box(low.min(0), high.max(0))
        if box is None:
            return None
        starts, stops = self._indices(np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:]))
        corner = np.array([s.start for s in box.slices])
        ends = (curve * stretch).astype(np.float32)
        scaled = [c * np.float32(s) for c, s in zip(box[1:], stretch, strict=True)]
        sd = np.full(box.shape, FAR, np.float32)
        for k in np.flatnonzero((stops > starts).all(1)):
            (i0, j0, k0), (i1, j1, k1) = starts[k] - corner, stops[k] - corner
            view = sd[i0:i1, j0:j1, k0:k1]
            local = scaled[0][i0:i1], scaled[1][:, j0:j1], scaled[2][:, :, k0:k1]
            np.minimum(view, _capsule(*local, ends[k], ends[k + 1], radius[k], radius[k + 1]), out=view)
        return Solid(box, sd)

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        *,
        turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
        power: float = 2.0,
        margin: float = 4.0,
    ) -> Solid | None:
        """A (super)ellipsoid: body centre and radii (mm), turned by degrees about x, y, z; approximate distance."""
        own = rotation(turn)
        radii = np.asarray(radii, float)
        extent = np.abs(self.pose.turn @ (self.pose.scale[:, None] * own)) @ (radii + margin)
        middle = self.pose.to_world(np.asarray(centre, float)[None])[0]
        box = self.box(middle - extent, middle + extent)
        if box is None:
            return None
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
            total = sum(
                np.abs(v * np.float32(1 / r)) ** np.float32(power) for v, r in zip(local, radii, strict=True)
            )
            sd = (total ** np.float32(1 / power) - 1) * np.float32(radii.min() * 1.2)
        return Solid(box, sd * np.float32(self.pose.size))

    def paint(
        self,
        box: Box,
        where: Bool[np.ndarray, "X Y Z"],
        tissue: Tissue,
        organ: Organ | None = None,
    ) -> None:
        """Write a tissue, and an organ when one is named, where `where` is true inside the box."""
        self.tissue[box.slices][where] = tissue
        if organ is not None:
            self.organ[box.slices][where] = organ


def _capsule(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    radius_a: float,
    radius_b: float,
) -> Float32[np.ndarray, "X Y Z"]:
    """Signed distance at open coordinates to a capsule from a to b whose radius changes linearly."""
    along = b - a
    squared = np.float32(max(float(along @ along), 1e-6))
    ux, uy, uz = along / squared
    x, y, z = x - a[0], y - a[1], z - a[2]
    t = x * ux + (y * uy + z * uz)
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    # |p - t u|^2 = |p|^2 + t |u|^2 (t - 2 p.u / |u|^2), and the last product is the unclipped t
    distance = x * x + (y * y + z * z)
    raw = x * ux + (y * uy + z * uz)
    raw *= -2
    raw += t
    raw *= t
    raw *= squared
    distance += raw
    np.maximum(distance, 0, out=distance)
    np.sqrt(distance, out=distance)
    t *= np.float32(radius_b - radius_a)
    distance -= t
    distance -= np.float32(radius_a)
    return distance

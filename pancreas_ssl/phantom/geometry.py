"""Poses, boxes, curves and signed distances; everything is said in millimetres.

The *world* frame is the grid's (RAS, mm). The *body* frame is the patient's own: x to the patient's right, y forward,
z up, its origin in front of the disc L1/L2, close to the neck of the pancreas. Organ modules use body millimetres only;
a `Canvas` carries the patient's `Pose` and turns them into voxels. Each structure is evaluated inside its own box, so
the time grows with the structure and not with the scan.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["FAR", "Box", "Pose", "Solid", "capsule", "resample", "rotation"]

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
        mine, there = [], []
        for a, b in zip(self.box.slices, box.slices, strict=True):
            start = max(a.start, b.start)
            stop = max(start, min(a.stop, b.stop))
            mine.append(slice(start - a.start, stop - a.start))
            there.append(slice(start - b.start, stop - b.start))
        out[tuple(there)] = self.sd[tuple(mine)]
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
    radius = np.interp(where, at if len(radii) == len(points) else np.linspace(0.0, at[-1], len(radii)), radii)
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


def capsule(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float
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

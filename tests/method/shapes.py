"""Labels drawn with a ruler, and slow references."""

import numpy as np


def ellipsoid(shape=(24, 20, 16), radii=(7, 4, 5), centre=None) -> np.ndarray:
    centre = centre or tuple(n / 2 for n in shape)
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)) < 1


def blob(rng, shape=(7, 6, 5), share=0.3) -> np.ndarray:
    """A random label, at times empty or full."""
    return rng.random(shape) < rng.choice([0.0, 0.05, share, 0.9, 1.0], p=[0.05, 0.3, 0.3, 0.3, 0.05])


def slow_distance(label, spacing, limit) -> np.ndarray:
    """By definition: from every centre to every voxel box of the other side."""
    places = np.argwhere(np.ones(label.shape, bool))
    out = np.empty(label.shape)
    for place in places:
        here = bool(label[tuple(place)])
        others = np.argwhere(label != here)
        gaps = np.maximum(np.abs(others - place) - 0.5, 0) * spacing
        d = np.sqrt((gaps**2).sum(1)).min() if len(others) else np.inf
        out[tuple(place)] = (-1 if here else 1) * min(d, limit)
    return out

"""Toy cases: a bright ball in a noisy box, quick to learn."""

import numpy as np

from pancreas_ssl.data.preprocessing import Prepared


def ball(seed: int, shape: tuple[int, int, int] = (32, 32, 24)) -> Prepared:
    """One labelled ball of radius 6 voxels somewhere near the middle, 0.6 above a noisy background."""
    rng = np.random.default_rng(seed)
    centre = np.asarray(shape) / 2 + rng.uniform(-4, 4, 3)
    distance = np.linalg.norm(np.indices(shape).T - centre, axis=-1).T
    label = (distance < 6).astype(np.uint8)
    image = np.clip(0.6 * label - 0.3 + rng.normal(0, 0.1, shape), -1, 1).astype(np.float32)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    return Prepared(f"toy_{seed:03d}", "toy/T", image[None], label[None], (3.0,) * 3, affine, (-150.0, 250.0))

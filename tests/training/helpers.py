"""Toy cases, and a tiny training on them that tests can kill: `python helpers.py`."""

import os
import sys

import numpy as np
import torch

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.training import Fitted, Recipe, fit

RECIPE = Recipe(
    patch=(16, 16, 16), channels=(6, 12), batch=2, steps=60, warmup=5, dropout=0.2, precision="fp32", seed=3
)


def ball(seed: int, shape: tuple[int, int, int] = (32, 32, 24)) -> Prepared:
    """One labelled ball of radius 6 voxels somewhere near the middle, 0.6 above a noisy background."""
    rng = np.random.default_rng(seed)
    centre = np.asarray(shape) / 2 + rng.uniform(-4, 4, 3)
    distance = np.linalg.norm(np.indices(shape).T - centre, axis=-1).T
    label = (distance < 6).astype(np.uint8)
    image = np.clip(0.6 * label - 0.3 + rng.normal(0, 0.1, shape), -1, 1).astype(np.float32)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    return Prepared(f"toy_{seed:03d}", "toy/T", image[None], label[None], (3.0,) * 3, affine, (-150.0, 250.0))


def tiny(folder=None, every: int = 1, resume: bool = False, **more) -> Fitted:
    """60 steps on four balls, with a checkpoint after `every` of them."""
    cases = [ball(k) for k in range(4)]
    return fit(RECIPE, cases, out=folder, resume=resume, device="cpu", progress=False, checkpoint_every=every, **more)


if __name__ == "__main__":
    # One process imports everything, then forks a training for each folder that it is told, and says how it ended.
    torch.set_num_threads(1)
    import monai.inferers  # noqa: F401  slow to import

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            tiny(line.strip(), resume=True)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

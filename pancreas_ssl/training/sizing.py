"""What fits where: the largest batch that a memory holds, and peaks measured beside their forecasts.

    python -m pancreas_ssl.training.sizing cpu < recipes.json

trains a few steps with each recipe, the smallest first, and prints the peak of each on a line. It is a process of its
own because on a processor only the peak of a whole process can be read, and it never falls.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from pancreas_ssl import devices
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import RunError
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.progress import tracked
from pancreas_ssl.training.fit import fit
from pancreas_ssl.training.memory import USABLE, forecast, peak_memory

__all__ = ["largest_batch", "measured_peaks"]

STEPS = 3
FROM_THE_START = {"module_start": 0.0, "contrast_start": None}  # every step has the modules
PEAK = "peak: "  # before the number, in a line of its own
MOST = 4096  # patches in a batch, beyond which nobody asks


def largest_batch(recipe: Recipe, memory: float, precision: str = "fp32") -> int:
    """The most patches a step that the forecast allows in `memory` bytes; 0 where not even one fits.

    A tenth of the memory is left to the system, as in `check_memory`.

    Example:
        >>> largest_batch(Recipe(), 0)
        0
    """

    def needed(batch: int) -> int:
        return forecast(replace(recipe, batch=batch), precision=precision).total

    few, more = needed(2), needed(4)  # the forecast is a line over the batch, so two points tell it
    each = (more - few) / 2
    batch = max(0, min(MOST, int((USABLE * memory - (few - 2 * each)) / each)))
    while batch > 0 and needed(batch) > USABLE * memory:  # it is rounded here and there
        batch -= 1
    return batch


def measured_peaks(recipes: Sequence[Recipe], device: str = "auto", progress: bool = True) -> list[int]:
    """Bytes at the peak of a few training steps with each recipe, beyond what the process held before.

    The image is noise with a ball in it: memory does not mind. The modules begin with the first step. With `progress`
    a line shows how far it is.

    Raises:
        RunError: a training failed, for want of memory perhaps.

    Example:
        >>> measured_peaks([Recipe(batch=1), Recipe(batch=2)])    # doctest: +SKIP
        [287309824, 550502400]
    """
    order = sorted(range(len(recipes)), key=lambda k: forecast(recipes[k]).total)
    asked = json.dumps([recipes[k].to_dict() for k in order])
    command = [sys.executable, "-m", "pancreas_ssl.training.sizing", str(device)]
    with tempfile.TemporaryFile("w+") as complaints:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": complaints}
        with subprocess.Popen(command, text=True, **pipes) as process:
            process.stdin.write(asked)
            process.stdin.close()
            peaks = {}
            for k in tracked(order, "measuring", "training", show=progress):
                line = next((line for line in process.stdout if line.startswith(PEAK)), None)
                if line is None:
                    break
                peaks[k] = int(line.removeprefix(PEAK))
        complaints.seek(0)
        last = (complaints.read().strip().splitlines() or ["it was killed, most often for want of memory"])[-1]
    if process.returncode:
        raise RunError(f"a training that was to be measured failed: {last}; measure smaller patches or batches")
    return [peaks[k] for k in range(len(recipes))]


def _measure(recipes: Sequence[Recipe], device: str) -> Iterator[int]:
    import psutil

    where = devices.resolve_device(device)
    how = {"device": where, "progress": False}
    small = replace(recipes[0], patch=[2 * 2 ** len(recipes[0].channels)] * 3, batch=1, steps=1, **FROM_THE_START)
    fit(small, [_ball(small)], **how)  # libraries are loaded, kernels are made
    before = None
    for recipe in recipes:
        if where.type == "cuda":
            torch.cuda.reset_peak_memory_stats(where)
            before = torch.cuda.memory_allocated(where)
        elif before is None:
            before = psutil.Process().memory_info().rss
        fit(replace(recipe, steps=STEPS, **FROM_THE_START), [_ball(recipe)], **how)
        yield peak_memory(where) - before


def _ball(recipe: Recipe):
    """A case a little larger than a patch."""
    shape = tuple(int(1.3 * size) for size in recipe.patch)
    away = np.linalg.norm(np.indices(shape).T - np.asarray(shape) / 2, axis=-1).T
    label = (away < min(shape) / 4).astype(np.uint8)
    image = (0.6 * label - 0.3 + np.random.default_rng(0).normal(0, 0.1, shape)).astype(np.float32)
    affine = np.diag([recipe.spacing] * 3 + [1.0])
    return Prepared("ball", "sizing", image[None], label[None], (recipe.spacing,) * 3, affine, recipe.window)


if __name__ == "__main__":
    for peak in _measure([Recipe.from_dict(one) for one in json.load(sys.stdin)], sys.argv[1]):
        print(f"{PEAK}{peak}", flush=True)

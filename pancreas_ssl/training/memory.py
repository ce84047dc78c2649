"""Memory forecast: what a training will need at its peak, known before the first step instead of after a crash.

One step is walked through on torch's *meta* device, where tensors have shapes but no numbers: every tensor that the
backward pass will need is counted, without any memory or time to speak of.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.method.network import PHASES
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.extra_terms import ArmModel
from pancreas_ssl.training.teacher_maps import map_bytes

__all__ = ["Forecast", "Placed", "available", "case_bytes", "check_memory", "forecast", "place"]

# Weights, gradients, two moments of AdamW, moving average
COPIES_OF_WEIGHTS = 5
# Of the largest tensor: gradients and layout changes that live only while one layer is passed
TRANSIENT_COPIES = 4
# Of the finest level's output: the phases of `conv_upsampled`, put in their places one axis after the other
UPSAMPLED_COPIES = 4
# Of the machine's free memory that may be planned for; the rest belongs to the system and to fragmentation
USABLE = 0.9
# Of the machine's free memory that the maps of guided recipes may take; more go into a file
MAPS = 0.15


@dataclass(frozen=True)
class Forecast:
    """Bytes needed beyond what the process holds now; `total` is the peak."""

    weights: int
    activations: int
    transient: int
    patches: int
    cases: int  # volumes kept on the training device

    @property
    def total(self) -> int:
        return self.weights + self.activations + self.transient + self.patches + self.cases

    def __str__(self) -> str:
        return (
            f"{_gib(self.total)} (activations {_gib(self.activations)}, passing buffers {_gib(self.transient)}, "
            f"weights {_gib(self.weights)}, patches {_gib(self.patches)}, cases {_gib(self.cases)})"
        )


def forecast(recipe: Recipe, cases: int = 0, precision: str = "fp32") -> Forecast:
    """Peak memory of training with this recipe, in bytes.

    Args:
        cases: bytes of the volumes that are put on the training device in addition.
        precision: 'bf16' halves the activations.

    Measured peaks of patch training on a processor lay between 0.7 and 1.4 times the forecast.

    Example:
        >>> print(forecast(Recipe()))    # doctest: +SKIP
        0.4 GiB (activations 0.3 GiB, ...)
    """
    samples = recipe.batch * recipe.views * (2 if recipe.unlabelled_weight > 0 else 1)
    samples += recipe.batch * (recipe.contrast_views - 1)
    restored = math.ceil(recipe.corrupted_share * recipe.batch)
    with torch.device("meta"):
        learner = ArmModel(recipe)
        image = torch.zeros(samples, 1, *recipe.patch)
    saved: dict[int, tuple[torch.Tensor, int]] = {}
    known = {id(p) for p in learner.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in known and tensor.device.type == "meta":
            storage = tensor.untyped_storage()
            saved[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = learner(image, restore=range(restored))
        for logits in (outputs.logits, outputs.extra.get("organs"), outputs.restored):
            if logits is not None:
                torch.logsumexp(logits, 1).mean()
        outputs.logits.softmax(1)
    sizes = [size for _, size in saved.values()] or [0]
    share = 0.5 if precision == "bf16" else 1.0
    voxels = samples * recipe.patch[0] * recipe.patch[1] * recipe.patch[2]
    finest = share * 4 * recipe.channels[0] * voxels / PHASES
    return Forecast(
        weights=COPIES_OF_WEIGHTS * sum(p.numel() * 4 for p in learner.parameters()),
        activations=int(share * sum(sizes)),
        transient=int(TRANSIENT_COPIES * max(sizes) + UPSAMPLED_COPIES * finest),
        patches=voxels * (4 + 8 + 12 + 2 * 4 * 2),  # image, label, sampling grid, the boxes they are cut from
        cases=cases,
    )


def case_bytes(cases: Sequence[Prepared], device: torch.device | str) -> int:
    """Bytes of the cases on the training device: image, label and organ map on a card, in the type in which they are
    kept (half precision for those in files); a processor trains on the arrays that are there.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((1, 10, 10, 10), np.float32)
        >>> case = Prepared("1", "demo", image, image.astype(np.uint8), (3.0,) * 3, np.eye(4), (-150.0, 250.0))
        >>> case_bytes([case], "cpu"), case_bytes([case], "cuda")
        (0, 5000)
    """
    if torch.device(device).type != "cuda":
        return 0
    return sum(array.nbytes for case in cases for array in (case.image, case.label, case.organs) if array is not None)


class Placed(NamedTuple):
    """Where the volumes of a training go: on the device or streamed to it, the maps there or in a file."""

    keep: bool
    maps_in_file: bool
    bytes: int  # on the training device


def place(
    cases: Sequence[Prepared], train: Sequence[Prepared], recipe: Recipe, device: torch.device, precision: str
) -> Placed:
    """Keep the cases on a card where they fit beside the training, else stream them; the maps of a guided recipe go
    into a file where they are large for the memory, or do not fit on the card.

    Args:
        cases: all that patches are cut from; `train`: those of them that are guided.
    """
    kept, maps = case_bytes(cases, device), map_bytes(train) if recipe.guided else 0
    if device.type == "cuda":
        fits = [forecast(recipe, size, precision).total <= USABLE * available(device) for size in (kept + maps, maps)]
        maps_in_file = maps > 0 and not fits[1]
        return Placed(fits[0], maps_in_file, kept * fits[0] + maps * (not maps_in_file))
    maps_in_file = maps > MAPS * available(device)
    return Placed(True, maps_in_file, maps * (not maps_in_file))


def available(device: torch.device | str) -> int:
    """Bytes that are free on a device now (for the processor: the machine's available memory)."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return min(psutil.virtual_memory().available, _container_limit())


def check_memory(recipe: Recipe, device: torch.device | str, cases: int = 0, precision: str = "fp32") -> Forecast:
    """The forecast, or an `InputError` with numbers and remedies when it is more than the device has free."""
    needed, free = forecast(recipe, cases, precision), available(device)
    if needed.total > USABLE * free:
        per_sample = (needed.activations + needed.transient + needed.patches) / recipe.batch
        fits = int((USABLE * free - needed.weights - needed.cases) / per_sample)
        if recipe.batch > 1 and fits >= 1:
            remedy = f"use a batch of {min(fits, recipe.batch - 1)}"
        else:
            smaller = " x ".join(str(max(2 ** len(recipe.channels), n // 2)) for n in recipe.patch)
            remedy = f"use a smaller patch (such as {smaller}) or narrower channels"
        raise InputError(
            f"expected a training that fits into the {_gib(free)} free on {device}, batch {recipe.batch} with patches "
            f"of {' x '.join(map(str, recipe.patch))} needs about {_gib(needed.total)}; {remedy}"
        )
    return needed


def peak_memory(device: torch.device | str) -> int:
    """Peak bytes so far: of the torch allocator on a card, of the whole process on a processor."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:  # Linux: the counter of getrusage starts at the peak of the process that started this one
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
        import sys
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _container_limit() -> int:
    """What a container may still take (Linux control groups), else no limit."""
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            return max(0, int(limit.read()) - int(used.read()))
    except (OSError, ValueError):
        return 1 << 62


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 0.1 * 2**30 else f"{size / 2**20:.0f} MiB"

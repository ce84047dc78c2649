"""Rows of all processes, so that every one of them holds the same prototypes."""

import torch
from jaxtyping import Float
from torch import Tensor, distributed

__all__ = ["gathered"]


@torch.no_grad()
def gathered(rows: Float[Tensor, "N D"]) -> Float[Tensor, "M D"]:
    """The rows of every process in the order of the processes; with one process, the rows themselves.

    Processes may have different numbers of rows: they are padded for the way and cut again. No gradient flows.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    world = distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world)]
    distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    most = max(int(count) for count in counts)
    padded = rows.new_zeros((most, *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.zeros_like(padded) for _ in range(world)]
    distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

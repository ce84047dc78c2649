r"""Sums and rows over all processes of a training, so that several of them compute the loss of one.

Data-parallel training averages the *gradients* of the processes. That is right for a loss that is a mean over patches,
and wrong for one that is not: a Dice over the whole batch, a mean over corrupted voxels, a contrast of every anchor
with every negative. Such a loss needs its sums (or rows) from all processes first, and is then computed by each of them
alike. With one process every function here gives back what it was given.

    S = \sum_r s_r,  L = f(S), the same number in every process;   dL/ds_r = f'(S)

`summed` passes f'(S) back multiplied by the number W of processes. The average over processes that follows divides by W
and adds up what each process contributed: exactly the gradient of one process with the whole batch. Nothing is sent on
the way back, so the processes cannot wait for each other in different orders.
"""

from typing import Any, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed

__all__ = ["agreed", "any_of", "averaged", "gathered", "rank", "summed", "together", "world"]

T = TypeVar("T")


def world() -> int:
    """Number of processes that train together.

    Example:
        >>> world()
        1
    """
    return distributed.get_world_size() if _several() else 1


def rank() -> int:
    """This process's number, from 0."""
    return distributed.get_rank() if _several() else 0


def summed(values: Shaped[Tensor, "*sizes"]) -> Shaped[Tensor, "*sizes"]:
    """The sum over all processes, differentiable; see above for what the gradient is.

    Args:
        values: of one size in all processes.

    Example:
        >>> summed(torch.ones(2))
        tensor([1., 1.])
    """
    return values if world() == 1 else _Summed.apply(values)


@torch.no_grad()
def gathered(rows: Shaped[Tensor, "N *sizes"]) -> Shaped[Tensor, "M *sizes"]:
    """The rows of all processes, in the order of the processes; no gradient flows.

    Args:
        rows: as many in every process. Truth values travel as bytes.
    """
    if world() == 1:
        return rows
    sent = (rows.to(torch.uint8) if rows.dtype == torch.bool else rows).contiguous()
    parts = [torch.empty_like(sent) for _ in range(world())]
    distributed.all_gather(parts, sent)
    return torch.cat(parts).to(rows.dtype)


@torch.no_grad()
def averaged(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each term's mean over the processes, without a gradient: what is reported."""
    if world() == 1 or not terms:
        return terms
    stacked = torch.stack([term.detach().float() for term in terms.values()])
    distributed.all_reduce(stacked)
    return dict(zip(terms, (stacked / world()).unbind(), strict=True))


def any_of(flag: bool, device: torch.device | str = "cpu") -> bool:
    """Whether the flag is set in any process: all of them get the same answer, in the same step."""
    if world() == 1:
        return flag
    said = torch.tensor([float(flag)], device=device)
    distributed.all_reduce(said, op=distributed.ReduceOp.MAX)
    return bool(said.item())


def agreed(value: T) -> T:
    """What the first process says; the others' values are dropped."""
    if world() == 1:
        return value
    said: list[Any] = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def together(shared: list[T]) -> list[T]:
    """The objects of all processes, which were dealt out in turn (`everything[rank() :: world()]`), in their order."""
    if world() == 1:
        return shared
    parts: list[Any] = [None] * world()
    distributed.all_gather_object(parts, shared)
    return [parts[k % world()][k // world()] for k in range(sum(map(len, parts)))]


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(_context, values: Tensor) -> Tensor:
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context, gradient: Tensor) -> Tensor:
        return gradient * world()


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()

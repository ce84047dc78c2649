"""One training in one process or in several: the accelerator.

    pancreas-ssl train --arm dual --out runs/dual                                           one process
    torchrun --nproc-per-node 2 -m pancreas_ssl train --arm dual --out runs/dual            two, on one machine
    accelerate launch --multi_gpu --num_processes 2 -m pancreas_ssl train ...               the same by accelerate

Several machines: `pancreas-ssl train --slurm-script` prints a script for Slurm, which starts torchrun once on each.

(`accelerate launch --cpu` starts a single process, whatever number it is given, unless MPI is there; torchrun starts
processes on processors and on cards alike.)

Hugging Face accelerate carries device, precision and processes. It keeps device and precision in singletons, so that a
second training in the same kernel would silently run with those of the first, and `notebook_launcher` refuses to
start once they exist. A training that owns its process therefore forgets them before and after; under
`accelerate launch` they belong to the launcher and are left alone.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedDataParallelKwargs, patch_environment

from pancreas_ssl import devices
from pancreas_ssl.errors import RunError
from pancreas_ssl.method.processes import agreed, rank

__all__ = ["accelerated", "agreed_plan", "launched", "own_device"]

GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting", "NCCL")


def launched() -> bool:
    """Whether a launcher (torchrun, accelerate) started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_device(device: torch.device) -> torch.device:
    """The device of this process: `device`, or where several were launched, the card that the launcher meant for it.

    The processes find each other here, so that they can agree on everything that follows.
    """
    return PartialState(cpu=device.type == "cpu").device if launched() else device


def agreed_plan(device: torch.device, precision: str) -> devices.Plan:
    """Precision and layout; of several processes the first one probes, and all do as it says."""
    return agreed(devices.plan(device, precision) if rank() == 0 else None)


@contextmanager
def accelerated(device: torch.device, precision: str, unused: bool = False) -> Iterator[Accelerator]:
    """An accelerator on `device` in `precision` ('fp32' or 'bf16'), released when the context ends.

    Under `accelerate launch` each process takes the card that the launcher gave it.

    Args:
        unused: some steps leave some weights without a gradient; several processes must know it beforehand.

    Raises:
        RunError: another process is gone.
    """
    several = launched()
    environment = {} if several else {"accelerate_torch_device": str(device)}
    AcceleratorState._reset_state(reset_partial_state=not several)
    mixed = "bf16" if precision == "bf16" else "no"
    if several:  # torch is surprised that a 1x1x1 kernel has two kinds of strides, which mean the same
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    with patch_environment(**environment):
        processes = [DistributedDataParallelKwargs(find_unused_parameters=True)] if unused else []
        accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=mixed, kwargs_handlers=processes)
    try:
        yield accelerator
    except RuntimeError as error:
        if several and any(phrase in str(error) for phrase in GONE):
            raise RunError(
                "another process of this training has ended or cannot be reached; see what it said, then resume from "
                "the last checkpoint with --resume"
            ) from error
        raise
    finally:
        accelerator.free_memory()
        AcceleratorState._reset_state(reset_partial_state=not several)

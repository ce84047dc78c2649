"""One training in one process or in many: the accelerator, and a stop key that waits for the end of a step.

Hugging Face accelerate carries device, precision and processes. It keeps device and precision in singletons, so that a
second training in the same kernel would silently run with those of the first, and `notebook_launcher` refuses to
start once they exist. A training that owns its process therefore forgets them before and after; under
`accelerate launch` they belong to the launcher and are left alone.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, patch_environment

__all__ = ["StopKey", "accelerated"]


@contextmanager
def accelerated(device: torch.device, precision: str, unused: bool = False) -> Iterator[Accelerator]:
    """An accelerator on `device` in `precision` ('fp32' or 'bf16'), gone when the context ends.

    Under `accelerate launch` each process takes the card that the launcher gave it.

    Args:
        unused: some steps leave some weights without a gradient; several processes must be told so beforehand.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    environment = {} if launched else {"accelerate_torch_device": str(device)}
    if not launched:
        AcceleratorState._reset_state(reset_partial_state=True)
    mixed = "bf16" if precision == "bf16" else "no"
    with patch_environment(**environment):
        processes = [DistributedDataParallelKwargs(find_unused_parameters=True)] if unused else []
        accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=mixed, kwargs_handlers=processes)
    try:
        yield accelerator
    finally:
        accelerator.free_memory()
        if not launched:
            AcceleratorState._reset_state(reset_partial_state=True)


class StopKey:
    """While the context is open, Ctrl-C (or a polite `kill`) only sets `pressed`; a second one stops at once.

    A step that was interrupted midway would leave half-updated weights; so the loop ends its step and writes a
    checkpoint first. Outside the main thread signals cannot be caught, and none is.
    """

    def __init__(self):
        self.pressed = False
        self._before: dict = {}

    def __enter__(self) -> "StopKey":
        if threading.current_thread() is threading.main_thread():
            for name in (signal.SIGINT, signal.SIGTERM):
                self._before[name] = signal.signal(name, self._press)
        return self

    def __exit__(self, *_) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _press(self, *_) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

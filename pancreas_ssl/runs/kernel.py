"""The kernel that notebooks run in: always this interpreter's own, with an environment of its own."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from jupyter_client import AsyncKernelManager, KernelManager
from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["KERNEL", "answers", "kernel_environment", "kernel_manager", "own_kernel"]

KERNEL = "python3"


def kernel_environment(figures: str | Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a notebook's kernel.

    Figures are also saved in `figures` (through PANCREAS_SSL_FIGURES). A session name inherited from a Jupyter
    server is left out, since no front end shows these outputs, and so is MPLBACKEND, so that matplotlib draws
    into the notebook. Programs of this environment come first on the PATH.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("JPY_SESSION_NAME", "MPLBACKEND")}
    environment["PANCREAS_SSL_FIGURES"] = str(figures)
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    programs = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([programs, environment.get("PATH", "")])
    return environment | dict(extra or {})


def kernel_manager(
    environment: Mapping[str, str], folder: str | Path, started: Callable[[int], Any] | None = None, quiet: bool = False
) -> type:
    """A kernel manager class for nbclient whose `python3` is this interpreter, whatever else is installed.

    Args:
        environment: the kernel's environment variables, all of them.
        folder: the kernel's working folder.
        started: called with the kernel's process id once it runs.
        quiet: what the kernel itself says on standard error, beside the notebook's outputs, is not shown.
    """

    class OwnKernelManager(AsyncKernelManager):
        def __init__(self, **options):
            super().__init__(**own_kernel(), **options)

        async def start_kernel(self, **options):
            options |= {"env": dict(environment), "cwd": str(folder)} | ({"stderr": DEVNULL} if quiet else {})
            await super().start_kernel(**options)
            pid = getattr(self.provisioner, "pid", None)
            if started is not None and pid is not None:
                started(pid)

    return OwnKernelManager


def own_kernel() -> dict:
    """Options of a Jupyter kernel manager whose `python3` is this interpreter, its traffic encrypted where possible."""
    options = {"kernel_spec_manager": KernelSpecManager(kernel_dirs=[])}  # no folders: only the interpreter's own
    if "transport_encryption" in KernelManager.class_trait_names():
        options["transport_encryption"] = "auto"
    return options


def answers(timeout: float = 60.0) -> bool:
    """Whether such a kernel starts and computes; used by `pancreas-ssl doctor`."""
    manager = KernelManager(kernel_name=KERNEL, **own_kernel())
    manager.start_kernel()
    try:
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=timeout)
            reply = client.execute_interactive("1 + 1", timeout=timeout, output_hook=lambda _: None)
            return reply["content"]["status"] == "ok"
        finally:
            client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)

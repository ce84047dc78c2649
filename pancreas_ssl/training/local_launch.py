"""Start a training in several processes from a notebook or a script, and relay its output line by line."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import torch

from pancreas_ssl.data.access import cache_dir
from pancreas_ssl.devices import cores
from pancreas_ssl.errors import RunError

__all__ = ["launch", "launch_command", "usual_processes"]


def usual_processes() -> int:
    """One process for each CUDA card; two on the processor where there are fewer than two cards."""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return cards if cards > 1 else 2


def launch_command(arguments: Sequence[str], processes: int) -> list[str]:
    """The command that starts `pancreas-ssl` with these arguments in several processes (torchrun, spelled out).

    Example:
        >>> launch_command(["train", "--out", "runs/two"], 2)[1:6]
        ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    """
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
            "-m", "pancreas_ssl", *arguments]  # fmt: skip


def launch(arguments: Sequence[str], processes: int = 1, *, show: Callable[[str], None] | None = print) -> None:
    """Run `pancreas-ssl` with these arguments in several processes, and relay each line of output as it comes.

    The processes share the cores: each gets as many threads as there are cores for it, at least one, and never more
    than OMP_NUM_THREADS allows where that is set.

    Args:
        arguments: as in a terminal, `["train", "--arm", "dual", "--out", "runs/two"]`.
        processes: of this machine; with 1 no launcher is needed and none is used.
        show: called with each line; None drops them.

    Raises:
        RunError: the training failed; its last line says why.

    Example:
        >>> launch(["version"], show=None)
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(max(1, cores() // processes), int(allowed) if allowed.isdigit() else cores())
    environment = os.environ | {
        "OMP_NUM_THREADS": str(max(1, threads)),
        "PANCREAS_SSL_CACHE": str(cache_dir()),
        "PYTHONUNBUFFERED": "1",
        "TORCH_CPP_LOG_LEVEL": "ERROR",  # else every process warns of what is intended
    }
    command = (
        launch_command(arguments, processes) if processes > 1 else [sys.executable, "-m", "pancreas_ssl", *arguments]
    )
    last = ""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            for line in child.stdout:
                last = line.rstrip() or last
                if show is not None:
                    show(line.rstrip())
        except BaseException:  # Ctrl-C, or a `show` that fails: nothing is left running
            child.terminate()
            raise
    if child.returncode:
        raise RunError(f"a training in {processes} process{'es' * (processes > 1)} failed: {last}")

"""The engine that runs jobs: its name and options, and the executor that it opens."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from pancreas_ssl.errors import require

__all__ = ["Engine", "LostJob", "Planned", "cores"]

NAMES = ("process", "dask", "slurm")


class Planned(Exception):
    """Raised in place of running jobs when only the plan was asked for; its text is the plan."""


class LostJob(BrokenExecutor):
    """A future's error: its worker and the job were lost, those of others go on."""


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Engine:
    """What runs jobs.

    Attributes:
        name: 'process' (local ones), 'dask' (a local cluster, or the one of `scheduler`) or 'slurm' (job arrays).
        workers: jobs at a time; by default one per core, fewer where their memory would not suffice.
        scheduler: address of a Dask scheduler, as tcp://10.0.0.1:8786. Whoever reaches a scheduler can run code on its
            workers: use one on a network that you trust.
        slurm: options of sbatch as submitit names them, such as {"partition": "short", "time": 60} (minutes).
        plan: say what would be run, by raising `Planned`, instead of running it.
        executor: one of your own (mpi4py's, say) in place of all this; it is not shut down.

    Raises:
        InputError: an unknown name, no workers, a scheduler or options that do not go with the name.

    Example:
        >>> Engine("dask", workers=4).name
        'dask'
    """

    name: str = "process"
    workers: int | None = None
    scheduler: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)
    plan: bool = False
    executor: Executor | None = None

    def __post_init__(self):
        require(self.name in NAMES, f"an executor out of {', '.join(NAMES)}", f"'{self.name}'", "choose one")
        most = max(64, 2 * (os.cpu_count() or 1)) if self.name == "process" else 10_000
        fine = self.workers is None or 1 <= self.workers <= most
        require(fine, f"1 to {most:,} workers", self.workers, "one for each core is enough")
        require(not self.scheduler or self.name == "dask", "--scheduler with dask", self.name, "add --executor dask")
        require(
            not self.slurm or self.name == "slurm", "options of Slurm with slurm", self.name, "add --executor slurm"
        )

    @property
    def single(self) -> bool:
        """Whether one local process is all."""
        return self.workers == 1 and self.name == "process" and self.executor is None

    @property
    def remote(self) -> bool:
        """Whether jobs run on other machines, perhaps on another device than this one has."""
        return self.name == "slurm" or self.scheduler is not None or self.executor is not None

    def on(self, device: str) -> "Engine":
        """The engine for jobs on this device: unless a number is named, one at a time where it is no processor."""
        one = device != "cpu" and self.workers is None and self.name == "process" and self.executor is None
        return replace(self, workers=1) if one else self

    def side_by_side(self, jobs: int, memory: float | None = None) -> int:
        """How many jobs run at a time on this machine.

        Args:
            jobs: their number.
            memory: forecast for one of them in bytes.
        """
        number = self.workers
        if number is None:
            fit = int(psutil.virtual_memory().available // memory) if memory else jobs
            number = min(cores(), max(1, fit))
        return max(1, min(number, jobs))

    @contextlib.contextmanager
    def opened(self, jobs: int, memory: float | None, folder: Path, say: Callable[[str], None]) -> Iterator[Executor]:
        """The executor; its workers are gone when the context ends.

        Raises:
            RunError: a scheduler that does not answer. InputError: the extra `cluster` is not installed.
        """
        if self.executor is not None:
            yield self.executor
        elif self.name == "dask":
            from pancreas_ssl.engines.dask_cluster import dask_executor

            with dask_executor(self.scheduler, self.side_by_side(jobs, memory), memory, say) as executor:
                yield executor
        elif self.name == "slurm":
            from pancreas_ssl.engines.slurm import SlurmExecutor

            with SlurmExecutor(folder, self.slurm, self.workers, memory) as executor:
                yield executor
        else:
            from pancreas_ssl.engines.local_processes import local_processes

            with local_processes(self.side_by_side(jobs, memory)) as executor:
                yield executor

    def planned(self, jobs: int, memory: float | None, folder: Path) -> str:
        """What would be run, in words; for Slurm the script as well."""
        need = f", about {memory / 1e9:.1f} GB each" if memory else ""
        if self.name == "slurm":
            from pancreas_ssl.engines.slurm import script

            return f"{jobs} jobs in arrays of Slurm{need}:\n\n{script(folder, self.slurm, self.workers, memory, jobs)}"
        where = self.scheduler or f"{self.side_by_side(jobs, memory)} workers of this machine"
        return f"{jobs} jobs on {where} ({self.name}){need}"

"""Options of every command that has many things to do: what does them, how many at a time."""

from typing import Annotated, Any

import typer

from pancreas_ssl.engines import Engine
from pancreas_ssl.errors import InputError

__all__ = ["DryRun", "Executor", "Scheduler", "Slurm", "Workers", "engine_of"]

Executor = Annotated[str, typer.Option(help="What does the work: process (this machine), dask or slurm.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="How many at a time; by default one per core, fewer where memory is short.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Dask: a scheduler, as tcp://10.0.0.1:8786; else one is started.")
]
Slurm = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="NAME=VALUE", help="Option of sbatch, as partition=short or time=60; repeat it."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be run (Slurm: the script).")]


def engine_of(
    executor: str, workers: int | None, scheduler: str | None, slurm: list[str] | None, dry_run: bool
) -> Engine:
    """The engine that these options mean.

    Raises:
        InputError: an unknown executor, options that do not go with it, or one that is no NAME=VALUE.

    Example:
        >>> engine_of("slurm", 8, None, ["partition=short", "time=60"], False).slurm
        {'partition': 'short', 'time': 60}
    """
    values: dict[str, Any] = {}
    for pair in slurm or []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise InputError(f"expected --slurm NAME=VALUE, got '{pair[:60]}'; write for instance --slurm time=60")
        values[name.strip().replace("-", "_")] = int(value) if value.isascii() and value.isdigit() else value
    return Engine(executor, workers, scheduler, values, dry_run)

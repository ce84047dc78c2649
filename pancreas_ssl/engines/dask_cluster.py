"""Jobs on Dask: a cluster of local processes, or the scheduler at an address (extra `cluster`)."""

import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

import psutil

from pancreas_ssl.engines.local_processes import ONE_THREAD, environment
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.signals import handling

__all__ = ["MEMORY", "dask_executor"]

MEMORY = "MEMORY"  # bytes: a resource that workers declare and jobs ask for
# Dask would have memory given back after every 64 KB that are freed (MALLOC_TRIM_THRESHOLD_): torch then took twice as
# long. Workers of your own: MALLOC_TRIM_THRESHOLD_=134217728 dask worker ...
ENVIRON = {"distributed.nanny.pre-spawn-environ": ONE_THREAD}
WAIT = 600.0  # seconds until a scheduler has to answer


@contextlib.contextmanager
def dask_executor(
    scheduler: str | None, workers: int, memory: float | None, say: Callable[[str], None]
) -> Iterator[Executor]:
    """The executor of a Dask client.

    Args:
        scheduler: an address; None starts a cluster of processes on this machine, which ends with the context.
        workers: of the local cluster, one thread each.
        memory: bytes that a job asks its worker for, where workers declare the resource MEMORY (of a local cluster
            they do; elsewhere `dask worker ADDRESS --nthreads 1 --resources MEMORY=8e9`).

    Raises:
        InputError: the extra is not installed, or no address of a scheduler. RunError: nobody answers there.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError("expected Dask, it is not installed; run pip install 'pancreas-ssl[cluster]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # losses are told by who runs the jobs
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            share = {MEMORY: psutil.virtual_memory().total / workers}
            with environment(ONE_THREAD), handling(signal.SIG_IGN, signal.SIGINT), dask.config.set(ENVIRON):
                how = {"threads_per_worker": 1, "memory_limit": 0, "resources": share, "silence_logs": logging.CRITICAL}
                cluster = stack.enter_context(LocalCluster(n_workers=workers, dashboard_address="127.0.0.1:0", **how))
            client = stack.enter_context(Client(cluster, set_as_default=False))
        else:
            client = stack.enter_context(_client(Client, scheduler, say))
        say(f"Dask: {len(client.nthreads())} workers, dashboard at {client.dashboard_link}")
        yield client.get_executor(pure=False, **_resources(client, memory))
        # not shut down: whoever asked has all results, or gives them up


@contextlib.contextmanager
def _client(make: Callable, scheduler: str, say: Callable[[str], None]) -> Iterator:
    """A client once there is a scheduler and a worker; a line is said when that takes a while."""
    address = scheduler if "://" in scheduler else f"tcp://{scheduler}"
    client = None
    try:
        try:
            client = make(address, set_as_default=False, timeout=3)
        except OSError:
            say(f"waiting for a scheduler at {address}, up to {WAIT / 60:.0f} minutes")
            client = make(address, set_as_default=False, timeout=WAIT)
        if not client.nthreads():
            say(f"waiting for a worker at {address}: dask worker {address} --nthreads 1 --resources MEMORY=8e9")
            client.wait_for_workers(1, timeout=WAIT)
    except ValueError as error:
        raise InputError(f"expected a scheduler's address as tcp://10.0.0.1:8786, got {scheduler}") from error
    except (OSError, TimeoutError) as error:
        raise RunError(f"no scheduler with a worker answered at {address}; start one with dask scheduler") from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=2)


def _resources(client, memory: float | None) -> dict[str, dict[str, float]]:
    """What a job asks for: its forecast, at most what the largest worker has; nothing where workers declare none."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    most = max((worker.get("resources", {}).get(MEMORY, 0.0) for worker in workers), default=0.0)
    return {"resources": {MEMORY: min(memory, most)}} if memory and most else {}

"""Jobs in processes of their own, one per core, which end when they are asked to and when their parent is gone.

They learn it from a pipe: the parent holds its only writing end. When the parent closes it, each worker ends its step,
leaves a checkpoint and returns; when the parent dies, the workers exit at once. Ctrl-C reaches only the parent.
"""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import patch_environment

from pancreas_ssl.errors import DataWarning, InputError, RunError
from pancreas_ssl.signals import StopKey, handling
from pancreas_ssl.study.job import Stopped, run_job
from pancreas_ssl.study.plan import Job

__all__ = ["run_jobs"]

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # of every numerical library, per worker
PATIENCE = 120.0  # seconds that workers get to end a step or a patient
_stopping = threading.Event()  # of a worker


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    *,
    device: str,
    workers: int,
    finished: Callable[[Job, dict[str, Any]], None],
    checkpoint_seconds: float = 30.0,
) -> list[tuple[Job, str]]:
    """Run the jobs; return those that failed, each with its sentence.

    Args:
        finished: called in this process for each job that is done.

    Raises:
        Stopped: Ctrl-C or SIGTERM; every worker has saved its state and ended.
        RunError: a worker was killed from outside (for lack of memory, say).
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    failed: list[tuple[Job, str]] = []
    with StopKey() as stop, patch_environment(**dict.fromkeys(ONE_THREAD, "1")):
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter, initargs=(reader,))
        try:
            with handling(signal.SIG_IGN, signal.SIGINT):  # the workers ignore Ctrl-C from their first moment
                pending: dict[Future, Job] = {
                    pool.submit(_work, job, out, device, checkpoint_seconds): job for job in jobs
                }
            while pending and not stop.pressed:
                for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    job = pending.pop(future)
                    try:
                        finished(job, future.result())
                    except (InputError, RunError) as error:
                        failed.append((job, str(error)))
            if stop.pressed:
                raise Stopped
        except BrokenProcessPool as error:
            raise RunError(
                "a process of the study was ended from outside (perhaps for lack of memory); what is finished is "
                "kept, start it again with the same command and fewer --workers"
            ) from error
        finally:
            writer.close()
            _end(pool, list(pending))
            reader.close()
    return failed


def _end(pool: ProcessPoolExecutor, running: list[Future]) -> None:
    """Wait until the workers have saved their state; those that do not end are killed."""
    for future in running:
        future.cancel()
    until = time.monotonic() + PATIENCE
    while not all(future.done() for future in running) and time.monotonic() < until:
        wait([future for future in running if not future.done()], timeout=0.2)
    late = multiprocessing.active_children() if time.monotonic() >= until else []
    for child in late:
        child.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _enter(reader: connection.Connection) -> None:
    """A worker's first act: its own process group, a thread that listens to the pipe, one thread to compute."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_listen, args=(reader,), name="study-listener", daemon=True).start()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DataWarning)  # the parent has opened the same cases, and told about them


def _listen(reader: connection.Connection) -> None:
    """Exit when the parent is gone; when only the pipe was closed, ask the job to end."""
    gone = multiprocessing.parent_process().sentinel
    ready = connection.wait([reader, gone])
    if gone not in ready and not connection.wait([gone], timeout=0.5):
        _stopping.set()
        connection.wait([gone])
    os._exit(1)


def _work(job: Job, out: Path, device: str, checkpoint_seconds: float) -> dict[str, Any]:
    return run_job(job, out, device, stopping=_stopping.is_set, checkpoint_seconds=checkpoint_seconds)

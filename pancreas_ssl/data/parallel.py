"""One function over many cases, in this process or in several, with results as they come."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from pancreas_ssl.errors import InputError, RunError

__all__ = ["check_workers", "in_processes"]

Item, Result = TypeVar("Item"), TypeVar("Result")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_workers(workers: int) -> None:
    """Raise an `InputError` for a number of processes that is none, or beyond any machine's."""
    most = max(64, 2 * (os.cpu_count() or 1))
    if not 1 <= workers <= most:
        raise InputError(f"expected 1 to {most} workers, got {workers}; one for each core is enough")


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> Iterator[tuple[int, Result]]:
    """Number and result of every item, in the order in which they are done.

    With several workers each is a fresh process with one thread for its arithmetic; the function must stand in a
    module. What is left is given up when the caller stops asking, or stops.

    Raises:
        RunError: a process was killed, for lack of memory say.

    Example:
        >>> sorted(in_processes(abs, [-1, -2]))
        [(0, 1), (1, 2)]
    """
    if workers == 1 or len(items) < 2:
        yield from ((k, function(item)) for k, item in enumerate(items))
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # spawned processes read it when they import numpy
    pool = ProcessPoolExecutor(min(workers, len(items)), get_context("spawn"), _begin, (os.getpid(),))
    done = False
    try:
        numbers = {pool.submit(function, item): k for k, item in enumerate(items)}
        for future in as_completed(numbers):
            number = numbers.pop(future)  # its result is not kept
            yield number, future.result()
        done = True
    except BrokenProcessPool as error:
        remedy = "start it again with fewer workers; finished cases are kept"
        raise RunError(f"a worker was ended from outside, perhaps for lack of memory; {remedy}") from error
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
        running = list((pool._processes or {}).values())
        pool.shutdown(wait=done, cancel_futures=True)
        for process in () if done else running:
            process.terminate()
            process.join()


def _begin(parent: int) -> None:
    """A worker leaves Ctrl-C to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

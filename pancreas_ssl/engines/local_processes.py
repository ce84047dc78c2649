"""Local processes with one thread each, which end when they are asked to and do not outlive their parent.

They learn it from a pipe: the parent holds its only writing end. Ctrl-C reaches only the parent.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection

from pancreas_ssl.signals import handling

__all__ = ["ONE_THREAD", "environment", "local_processes"]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # of every library


class _Pool(ProcessPoolExecutor):
    """A pool that starts its processes deaf to Ctrl-C, from their first moment, and in a single thread each."""

    def submit(self, *arguments, **named):
        with environment(ONE_THREAD), handling(signal.SIG_IGN, signal.SIGINT):
            return super().submit(*arguments, **named)


@contextlib.contextmanager
def local_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """An executor with so many fresh processes; those that still run when the context ends are killed."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = _Pool(workers, context, _enter, (reader,))
    try:
        yield pool
    finally:
        children = list((pool._processes or {}).values())
        writer.close()
        for child in children:
            child.kill()
        pool.shutdown(wait=True, cancel_futures=True)
        reader.close()


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for processes that are started in this context."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _enter(reader: connection.Connection) -> None:
    """A worker's first act: its own process group, and a thread that waits for its parent's end."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_listen, args=(reader,), name="parent-listener", daemon=True).start()


def _listen(reader: connection.Connection) -> None:
    connection.wait([reader, multiprocessing.parent_process().sentinel])
    os._exit(1)

"""Cells in processes of their own, one per core, which end when they are asked to and when their parent is gone.

A pipe tells them: the parent holds its only writing end. When the parent closes it, each worker ends its step, leaves
a checkpoint and returns; when the parent dies, the workers exit at once. Ctrl-C reaches only the parent.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.study.cell import Stopped, run_cell
from pancreas_ssl.study.plan import Cell

__all__ = ["run_cells"]

PATIENCE = 120.0  # seconds that workers get to end a step or a patient
_stopping, _early = threading.Event(), threading.Event()


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    *,
    device: str,
    workers: int,
    finished: Callable[[Cell, dict[str, Any]], None],
    checkpoint_seconds: float = 30.0,
) -> list[tuple[Cell, str]]:
    """Run the cells; return those that failed, each with its sentence.

    Args:
        finished: called in this process for each cell that is done.

    Raises:
        Stopped: Ctrl-C or SIGTERM; every worker has ended and left its state.
        RunError: a worker was killed from outside (for want of memory, say).
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    failed: list[tuple[Cell, str]] = []
    with _StopSignals() as signals, _one_thread():
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter, initargs=(reader,))
        try:
            with signals.ignored():  # the workers start deaf to Ctrl-C
                pending: dict[Future, Cell] = {
                    pool.submit(_work, cell, out, device, checkpoint_seconds): cell for cell in cells
                }
            while pending and not signals.received:
                for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    cell = pending.pop(future)
                    try:
                        finished(cell, future.result())
                    except (InputError, RunError) as error:
                        failed.append((cell, str(error)))
            if signals.received:
                raise Stopped
        except BrokenProcessPool as error:
            raise RunError(
                "a process of the study was ended from outside (perhaps for want of memory); what is finished is "
                "kept, start it again with the same command, with fewer --workers"
            ) from error
        finally:
            writer.close()
            _end(pool, list(pending))
            reader.close()
    return failed


def _end(pool: ProcessPoolExecutor, running: list[Future]) -> None:
    """Wait until the workers have left their state; what does not end is killed."""
    for future in running:
        future.cancel()
    until = time.monotonic() + PATIENCE
    while not all(future.done() for future in running) and time.monotonic() < until:
        wait([future for future in running if not future.done()], timeout=0.2)
    late = multiprocessing.active_children() if time.monotonic() >= until else []
    for child in late:
        child.kill()
    pool.shutdown(wait=True, cancel_futures=True)


class _StopSignals:
    """While the context is open, Ctrl-C and SIGTERM only set `received`; a second one stops at once."""

    def __init__(self):
        self.received = False
        self._before: dict = {}

    def __enter__(self) -> "_StopSignals":
        if threading.current_thread() is threading.main_thread():
            for name in (signal.SIGINT, signal.SIGTERM):
                self._before[name] = signal.signal(name, self._receive)
        return self

    def __exit__(self, *_) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Processes started inside ignore Ctrl-C from their first moment."""
        if signal.SIGINT not in self._before:
            yield
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self._receive)

    def _receive(self, *_) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = True


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside use one thread each, in every numerical library."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _enter(reader: connection.Connection) -> None:
    """A worker's first act: one thread, its own process group, an ear on the pipe."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _early.set())
    threading.Thread(target=_listen, args=(reader,), name="study-listener", daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _listen(reader: connection.Connection) -> None:
    """Exit when the parent is gone; when only the pipe was closed, ask the main thread to end."""
    gone = multiprocessing.parent_process().sentinel
    ready = connection.wait([reader, gone])
    if gone not in ready and not connection.wait([gone], timeout=0.5):
        _stopping.set()
        signal.raise_signal(signal.SIGTERM)  # a training ends its step; elsewhere only noted
        connection.wait([gone])
    os._exit(1)


def _poke() -> None:
    """Pass on a stop that came just before the training began to listen for it."""
    if _early.is_set():
        _early.clear()
        signal.raise_signal(signal.SIGTERM)


def _work(cell: Cell, out: Path, device: str, checkpoint_seconds: float) -> dict[str, Any]:
    return run_cell(
        cell,
        out,
        device,
        stopping=_stopping.is_set,
        poke=_poke,
        checkpoint_seconds=checkpoint_seconds,
    )

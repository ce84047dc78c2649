"""Peak memory of a process and of all it starts, sampled by a thread beside it."""

import threading

import psutil

__all__ = ["PeakMemory"]


class PeakMemory:
    """Sample the resident memory of a process tree in a thread; `peak` is the largest sum seen, in bytes.

    Memory that processes share is counted once for each of them, so the sum errs on the high side; a peak shorter
    than `interval` seconds can be missed.

    Example:
        >>> import os
        >>> with PeakMemory() as memory:
        ...     memory.watch(os.getpid())
        >>> memory.peak > 0
        True
    """

    def __init__(self, interval: float = 0.2):
        self.interval = interval
        self.peak = 0
        self._pid: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="peak-memory", daemon=True)

    def watch(self, pid: int) -> None:
        """Watch this process from now on; one sample is taken at once."""
        self._pid = pid
        self._sample()

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(self.interval):
            self._sample()

    def _sample(self) -> None:
        if self._pid is not None:
            self.peak = max(self.peak, _tree_memory(self._pid))


def _tree_memory(pid: int) -> int:
    """Resident bytes of a process and its descendants now; 0 when it is gone."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total

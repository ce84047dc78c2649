"""Many jobs by local processes and by Dask: overhead a job, memory, idle scheduler; gain of a second worker."""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil

from pancreas_ssl.engines import Engine, completed

NUMBERS = (100, 1_000, 10_000)
SLEEP = 0.005  # seconds that a simulated job takes
TRAININGS, PASSES = 8, 60  # jobs that compute, and passes of the network in each


def run() -> list[dict]:
    rows = [asked for name in ("process", "dask") for asked in simulated(name)]
    return rows + scaling()


def simulated(name: str) -> list[dict]:
    """Jobs that sleep, by two workers; the client is a process of its own, so that its memory is its own."""
    rows = []
    for number in NUMBERS:
        with tempfile.TemporaryDirectory(prefix="jobs-") as folder, _scheduler(name, Path(folder)) as (address, found):
            command = [sys.executable, "-m", "tests.benchmarks.engines", name, str(number), folder, address]
            before = found.cpu_times() if found else None
            start = time.perf_counter()
            child = subprocess.run(command, capture_output=True, text=True)
            wall = time.perf_counter() - start
            if child.returncode:
                rows.append({"engine": name, "jobs": number, "failed": child.stderr[-200:]})
                continue
            seconds, memory = map(float, child.stdout.split()[-2:])
            row = {"engine": name, "workers": 2, "jobs": number, "seconds": seconds}
            row |= {"overhead of a job in ms": 1000 * (seconds / number - SLEEP / 2), "client in MB": memory}
            if found:
                now = found.cpu_times()
                busy = now.user + now.system - before.user - before.system
                row |= {"scheduler idle": f"{1 - busy / wall:.0%}", "scheduler in MB": found.memory_info().rss / 1e6}
            rows.append(row)
    return rows


def scaling() -> list[dict]:
    """Jobs that compute in one thread: seconds with one worker and with two, and half the ratio (1: no loss)."""
    rows, alone = [], {}
    for name in ("process", "dask"):
        for workers in (1, 2):
            with tempfile.TemporaryDirectory(prefix="jobs-") as folder:
                start = time.perf_counter()
                jobs = completed(passes, range(TRAININGS), Engine(name, workers), folder=folder, say=lambda line: None)
                each = [outcome.result for outcome in jobs]
                seconds = time.perf_counter() - start
            alone.setdefault(name, seconds)
            row = {"engine": name, "workers": workers, "jobs": TRAININGS, "seconds": seconds}
            rows.append(row | {"a job": sum(each) / len(each), "efficiency": alone[name] / (workers * seconds)})
    return rows


def passes(seed: int) -> float:
    """Forward and backward passes of the network; returns their seconds, the imports of a fresh process not counted."""
    import torch

    from pancreas_ssl.devices import seconds_of_pass
    from pancreas_ssl.method.network import SegmentationNetwork

    start, network = time.perf_counter(), SegmentationNetwork(seed=seed)
    patches = torch.rand((2, 1, 32, 32, 32), generator=torch.Generator().manual_seed(seed))
    for _ in range(PASSES):
        seconds_of_pass(network, patches, bf16=False)
    return time.perf_counter() - start


@contextmanager
def _scheduler(name: str, folder: Path):
    """For Dask a scheduler and two workers as processes: their address, and the scheduler; else nothing."""
    if name != "dask":
        yield "", None
        return
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen:
            how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": Path.cwd()}
            process = subprocess.Popen([sys.executable, "-m", "dask", *words, "--no-dashboard"], **how)
            stack.callback(lambda: (process.terminate(), process.wait()))
            return process

        file = folder / "scheduler.json"
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        while not file.is_file():
            time.sleep(0.05)
        from distributed import Client

        for k in range(2):
            start("worker", "--scheduler-file", str(file), "--nthreads", "1", "--local-directory", str(folder / f"{k}"))
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, psutil.Process(scheduler.pid)


def _client(name: str, number: int, folder: str, address: str) -> None:
    engine = Engine(name, None if address else 2, address or None)
    start = time.perf_counter()
    jobs = completed(partial(time.sleep), [SLEEP] * number, engine, folder=folder, say=lambda line: None)
    count = sum(1 for _ in jobs)
    assert count == number
    seconds = time.perf_counter() - start
    print(seconds, psutil.Process().memory_info().rss / 1e6)


if __name__ == "__main__":
    _client(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])

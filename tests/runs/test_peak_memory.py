"""Peak memory is that of a process and of what it starts."""

import subprocess
import sys
import time

from pancreas_ssl.runs.peak_memory import PeakMemory

CHILD = "x = bytearray(60_000_000); print('ready', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_children_are_counted_and_the_peak_stays():
    with PeakMemory(interval=0.05) as memory:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        memory.watch(process.pid)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.communicate("\n", timeout=10)
        time.sleep(0.2)
    assert 60e6 < memory.peak < 1e9


def test_nothing_watched_is_zero():
    with PeakMemory() as memory:
        pass
    assert memory.peak == 0


def test_a_process_that_is_gone_is_zero():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    memory = PeakMemory()
    memory.watch(process.pid)
    assert memory.peak == 0

"""Jobs for engines: each is a function of one plain argument."""

import os
import signal
import time
from pathlib import Path

from pancreas_ssl.engines import Stopped, stopping
from pancreas_ssl.errors import InputError


def double(number: int) -> int:
    if number == 3:
        raise InputError("expected any number but 3")
    return 2 * number


def surprising(number: int) -> int:
    return [][number]


def one_thread(name: str) -> tuple[str | None, str | None, str]:
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get(name), os.getcwd()


def fragile(job: tuple[str, int]) -> int:
    """The second job kills its worker the first time; a line tells of each that ended."""
    folder, number = Path(job[0]), job[1]
    time.sleep(1.5 if number == 2 else 0.1)
    if number == 2 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with open(folder / "ended.txt", "a") as handle:
        handle.write(f"{number}\n")
    return number


def deadly(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def patient(job: tuple[str, int]) -> None:
    """Waits until it should end, and says how it did."""
    folder, number = Path(job[0]), job[1]
    (folder / f"begun{number}").touch()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if stopping():
            (folder / f"in order{number}").touch()
            raise Stopped
        time.sleep(0.02)

"""Killed at any moment, by any means, a study ends with the table of one that was left in peace."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).with_name("helpers.py")
TABLES = ("rows.csv", "summary.csv", "comparisons.csv")
STOPS = [  # how, and how many workers there were
    (signal.SIGKILL, 2),
    (signal.SIGTERM, 1),
    (signal.SIGKILL, 1),
    (signal.SIGKILL, 2),
]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")


@pytest.fixture
def studies(study_cache):
    """Studies in processes of their own: `start(config, folder)` gives a process id, `ended()` an exit status."""
    root = SCRIPT.parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.study.helpers"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PANCREAS_SSL_CACHE=str(study_cache)),
    )
    assert process.stdout.readline() == "ready\n"

    def start(config: Path, out: Path, workers: int = 2) -> int:
        print(config, out, workers, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    yield start, lambda: int(process.stdout.readline())
    process.stdin.close()
    process.wait()
    process.stdout.close()


def events(out: Path) -> int:
    """How much has happened: lines in the cells' logs."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("cells/*/log.txt"))


def finished(out: Path) -> dict[str, tuple]:
    """Per finished cell the times of writing of what it left."""
    names = ("done.json", "weights.safetensors", "rows.jsonl", "history.csv", "log.txt")
    return {
        done.parent.name: tuple((done.parent / name).stat().st_mtime_ns for name in names)
        for done in out.glob("cells/*/done.json")
    }


def alive(processes) -> list:
    left = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    return left


def test_killed_at_random_moments_it_ends_the_same(finished_study, tmp_path, studies):
    reference = finished_study[1]
    config, out = tmp_path / "study.yml", tmp_path / "out"
    shutil.copy(finished_study[0], config)
    start, ended = studies
    draw, kept = random.Random(4), {}
    for stop, number in STOPS:
        child, target = start(config, out, number), events(out) + draw.randrange(1, 6)
        until = time.monotonic() + 90
        while events(out) < target and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.4))
        workers = psutil.Process(child).children(recursive=True)
        os.kill(child, stop)
        status = ended()
        if stop == signal.SIGKILL:
            assert status == -signal.SIGKILL, "the study ended before it could be killed"
        else:
            assert status == 1
            assert "resume with the same command" in Path(f"{out}.txt").read_text()
        until = time.monotonic() + 10
        while alive(workers) and time.monotonic() < until:
            time.sleep(0.05)
        assert workers and not alive(workers), "orphans train on"
        quiet = events(out)
        time.sleep(0.2)
        assert events(out) == quiet
        now = finished(out)
        assert {name: now[name] for name in kept} == kept, "a finished cell was touched"
        kept = now
    start(config, out)
    assert ended() == 0, Path(f"{out}.txt").read_text()
    now = finished(out)
    assert len(now) == 6 and {name: now[name] for name in kept} == kept
    for name in TABLES:
        assert (out / name).read_bytes() == (reference / name).read_bytes(), name
    for log in out.glob("cells/*/log.txt"):
        lines = [line.split(" ", 2)[2] for line in log.read_text().splitlines()]
        rows = [line for line in lines if line.startswith("row")]
        assert len(rows) == len(set(rows)), "a row was made twice"
        assert sum(line.startswith("trained") for line in lines) <= 1 and lines.count("done") == 1
    assert not list(out.rglob("checkpoint.pt"))

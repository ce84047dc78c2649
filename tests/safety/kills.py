"""Commands ended at random moments: run again, they give what an undisturbed run gives, and nothing is left behind.

    python -m tests.safety.kills [COMMAND ...] --points 20

prints a table with a line per command. The ordinary tests try a few points (`test_kills.py`).
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pandas as pd
import psutil

from pancreas_ssl.data.generate import voxels_digest
from pancreas_ssl.files import PARTIAL, record_of, sha256_of
from pancreas_ssl.manifest import MANIFEST
from tests.safety.helpers import abdomen, save
from tests.study.helpers import settings, write, write_card

REPOSITORY = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
MARK = "PANCREAS_SSL_TEST_MARK"  # in the environment of a command and of all that it starts


@dataclass(frozen=True)
class Command:
    """One command: what it needs in a folder, its arguments there, and what counts as its result."""

    arguments: Sequence[str]
    arrange: Callable[[Path], object]
    result: Callable[[Path], object]
    processes: int = 1


@dataclass
class Outcome:
    """What happened at the points tried."""

    seconds: float
    points: int = 0
    hit: int = 0  # ended by the signal, not finished before
    faults: list[str] = field(default_factory=list)


def _scans(folder: Path) -> None:
    for seed in range(3):
        save(folder / "scans" / f"p{seed}.nii.gz", abdomen((64, 64, 40), seed))


def _cases(folder: Path) -> dict[str, str]:
    return {path.parent.name: voxels_digest(path.parent) for path in sorted((folder / "data").rglob("digest.json"))}


def _masks(folder: Path) -> list:
    table = pd.read_csv(folder / "masks" / "predictions.csv")[["case", "volume_ml", "mask", "weights"]]
    return [table.to_csv(), voxels_digest(folder / "masks")]


def _notebooks(folder: Path) -> None:
    (folder / "books").mkdir()
    for name in ("00_first", "01_second"):
        cells = [
            nbformat.v4.new_code_cell("STEPS = 3  # how many", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell("import time\nfrom pancreas_ssl.runs import record\ntime.sleep(1)"),
            nbformat.v4.new_code_cell("import matplotlib.pyplot as plt\nplt.plot(range(STEPS)); record(steps=STEPS)"),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "books" / f"{name}.ipynb")


def _reported(folder: Path) -> object:
    report = json.loads((folder / "out" / "report.json").read_text())
    figures = [sha256_of(folder / "out" / figure["file"]) for one in report["notebooks"] for figure in one["figures"]]
    return [report["status"], [(one["name"], one["results"]) for one in report["notebooks"]], figures]


def _rows(folder: Path) -> str:
    return pd.read_csv(folder / "out" / "rows.csv").to_csv() + (folder / "out" / "summary.csv").read_text()


def _study(folder: Path) -> None:
    write(folder / "study.yml", settings(write_card(folder).name, recipe=settings("x")["recipe"] | {"steps": 40}))


def _tables(folder: Path) -> list[str]:
    return [(folder / "out" / name).read_text() for name in ("rows.csv", "summary.csv", "comparisons.csv")]


COMMANDS = {
    "data fetch": Command(["data", "fetch", "tiny.md/V", "--root", "data"], write_card, _cases),
    "two on one cache": Command(["data", "fetch", "tiny.md/V", "--root", "data"], write_card, _cases, processes=2),
    "predict": Command(["predict", "scans", "--out", "masks", "--device", "cpu"], _scans, _masks),
    "run": Command(["run", "books/00_first.ipynb", "--out", "out"], _notebooks, _reported),
    "tour": Command(["tour", "--notebooks", "books", "--out", "out"], _notebooks, _reported),
    "measure": Command(
        ["measure", "--source", "tiny.md/V", "--out", "out", "--most", "3", "--device", "cpu"], write_card, _rows
    ),
    "study": Command(["study", "--config", "study.yml", "--out", "out", "--device", "cpu"], _study, _tables),
}


def _start(command: Command, folder: Path, cache: Path, mark: str) -> subprocess.Popen:
    environment = os.environ | {"PANCREAS_SSL_CACHE": str(cache), MARK: mark, "PYTHONPATH": str(REPOSITORY)}
    with open(folder / "said.txt", "a") as said:
        arguments = [sys.executable, "-P", "-m", "pancreas_ssl", *command.arguments]
        return subprocess.Popen(
            arguments, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True
        )


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _half_written(folder: Path, partial: bool) -> list[str]:
    """Files below the command's outputs that the manifest does not know whole; with `partial`, leftovers too."""
    faults = []
    for top, folders, files in os.walk(folder):
        if Path(top) == folder:
            folders[:] = [name for name in folders if name in ("data", "masks", "out")]
            continue
        left = [name for name in folders if name.startswith((PARTIAL, ".running"))]
        faults += [f"{top}/{name} left" for name in left] if partial else []
        folders[:] = [name for name in folders if name not in left]
        for name in files:
            if name not in (MANIFEST, ".lock") and record_of(Path(top) / name) is None and not _in_case(Path(top)):
                faults.append(f"{top}/{name} is not whole")
    return faults


def _in_case(folder: Path) -> bool:
    """A generated case appears as one folder, with the digest of its voxels."""
    known = folder / "digest.json"
    return known.is_file() and json.loads(known.read_text())["voxels"] == voxels_digest(folder)


def try_kills(name: str, points: int, seed: int = 0, cache: Path | None = None) -> Outcome:
    """End a command at `points` random moments, by SIGKILL, Ctrl-C and SIGTERM in turn, and run it again each time."""
    command, draw = COMMANDS[name], random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as top:
        cache = cache or Path(top) / "cache"
        reference = _arranged(command, Path(top) / "reference")
        _start(command, reference, cache, "warm").wait()  # what is made once, such as cases in the cache, is there now
        wanted, whole = command.result(reference), Path(top) / "timed"
        begin = time.perf_counter()
        assert _start(command, _arranged(command, whole), cache, "timed").wait() == 0, (whole / "said.txt").read_text()
        outcome = Outcome(time.perf_counter() - begin)
        for point in range(points):
            folder = _arranged(command, Path(top) / f"point{point}")
            stop, after = SIGNALS[point % len(SIGNALS)], draw.uniform(0.05, 0.98) * outcome.seconds
            outcome.points += 1
            for fault in _one(command, folder, cache, stop, after, wanted, outcome):
                outcome.faults.append(f"{stop.name} after {after:.1f} s: {fault}")
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _arranged(command: Command, folder: Path) -> Path:
    folder.mkdir()
    command.arrange(folder)
    return folder


def _one(command: Command, folder: Path, cache: Path, stop, after: float, wanted, outcome: Outcome) -> list[str]:
    mark, faults = uuid.uuid4().hex, []
    processes = [_start(command, folder, cache, mark) for _ in range(command.processes)]
    time.sleep(after)
    victim = processes[0]
    if victim.poll() is None:
        outcome.hit += 1
        if stop == signal.SIGINT:  # as a terminal sends it: to the whole group
            os.killpg(victim.pid, stop)
        else:
            victim.send_signal(stop)
    try:
        codes = [process.wait(timeout=60) for process in processes]
    except subprocess.TimeoutExpired:
        for process in _marked(mark):
            process.kill()
        return ["it did not end within 60 s"]
    faults += [f"the other process ended with {code}" for code in codes[1:] if code]
    until = time.monotonic() + 10
    while (orphans := _marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    faults += [f"orphan: {' '.join(process.cmdline()[:4])}" for process in orphans]
    for process in orphans:
        process.kill()
    faults += _half_written(folder, partial=stop != signal.SIGKILL)
    code = _start(command, folder, cache, mark).wait()
    if code:
        return [*faults, f"run again it ended with {code}: {(folder / 'said.txt').read_text()[-300:]}"]
    faults += ["another result"] if command.result(folder) != wanted else []
    return faults + _half_written(folder, partial=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("commands", nargs="*", default=[], metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| command | points | ended by the signal | faults | s alone |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        for name in given.commands or COMMANDS:
            outcome = try_kills(name, given.points, given.seed, Path(cache))
            row = f"| {name} | {outcome.points} | {outcome.hit} | {len(outcome.faults)} | {outcome.seconds:.1f} |"
            print(row, *outcome.faults, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()

"""Notebooks run two at a time, each by the command line in a process of its own and with one thread."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

QUICK = {"PANCREAS_SSL_LIVE": "0", "OMP_NUM_THREADS": "1"}  # threads would wait for each other more than they work


@contextmanager
def started(jobs: Mapping[Path, tuple[Mapping[str, Any], Path]], environment: Mapping[str, str]) -> Iterator[dict]:
    """Notebook -> (parameters, output folder) becomes the notebook's name -> its future: name, executed, figures."""

    def start(notebook: Path, given: Mapping[str, Any], out: Path) -> SimpleNamespace:
        command = [sys.executable, "-m", "pancreas_ssl", "run", str(notebook), "--profile", "smoke", "--out", str(out)]
        for key, value in given.items():
            command += ["-p", key, value if isinstance(value, str) else json.dumps(value)]
        done = subprocess.run(command, env=os.environ | QUICK | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        figures = out / "figures" / notebook.stem
        return SimpleNamespace(name=notebook.stem, executed=out / notebook.name, figures=figures)

    with ThreadPoolExecutor(2) as pool:
        futures: dict[str, Future] = {path.stem: pool.submit(start, path, *job) for path, job in jobs.items()}
        yield futures

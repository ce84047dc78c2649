"""A study on Dask: the tables of one on local processes, whatever was killed on the way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from pancreas_ssl.engines import Engine
from pancreas_ssl.study import run_study
from tests.study.test_kill import TABLES, finished

pytestmark = pytest.mark.skipif(os.name == "nt", reason="this system has no SIGKILL")


def same_tables(out, reference) -> None:
    for name in TABLES:
        assert (out / name).read_bytes() == (reference / name).read_bytes(), name


def test_a_cluster_on_this_machine_makes_the_same_tables(finished_study, tmp_path):
    config, reference, *_ = finished_study
    said = []
    run_study(config, tmp_path / "out", engine=Engine("dask", workers=2), device="cpu", say=said.append)
    same_tables(tmp_path / "out", reference)
    assert any("dashboard at http://127.0.0.1:" in line for line in said)


def test_workers_scheduler_and_client_may_be_killed(finished_study, tmp_path, study_cache):
    config, reference, *_ = finished_study
    shutil.copy(config, tmp_path / "study.yml")
    out, log = tmp_path / "out", open(tmp_path / "log.txt", "w+")  # noqa: SIM115
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    children = []

    def start(*words: str) -> subprocess.Popen:
        environment = dict(os.environ, PANCREAS_SSL_CACHE=str(study_cache), OMP_NUM_THREADS="1")
        process = subprocess.Popen([sys.executable, "-m", *words], env=environment, stdout=log, stderr=log)
        children.append(process)
        return process

    def scheduler() -> subprocess.Popen:
        return start("dask", "scheduler", "--host", address, "--no-dashboard")

    def worker(number: int) -> subprocess.Popen:
        how = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path / f"worker{number}")]
        return start("dask", "worker", address, *how, "--resources", "MEMORY=2e9")

    def client() -> subprocess.Popen:
        words = ["study", "--config", str(tmp_path / "study.yml"), "--out", str(out), "--device", "cpu"]
        return start("pancreas_ssl", *words, "--executor", "dask", "--scheduler", address)

    def until(cells: int) -> None:
        limit = time.monotonic() + 120
        while len(finished(out)) < cells:
            assert time.monotonic() < limit and children[-1].poll() is None, (tmp_path / "log.txt").read_text()
            time.sleep(0.02)

    try:
        first, workers = scheduler(), [worker(0), worker(1)]
        running = client()
        until(1)
        kept = finished(out)
        psutil.Process(workers[0].pid).children()[-1].send_signal(signal.SIGKILL)
        until(2)
        first.kill()  # the workers would end by themselves, after a while; the client waits
        for process in workers:
            process.kill()
        kept |= {name: times for name, times in finished(out).items()}
        scheduler(), worker(2), worker(3)
        children.append(running)
        until(len(kept) + 1)
        running.kill()
        kept |= finished(out)
        assert client().wait(120) == 0, (tmp_path / "log.txt").read_text()
    finally:
        for process in reversed(children):
            process.terminate()
        for process in children:
            process.wait(30)
    now = finished(out)
    assert len(now) == 6 and {name: now[name] for name in kept} == kept, "a finished cell was touched"
    same_tables(out, reference)
    for path in out.glob("cells/*/log.txt"):
        lines = [line.split(" ", 2)[2] for line in path.read_text().splitlines()]
        rows = [line for line in lines if line.startswith("row")]
        assert len(rows) == len(set(rows)) and lines.count("done") == 1, "work was done twice"
    assert "jobs go on" in (tmp_path / "log.txt").read_text()

"""Whatever runs the jobs: the same outcomes, no finished job repeated, an orderly end when it is stopped."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pancreas_ssl.cli.engine_options import engine_of
from pancreas_ssl.engines import Engine, Planned, completed
from pancreas_ssl.engines import slurm as slurms
from pancreas_ssl.errors import InputError, RunError
from tests.engines.helpers import deadly, double, fragile, one_thread, patient, surprising

ENGINES = {"here": Engine(workers=1), "process": Engine(workers=2), "dask": Engine("dask", workers=2)}

STAND_INS = {  # for Slurm's commands: every element of an array is run at once, on this machine
    "sbatch": """#!/bin/bash
for script; do :; done
id=$(( $(cat "$0.id" 2>/dev/null) + 1 )); echo $id > "$0.id"
range=$(sed -n 's/^#SBATCH --array=\\([0-9]*\\)-\\([0-9]*\\).*/\\1 \\2/p' "$script")
export SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
if [ -z "$range" ]; then SLURM_JOB_ID=$id bash "$script" &> "$0.log.$id" & echo $! > "$0.pid.$id"
else for k in $(seq $range); do
  SLURM_JOB_ID=$(( 1000 * id + k )) SLURM_ARRAY_JOB_ID=$id SLURM_ARRAY_TASK_ID=$k bash "$script" &> "$0.log.${id}_$k" &
  echo $! > "$0.pid.${id}_$k"
done; fi
echo Submitted batch job $id
""",
    "srun": '#!/bin/bash\nwhile [[ $1 == --* ]]; do [[ $1 == --output ]] && shift; shift; done\nexec "$@"\n',
    "squeue": """#!/bin/bash
for file in "${0%/*}"/sbatch.pid.*; do
  state=$(ps -o stat= -p "$(cat "$file")"); [ -n "$state" ] && [[ $state != Z* ]] && echo "${file##*.pid.}"
done
exit 0
""",
    "scancel": '#!/bin/bash\necho "$@" >> "$0.said"\n',
}


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in STAND_INS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    for name, value in (("POLL", 0.1), ("ASK", 2), ("GRACE", 1.0)):
        monkeypatch.setattr(slurms, name, value)
    return folder


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_has_the_same_outcomes(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "mine"))
    how = {"folder": tmp_path, "here": True, "say": lambda line: None}
    found = sorted(completed(double, range(6), ENGINES[name], **how))
    assert [outcome.result for outcome in found] == [0, 2, 4, None, 8, 10]
    assert [outcome.problem for outcome in found if outcome.problem] == ["expected any number but 3"]
    if name != "here":
        seen = [one.result for one in completed(one_thread, ["PANCREAS_SSL_CACHE"] * 4, ENGINES[name], **how)]
        assert set(seen) == {("1", str(tmp_path / "mine"), os.getcwd())}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".pancreas_ssl-partial")]


def test_an_executor_that_is_handed_in_is_left_open(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        engine = Engine(executor=pool)
        assert sorted(one.result for one in completed(double, [1, 2], engine, folder=tmp_path)) == [2, 4]
        assert pool.submit(double, 5).result() == 10


def test_an_error_that_nobody_expects_is_raised(tmp_path):
    with pytest.raises(IndexError):
        list(completed(surprising, [0, 1], Engine(workers=2), folder=tmp_path))


@pytest.mark.parametrize("name", ["process", "dask"])
def test_a_killed_worker_costs_its_job_a_second_start(name, tmp_path):
    jobs, said = [(str(tmp_path), number) for number in range(6)], []
    found = list(completed(fragile, jobs, ENGINES[name], folder=tmp_path / "out", say=said.append))
    assert sorted(one.result for one in found) == list(range(6))
    ended = (tmp_path / "ended.txt").read_text().split()
    assert (tmp_path / "killed").exists() and set(ended) == set("012345")
    assert ended.count("0") == 1, "a job that was finished long before was run again"


def test_workers_that_are_killed_again_and_again_are_told_in_a_sentence(tmp_path):
    with pytest.raises(RunError, match="workers were ended from outside 3 times .* fewer --workers"):
        list(completed(deadly, [1, 2], Engine(workers=2), folder=tmp_path, say=lambda line: None))


@pytest.mark.parametrize("name", ["process", "dask"])
def test_jobs_that_run_end_in_order_when_the_run_is_stopped(name, tmp_path):
    def press():
        while len(list(tmp_path.glob("begun*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=press, daemon=True).start()
    jobs = [(str(tmp_path), number) for number in range(50)]
    with pytest.raises(KeyboardInterrupt):
        list(completed(patient, jobs, ENGINES[name], folder=tmp_path / "out", say=lambda line: None))
    assert len(list(tmp_path.glob("begun*"))) == len(list(tmp_path.glob("in order*"))) == 2


def test_slurm_runs_its_own_script(tmp_path, stand_ins):
    jobs = [(str(tmp_path), number) for number in range(4)]
    engine = Engine("slurm", workers=2, slurm={"time": 5, "partition": "short"})
    found = list(completed(fragile, jobs, engine, folder=tmp_path / "out", memory=5e8, say=lambda line: None))
    assert sorted(one.result for one in found) == [0, 1, 2, 3]
    assert sorted((tmp_path / "ended.txt").read_text().split()) == list("0123"), "a finished job was repeated"
    first, again = sorted((tmp_path / "out/slurm").glob("*_submission.sh"))
    said = {path.name: path.read_text() for path in stand_ins.glob("sbatch.log.*")}
    assert "--array=0-3%2" in first.read_text() and "--array" not in again.read_text(), said


def test_a_plan_is_said_instead_of_run(tmp_path):
    with pytest.raises(Planned, match="3 jobs on 2 workers of this machine .process., about 0.5 GB each"):
        next(completed(double, range(3), Engine(workers=2, plan=True), folder=tmp_path, memory=5e8))
    with pytest.raises(Planned) as plan:
        engine = Engine("slurm", workers=7, slurm={"time": 90, "partition": "short", "gpus_per_node": 1}, plan=True)
        next(completed(double, range(3000), engine, folder=tmp_path, memory=2e9))
    lines = str(plan.value).splitlines()
    for option in ("array=0-999%7", "cpus-per-task=1", "mem=3000MB", "time=90", "partition=short", "gpus-per-node=1"):
        assert f"#SBATCH --{option}" in lines
    assert "submitit.core._submit" in lines[-1] and any("OMP_NUM_THREADS=1" in line for line in lines)


def test_memory_decides_how_many_run_at_a_time(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 8e9}))
    monkeypatch.setattr("pancreas_ssl.engines.engine.cores", lambda: 16)
    assert Engine().side_by_side(100) == 16 and Engine().side_by_side(3) == 3
    assert Engine().side_by_side(100, 1e9) == 8 and Engine().side_by_side(100, 1e11) == 1
    assert Engine(workers=12).side_by_side(100, 1e9) == 12, "who names a number gets it"
    assert Engine().on("cuda:0").workers == 1 and Engine(workers=3).on("cuda:0").workers == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("ray", None, None, None, False), "an executor out of process, dask, slurm"),
        (("process", 10_000, None, None, False), "expected 1 to .* workers, got 10000"),
        (("process", None, "tcp://127.0.0.1:1", None, False), "add --executor dask"),
        (("process", None, None, ["time=5"], False), "add --executor slurm"),
        (("slurm", None, None, ["time"], False), "expected --slurm NAME=VALUE, got 'time'"),
    ],
)
def test_options_that_do_not_fit(options, sentence):
    with pytest.raises(InputError, match=sentence):
        engine_of(*options)


def test_an_unknown_option_of_slurm_and_a_machine_without_it(tmp_path, stand_ins, monkeypatch):
    with pytest.raises(InputError, match="expected options of sbatch as submitit names them"):
        list(completed(double, [1, 2], Engine("slurm", slurm={"queue": "short"}), folder=tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no srun on this machine"):
        list(completed(double, [1, 2], Engine("slurm"), folder=tmp_path))

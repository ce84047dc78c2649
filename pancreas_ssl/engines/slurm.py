"""Jobs on Slurm, as arrays that submitit writes and hands in (extra `cluster`).

submitit, because it needs nothing but Slurm's own commands and a shared folder, sends each array with one sbatch, and
queues a job again that is ended for its time or for another user. executorlib would want HDF5 and templates of scripts,
dask-jobqueue a scheduler that lives as long as the run.
"""

import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from pancreas_ssl.engines.engine import LostJob
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import make_folder

__all__ = ["SlurmExecutor", "script"]

ARRAY = 1000  # jobs in one array: the usual limit (MaxArraySize)
POLL = 2.0  # seconds between looks at the results
ASK = 5  # looks between two questions to squeue
GRACE = 30.0  # seconds until a result must have reached the shared folder, after its job has left the queue
HOURS = 24  # of a job, unless the options say otherwise
LEAST = 1e9  # bytes for a job, whatever the forecast


class SlurmExecutor(Executor):
    """An executor whose jobs are elements of Slurm's job arrays, one core each.

    Args:
        folder: seen by all nodes; scripts, jobs, results and logs go to `folder`/slurm.
        options: of sbatch as submitit names them (`time` in minutes).
        workers: jobs of an array at a time; None: 256.
        memory: forecast of a job in bytes; `mem` of the options goes before it.

    Raises:
        InputError: submitit or Slurm is missing, or an unknown option.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any], workers: int | None, memory: float | None):
        self.slurm = _submitit(folder, options, workers, memory)
        self.fresh: list[tuple[Future, Any]] = []  # not handed in yet
        self.queued: dict[Future, Any] = {}  # with submitit's job
        self.gone: dict[Future, float] = {}  # since when a job without result is not in the queue
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._follow, name="slurm", daemon=True)
        self.thread.start()

    def submit(self, fn, /, *arguments, **named) -> Future:
        from submitit.core.utils import DelayedSubmission

        future: Future = Future()
        with self.lock:
            self.fresh.append((future, DelayedSubmission(fn, *arguments, **named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take what is still in the queue out of it."""
        self.ended.set()
        self.thread.join()
        for job in self.queued.values():
            job.cancel(check=False)

    def _follow(self) -> None:
        """Hand in what has come, take what is done, until the executor is shut down."""
        looks = 0
        while not self.ended.wait(POLL if looks else 0.2):
            looks += 1
            with self.lock:
                fresh, self.fresh = self.fresh, []
            for start in range(0, len(fresh), ARRAY):
                self._hand_in(fresh[start : start + ARRAY])
            for future, job in list(self.queued.items()):
                if future.cancelled():
                    job.cancel(check=False)
                    del self.queued[future]
                elif job.paths.result_pickle.exists():
                    del self.queued[future]
                    self.gone.pop(future, None)
                    _settle(future, job)
            if self.queued and looks % ASK == 0:
                self._ask()

    def _hand_in(self, some: list[tuple[Future, Any]]) -> None:
        some = [(future, call) for future, call in some if not future.cancelled()]
        try:
            jobs = self.slurm._internal_process_submissions([call for _, call in some]) if some else []
        except Exception as error:  # sbatch refused: a partition that is not there, say
            for future, _ in some:
                future.set_exception(RunError(f"Slurm did not take the jobs: {_last_line(error)}"))
            return
        self.queued.update(zip([future for future, _ in some], jobs, strict=True))

    def _ask(self) -> None:
        """A job that has left the queue without a result was killed. (Not every Slurm has the accounting of sacct.)"""
        arrays = ",".join({job.job_id.split("_")[0] for job in self.queued.values()})
        command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={arrays}"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if found.returncode != 0 and "Invalid job id" not in found.stderr:  # the controller is busy, or away
            return
        there = set(found.stdout.split())
        for future, job in list(self.queued.items()):
            if job.job_id in there:
                self.gone.pop(future, None)
            elif time.monotonic() - self.gone.setdefault(future, time.monotonic()) > GRACE:
                del self.queued[future], self.gone[future]
                future.set_exception(LostJob(f"job {job.job_id} left Slurm's queue without a result"))


def script(folder: Path, options: Mapping[str, Any], workers: int | None, memory: float | None, jobs: int) -> str:
    """The script that sbatch would get for so many jobs (its first array)."""
    slurm = _submitit(folder, options, workers, memory, affinity=2)
    slurm.parameters |= {"map_count": min(jobs, ARRAY)} if jobs > 1 else {}
    return slurm._make_submission_file_text(slurm._submitit_command_str, "plan")


def _submitit(folder: Path, options: Mapping[str, Any], workers, memory, affinity: int | None = None):
    """submitit's executor with these options; `affinity`: whether Slurm is there, asked by default."""
    try:
        from submitit import SlurmExecutor
    except ImportError as error:
        raise InputError("expected submitit, it is not installed; run pip install 'pancreas-ssl[cluster]'") from error

    class Ours(SlurmExecutor):
        @classmethod
        def affinity(cls) -> int:
            return super().affinity() if affinity is None else affinity

    given = {"job_name": "pancreas-ssl", "time": 60 * HOURS, "cpus_per_task": 1, "array_parallelism": workers or 256}
    given |= {"mem": f"{max(1.5 * memory, LEAST) / 1e6:.0f}MB" if memory else "4GB", "stderr_to_stdout": True}
    given |= {"setup": ["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"]}
    try:
        slurm = Ours(make_folder(folder / "slurm"))
        slurm.update_parameters(**given | dict(options))
    except RuntimeError as error:
        raise InputError("expected Slurm, there is no srun on this machine; run it where sbatch works") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"expected options of sbatch as submitit names them: {_last_line(error)}") from error
    return slurm


def _settle(future: Future, job: Any) -> None:
    """A future gets its job's result, or what went wrong."""
    try:
        future.set_result(job.result())
    except Exception as error:
        future.set_exception(RunError(f"job {job.job_id} failed: {_last_line(error)}; see {job.paths.stdout}"))


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]

"""Jobs and their outcomes, as they are done: stopped in good order, gone on with when workers were lost."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from pancreas_ssl.engines.engine import Engine, LostJob, Planned
from pancreas_ssl.engines.worker import Call
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import make_folder, sweep, workspace
from pancreas_ssl.signals import StopKey

__all__ = ["Outcome", "completed"]

LOSSES = 3  # times that workers may be lost with no job finished in between
FEW = 4  # below that, starting processes takes longer than they gain
PATIENCE = 120.0  # seconds that running jobs get to leave their state in order


class Outcome(NamedTuple):
    """A job that ended: its number in the list, what it returned, the sentence of what went wrong ("" if nothing)."""

    number: int
    result: Any = None
    problem: str = ""


def completed(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    engine: Engine | None = None,
    *,
    folder: str | Path,
    memory: float | None = None,
    here: bool = False,
    patience: float = PATIENCE,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
) -> Iterator[Outcome]:
    """Run every job; outcomes come in the order in which they are done.

    An `InputError` or a `RunError` of a job is its outcome; any other error is raised. A job asks `engines.stopping()`
    whether to end, and raises `Stopped` when it has.

    Args:
        function: of a module, so that another process finds it; called with one job, in a single thread.
        jobs: plain values.
        engine: local processes, one per core, by default.
        folder: seen by all workers; the run keeps a temporary folder there.
        memory: forecast of what one job needs, in bytes.
        here: a single local process is this one, with all its threads; so it is for a few jobs.
        patience: seconds that running jobs get when the run is stopped.

    Raises:
        KeyboardInterrupt: the run was stopped; the jobs that ran have ended.
        RunError: workers were lost again and again.
        Planned: the engine was only to say what it would do.

    Example:
        >>> [outcome.result for outcome in completed(abs, [-1, -2], Engine(workers=1), folder="runs", here=True)]
        [1, 2]
    """
    engine = engine or Engine()
    if engine.plan:
        raise Planned(engine.planned(len(jobs), memory, Path(folder)))
    if here and (engine.single or (not engine.remote and len(jobs) < (FEW if engine.workers is None else 2))):
        for number, job in enumerate(jobs):
            try:
                outcome = Outcome(number, function(job))
            except (InputError, RunError) as error:
                outcome = Outcome(number, None, str(error))
            yield outcome
        return
    yield from _elsewhere(function, dict(enumerate(jobs)), engine, make_folder(folder), memory, patience, say)


def _elsewhere(function, left: dict[int, Any], engine: Engine, folder: Path, memory, patience, say):
    """`left` shrinks as jobs end; what is still in it when workers are lost is run again."""
    sweep(folder)
    losses = 0
    with StopKey() as stop, workspace(folder.resolve()) as token:
        call = Call(function, token)
        while left:
            before = len(left)
            with engine.opened(len(left), memory, folder, say) as executor:
                for outcome in _until_lost(call, left, executor, stop, token, patience, engine.name == "dask"):
                    del left[outcome.number]
                    yield outcome
            if stop.pressed:
                raise KeyboardInterrupt
            losses = losses + 1 if len(left) == before else 1
            if left and losses >= LOSSES:
                raise RunError(
                    f"workers were ended from outside {losses} times (perhaps for lack of memory); what is finished is "
                    f"kept, start it again with the same command and fewer --workers"
                )
            if left:
                say(f"workers were ended from outside; {len(left)} jobs go on")


def _until_lost(call: Call, left: dict[int, Any], executor, stop: StopKey, token: Path, patience: float, gentle: bool):
    """Outcomes until all jobs are done, workers are lost, or the run is stopped and its running jobs have ended.

    `gentle`: nothing is cancelled when the run is stopped (Dask would give up jobs that run); jobs see it and end.
    """
    done: SimpleQueue[Future] = SimpleQueue()
    running: dict[Future, int] = {}
    waited = 0.0
    try:
        for number, job in left.items():
            future = executor.submit(call, job)
            running[future] = number
            future.add_done_callback(done.put)
    except (BrokenExecutor, OSError):  # workers died while the jobs were handed in
        return
    while running and waited < patience:
        try:
            future = done.get(timeout=0.2)
        except Empty:
            if stop.pressed:
                waited += 0.2
                if token.exists():  # the jobs look for it
                    shutil.rmtree(token)
                    for future in () if gentle else list(running):
                        future.cancel()
            continue
        number = running.pop(future)
        try:
            result, problem, stopped = future.result()
        except (BrokenExecutor, CancelledError) as error:
            if stop.pressed or isinstance(error, LostJob):
                continue
            return
        except Exception as error:
            if type(error).__name__ != "KilledWorker":  # of Dask
                raise
            result, problem, stopped = None, f"its worker was ended again and again ({error})", False
        if not stopped:
            yield Outcome(number, result, problem)

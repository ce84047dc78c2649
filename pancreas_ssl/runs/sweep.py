"""A sweep: one notebook with many settings, each in a process of its own, resumed where it was, one report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pancreas_ssl.engines import Engine, Planned, alone, completed
from pancreas_ssl.files import claim
from pancreas_ssl.manifest import key_of, record_of
from pancreas_ssl.runs.run_report import REPORTS
from pancreas_ssl.runs.sweep_board import Board
from pancreas_ssl.runs.sweep_job import RESULT, SweepRun, digest_of, finished, run_one
from pancreas_ssl.runs.sweep_plan import SweepPlan
from pancreas_ssl.runs.sweep_report import sweep_report, write_sweep_report
from pancreas_ssl.runs.tour import new_run_folder

__all__ = ["Sweep", "sweep"]

MEMORY = 2e9  # bytes of a run, as long as none has told how much it needs


@dataclass(frozen=True)
class Sweep:
    """The result: folder, report.html, the report's status ('ok' when all went well), how many runs were made now."""

    folder: Path
    report: Path
    status: str
    made: int


def sweep(
    plan: SweepPlan,
    out: str | Path | None = None,
    engine: Engine | None = None,
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
    inputs: Sequence[str | Path] = (),
) -> Sweep:
    """Run what is missing and write the report, also when the sweep is interrupted.

    A run that went through with the same notebook, values, code and data is kept; one that failed is made again.

    Args:
        plan: of `plan_sweep`.
        out: the sweep's folder; a sweep that it holds is resumed. By default a new one in `runs`.
        engine: what runs the notebooks; by default local processes.
        overwrite: replace files of the sweep's names that this tool did not write, too.
        say: called with each line for the reader.
        inputs: files that the plan came from.

    Raises:
        InputError: foreign files where outputs go.
        RunError: another sweep runs in this folder, or workers were lost again and again.
        KeyboardInterrupt: interrupted; the report tells what was done until then.
        Planned: the engine was only to say what it would do.

    Example:
        >>> sweep(plan_sweep("02", {"SEED": "0:5"}), "runs/seeds").status    # doctest: +SKIP
        'ok'
    """
    engine, started = engine or Engine(), datetime.now().astimezone()
    if engine.plan:
        raise Planned(engine.planned(len(plan.runs), MEMORY, Path(out or "runs")))
    folder = new_run_folder(f"sweep-{plan.notebook.stem}", out)
    places = [folder / name / file for name in plan.runs for file in (plan.notebook.name, RESULT)]
    claim([*places, *(folder / name for name in REPORTS)], overwrite=overwrite, inputs=[plan.notebook, *inputs])
    with alone(folder):
        jobs = {name: _job(plan, name, values, folder) for name, values in plan.runs.items()}
        entries = {name: found for name, job in jobs.items() if (found := finished(job.folder, job.digest))}
        todo = [name for name in jobs if name not in entries]
        kept = f", {len(entries)} finished already" if entries else ""
        say(f"{len(jobs)} runs of {plan.notebook.name}{kept}")
        page, key = (
            folder / REPORTS[-1],
            key_of(plan.profile, plan.figures, [(n, job.digest) for n, job in jobs.items()]),
        )
        if not todo and all((record_of(folder / name) or {}).get("digest") == key for name in REPORTS):
            return Sweep(folder, page, "ok", 0)
        memory = max((entry["peak_memory_bytes"] for entry in entries.values()), default=MEMORY)
        notes, interrupted = [], None
        try:
            with Board(plan, folder, entries, say) as board:
                how = {"folder": folder, "memory": memory, "say": board.say}
                for outcome in completed(run_one, [jobs[name] for name in todo], engine, **how) if todo else ():
                    name = todo[outcome.number]
                    entries[name] = outcome.result or {"status": "failed", "message": outcome.problem}
                    board.ended(name, entries[name])
        except KeyboardInterrupt as error:
            interrupted = error
            notes.append("The sweep was interrupted; this report covers what was done until then.")
        report = sweep_report(plan, entries, started, notes)
        write_sweep_report(report, folder, {"digest": key} if report["status"] == "ok" else None)
        if interrupted:
            raise interrupted
    return Sweep(folder, page, report["status"], len(todo))


def _job(plan: SweepPlan, name: str, values: Mapping[str, Any], folder: Path) -> SweepRun:
    digest = digest_of(plan.notebook, plan.defaults | values)
    return SweepRun(plan.notebook, plan.profile, dict(values), folder / name, digest)

"""From the file to the tables: check, report the power, run what is missing, write the results."""

import json
import shlex
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pancreas_ssl import __version__, devices
from pancreas_ssl.data.access import Root
from pancreas_ssl.data.roles import REVEALS, check_role, full_name, log_reveal, role_of, warn_of_overlap
from pancreas_ssl.engines import Engine, alone, completed
from pancreas_ssl.errors import RunError, require, without_paths
from pancreas_ssl.files import claim, make_folder, write_text
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.study import plan as plans
from pancreas_ssl.study.config import Study, load_study
from pancreas_ssl.study.job import FILES, is_done, run_job
from pancreas_ssl.study.job_progress import JobProgress
from pancreas_ssl.study.opened import cases_for, root_options
from pancreas_ssl.study.pictures import pictures
from pancreas_ssl.study.plan import Job, Plan, agree, agree_data, jobs_of, make_plan, read_plan, revealed, write_plan
from pancreas_ssl.study.power import power_lines
from pancreas_ssl.study.study_report import report
from pancreas_ssl.study.tables import comparisons_table, curves_table, rows_table, summary_table, write_table
from pancreas_ssl.versions import installed_versions

__all__ = ["run_study"]

TABLES = ("rows", "summary", "comparisons", "curves")
SMALL = 1e9  # bytes of a training of the phantom


def run_study(
    config: str | Path,
    out: str | Path,
    *,
    fields: Mapping[str, Any] | None = None,
    root: Root = None,
    reveal: bool = False,
    arms: Collection[str] = (),
    seeds: Collection[int] = (),
    workers: int | None = None,
    engine: Engine | None = None,
    device: str = "auto",
    command: str | None = None,
    commit: str | None = None,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
    checkpoint_seconds: float = 30.0,
    overwrite: bool = False,
    allow_leak: bool = False,
) -> dict[str, Path]:
    """Run a study, or resume the one in `out`; finished jobs and rows are kept as they are.

    Args:
        config: the YAML file that `study.config` describes, or the name of a study that comes with the package.
        out: the study's folder.
        fields: of Recipe, put over those of all arms in the file; `study.json` names them.
        root: where the files lie of cards that read a folder; they are not part of the study, their voxels are.
        reveal: open sources of role test; each time is appended to `reveals.log`.
        arms, seeds: run the cells of these only (and whose networks they ask); the tables hold all that is finished.
        workers: processes. None: one per core on a processor, one on any other device.
        engine: what runs the cells, in place of local processes; its workers see `out` and the data.
        device: as in `fit`.
        command, commit: put into `study.json`.
        say: called with each line for the user.
        checkpoint_seconds: how much of a training a kill can cost.
        overwrite: replace tables and reports that this tool did not write, too; never what a cell has made.
        allow_leak: measure scans that train, too; the column `leak`, `study.json` and the report say so.

    Returns:
        The written files by name: rows, summary, comparisons, curves, study, report.

    Raises:
        InputError: the file, a role, an arm or seed that the file lacks, a folder that holds another study or one of
            other code, or foreign files there.
        RunError: interrupted (everything is kept), or a training failed.

    A script that calls this needs `if __name__ == "__main__":` around the call, as the jobs run in processes.

    Example:
        >>> run_study("controls.yml", "runs/controls")["summary"]    # doctest: +SKIP
    """
    start = time.perf_counter()
    study = load_study(config, fields)
    for what, asked, there in (("arms", arms, list(study.arms)), ("seeds", seeds, study.seeds)):
        strange = ", ".join(str(one) for one in asked if one not in there)
        require(not strange, f"{what} out of {', '.join(map(str, there))}", strange, "name one of them")
    for source, use in _uses(study):
        check_role(source, use, reveal=reveal)
    out = Path(out)
    folders = [
        out / plans.job_folder(arm, seed, fold)
        for arm in study.arms
        for seed in study.seeds
        for fold in study.folds or [None]
    ]
    cells = [folder / name for folder in folders for name in FILES]
    claim([*cells, out / plans.PLAN, out / REVEALS], overwrite=None, inputs=[config])
    claim([out / name for name in (*(f"{table}.csv" for table in TABLES), "study.json", "report.md")],
          overwrite=overwrite, inputs=[config])  # fmt: skip
    make_folder(out)
    command = command or _command(config, out, fields or {}, root, reveal, arms, seeds, overwrite, allow_leak)
    with alone(out):
        before = read_plan(out)
        if before is not None:
            agree(before, study.plain(), out)
        if opened := revealed(study):
            log_reveal(out, study.digest(), [full_name(source) for source in opened], command)
        for source in study.measure:
            warn_of_overlap(study.train, source)
        power = power_lines(study, _counts(study, reveal, root))
        for line in power:
            say(line)
        engine = engine or Engine(workers=workers)
        device, precision = _resolve(study, device, before, engine, out)
        engine = engine.on(device)
        plan = make_plan(study, precision, reveal, root, allow_leak)
        if before is not None:
            agree_data(before, plan, out)
        write_plan(out, plan)
        jobs = jobs_of(study, plan, reveal, root, allow_leak)
        asked = [job for job in jobs if job.arm in (arms or study.arms) and job.seed in (seeds or study.seeds)]
        wanted = {one.folder for job in asked for one in (job, job.base) if one}
        _run([job for job in jobs if job.folder in wanted], out, device, engine, say, checkpoint_seconds)
        done = [job for job in jobs if is_done(out / job.folder)]
        facts = _facts(study, plan, done, out) | {"missing": len(jobs) - len(done)}
        facts |= {"power": power, "command": command, "commit": commit}
        facts |= ({"set": dict(fields)} if fields else {}) | ({"allow_leak": True} if allow_leak else {})
        facts = without_paths(facts)
        return _write(study, done, out, facts, start)


def _uses(study: Study) -> list[tuple[str, str]]:
    oracles = [(arm.oracle, "oracle") for arm in study.arms.values() if arm.oracle]
    trains = [(study.train, "train"), (study.train, "select")] if len(oracles) < len(study.arms) else []
    return [*trains, *oracles, *((source, "measure") for source in study.measure)]


def _counts(study: Study, reveal: bool, root: Root) -> dict[str, int]:
    """How many patients are measured of each source; at home, those of all folds."""
    counts, train = {}, full_name(study.train)
    for source in study.measure:
        folds = (study.folds or [None]) if full_name(source) == train and role_of(source) == "any" else [None]
        how = {"train": study.train, "reveal": reveal, "most": study.patients, "root": root}
        counts[full_name(source)] = sum(len(cases_for(source, "measure", fold=fold, **how)) for fold in folds)
    return counts


def _command(
    config, out: Path, fields: Mapping[str, Any], root: Root, reveal: bool, arms, seeds, overwrite: bool, leak: bool
) -> str:
    words = ["pancreas-ssl", "study", "--config", str(config), "--out", str(out)]
    for name, value in fields.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    for folder in root_options(root):
        words += ["--root", folder]
    for option, values in (("--arm", arms), ("--seed", seeds)):
        words += [word for value in values for word in (option, str(value))]
    words += ["--reveal"] * reveal + ["--overwrite"] * overwrite + ["--allow-leak"] * leak
    return shlex.join(words)


def _resolve(study: Study, device: str, before: Plan | None, engine: Engine, out: Path) -> tuple[str, dict[str, str]]:
    """The device by name, and each arm's precision: the folder's, else measured, where the cells will run."""
    known = before.precision if before else {}
    wanted = {arm: known.get(arm) or Recipe.from_dict(study.recipe_of(arm)).precision for arm in study.arms}
    job = (device, tuple(wanted.values()))
    if engine.remote and not engine.plan:
        _, found, problem = next(completed(_probed, [job], engine, folder=out, say=lambda line: None))
        if problem:
            raise RunError(problem)
        where, chosen = found
    else:
        where, chosen = _probed(job)
    return where, dict(known) | dict(zip(wanted, chosen, strict=True))


def _probed(job: tuple[str, tuple[str, ...]]) -> tuple[str, list[str]]:
    """A device's name and the precision for each wish, measured with one thread as in a cell. It is asked even where
    the answer is known: the workers then find the probe's result."""
    with devices.one_thread():
        where = str(devices.resolve_device(job[0]))
        return where, [devices.choose_precision(where, wish) for wish in job[1]]


def _run(jobs: list[Job], out: Path, device: str, engine: Engine, say, checkpoint_seconds: float) -> None:
    """Run the jobs that are not done; a stop or a failure becomes a `RunError`."""
    todo = [job for job in jobs if not is_done(out / job.folder)]
    if len(todo) < len(jobs):
        say(f"{len(jobs) - len(todo)} of {len(jobs)} cells are finished already")
    if not todo:
        return
    memory = _memory(jobs, out)
    progress = JobProgress(jobs, todo, engine.side_by_side(len(todo), memory), say)
    say(f"{len(todo)} cells to run, {progress.workers} at a time, on {device}")
    one, failed = partial(run_job, out=out, device=device, checkpoint_seconds=checkpoint_seconds), []
    try:
        for number, done, problem in completed(one, todo, engine, folder=out, memory=memory, say=say):
            if problem:
                failed.append((todo[number], problem))
            else:
                progress.finished(todo[number], done)
    except KeyboardInterrupt:
        raise RunError(
            f"the study was interrupted with {progress.done} of {len(jobs)} cells finished; all of it is kept in "
            f"{out}, resume with the same command"
        ) from None
    if failed:
        job, why = failed[0]
        fold = "" if job.fold is None else f" and fold {job.fold}"
        raise RunError(
            f"{len(failed)} of {len(jobs)} cells failed, {job.arm} with seed {job.seed}{fold} first ({why}); the "
            f"others are kept, resume with the same command once the cause is removed"
        )


def _memory(jobs: list[Job], out: Path) -> float:
    """Forecast of the memory of a cell in bytes: the most that a finished one took, else that of a small one."""
    done = [out / job.folder / "done.json" for job in jobs if is_done(out / job.folder)]
    return max((json.loads(path.read_text())["peak_memory"] for path in done), default=SMALL)


def _facts(study: Study, plan: Plan, jobs: list[Job], out: Path) -> dict[str, Any]:
    """What `study.json` says."""
    done = [json.loads((out / job.folder / "done.json").read_text()) for job in jobs]
    return {
        "config": study.plain(),
        "config_digest": study.digest(),
        "cells": len(jobs),
        "trainings": sum(job.base is None for job in jobs),
        "phantom": plan.phantom,
        "data": plan.data,
        "recipes": plan.recipes,
        "device": ", ".join(dict.fromkeys(one["device"] for one in done)),
        "precision": ", ".join(dict.fromkeys(one["precision"] for one in done)),
        "training_seconds": round(sum(one["seconds"] for one in done), 1),
        "peak_memory": max(one["peak_memory"] for one in done),
        "version": __version__,
        "versions": installed_versions(),
    }


def _write(study: Study, jobs: list[Job], out: Path, facts: dict[str, Any], start: float) -> dict[str, Path]:
    """Tables, figures, `study.json` and the report."""
    rows = rows_table(jobs, out)
    if "leak" in rows and rows["leak"].any():
        facts["leaks"] = int(rows["leak"].sum())
    tables = {
        "rows": rows,
        "summary": summary_table(rows),
        "comparisons": comparisons_table(study, rows),
        "curves": curves_table(jobs, out),
    }
    files = {name: out / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        write_table(table, files[name])
    drawn = pictures(rows, tables["comparisons"], tables["curves"])
    for figure in drawn:
        figure.save(out / "figures")
    facts["seconds"] = round(time.perf_counter() - start, 1)
    files |= {"study": out / "study.json", "report": out / "report.md"}
    write_text(files["study"], json.dumps(facts, indent=1) + "\n")
    write_text(files["report"], report(study, facts, tables["summary"], tables["comparisons"], drawn, out))
    return files

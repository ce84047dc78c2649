"""From the file to the tables: check, tell the power, run what is missing, write what came out."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pancreas_ssl import __version__
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import atomic_path, make_folder
from pancreas_ssl.study.cell import Stopped, is_done
from pancreas_ssl.study.config import Study, load_study
from pancreas_ssl.study.plan import (
    Cell,
    Plan,
    agree,
    agree_data,
    cells_of,
    make_plan,
    read_plan,
    revealed,
    write_plan,
)
from pancreas_ssl.study.power import power_lines
from pancreas_ssl.study.progress import Progress
from pancreas_ssl.study.roles import check_role, full_name, log_reveal, open_cases
from pancreas_ssl.study.tables import (
    comparisons_table,
    curves_table,
    rows_table,
    summary_table,
    write_table,
)
from pancreas_ssl.study.workers import run_cells

__all__ = ["run_study"]


def run_study(
    config: str | Path,
    out: str | Path,
    *,
    reveal: bool = False,
    workers: int | None = None,
    device: str = "auto",
    command: str | None = None,
    commit: str | None = None,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
    checkpoint_seconds: float = 30.0,
) -> dict[str, Path]:
    """Run a study, or go on with the one in `out`; finished cells and rows are kept as they are.

    Args:
        config: the YAML file that `study.config` describes.
        out: the study's folder.
        reveal: open sources of role test; each time is appended to `reveals.log`.
        workers: processes. None: one per core on a processor, one on any other device.
        device: as in `fit`.
        command, commit: put into `study.json`.
        say: takes the lines for the user.
        checkpoint_seconds: how much of a training a kill can cost.

    Returns:
        The written files by name: rows, summary, comparisons, curves, study, report.

    Raises:
        InputError: the file, a role, or a folder that holds another study.
        RunError: interrupted (everything is kept), or a training failed.

    A script that calls this needs `if __name__ == "__main__":` around the call, as the cells run in processes.

    Example:
        >>> run_study("controls.yml", "runs/controls")["summary"]    # doctest: +SKIP
    """
    start = time.perf_counter()
    study = load_study(config)
    for source, use in _uses(study):
        check_role(source, use, reveal=reveal)
    out = make_folder(out)
    command = command or f"pancreas-ssl study --config {config} --out {out}" + " --reveal" * reveal
    with _alone(out):
        before = read_plan(out)
        if before is not None:
            agree(before, study.plain(), out)
        if opened := revealed(study):
            log_reveal(out, study.digest(), [full_name(source) for source in opened], command)
        counts = {
            full_name(s): len(open_cases(s, "measure", reveal=reveal, most=study.patients))
            for s in study.measure
        }
        power = power_lines(study, counts)
        for line in power:
            say(line)
        device, precision = _resolve(study, device, before)
        plan = make_plan(study, precision, reveal)
        if before is not None:
            agree_data(before, plan, out)
        write_plan(out, plan)
        cells = cells_of(study, plan, reveal)
        _run(cells, out, device, workers, say, checkpoint_seconds)
        facts = _facts(study, plan, cells, out) | {"power": power, "command": command, "commit": commit}
        return _write(study, cells, out, facts, start)


def _uses(study: Study) -> list[tuple[str, str]]:
    oracles = [(arm.oracle, "oracle") for arm in study.arms.values() if arm.oracle]
    trains = [(study.train, "train"), (study.train, "select")] if len(oracles) < len(study.arms) else []
    return [*trains, *oracles, *((source, "measure") for source in study.measure)]


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder: a second study in it at the same time is refused (where the system can lock files)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(out / ".lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"another study runs in {out} at this moment; wait for it, or end it") from error
        yield


def _resolve(study: Study, device: str, before: Plan | None) -> tuple[str, dict[str, str]]:
    """The device by name, and each arm's precision: that of the folder, else measured with one thread as in a cell."""
    from pancreas_ssl import devices
    from pancreas_ssl.training.recipe import Recipe

    with devices.one_thread():
        where = str(devices.resolve_device(device))
        known = dict(before.precision) if before else {}
        for (
            arm
        ) in study.arms:  # asked even where the answer is known: the workers then find the probe's result
            wanted = known.get(arm) or Recipe.from_dict(study.recipe_of(arm)).precision
            known[arm] = devices.choose_precision(where, wanted)
    return where, known


def _run(
    cells: list[Cell], out: Path, device: str, workers: int | None, say, checkpoint_seconds: float
) -> None:
    """Run the cells that are not done; a stop or a failure becomes a `RunError`."""
    todo = [cell for cell in cells if not is_done(out / cell.folder)]
    if len(todo) < len(cells):
        say(f"{len(cells) - len(todo)} of {len(cells)} cells are finished already")
    if not todo:
        return
    workers = min(_workers(workers, device), len(todo))
    say(f"{len(todo)} cells to run, {workers} at a time, on {device}")
    progress = Progress(cells, todo, workers, say)
    try:
        failed = run_cells(
            todo,
            out,
            device=device,
            workers=workers,
            finished=progress.finished,
            checkpoint_seconds=checkpoint_seconds,
        )
    except Stopped:
        raise RunError(
            f"the study was interrupted with {progress.done} of {len(cells)} cells finished; all of it is kept in "
            f"{out}, go on with the same command"
        ) from None
    if failed:
        cell, why = failed[0]
        raise RunError(
            f"{len(failed)} of {len(cells)} cells failed, {cell.arm} with seed {cell.seed} first ({why}); the others "
            f"are kept, go on with the same command when the cause is gone"
        )


def _workers(workers: int | None, device: str) -> int:
    if workers is not None:
        if workers < 1:
            raise InputError(f"expected at least 1 worker, got {workers}; leave it out for one per core")
        return workers
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _facts(study: Study, plan: Plan, cells: list[Cell], out: Path) -> dict[str, Any]:
    """What `study.json` says."""
    from pancreas_ssl.versions import installed_versions

    done = [json.loads((out / cell.folder / "done.json").read_text()) for cell in cells]
    return {
        "config": study.plain(),
        "config_digest": study.digest(),
        "cells": len(cells),
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


def _write(
    study: Study, cells: list[Cell], out: Path, facts: dict[str, Any], start: float
) -> dict[str, Path]:
    """Tables, figures, `study.json` and the report."""
    from pancreas_ssl.study.pictures import pictures
    from pancreas_ssl.study.report import report

    rows = rows_table(cells, out)
    tables = {
        "rows": rows,
        "summary": summary_table(rows),
        "comparisons": comparisons_table(study, rows),
        "curves": curves_table(cells, out),
    }
    files = {name: out / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        write_table(table, files[name])
    drawn = pictures(rows, tables["comparisons"], tables["curves"])
    for figure in drawn:
        figure.save(out / "figures")
    facts["seconds"] = round(time.perf_counter() - start, 1)
    text = report(study, facts, tables["summary"], tables["comparisons"], drawn, out)
    files |= {"study": out / "study.json", "report": out / "report.md"}
    for path, content in ((files["study"], json.dumps(facts, indent=1) + "\n"), (files["report"], text)):
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return files

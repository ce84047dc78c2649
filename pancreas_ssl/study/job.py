"""One job: one arm trained with one seed, then measured patient by patient. Killed at any moment, it resumes there.

In the job's folder: `checkpoint.pt` while it trains, `training.json`, `history.csv` and `weights.safetensors` once it
is trained, `rows.jsonl` with a line per patient, `log.txt`, and last `done.json`, which appears when all is there. A
job with a `base` trains nothing: it asks the network in that job's folder by its own rules.
"""

import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pancreas_ssl.data.access import Case
from pancreas_ssl.data.preprocessing import prepare_case, prepare_cases
from pancreas_ssl.data.roles import full_name
from pancreas_ssl.engines import Stopped, alone, stopping
from pancreas_ssl.errors import RunError
from pancreas_ssl.files import claim, open_to_append, record_of, write_text
from pancreas_ssl.inference import Model, load_weights, save_weights
from pancreas_ssl.inference.asking import RULES, with_rules
from pancreas_ssl.inference.leaks import has_trained
from pancreas_ssl.inference.matching import PART, with_source
from pancreas_ssl.inference.prototype_vote import with_prototypes
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.study.label_parts import part_masks
from pancreas_ssl.study.measurements import patient_row
from pancreas_ssl.study.opened import cases_for
from pancreas_ssl.study.plan import Job, at_most
from pancreas_ssl.study.rows import append_row, repair_rows
from pancreas_ssl.study.tables import write_table
from pancreas_ssl.training.fit import fit
from pancreas_ssl.training.held_out import measured_ranges

__all__ = ["FILES", "is_done", "run_job"]

FILES = ("training.json", "history.csv", "weights.safetensors", "rows.jsonl", "log.txt", "done.json")


def is_done(folder: Path) -> bool:
    """Whether the job of this folder is finished."""
    return (folder / "done.json").exists()


def run_job(
    job: Job,
    out: Path,
    device: str = "auto",
    *,
    stopping: Callable[[], bool] = stopping,
    checkpoint_seconds: float = 30.0,
) -> dict[str, Any]:
    """Do what is left of a job; return the content of `done.json`. One process at a time works in its folder.

    Args:
        job: what to do.
        out: the study's folder.
        stopping: asked between patients and after every step of training; once it says yes, the job ends.
        checkpoint_seconds: how much of a training a kill can cost.

    Raises:
        Stopped: `stopping` said yes.
        InputError, RunError: as `fit` and `ask`.
    """
    with alone(out / job.folder, wait=True):
        return _run(job, out / job.folder, device, stopping, checkpoint_seconds)


def _run(job: Job, folder: Path, device: str, stopping, checkpoint_seconds: float) -> dict[str, Any]:
    if is_done(folder):
        return json.loads((folder / "done.json").read_text())
    if stopping():
        raise Stopped
    claim([folder / name for name in FILES], overwrite=None)
    home = folder.parents[1] / job.base.folder if job.base else folder
    with alone(home, wait=True) if job.base else nullcontext():
        if not (home / "weights.safetensors").exists():
            if job.base and is_done(home):
                raise RunError(
                    f"expected the weights of {job.base.arm} in {home} for {job.arm} to ask, only its tables are "
                    f"there; run the study in another folder"
                )
            _train(job.base or job, home, device, stopping, checkpoint_seconds)
    done = json.loads((home / "training.json").read_text())
    if job.base:
        write_text(folder / "history.csv", (home / "history.csv").read_text(encoding="utf-8"))
        done |= {"arm": job.arm, "base": job.base.arm, "seconds": 0.0}
    _measure(job, folder, home, device, stopping)
    done |= {"rows": len(repair_rows(folder / "rows.jsonl")), "finished": _now()}
    if record_of(folder / "checkpoint.pt") is not None:
        (folder / "checkpoint.pt").unlink()
    log = folder / "log.txt"
    if not (log.exists() and log.read_text(encoding="utf-8").endswith(" done\n")):  # a kill may follow it
        _log(folder, "done")
    write_text(folder / "done.json", json.dumps(done) + "\n")
    return done


def _train(job: Job, folder: Path, device: str, stopping, checkpoint_seconds: float) -> None:
    recipe = Recipe.from_dict(job.recipe)
    train = _training_cases(job, recipe, "train", organs=recipe.needs_organs)
    unlabelled = _training_cases(job, recipe, "unlabelled") if recipe.unlabelled_weight > 0 else None
    held_out = None if job.oracle else _training_cases(job, recipe, "select")
    _log(folder, "trains")
    try:
        fitted = fit(
            recipe,
            train,
            held_out,
            folder,
            unlabelled=unlabelled,
            resume=True,
            device=device,
            progress=False,
            stopping=stopping,
            checkpoint_seconds=checkpoint_seconds,
        )
    except RunError:
        if stopping():
            _log(folder, "training stopped")
            raise Stopped from None
        raise
    write_table(fitted.history, folder / "history.csv")
    facts = {
        "arm": job.arm,
        "seed": job.seed,
        "steps": fitted.step,
        "seconds": round(fitted.seconds, 1),
        "peak_memory": fitted.peak_memory,
        "device": fitted.device,
        "precision": fitted.precision,
        "cases": fitted.cases,
    }
    write_text(folder / "training.json", json.dumps(facts) + "\n")
    facts |= {"source": full_name(job.train), "train": {"voxels": [case.voxels for case in train]}}
    facts |= {"unlabelled": {"voxels": [case.voxels for case in unlabelled]}} if unlabelled else {}
    facts |= {"fold": job.fold} if job.fold is not None else {}
    header = {"spacing": recipe.spacing, "window": recipe.window, "patch": recipe.patch, "recipe": job.recipe}
    facts |= {"ranges": measured_ranges(train)}
    save_weights(folder / "weights.safetensors", fitted.ema, header | facts, "float32", fitted.parts)
    _log(folder, f"trained {fitted.step} steps")


def _training_cases(job: Job, recipe, use: str, organs: bool = False) -> list:
    """Prepared cases to train or select with, an oracle's are its own; roles are checked where the cases are opened."""
    use = "oracle" if job.oracle and use == "train" else use
    found = _cases(job, job.train, use, at_most(use, job.labelled))
    how = {"spacing": recipe.spacing, "window": recipe.window, "organs": organs, "mapped": True}
    return prepare_cases(found, empty_ok=use in ("select", "unlabelled"), **how)


def _cases(job: Job, source: str, use: str, most: int | None) -> list[Case]:
    how = {"train": job.train, "fold": job.fold, "reveal": job.reveal, "root": job.root}
    return cases_for(source, use, most=most, **how)


def _measure(job: Job, folder: Path, home: Path, device: str, stopping) -> None:
    """Append a row for every patient that has none yet, source by source, in the card's order, by the network that was
    trained in `home` and the rules of this job's recipe."""
    path = folder / "rows.jsonl"
    there = {(row["source"], row["case"]) for row in repair_rows(path)}
    model = None
    for source in job.measure:
        for case in _cases(job, source, "measure", job.patients):
            if (case.source, case.id) in there:
                continue
            if stopping():
                raise Stopped
            model = model or _asked(job, home)
            prepared = prepare_case(case, spacing=job.recipe["spacing"], window=job.recipe["window"])
            row = {"arm": job.arm, "seed": job.seed} | ({} if job.fold is None else {"fold": job.fold})
            row |= {"source": case.source, "case": case.id}
            parts = part_masks(case, prepared)
            row |= patient_row(model, prepared, parts, device=device, precision=job.recipe["precision"])
            row |= {"leak": has_trained(model.metadata, prepared)} if job.allow_leak else {}
            append_row(path, row)
            _log(folder, f"row {case.source} {case.id}")


def _asked(job: Job, home: Path) -> Model:
    """The trained network with the rules of this job's recipe."""
    model = with_rules(load_weights(home / "weights.safetensors"), **{name: job.recipe[name] for name in RULES})
    if job.recipe["match_weight"] > 0 and PART not in model.parts:  # an arm trained it that does not match
        model = with_source(model, _training_cases(job, Recipe.from_dict(job.recipe), "train"))
    return with_prototypes(model, job.recipe["prototype_weight"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _log(folder: Path, what: str) -> None:
    """One line with time and process: what was done when; nothing is done twice."""
    with open_to_append(folder / "log.txt") as handle:
        handle.write(f"{_now()} {os.getpid()} {what}\n")

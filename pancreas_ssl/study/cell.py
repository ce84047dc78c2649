"""One cell: one arm trained with one seed, then measured patient by patient. Killed at any moment, it goes on there.

In the cell's folder: `checkpoint.pt` while it trains, `training.json`, `history.csv` and `weights.safetensors` once it
is trained, `rows.jsonl` with a line per patient, `log.txt`, and last `done.json`, which appears when all is there.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import RunError
from pancreas_ssl.files import atomic_path, make_folder
from pancreas_ssl.study.measure import patient_metrics
from pancreas_ssl.study.plan import Cell, at_most
from pancreas_ssl.study.roles import open_cases
from pancreas_ssl.study.rows import append_row, repair_rows

__all__ = ["Stopped", "is_done", "run_cell"]


class Stopped(Exception):
    """The study was asked to stop; the cell left its state behind."""


def is_done(folder: Path) -> bool:
    """Whether the cell of this folder is finished."""
    return (folder / "done.json").exists()


def run_cell(
    cell: Cell,
    out: Path,
    device: str = "auto",
    *,
    stopping: Callable[[], bool] = lambda: False,
    poke: Callable[[], None] = lambda: None,
    checkpoint_seconds: float = 30.0,
) -> dict[str, Any]:
    """Do what is left of a cell; return `done.json`'s content.

    Args:
        cell: what to do.
        out: the study's folder.
        stopping: asked between patients and while training; once it says yes, the cell ends as soon as it can.
        poke: called while training with each new row of the history (`workers.py` passes a stop on with it).
        checkpoint_seconds: how much of a training a kill can cost.

    Raises:
        Stopped: `stopping` said yes.
        InputError, RunError: as `fit` and `predict_prepared`.
    """
    folder = make_folder(out / cell.folder)
    if is_done(folder):
        return json.loads((folder / "done.json").read_text())
    if stopping():
        raise Stopped
    weights = folder / "weights.safetensors"
    if not weights.exists():
        _train(cell, folder, device, stopping, poke, checkpoint_seconds)
    _measure(cell, folder, device, stopping)
    done = json.loads((folder / "training.json").read_text())
    done |= {"rows": len(repair_rows(folder / "rows.jsonl")), "finished": _now()}
    with atomic_path(folder / "done.json") as temporary:
        temporary.write_text(json.dumps(done) + "\n")
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    _log(folder, "done")
    return done


def _train(cell: Cell, folder: Path, device: str, stopping, poke, checkpoint_seconds: float) -> None:
    from pancreas_ssl.inference import save_weights
    from pancreas_ssl.training.fit import fit
    from pancreas_ssl.training.recipe import Recipe

    recipe = Recipe.from_dict(cell.recipe)
    train = _training_cases(cell, recipe, "oracle" if cell.oracle else "train", organs=recipe.needs_organs)
    unlabelled = _training_cases(cell, recipe, "unlabelled") if recipe.unlabelled_weight > 0 else None
    held_out = None if cell.oracle else _training_cases(cell, recipe, "select")
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
            callback=lambda row: poke(),
            checkpoint_seconds=checkpoint_seconds,
        )
    except RunError:
        if stopping():
            _log(folder, "training stopped")
            raise Stopped from None
        raise
    with atomic_path(folder / "history.csv") as temporary:
        fitted.history.to_csv(temporary, index=False)
    facts = {
        "arm": cell.arm,
        "seed": cell.seed,
        "steps": fitted.step,
        "seconds": round(fitted.seconds, 1),
        "peak_memory": fitted.peak_memory,
        "device": fitted.device,
        "precision": fitted.precision,
        "cases": fitted.cases,
    }
    with atomic_path(folder / "training.json") as temporary:
        temporary.write_text(json.dumps(facts) + "\n")
    header = {
        "spacing": recipe.spacing,
        "window": recipe.window,
        "patch": recipe.patch,
        "recipe": cell.recipe,
    }
    save_weights(folder / "weights.safetensors", fitted.ema, header | facts, "float32", fitted.parts)
    _log(folder, f"trained {fitted.step} steps")


def _training_cases(cell: Cell, recipe, use: str, organs: bool = False) -> list:
    """Prepared cases to train or select with; roles are checked where the cases are opened."""
    from pancreas_ssl.data.preprocessing import prepare_cases

    found = open_cases(cell.train, use, reveal=cell.reveal, most=at_most(use, cell.labelled))
    how = {"spacing": recipe.spacing, "window": recipe.window, "organs": organs}
    return prepare_cases(found, empty_ok=use in ("select", "unlabelled"), **how)


def _measure(cell: Cell, folder: Path, device: str, stopping) -> None:
    """Append a row for every patient that has none yet, source by source, in the card's order."""
    from pancreas_ssl.contrast.voting import with_prototypes
    from pancreas_ssl.data.preprocessing import prepare_case
    from pancreas_ssl.inference import load_weights, predict_prepared

    path = folder / "rows.jsonl"
    there = {(row["source"], row["case"]) for row in repair_rows(path)}
    model = None
    for source in cell.measure:
        for case in open_cases(source, "measure", reveal=cell.reveal, most=cell.patients):
            if (case.source, case.id) in there:
                continue
            if stopping():
                raise Stopped
            model = model or with_prototypes(
                load_weights(folder / "weights.safetensors"), cell.recipe["prototype_weight"]
            )
            prepared = prepare_case(case, spacing=cell.recipe["spacing"], window=cell.recipe["window"])
            row = {"arm": cell.arm, "seed": cell.seed, "source": case.source, "case": case.id}
            probabilities = predict_prepared(
                model, prepared.image, device=device, precision=cell.recipe["precision"]
            )
            append_row(path, row | patient_metrics(probabilities, prepared, cell.recipe["tissue_above"]))
            _log(folder, f"row {case.source} {case.id}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _log(folder: Path, what: str) -> None:
    """One line with time and process: what was done when, and that nothing was done twice."""
    with open(folder / "log.txt", "a", encoding="utf-8") as handle:
        handle.write(f"{_now()} {os.getpid()} {what}\n")

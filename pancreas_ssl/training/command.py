"""From a source's name to trained weights on disk: `pancreas-ssl train`, and how the shipped weights are made.

    pancreas-ssl train --publish pancreas_ssl/assets/baseline --out runs/baseline

trains in the folder `runs/baseline`, or resumes there, and then writes `baseline.safetensors` and its model card
`baseline.md` into `pancreas_ssl/assets`.
"""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from pancreas_ssl import __version__
from pancreas_ssl.data.access import Case, Root, cases, parse_source
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.data.image_checks import refuse_twins
from pancreas_ssl.data.preprocessing import Prepared, prepare_cases
from pancreas_ssl.data.roles import check_role, folds_of, open_cases
from pancreas_ssl.errors import InputError, require, show_identifiers, without_paths
from pancreas_ssl.files import atomic_path, claim, write_text
from pancreas_ssl.inference import save_weights
from pancreas_ssl.method.processes import rank
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.checkpoint import checkpoint_file
from pancreas_ssl.training.fit import Fitted, cases_digest, fit
from pancreas_ssl.training.held_out import held_out_answers, measured_ranges
from pancreas_ssl.training.model_card import model_card

__all__ = ["run_training"]


def run_training(
    source: str = "phantom/A",
    *,
    out: str | Path,
    arm: str = "supervised",
    root: Root = None,
    fold: int | None = None,
    labelled: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    device: str = "auto",
    resume: bool = False,
    recipe: Recipe | None = None,
    progress: bool = True,
    publish: str | Path | None = None,
    overwrite: bool = False,
    allow_leak: bool = False,
) -> Fitted:
    """Train one arm on one source and keep all results in `out`.

    Written: `checkpoint.pt` (to resume from), `weights.safetensors` with the model card `weights.md`, `history.csv`
    and `run.json`; for a source of role `any` also `folds.csv` (case, patient, fold). Every one of them appears whole
    or not at all.

    Args:
        source: `card/source`; its split `train` trains, its split `held_out`, where there is one, is measured on. A
            source of role `any` is split by its card's folds.
        out: a new folder, or with `resume` the folder of the training to resume.
        arm: the training variant, one of `arms.ARMS`; its fields are put into the recipe.
        root: where the card's files lie, for cards that read a folder.
        fold: of a source of role `any`, the fold whose patients are held out; None: the first, 0.
        labelled: train on at most so many cases, the first ones; below 0 on the last ones. None: all.
        seed, steps: put into the recipe; `steps=None` keeps the recipe's number.
        recipe: all other choices, by default `Recipe()`.
        publish: path without suffix; weights and model card are also written as `<publish>.safetensors` and
            `<publish>.md`. A training in `out` is then resumed.
        overwrite: replace files of these names that this tool did not write, too; never a checkpoint or an input.
        allow_leak: let a scan train and be held out at once; the record and the model card say so.

    Raises:
        InputError, RunError: as `fit`, and for an unknown arm, source or split, a source that is not for training, a
            scan that `data check` calls an error, the same scan in two cases, or foreign files in `out`.

    Example:
        >>> run_training("phantom/A", out="runs/first", steps=200)    # doctest: +SKIP
    """
    recipe = replace(with_arm(recipe or Recipe(), arm), seed=seed)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    source = _training_source(source)
    card, name = parse_source(source)
    loaded = load_card(card)
    dealt = _role(loaded, name) == "any"
    if dealt:
        fold = fold or 0
        require(0 <= fold < loaded.folds.k, f"--fold from 0 to {loaded.folds.k - 1} for {loaded.name}/{name}", fold,
                "the card's folds say how many")  # fmt: skip
    require(dealt or fold is None, f"a source of role any for --fold, {loaded.name}/{name} has the role "
            f"{_role(loaded, name)}", fold, "leave it out")  # fmt: skip
    if name in loaded.splits:  # the card reports an unknown source
        check_role(source, "train")
    if publish is not None:
        resume = True
    places = [Path(out) / file for file in ("weights.safetensors", "weights.md", "history.csv", "run.json")]
    places += [Path(out) / "folds.csv"] * dealt
    places += [Path(publish).with_suffix(suffix) for suffix in (".safetensors", ".md") if publish is not None]
    claim([checkpoint_file(out)] * resume, overwrite=None)
    claim(places, overwrite=overwrite, inputs=[card] * Path(card).is_file())
    listed = _cases(loaded, source, name, root, fold, labelled, recipe.unlabelled_weight > 0)
    claim(places, inputs=[path for side in listed.values() for case in side for path in case.files])

    def prepared(side: str, organs: bool = False) -> list:
        how = {"spacing": recipe.spacing, "window": recipe.window, "organs": organs, "mapped": True}
        return prepare_cases(listed[side], empty_ok=side != "train", **how)

    if dealt and progress and rank() == 0:
        trained, held = (len({case.patient for case in listed[side]}) for side in ("train", "held_out"))
        print(f"fold {fold} of {loaded.folds.k}: trains on {trained} patients, {held} held out", flush=True)
    train, held_out = prepared("train", recipe.needs_organs), prepared("held_out")
    more = prepared("unlabelled") if recipe.unlabelled_weight > 0 else None
    leaks = refuse_twins({"train": train, "held_out": held_out, "unlabelled": more or []}, allow_leak=allow_leak)
    fitted = fit(recipe, train, held_out or None, out, unlabelled=more, resume=resume, device=device, progress=progress)
    if rank() > 0:  # the first of several processes writes
        return fitted
    named = show_identifiers() or loaded.public
    command = _command(arm, source, out, recipe, publish, fold, labelled, allow_leak)
    facts = _facts(fitted, recipe, arm, source, train, held_out, more or [], named, command)
    facts |= {"fold": fold, "folds": loaded.folds.model_dump()} if dealt else {}
    facts |= {"leaks": len(leaks)} if leaks else {}
    facts = without_paths(facts | {"source": f"{loaded.name}/{name}"})
    for stem in (Path(out) / "weights", publish):
        if stem is not None:
            _write_weights(Path(stem), fitted, facts)
    with atomic_path(Path(out) / "history.csv") as temporary:
        fitted.history.to_csv(temporary, index=False)
    if dealt:
        _write_folds(Path(out) / "folds.csv", source, loaded, root)
    write_text(Path(out) / "run.json", json.dumps(facts, indent=1) + "\n")
    return fitted


def _role(card: Card, source: str | None) -> str:
    return card.sources[source].role if source in card.sources else ""


def _cases(
    card: Card, source: str, name: str, root: Root, fold: int | None, labelled: int | None, more: bool
) -> dict[str, list[Case]]:
    """What trains, what is held out, and what trains without labels."""
    require(labelled != 0, "at least one case for --labelled, or below 0 for the last ones", 0, "leave it out for all")
    sides = {"train": "train", "held_out": "select"} | ({"unlabelled": "unlabelled"} if more else {})
    most = dict.fromkeys(sides) | {"train": labelled}
    if _role(card, name) == "any":
        return {side: open_cases(source, use, root=root, fold=fold, most=most[side]) for side, use in sides.items()}
    known = {"train"} | set(card.splits.get(name, {}))
    return {side: cases(source, split=side, root=root, most=most[side]) if side in known else [] for side in sides}


def _write_folds(path: Path, source: str, card: Card, root: Root) -> None:
    """Case, patient and fold, for every labelled case."""
    import pandas as pd

    labelled = [case for case in cases(source, root=root) if case.label is not None]
    dealt = folds_of(card, labelled)
    rows = [(case.id, case.patient, dealt[case.patient]) for case in labelled]
    with atomic_path(path) as temporary:
        pd.DataFrame(rows, columns=["case", "patient", "fold"]).to_csv(temporary, index=False)


def _write_weights(stem: Path, fitted: Fitted, facts: dict) -> None:
    """`<stem>.safetensors` (moving average, half precision) and `<stem>.md`, the model card."""
    metadata = {key: facts["recipe"][key] for key in ("spacing", "window", "patch")} | facts
    weights = save_weights(stem.with_suffix(".safetensors"), fitted.ema, metadata, parts=fitted.parts)
    write_text(stem.with_suffix(".md"), model_card(stem.name, facts, weights.stat().st_size))


def _facts(
    fitted: Fitted,
    recipe: Recipe,
    arm: str,
    source: str,
    train: list[Prepared],
    held_out: list[Prepared],
    unlabelled: list[Prepared],
    named: bool,
    command: str,
) -> dict:
    """What run.json, the header of the weights and the card say; cases of a user's own are numbered, unless `named`."""
    answers = fitted.held_out  # empty where the training had finished before
    if held_out and not answers:
        how = {"device": fitted.device, "precision": fitted.precision}
        answers = held_out_answers(fitted.model(recipe), held_out, **how)
    return {
        "arm": arm,
        "source": source,
        "command": command,
        "recipe": recipe.to_dict(),
        "step": fitted.step,
        "seconds": round(fitted.seconds, 1),
        "peak_memory": fitted.peak_memory,
        "device": fitted.device,
        "precision": fitted.precision,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in fitted.ema.parameters()),
        "train": _about(train, named) | {"digest": fitted.cases},
        **({"unlabelled": _about(unlabelled, named)} if unlabelled else {}),
        "held_out": _about(held_out, named)
        | {"digest": cases_digest(held_out) if held_out else "", "dice": [round(one["dice"], 4) for one in answers]},
        "ranges": measured_ranges(train, answers),
        "version": __version__,
        "torch": torch.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "use": "teaching and research only, not for clinical use",
    }


def _about(cases: list[Prepared], named: bool) -> dict[str, list[str]]:
    """Ids, or numbers in their place, and the digests by which the scans are known again."""
    return {"ids": _ids(cases, named), "voxels": [case.voxels for case in cases]}


def _ids(cases, named: bool) -> list[str]:
    return [case.id if named else f"case {number}" for number, case in enumerate(cases, 1)]


def _training_source(name: str) -> str:
    """`card/source` of the one source that may train: it has a split `train`, or the role `any`."""
    card, source = parse_source(name)
    loaded = load_card(card)
    able = [key for key in loaded.sources if _role(loaded, key) == "any" or loaded.splits.get(key, {}).get("train")]
    if source is None and len(able) == 1:
        return f"{card}/{able[0]}"
    if source in able or source not in (None, *loaded.sources):  # the card reports an unknown source
        return name
    choice = f"name one of {', '.join(f'{card}/{key}' for key in able)}" if able else "list case ids under splits"
    raise InputError(
        f"expected a source with a split 'train', {name} has {len(able) if source is None else 0}; {choice}"
    )


def _command(
    arm: str, source: str, out: str | Path, recipe: Recipe, publish: str | Path | None, fold: int | None,
    labelled: int | None, leak: bool,
) -> str:  # fmt: skip
    command = ["pancreas-ssl", "train", "--arm", arm, "--source", source, "--seed", str(recipe.seed)]
    for option, value in (("--fold", fold), ("--labelled", labelled)):
        command += [option, str(value)] if value is not None else []
    command += ["--allow-leak"] * leak
    command += ["--steps", str(recipe.steps), "--out", Path(out).name]
    usual, now = with_arm(Recipe(seed=recipe.seed, steps=recipe.steps), arm).to_dict(), recipe.to_dict()
    for name in (name for name in now if now[name] != usual[name]):
        command += ["--set", f"{name}={json.dumps(now[name])}"]
    return shlex.join(command + (["--publish", str(publish)] if publish is not None else []))

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
from pancreas_ssl.data.access import Root, cases, parse_source
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.image_checks import refuse_twins
from pancreas_ssl.data.preprocessing import prepare_cases
from pancreas_ssl.data.roles import check_role
from pancreas_ssl.errors import InputError, show_identifiers, without_paths
from pancreas_ssl.files import atomic_path, claim, write_text
from pancreas_ssl.inference import save_weights
from pancreas_ssl.method.processes import rank
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.checkpoint import checkpoint_file
from pancreas_ssl.training.fit import Fitted, cases_digest, fit
from pancreas_ssl.training.held_out import held_out_dice
from pancreas_ssl.training.model_card import model_card

__all__ = ["run_training"]


def run_training(
    source: str = "phantom/A",
    *,
    out: str | Path,
    arm: str = "supervised",
    root: Root = None,
    seed: int = 0,
    steps: int | None = None,
    device: str = "auto",
    resume: bool = False,
    recipe: Recipe | None = None,
    progress: bool = True,
    publish: str | Path | None = None,
    overwrite: bool = False,
) -> Fitted:
    """Train one arm on one source and keep all results in `out`.

    Written: `checkpoint.pt` (to resume from), `weights.safetensors` with the model card `weights.md`, `history.csv`
    and `run.json`. Every one of them appears whole or not at all.

    Args:
        source: `card/source`; its split `train` trains, its split `held_out`, where there is one, is measured on.
        out: a new folder, or with `resume` the folder of the training to resume.
        arm: the training variant, one of `arms.ARMS`; its fields are put into the recipe.
        root: where the card's files lie, for cards that read a folder.
        seed, steps: put into the recipe; `steps=None` keeps the recipe's number.
        recipe: all other choices, by default `Recipe()`.
        publish: path without suffix; weights and model card are also written as `<publish>.safetensors` and
            `<publish>.md`. A training in `out` is then resumed.
        overwrite: replace files of these names that this tool did not write, too; never a checkpoint or an input.

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
    splits = loaded.splits
    if name in splits:  # the card reports an unknown source
        check_role(source, "train")
    if publish is not None:
        resume = True
    places = [Path(out) / file for file in ("weights.safetensors", "weights.md", "history.csv", "run.json")]
    places += [Path(publish).with_suffix(suffix) for suffix in (".safetensors", ".md") if publish is not None]
    claim([checkpoint_file(out)] * resume, overwrite=None)
    claim(places, overwrite=overwrite, inputs=[card] * Path(card).is_file())
    known = {"train"} | set(splits.get(name, {}))

    def prepared(split: str, organs: bool = False) -> list:
        listed = cases(source, split=split, root=root) if split in known else []
        claim(places, inputs=[path for case in listed for path in case.files])
        how = {"spacing": recipe.spacing, "window": recipe.window, "organs": organs}
        return prepare_cases(listed, empty_ok=split != "train", **how)

    train, held_out = prepared("train", recipe.needs_organs), prepared("held_out")
    more = prepared("unlabelled") if recipe.unlabelled_weight > 0 else None
    refuse_twins({"train": train, "held_out": held_out, "unlabelled": more or []})
    fitted = fit(recipe, train, held_out or None, out, unlabelled=more, resume=resume, device=device, progress=progress)
    if rank() > 0:  # the first of several processes writes
        return fitted
    named = show_identifiers() or loaded.access.method != "folder"
    facts = _facts(fitted, recipe, arm, source, train, held_out, named, _command(arm, source, out, recipe, publish))
    facts = without_paths(facts | {"source": f"{loaded.name}/{name}"})
    for stem in (Path(out) / "weights", publish):
        if stem is not None:
            _write_weights(Path(stem), fitted, facts)
    with atomic_path(Path(out) / "history.csv") as temporary:
        fitted.history.to_csv(temporary, index=False)
    write_text(Path(out) / "run.json", json.dumps(facts, indent=1) + "\n")
    return fitted


def _write_weights(stem: Path, fitted: Fitted, facts: dict) -> None:
    """`<stem>.safetensors` (moving average, half precision) and `<stem>.md`, the model card."""
    metadata = {key: facts["recipe"][key] for key in ("spacing", "window", "patch")} | facts
    weights = save_weights(stem.with_suffix(".safetensors"), fitted.ema, metadata, parts=fitted.parts)
    write_text(stem.with_suffix(".md"), model_card(stem.name, facts, weights.stat().st_size))


def _facts(fitted: Fitted, recipe: Recipe, arm: str, source: str, train, held_out, named: bool, command: str) -> dict:
    """What run.json, the header of the weights and the card say; cases of a user's own are numbered, unless `named`."""
    dice = fitted.held_out  # empty where the training had finished before
    if held_out and not dice:
        how = {"device": fitted.device, "precision": fitted.precision}
        dice = held_out_dice(fitted.ema, held_out, recipe.patch, **how)
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
        "train": {"ids": _ids(train, named), "digest": fitted.cases},
        "held_out": {
            "ids": _ids(held_out, named),
            "digest": cases_digest(held_out) if held_out else "",
            "dice": [round(d, 4) for d in dice],
        },
        "version": __version__,
        "torch": torch.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "use": "teaching and research only, not for clinical use",
    }


def _ids(cases, named: bool) -> list[str]:
    return [case.id if named else f"case {number}" for number, case in enumerate(cases, 1)]


def _training_source(name: str) -> str:
    """`card/source` of the one source that has a split to train on."""
    card, source = parse_source(name)
    loaded = load_card(card)
    able = [key for key, splits in loaded.splits.items() if splits.get("train")]
    if source is None and len(able) == 1:
        return f"{card}/{able[0]}"
    if source in able or source not in (None, *loaded.sources):  # the card reports an unknown source
        return name
    choice = f"name one of {', '.join(f'{card}/{key}' for key in able)}" if able else "list case ids under splits"
    raise InputError(
        f"expected a source with a split 'train', {name} has {len(able) if source is None else 0}; {choice}"
    )


def _command(arm: str, source: str, out: str | Path, recipe: Recipe, publish: str | Path | None) -> str:
    command = ["pancreas-ssl", "train", "--arm", arm, "--source", source, "--seed", str(recipe.seed)]
    command += ["--steps", str(recipe.steps), "--out", Path(out).name]
    usual, now = with_arm(Recipe(seed=recipe.seed, steps=recipe.steps), arm).to_dict(), recipe.to_dict()
    for name in (name for name in now if now[name] != usual[name]):
        command += ["--set", f"{name}={json.dumps(now[name])}"]
    return shlex.join(command + (["--publish", str(publish)] if publish is not None else []))

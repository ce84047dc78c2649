"""From a source's name to trained weights on disk: `pancreas-ssl train`, and how the shipped weights are made.

    python -m pancreas_ssl.training.command --publish pancreas_ssl/assets/baseline --out runs/baseline

trains in the folder `runs/baseline` (resumable) and then writes `baseline.safetensors` and its model card
`baseline.md` into `pancreas_ssl/assets`.
"""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pancreas_ssl import __version__
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import atomic_path, make_folder
from pancreas_ssl.processes import rank
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.fit import Fitted, cases_digest, fit
from pancreas_ssl.training.held_out import held_out_dice
from pancreas_ssl.training.model_card import model_card
from pancreas_ssl.training.recipe import Recipe
from pancreas_ssl.training.settings import settings

__all__ = ["publish", "run_training"]


def run_training(
    source: str = "phantom/A",
    *,
    out: str | Path,
    arm: str = "supervised",
    root: str | Path | None = None,
    seed: int = 0,
    steps: int | None = None,
    device: str = "auto",
    resume: bool = False,
    recipe: Recipe | None = None,
    progress: bool = True,
    command: str | None = None,
) -> Fitted:
    """Train one arm on one source and leave everything that came of it in `out`.

    Written: `checkpoint.pt` (to go on from), `weights.safetensors` with the model card `weights.md`, `history.csv`
    and `run.json`. Every one of them appears whole or not at all.

    Args:
        source: `card/source`; its split `train` trains, its split `held_out`, where there is one, is measured on.
        out: a new folder, or with `resume` the folder of the training to go on with.
        arm: the training variant, one of `arms.ARMS`; its fields are put into the recipe.
        root: where the card's files lie, for cards that read a folder.
        seed, steps: put into the recipe; `steps=None` keeps the recipe's number.
        recipe: all other choices, by default `Recipe()`.
        command: the command line to name in the model card; by default it is put together from the arguments.

    Raises:
        InputError, RunError: as `fit`, and for an unknown arm, source or split.

    Example:
        >>> run_training("phantom/A", out="runs/first", steps=200)    # doctest: +SKIP
    """
    from pancreas_ssl.data.access import cases, parse_source
    from pancreas_ssl.data.cards import load_card
    from pancreas_ssl.data.preprocessing import prepare_cases

    recipe = replace(with_arm(recipe or Recipe(), arm), seed=seed)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    source = _training_source(source)
    card, name = parse_source(source)
    known = {"train"} | set(load_card(card).splits.get(name, {}))

    def prepared(split: str, organs: bool = False) -> list:
        listed = cases(source, split=split, root=root) if split in known else []
        return prepare_cases(listed, spacing=recipe.spacing, window=recipe.window, organs=organs)

    train, held_out = prepared("train", recipe.needs_organs), prepared("held_out")
    more = prepared("unlabelled") if recipe.unlabelled_weight > 0 else None
    fitted = fit(
        recipe,
        train,
        held_out or None,
        out,
        unlabelled=more,
        resume=resume,
        device=device,
        progress=progress,
    )
    if rank() > 0:  # the first of several processes tells and writes
        return fitted
    facts = _facts(
        fitted, recipe, arm, source, train, held_out, command or _command(arm, source, out, recipe)
    )
    write_weights(Path(out) / "weights", fitted, facts)
    with atomic_path(Path(out) / "history.csv") as temporary:
        fitted.history.to_csv(temporary, index=False)
    with atomic_path(Path(out) / "run.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n")
    return fitted


def write_weights(stem: Path, fitted: Fitted, facts: dict) -> tuple[Path, Path]:
    """`<stem>.safetensors` (moving average, half precision) and `<stem>.md`, the model card."""
    from pancreas_ssl.inference import save_weights

    recipe = facts["recipe"]
    metadata = {key: recipe[key] for key in ("spacing", "window", "patch")} | facts
    weights = save_weights(stem.with_suffix(".safetensors"), fitted.ema, metadata, parts=fitted.parts)
    card = stem.with_suffix(".md")
    with atomic_path(card) as temporary:
        temporary.write_text(model_card(stem.name, facts, weights.stat().st_size))
    return weights, card


def publish(target: str | Path, out: str | Path, **arguments) -> tuple[Path, Path]:
    """Train (or resume) in `out` and write weights and card as `<target>.safetensors` and `<target>.md`.

    Args:
        target: path without suffix, such as `pancreas_ssl/assets/baseline`.
        arguments: as `run_training`.
    """
    target = Path(target)
    make_folder(target.parent)
    fitted = run_training(out=out, **arguments)
    if rank() > 0:
        return target.with_suffix(".safetensors"), target.with_suffix(".md")
    facts = json.loads((Path(out) / "run.json").read_text())
    return write_weights(target, fitted, facts)


def _facts(fitted: Fitted, recipe: Recipe, arm: str, source: str, train, held_out, command: str) -> dict:
    """What run.json, the header of the weights and the card say."""
    import torch

    dice = fitted.held_out  # empty where a finished training was only taken up again
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
        "train": {"ids": [case.id for case in train], "digest": fitted.cases},
        "held_out": {
            "ids": [case.id for case in held_out],
            "digest": cases_digest(held_out) if held_out else "",
            "dice": [round(d, 4) for d in dice],
        },
        "version": __version__,
        "torch": torch.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "use": "teaching and research only, not for clinical use",
    }


def _training_source(name: str) -> str:
    """`card/source` of the one source that has a split to train on."""
    from pancreas_ssl.data.access import parse_source
    from pancreas_ssl.data.cards import load_card

    card, source = parse_source(name)
    loaded = load_card(card)
    able = [key for key, splits in loaded.splits.items() if splits.get("train")]
    if source is None and len(able) == 1:
        return f"{card}/{able[0]}"
    if source in able or source not in (None, *loaded.sources):  # an unknown source is told by the card
        return name
    choice = (
        f"name one of {', '.join(f'{card}/{key}' for key in able)}" if able else "list case ids under splits"
    )
    raise InputError(
        f"expected a source with a split 'train', {name} has {len(able) if source is None else 0}; {choice}"
    )


def _command(arm: str, source: str, out, recipe: Recipe) -> str:
    words = ["pancreas-ssl", "train", "--arm", arm, "--source", source, "--seed", str(recipe.seed)]
    words += ["--steps", str(recipe.steps), "--out", Path(out).name]
    usual, now = with_arm(Recipe(seed=recipe.seed, steps=recipe.steps), arm).to_dict(), recipe.to_dict()
    for name in (name for name in now if now[name] != usual[name]):
        words += ["--set", f"{name}={json.dumps(now[name])}"]
    return shlex.join(words)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the module; `--set name=value` changes a field of the recipe."""
    from pancreas_ssl.errors import RunError

    parser = argparse.ArgumentParser(prog="python -m pancreas_ssl.training.command", description=__doc__)
    parser.add_argument(
        "--publish", required=True, metavar="STEM", help="weights and card: STEM.safetensors, STEM.md"
    )
    parser.add_argument(
        "--out", required=True, help="folder of the training; resumed when it has a checkpoint"
    )
    parser.add_argument("--source", default="phantom/A")
    parser.add_argument("--arm", default="supervised", help="training variant, as in pancreas-ssl train")
    parser.add_argument("--root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="recipe fields, values as JSON"
    )
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    try:
        weights, card = publish(
            options.publish,
            options.out,
            source=options.source,
            arm=options.arm,
            root=options.root,
            seed=options.seed,
            steps=options.steps,
            device=options.device,
            recipe=Recipe.from_dict(settings(options.set)),
            resume=True,
            command=shlex.join(["python", "-m", "pancreas_ssl.training.command", *given]),
        )
    except (InputError, RunError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    if rank() == 0:
        print(f"{weights}\n{card}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Commands around the network: train, predict, evaluate."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.data import Overwrite, Roots
from pancreas_ssl.errors import InputError, RunError, without_paths

__all__ = ["app"]

app = typer.Typer()

Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; a named device that is missing is an error.")
]


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, weights and the history.")],
    source: Annotated[str, typer.Option(help="Card or card/source to train on.")] = "phantom/A",
    arm: Annotated[
        str,
        typer.Option(
            help="Variant: supervised; contrast, restoration or dual (both); strong, randconv, gin, mixstyle, labels, "
            "organs or unlabelled; or a control (nonsense, contrast-random, restoration-random, dual-random)."
        ),
    ] = "supervised",
    root: Roots = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights and of every draw.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps, if not the recipe's.")] = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint in --out.")] = False,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A recipe field, as batch=4; may be repeated."),
    ] = None,
    publish: Annotated[
        Path | None, typer.Option(hidden=True, metavar="STEM", help="Also write STEM.safetensors and STEM.md; resumes.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Train the segmentation network on one source.

    Several processes: torchrun --nproc-per-node 2 -m pancreas_ssl train ...
    """
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.method.recipe import Recipe
    from pancreas_ssl.training.command import run_training

    run_training(
        source=source,
        arm=arm,
        root=parse_roots(root or ()),
        seed=seed,
        steps=steps,
        device=device,
        out=out,
        resume=resume,
        recipe=Recipe.from_dict(recipe_fields(fields or [])),
        publish=publish,
        overwrite=overwrite,
    )


@app.command()
def predict(
    ct: Annotated[Path, typer.Argument(metavar="CT", help="NIfTI file, DICOM series, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Mask (.nii.gz); a folder when CT is a folder of scans.")],
    weights: Annotated[str, typer.Option(help="Name of shipped weights, or a file.")] = "baseline",
    uncertainty: Annotated[Path | None, typer.Option(help="Also write the entropy map (bits) here.")] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Segment the pancreas in a CT; the mask lies on the CT's own grid."""
    from pancreas_ssl.inference import predict_path

    table = predict_path(ct, out, weights=weights, uncertainty=uncertainty, device=device, overwrite=overwrite)
    print(table.to_string(index=False))
    if failed := list(table.loc[table["status"] == "failed", "case"]):
        raise RunError(
            f"expected a mask for each of {len(table)} scans, {len(failed)} failed ({', '.join(failed[:5])}"
            f"{' ...' if len(failed) > 5 else ''}); the table gives the reasons, {out} holds the masks of the others"
        )


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION", help="Predicted mask (NIfTI).")],
    label: Annotated[Path, typer.Argument(metavar="LABEL", help="Reference label (NIfTI).")],
    label_value: Annotated[
        list[int] | None, typer.Option(help="Value of the pancreas in LABEL; may be repeated.")
    ] = None,
) -> None:
    """Compare a mask with a reference label; JSON on standard output."""
    from pancreas_ssl.evaluation import evaluate_files

    found = evaluate_files(prediction, label, label_values=tuple(label_value or [1]))
    found = without_paths({name: _json(value) for name, value in found.items()})
    print(json.dumps(found, indent=1, allow_nan=False))


def _json(value):
    """JSON's form of a metric: numpy scalars as Python's, what is not a finite number as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def recipe_fields(pairs: Sequence[str]) -> dict:
    """Recipe fields out of 'name=value', values in JSON (anything else is text).

    Raises:
        InputError: no such pair.

    Example:
        >>> recipe_fields(["batch=1", "patch=[32, 32, 32]", "precision=fp32"])
        {'batch': 1, 'patch': [32, 32, 32], 'precision': 'fp32'}
    """
    values = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        try:
            values[name] = json.loads(value)
        except (ValueError, RecursionError) as error:  # no JSON, nested too deeply, more digits than Python reads
            if not mark or not isinstance(error, json.JSONDecodeError) or value[:1] in '[{"':
                raise InputError(f"expected --set NAME=VALUE with a value in JSON, got '{pair[:60]}'") from error
            values[name] = value
    return values

"""Commands around the network: train, predict, evaluate."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.data import AllowLeak, Overwrite, Roots
from pancreas_ssl.cli.engine_options import DryRun, Executor, Scheduler, Slurm, Workers, engine_of
from pancreas_ssl.errors import InputError, RunError, require, without_paths

__all__ = ["app"]

app = typer.Typer()

Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; a named device that is missing is an error.")
]
Rules = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A rule for predicting, as decision=hysteresis; may be repeated."),
]


def _slurm_script(asked: bool) -> None:
    if asked:
        script = Path(__file__).parents[1] / "assets" / "slurm" / "train.sbatch"
        print(script.read_text(encoding="utf-8"), end="")
        raise typer.Exit


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, weights and the history.")],
    source: Annotated[str, typer.Option(help="Card or card/source to train on.")] = "phantom/A",
    arm: Annotated[
        str,
        typer.Option(
            help="Variant: supervised; contrast, restoration or dual (both); strong, randconv, gin, labelconv, "
            "mixstyle, labels, organs or unlabelled; when predicting, matching, expected-dice, hysteresis or "
            "test-views; or a control (nonsense, contrast-random, restoration-random, dual-random). Several: gin+dual."
        ),
    ] = "supervised",
    root: Roots = None,
    fold: Annotated[
        int | None, typer.Option(min=0, help="Fold whose patients are held out, for real sets; by default 0.")
    ] = None,
    labelled: Annotated[
        int | None, typer.Option(help="Train on so many cases only, the first ones; below 0: the last ones.")
    ] = None,
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
    allow_leak: AllowLeak = False,
    overwrite: Overwrite = False,
    slurm_script: Annotated[
        bool,
        typer.Option(
            "--slurm-script",
            is_eager=True,
            callback=_slurm_script,
            help="Print a script for several machines under Slurm, and do nothing else.",
        ),
    ] = False,
) -> None:
    """Train the segmentation network on one source.

    Several processes: torchrun --nproc-per-node 2 -m pancreas_ssl train ...; several machines: `--slurm-script`.
    """
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.method.recipe import Recipe
    from pancreas_ssl.training.command import run_training

    run_training(
        source=source,
        arm=arm,
        root=parse_roots(root or ()),
        fold=fold,
        labelled=labelled,
        seed=seed,
        steps=steps,
        device=device,
        out=out,
        resume=resume,
        recipe=Recipe.from_dict(recipe_fields(fields or [])),
        publish=publish,
        overwrite=overwrite,
        allow_leak=allow_leak,
    )


@app.command()
def predict(
    out: Annotated[Path, typer.Option(help="Mask (.nii.gz); a folder when CT is a folder of scans, or with --source.")],
    ct: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CT]", help="NIfTI file, DICOM series, or a folder of cases (also patient/study/series)."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="CARD[/SOURCE]", help="Segment the cases of a card instead of CT.")
    ] = None,
    root: Roots = None,
    weights: Annotated[str, typer.Option(help="Name of shipped weights, or a file.")] = "baseline",
    uncertainty: Annotated[Path | None, typer.Option(help="Also write the entropy map (bits) here.")] = None,
    dicom_seg: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write a DICOM SEG for every scan that is DICOM.")
    ] = None,
    fields: Rules = None,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Segment the pancreas in a CT, or in all cases of a folder or a card; masks lie on the CT's own grid.

    Says for each mask how sure the network is, and warns where a scan lies outside what trained it.
    """
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.inference import predict_path

    table = predict_path(
        ct,
        out,
        weights=weights,
        uncertainty=uncertainty,
        device=device,
        source=source,
        root=parse_roots(root or ()),
        dicom_seg=dicom_seg,
        rules=recipe_fields(fields or []),
        engine=engine_of(executor, workers, scheduler, slurm, dry_run),
        overwrite=overwrite,
    )
    print(table.drop(columns="message", errors="ignore").to_string(index=False, na_rep=""))
    if failed := list(table.loc[table["status"] == "failed", "case"]):
        raise RunError(
            f"expected a mask for each of {len(table)} scans, {len(failed)} failed ({', '.join(failed[:5])}"
            f"{' ...' if len(failed) > 5 else ''}); the table gives the reasons, {out} holds the masks of the others"
        )


@app.command()
def ranges(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="Weights (.safetensors) that get their ranges.")],
    source: Annotated[
        str | None, typer.Option(metavar="CARD[/SOURCE]", help="What trained them, if the header's name does not do.")
    ] = None,
    root: Roots = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Tell weights what trained them: ranges by which `predict` warns, read from their cases, without training.

    `train` does so by itself. Tensors and digest stay as they are; the model card beside the file gets a table.
    """
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.training.add_ranges import add_ranges

    found = add_ranges(weights, source=source, root=parse_roots(root or ()), device=device, overwrite=overwrite)
    print(json.dumps(found, indent=1))


@app.command()
def evaluate(
    prediction: Annotated[
        Path, typer.Argument(metavar="PREDICTION", help="Predicted mask (NIfTI), or a folder of masks.")
    ],
    label: Annotated[
        Path, typer.Argument(metavar="LABEL", help="Reference (NIfTI, DICOM SEG or RTSTRUCT), or a folder of these.")
    ],
    label_value: Annotated[
        list[int] | None, typer.Option(help="Value of the pancreas in LABEL; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Of two folders: also write the table here (CSV).")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare a mask with a label (JSON on standard output), or two folders by case (a table; CSV with --out)."""
    from pancreas_ssl.evaluation import evaluate_files, evaluate_folders, mean_line

    values = tuple(label_value or [1])
    if not prediction.is_dir():
        require(out is None, "--out with two folders", f"the file {prediction}", "leave out --out: JSON is printed")
        found = without_paths({k: _json(v) for k, v in evaluate_files(prediction, label, label_values=values).items()})
        print(json.dumps(found, indent=1, allow_nan=False))
        return
    table = evaluate_folders(prediction, label, values, out=out, overwrite=overwrite)
    print(table[["case", "dice", "nsd", "hd95", "msd", "volume_ml", "label_volume_ml", "status", "message"]]
          .to_string(index=False, na_rep="", float_format="{:.3f}".format))  # fmt: skip
    print(mean_line(table))
    if failed := list(table.loc[table["status"] == "failed", "case"]):
        raise RunError(
            f"expected {len(table)} cases that can be measured, {len(failed)} failed ({', '.join(failed[:5])}"
            f"{' ...' if len(failed) > 5 else ''}); the table gives the reasons"
        )


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

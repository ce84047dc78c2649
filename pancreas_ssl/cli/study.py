"""Commands around studies: study, measure, paper."""

from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.data import AllowLeak, Overwrite, Roots
from pancreas_ssl.cli.engine_options import DryRun, Executor, Scheduler, Slurm, Workers, engine_of
from pancreas_ssl.cli.model import Rules, recipe_fields

__all__ = ["app"]

app = typer.Typer()


@app.command()
def study(
    config: Annotated[
        Path, typer.Option(help="The study's YAML file (arms, seeds, sources, comparisons), or a shipped study's name.")
    ],
    out: Annotated[Path, typer.Option(help="The study's folder; a study that it holds is resumed.")],
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A recipe field of all arms, as steps=20; may be repeated."),
    ] = None,
    root: Roots = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Open test sources; each time is written to reveals.log.")
    ] = False,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Run only cells of this arm now; repeat it. Tables hold all that is finished."),
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Run only cells of this seed now; repeat it.")] = None,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    allow_leak: AllowLeak = False,
    overwrite: Overwrite = False,
) -> None:
    """Train arms x seeds, measure them on every source, and compare with intervals."""
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.runs.machine import commit
    from pancreas_ssl.study import run_study

    how = {"fields": recipe_fields(fields or []), "root": parse_roots(root or ()), "reveal": reveal}
    how |= {"arms": arm or (), "seeds": seed or (), "device": device, "overwrite": overwrite, "allow_leak": allow_leak}
    how["engine"] = engine_of(executor, workers, scheduler, slurm, dry_run)
    files = run_study(config, out, commit=commit(), **how)
    print(f"Report: {files['report']}")


@app.command()
def measure(
    source: Annotated[list[str], typer.Option(help="Card or card/source with labels; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder for rows and summary; those that it holds are kept.")],
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=FILE]", help="Shipped weights, or a name and a file; may be repeated."),
    ] = None,
    root: Roots = None,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many patients per source.")] = None,
    votes: Annotated[
        bool, typer.Option("--votes/--no-votes", help="Let prototypes vote where the weights' recipe says so.")
    ] = True,
    fields: Rules = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Open test sources; each time is written to reveals.log.")
    ] = False,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    allow_leak: AllowLeak = False,
    overwrite: Overwrite = False,
) -> None:
    """Measure trained networks on every patient of a source with labels: rows, summary, the command."""
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.study.measurements import measure as run

    given = [text.partition("=") for text in weights or ["baseline"]]
    named = {name: file or name for name, _, file in given}
    how = {"root": parse_roots(root or ()), "most": most, "votes": votes, "reveal": reveal, "device": device}
    how["rules"] = recipe_fields(fields or [])
    how["engine"] = engine_of(executor, workers, scheduler, slurm, dry_run)
    rows = run(named, source, out, **how, overwrite=overwrite, allow_leak=allow_leak)
    parts = [name for name in rows if name.startswith(("dice_without_", "recall_"))]
    shown = rows.astype(dict.fromkeys(parts, float)).groupby(["arm", "source"], sort=False)
    shown = shown.agg(
        patients=("dice", "size"), dice=("dice", "mean"), dice_all=("dice_all", "mean"), misses=("missed", "sum"),
        **{name: (name, "mean") for name in parts}, **({"leaks": ("leak", "sum")} if "leak" in rows else {}),
    )  # fmt: skip
    print(shown.reset_index().round(3).to_string(index=False))
    print(f"Rows: {out / 'rows.csv'}")


@app.command()
def paper(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A finished study's folder, or a shipped study's name.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables, figures and captions.")],
    formats: Annotated[str, typer.Option("--format", help="Of the figures: PDF, SVG or both.")] = "pdf,svg",
    width: Annotated[
        float, typer.Option(min=2.5, max=10, help="Of a column, in inches; figures with much in them take two.")
    ] = 3.5,
    overwrite: Overwrite = False,
) -> None:
    """Write a study's tables (LaTeX, CSV) and figures (PDF, SVG) for a paper, with captions and alt texts."""
    from pancreas_ssl.study import paper as write

    files = write(study, out, formats=formats.replace(",", " ").split(), width=width, overwrite=overwrite)
    print(f"{len(files)} files in {out}; captions and origin: {files['CAPTIONS.md']}; "
          f"all tables: {files['tables.tex']}")  # fmt: skip

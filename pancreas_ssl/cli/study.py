"""The command around studies: study."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(study)


def study(
    config: Annotated[Path, typer.Option(help="The study's YAML file: arms, seeds, sources, comparisons.")],
    out: Annotated[Path, typer.Option(help="The study's folder; one that holds it already is gone on with.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Open test sources; each time is written to reveals.log.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings at a time; by default one per core.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Train arms x seeds, measure them on every source, and compare with intervals."""
    from pancreas_ssl.runs.surroundings import commit
    from pancreas_ssl.study import run_study

    files = run_study(config, out, reveal=reveal, workers=workers, device=device, commit=commit())
    print(f"Report: {files['report']}")

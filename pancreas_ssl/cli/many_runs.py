"""Commands around many runs: sweep, collect."""

from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.course import PairedOption, finish, pairs
from pancreas_ssl.cli.data import Overwrite
from pancreas_ssl.cli.engine_options import DryRun, Executor, Scheduler, Slurm, Workers, engine_of

__all__ = ["app"]

app = typer.Typer()

SHOWN = 20  # means on the screen


@app.command(cls=PairedOption)
def sweep(
    what: Annotated[str, typer.Argument(help="A sweep's YAML file, or a notebook: path, name or number.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUES", help="Values as 50,100,200 or 0:5; may be repeated."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Sizes: class (by default), smoke, workshop or full.")] = None,
    figure: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A figure for the report; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The sweep's folder; a sweep that it holds is resumed.")] = None,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Run one notebook with every combination of parameters, and compare."""
    from pancreas_ssl.runs.sweep import sweep
    from pancreas_ssl.runs.sweep_plan import plan_sweep

    engine = engine_of(executor, workers, scheduler, slurm, dry_run)
    plan = plan_sweep(what, pairs(parameter or []), profile=profile, figures=figure or [])
    inputs = [what] if Path(what).is_file() else []
    finish(sweep(plan, out, engine, overwrite=overwrite, inputs=inputs))


@app.command()
def collect(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, tours and sweeps.")],
    out: Annotated[Path, typer.Option(help="The table, as CSV; the means go beside it.")],
    overwrite: Overwrite = False,
) -> None:
    """Gather many runs into one table, and their means over seeds with intervals."""
    from pancreas_ssl.files import atomic_path, claim
    from pancreas_ssl.runs.collect import collect

    beside = out.with_name(f"{out.stem}_means{out.suffix}")
    claim([out, beside], overwrite=overwrite)
    table, means = collect(runs)
    for path, frame in ((out, table), (beside, means)):
        with atomic_path(path) as temporary:
            frame.to_csv(temporary, index=False)
    if len(means):
        print(means.head(SHOWN).to_string(index=False, na_rep="", float_format="{:.4g}".format))
    more = f", the first {SHOWN} of {len(means)} means are shown" if len(means) > SHOWN else ""
    bad = [f"{count} {status}" for status, count in table["status"].value_counts().items() if status != "ok"]
    print(f"{len(table)} notebook runs ({', '.join(bad) or 'none failed'}){more}")
    print(f"Table: {out}, means: {beside}")

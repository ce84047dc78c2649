"""Commands around the course: version, doctor, tour, run, progress."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from pancreas_ssl.cli.data import Overwrite
from pancreas_ssl.errors import InputError

__all__ = ["PairedOption", "Profile", "app", "finish", "pairs"]

app = typer.Typer()

Profile = Annotated[str, typer.Option(help="Sizes: class (the notebooks' own), smoke (a check), full (a night).")]
Out = Annotated[Path | None, typer.Option(help="Folder for the executed notebooks and the report.")]


class PairedOption(TyperCommand):
    """A command whose `-p NAME VALUE` takes two words; `-p NAME=VALUE` is understood as well."""

    def parse_args(self, context, arguments):
        rest, joined = list(arguments), []
        while rest:
            word = rest.pop(0)
            joined.append(word)
            if word == "--":
                break
            if word in ("-p", "--parameter") and rest:
                name = rest.pop(0)
                joined.append(name if "=" in name or not rest else f"{name}={rest.pop(0)}")
        return super().parse_args(context, joined + rest)


@app.command()
def version() -> None:
    """Print the version."""
    from pancreas_ssl import __version__

    print(__version__)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of the table.")] = False,
    paste: Annotated[
        bool, typer.Option("--paste", help="Two lines for the teacher of a workshop: no name, host or path.")
    ] = False,
) -> None:
    """Check each part of the environment: OK or FAIL, and what to do."""
    from pancreas_ssl.doctor import examine, healthy, print_checks

    checks = list(examine())
    if paste:
        from pancreas_ssl.teaching.tickets import ticket

        print(ticket(checks))
    elif as_json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        print_checks(checks)
    if not healthy(checks):
        raise typer.Exit(1)


@app.command()
def tour(
    profile: Profile = "class",
    out: Out = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of the notebooks, if not the course's.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Run all notebooks in order and write one report."""
    from pancreas_ssl.runs.tour import tour

    finish(tour(profile, out, notebooks, overwrite=overwrite))


@app.command(cls=PairedOption)
def run(
    notebook: Annotated[str, typer.Argument(help="Path of a notebook, or the name or number of one of the course's.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="Set a parameter; may be repeated."),
    ] = None,
    profile: Profile = "class",
    out: Out = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the notebook's parameters.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Run one notebook with parameters and write a report. An unknown parameter is an error."""
    from pancreas_ssl.runs.notebook import notebook_parameters
    from pancreas_ssl.runs.notebook_profiles import resolve_notebook
    from pancreas_ssl.runs.tour import claim_run, new_run_folder, run_and_report

    path = resolve_notebook(notebook)
    if only_list:
        for known in notebook_parameters(path)[0].values():
            words = " ".join(part for part in (known.help, known.allowed) if part)
            print(f"{known.name} = {known.default!r}" + (f"  # {words}" if words else ""))
        return
    _, values = notebook_parameters(path, profile, pairs(parameter or []))
    folder, title = new_run_folder(path.stem, out), f"Run report: {path.stem}"
    claim_run([path], folder, overwrite)
    finish(run_and_report([path], profile, folder, title=title, parameters=values))


@app.command()
def progress(
    everything: Annotated[bool, typer.Option("--all", help="One line for each exercise and question.")] = False,
) -> None:
    """Tell which exercises and questions of the course you have done. Kept on this machine, sent nowhere."""
    from pancreas_ssl.course.kept_progress import progress_file
    from pancreas_ssl.course.progress_table import progress, summary

    table = progress()
    print((table if everything else summary(table)).to_string(index=False))
    print(f"Kept in {progress_file()}")


def pairs(assignments: list[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a dictionary."""
    found = {}
    for assignment in assignments:
        name, sign, value = assignment.partition("=")
        if not sign:
            raise InputError(f"expected a name and a value after -p, got only {name}; write -p {name} VALUE")
        if name.strip() in found:
            raise InputError(f"expected each parameter once, got -p {name.strip()} twice; keep one")
        found[name.strip()] = value
    return found


def finish(result) -> None:
    """Say where the report is; exit 1 unless all went well."""
    print(f"Report: {result.report}")
    if result.status != "ok":
        raise typer.Exit(1)

"""Commands for teachers and readers: book, schedule, slides, kit."""

from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.data import Overwrite

__all__ = ["app"]

app = typer.Typer()


@app.command()
def book(
    run: Annotated[Path | None, typer.Option(help="Folder of a run; by default the newest whole tour in runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the book.")] = Path("runs/book"),
    execute: Annotated[bool, typer.Option("--execute", help="Run a tour of the smallest sizes first.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the course as a book: executed notebooks, glossary, cards, reference. It opens without a network."""
    from pancreas_ssl.errors import InputError
    from pancreas_ssl.runs.tour import tour
    from pancreas_ssl.teaching.book import book
    from pancreas_ssl.teaching.schedule import FORMATS, page

    if execute and run is not None:
        raise InputError("expected either --run or --execute, got both; leave one out")
    if execute:
        run = tour("smoke").folder
    more = {"api/commands": _commands()} | {f"teaching/schedule-{length}": page(length) for length in FORMATS}
    made = book(run, out, more=more, overwrite=overwrite)
    if made.missing:
        print(f"Not in this run, and shown without outputs: {', '.join(made.missing)}")
    print(f"Book: {made.start} ({made.pages} pages)")


@app.command()
def schedule(
    format: Annotated[str, typer.Argument(help="60, 90, 180 (minutes) or two-days.")] = "90",
    kind: Annotated[
        str, typer.Option(help="Processors: bf16 or fp32 (with or without bfloat16 units), or this machine.")
    ] = "fp32",
    room: Annotated[Path | None, typer.Option(help="Text file with the tickets of `doctor --paste`.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it as Markdown instead of printing it.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print a workshop's schedule, computed from measured minutes; --room fits it to the machines that are there."""
    from pancreas_ssl.files import claim, write_text
    from pancreas_ssl.teaching.schedule import page
    from pancreas_ssl.teaching.tickets import read_room, room_page, slowest

    if out:
        claim([out], overwrite=overwrite, inputs=[room] if room else [])
    text = ""
    if room:
        tickets = read_room(room)
        kind, slower = slowest(tickets)
        text = room_page(tickets) + "\n"
        text += page(format, kind, slower)
    else:
        text = page(format, kind)
    if out:
        write_text(out, text)
        print(f"Schedule: {out}")
    else:
        print(text)


@app.command()
def slides(
    run: Annotated[Path, typer.Argument(help="Folder of a run or tour, or one executed notebook.")],
    out: Annotated[Path, typer.Option(help="Folder for the slides.")],
    code: Annotated[str, typer.Option(help="hidden, folded or shown.")] = "hidden",
    overwrite: Overwrite = False,
) -> None:
    """Make slides from executed notebooks; they open from a disk, without a server or a network."""
    from pancreas_ssl.teaching.slides import slides

    for path in slides(run, out, code, overwrite=overwrite):
        print(f"Slides: {path}")


@app.command()
def kit(
    out: Annotated[Path, typer.Option(help="Folder for the kit, such as one on a stick.")] = Path("runs/kit"),
    python: Annotated[str | None, typer.Option(help="The laptops' Python, such as 3.12; by default this one.")] = None,
    platform: Annotated[
        str, typer.Option(help="The laptops' platform as pip names it, such as win_amd64; by default this one.")
    ] = "",
) -> None:
    """Make a kit for laptops without a network: wheels, course, cases, pages, installer. Run again, it goes on."""
    from pancreas_ssl.teaching.kit import HERE, kit, told

    print(told(kit(out, python or HERE, platform), out))


def _commands() -> str:
    """All commands with their options, as Markdown."""
    import re

    from typer.cli import get_docs_for_click
    from typer.main import get_command
    from typer.models import Context

    from pancreas_ssl.cli import app as whole

    command = get_command(whole)
    with Context(command, info_name="pancreas-ssl") as context:
        text = get_docs_for_click(obj=command, ctx=context, name="pancreas-ssl", title="The command line")
    groups = [command, *(one for one in command.commands.values() if hasattr(one, "commands"))]
    said = {name: one.help.split("\n\n")[0] for group in groups for name, one in group.commands.items()}
    return re.sub(r"^\* `([\w-]+)`: .*\.\.\.$", lambda line: f"* `{line[1]}`: {said[line[1]]}", text, flags=re.M)

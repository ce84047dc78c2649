"""Commands around data: phantom, and data list | show | fetch | check | croissant."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.errors import InputError, without_paths

__all__ = ["app"]

app = typer.Typer()

Card = Annotated[str, typer.Argument(metavar="CARD", help="Name of a data card, or the path of your own.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that pancreas-ssl did not write, too.")]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="[CARD=]DIR", help="Folder of a set that you bring; repeat it for several cards."),
]

data = typer.Typer(help="Data sets: what there is, fetch it, check it.", no_args_is_help=True)
app.add_typer(data, name="data")


@app.command()
def phantom(
    source: Annotated[str, typer.Option(help="Source: A, V, W, X, B, C or D.")],
    patient: Annotated[int, typer.Option(min=0, help="Patient of that source, from 0.")],
    out: Annotated[Path, typer.Option(help="Folder for image.nii.gz (HU), label.nii.gz and organs.nii.gz.")],
    overwrite: Overwrite = False,
) -> None:
    """Write one case of the phantom as NIfTI."""
    from pancreas_ssl.phantom.cohort import SOURCES, write_case

    if source not in SOURCES:
        raise InputError(f"there is no source {source}; choose one of: {', '.join(SOURCES)}")
    for name, path in write_case(source, patient, out, overwrite=overwrite).items():
        print(f"{name:7} {path}")


@data.command("list")
def list_() -> None:
    """All data cards: name, how to get them, title."""
    from pancreas_ssl.data.cards import list_cards, load_card
    from pancreas_ssl.runs.formatting import print_table

    cards = map(load_card, list_cards())
    print_table(("Card", "Access", "Title"), [(card.name, card.access.method, card.title) for card in cards])


@data.command()
def show(card: Card) -> None:
    """Describe a card: origin, licence, citation, sources, splits, known defects."""
    from pancreas_ssl.data.cards import load_card

    found = load_card(card)
    print(f"{found.title}\n\n{found.summary}\n")
    for label, fact in {
        "Access": found.access.method,
        "Licence": found.licence.statement,
        "Homepage": found.homepage,
        "DOI": found.doi,
    }.items():
        if fact:
            print(f"{label + ':':10}{fact}")
    for label, lines in {
        "Citation": found.citation,
        "Sources": [f"{name} ({source.role}): {source.title}" for name, source in found.sources.items()],
        "Splits": [
            f"{source}: " + ", ".join(f"{split} {len(ids)}" for split, ids in parts.items())
            for source, parts in found.splits.items()
        ],
        "Known defects": found.known_defects,
    }.items():
        if lines:
            print(f"\n{label}")
            print("\n".join(f"  - {line}" for line in lines))
    print(f"\n{found.body.strip()}")


@data.command()
def fetch(
    card: Card,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    root: Roots = None,
) -> None:
    """Bring a data set to disk: generate it, download it, or check the folder that you name."""
    from pancreas_ssl.data.access import fetch, parse_roots

    print(fetch(card, sources=source or None, splits=split or None, root=parse_roots(root or ())))


@data.command()
def check(card: Card, root: Roots = None) -> None:
    """Check geometry, HU, labels, duplicates and splits; exit 1 when something is wrong."""
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.data.preflight import exit_code, preflight
    from pancreas_ssl.runs.formatting import print_table

    findings = preflight(card, root=parse_roots(root or ()))
    rows = findings[["level", "case", "check", "message"]].astype(str).map(without_paths).itertuples(index=False)
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    print_table(("Level", "Case", "Check", "Message"), rows, colours)
    counts = {level: int((findings["level"] == level).sum()) for level in ("error", "warning")}
    found = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items())
    print(f"{len(findings)} checks, {found}")
    raise typer.Exit(exit_code(findings))


@data.command()
def croissant(card: Card) -> None:
    """The card as MLCommons Croissant (JSON-LD) on standard output."""
    from pancreas_ssl.data.cards import load_card
    from pancreas_ssl.data.croissant import croissant

    print(json.dumps(croissant(load_card(card)), indent=1, ensure_ascii=False))

"""Commands around data: phantom, and data list | show | fetch | check | croissant."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.engine_options import DryRun, Executor, Scheduler, Slurm, Workers, engine_of
from pancreas_ssl.errors import InputError, without_paths

__all__ = ["app"]

app = typer.Typer()

Card = Annotated[str, typer.Argument(metavar="CARD", help="Name of a data card, or the path of your own.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that pancreas-ssl did not write, too.")]
AllowLeak = Annotated[
    bool, typer.Option("--allow-leak", help="Let scans that train be measured, too; every report says so.")
]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="[CARD=]DIR", help="Folder of a set that you bring; repeat it for several cards."),
]

data = typer.Typer(help="Data sets: what there is, fetch it, check it.", no_args_is_help=True)
app.add_typer(data, name="data")


@app.command()
def phantom(
    source: Annotated[
        str,
        typer.Option(help="Source: A, V, W, X, B, C, D or R; of the second phantom A2, V2, W2, X2, E, F, G, R2, Z."),
    ],
    patient: Annotated[int, typer.Option(min=0, help="Patient of that source, from 0.")],
    out: Annotated[Path, typer.Option(help="Folder for image.nii.gz (HU), label.nii.gz and organs.nii.gz.")],
    overwrite: Overwrite = False,
) -> None:
    """Write one case of the phantom as NIfTI."""
    from pancreas_ssl.phantom.cohort import WORLD, write_case

    if source not in WORLD:
        raise InputError(f"there is no source {source}; choose one of: {', '.join(WORLD)}")
    for name, path in write_case(source, patient, out, overwrite=overwrite).items():
        print(f"{name:7} {path}")


@data.command("list")
def list_() -> None:
    """All data cards: name, how their files come (by `data fetch`, by hand, ...), title."""
    from pancreas_ssl.data.cards import list_cards, load_card
    from pancreas_ssl.runs.formatting import print_table

    ways = {"generate": "made here", "pip": "fetch", "folder": "yours"}

    def way(access) -> str:
        hand = "by hand" if getattr(access, "by_hand", None) else ways[access.method]
        return "fetch" if getattr(access, "download", None) else hand

    cards = map(load_card, list_cards())
    print_table(("Card", "Files", "Title"), [(card.name, way(card.access), card.title) for card in cards])


@data.command()
def show(card: Card) -> None:
    """Describe a card: origin, licence, citation, sources, splits, known defects."""
    from pancreas_ssl.data.cards import load_card

    found = load_card(card)
    any_role = any(source.role == "any" for source in found.sources.values())
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
        "Labels": [f"{name}: {', '.join(map(str, values))}" for name, values in found.label_values.items()][:1]
        + [f"part {name}: {', '.join(map(str, values))}" for name, values in found.parts.items()],
        "Splits": [
            f"{source}: "
            + ", ".join(f"{k} {len([i for i in ids if not found.excludes(i)])}" for k, ids in parts.items())
            for source, parts in found.splits.items()
        ]
        + [f"{found.folds.k} folds by patient, seed {found.folds.seed}"] * any_role,
        "Left out": found.exclude + ["cases without a labelled pancreas"] * found.require_pancreas,
        "Overlaps": [f"{other}: {sentence}" for other, sentence in found.overlaps.items()],
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
    """Bring a data set to disk: generate it, download it, or say where it is to be had and how it has to lie."""
    from pancreas_ssl.data.access import fetch, parse_roots, to_do

    roots = parse_roots(root or ())
    if (left := to_do(card, roots)) is None:
        print(fetch(card, sources=source or None, splits=split or None, root=roots))
        left = to_do(card, roots)
    if left:
        print(left)


@data.command()
def check(
    cards: Annotated[list[str], typer.Argument(metavar="CARD...", help="One card or several; twins across them show.")],
    root: Roots = None,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with a picture of every case.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Check geometry, HU, labels, duplicates and splits; exit 1 when something is wrong.

    What was found about unchanged cases is kept in the cache, so a check that was interrupted goes on.
    """
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.data.preflight import check_sets, exit_code
    from pancreas_ssl.files import claim, write_text
    from pancreas_ssl.runs.formatting import print_table

    how = {"engine": engine_of(executor, workers, scheduler, slurm, dry_run), "keep": True}
    if html is not None:
        from pancreas_ssl.figures.thumbnail import thumbnail

        if html.suffix.lower() != ".html":
            raise InputError(f"expected an output file ending in .html, got {html}; add the ending")
        claim([html], overwrite=overwrite, inputs=[card for card in cards if Path(card).is_file()])
        how["look"] = thumbnail
    findings, examined = check_sets(cards, root=parse_roots(root or ()), **how)
    if html is not None:
        from pancreas_ssl.data.preflight import open_cards
        from pancreas_ssl.runs.check_page import check_page

        claim([html], inputs=[path for one in examined for path in one.case.files])
        write_text(html, check_page(findings, examined, open_cards(cards)))
    rows = findings[["level", "case", "check", "message"]].astype(str).map(without_paths).itertuples(index=False)
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    print_table(("Level", "Case", "Check", "Message"), rows, colours)
    counts = {level: int((findings["level"] == level).sum()) for level in ("error", "warning")}
    found = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items())
    print(f"{len(findings)} checks, {found}")
    raise typer.Exit(exit_code(findings))


@data.command()
def prepare(
    card: Card,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    root: Roots = None,
    spacing: Annotated[float, typer.Option(help="Voxel side in mm, as in the recipe.")] = 3.0,
    window: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="HU.")] = (-150.0, 250.0),
    organs: Annotated[bool, typer.Option("--organs", help="The organ maps, too, for recipes that need them.")] = False,
    executor: Executor = "process",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
) -> None:
    """Bring all scans of a card to the network's grid, into the cache; run it again to go on."""
    from pancreas_ssl.data.access import cases, parse_roots
    from pancreas_ssl.data.preparing import prepare_set
    from pancreas_ssl.progress import duration
    from pancreas_ssl.runs.formatting import megabytes

    roots = parse_roots(root or ())
    listed = [case for name in dict.fromkeys(source or [None]) for case in cases(card, source=name, root=roots)]
    engine = engine_of(executor, workers, scheduler, slurm, dry_run)
    done = prepare_set(listed, spacing=spacing, window=window, organs=organs, engine=engine)
    known = f" ({done.known} of them were there)" if done.known else ""
    took = duration(done.seconds, tenths=True)
    print(f"{done.cases} cases prepared{known} in {took}, {megabytes(done.bytes)} in {without_paths(str(done.folder))}")


@data.command()
def croissant(card: Card) -> None:
    """The card as MLCommons Croissant (JSON-LD) on standard output."""
    from pancreas_ssl.data.cards import load_card
    from pancreas_ssl.data.croissant import croissant

    print(json.dumps(croissant(load_card(card)), indent=1, ensure_ascii=False))

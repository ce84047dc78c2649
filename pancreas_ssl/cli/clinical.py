"""Commands for data that nobody has described yet: data series | new | describe."""

from pathlib import Path
from typing import Annotated

import typer

from pancreas_ssl.cli.data import Overwrite, Roots, data

__all__: list[str] = []


@data.command()
def series(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder with a sub-folder of DICOM per case.")],
    description: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only series whose description holds this expression.")
    ] = None,
    min_slices: Annotated[int, typer.Option(min=2, help="Only series of so many slices.")] = 5,
    prefer: Annotated[str | None, typer.Option(help="Of several: thinnest, or most (slices).")] = None,
) -> None:
    """List the DICOM series below a folder, and which would be read; the options are those of a card's `series`."""
    from pydantic import ValidationError

    from pancreas_ssl.data.cards import Series
    from pancreas_ssl.data.series_table import series_table
    from pancreas_ssl.errors import InputError, complaint
    from pancreas_ssl.runs.formatting import print_table

    try:
        choice = Series(description=description, min_slices=min_slices, prefer=prefer)
    except ValidationError as error:
        problem = error.errors()[0]
        where = str(problem["loc"][0]).replace("_", "-")
        raise InputError(f"expected another --{where}: {complaint(problem)}; correct it") from error
    table = series_table(root, None if (description, min_slices, prefer) == (None, 5, None) else choice)
    shown = table.drop(columns=["read", "why"]).map(str)
    shown["read"] = [why and f"no: {why}" or "yes" for why in table["why"]]
    short = {"modality": "kind", "thickness_mm": "mm", "step_mm": "step", "spacing_mm": "pixel"}
    print_table([short.get(name, name).capitalize() for name in shown.columns], shown.itertuples(index=False))
    read = table[table["read"] == "yes"]
    cases = table["case"].nunique()
    print(f"{len(table)} series of {cases} case{'s' * (cases != 1)}, {len(read)} would be read")


@data.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the data.")],
    kind: Annotated[str, typer.Option("--from", help="msd, nnunet, btcv, amos, totalseg, tcia or dicom.")],
    out: Annotated[Path, typer.Option(help="The card to write (.md).")],
    overwrite: Overwrite = False,
) -> None:
    """Draft a data card by looking at a folder; says what was found and what was left out."""
    from pancreas_ssl.data.drafts import draft_card

    for line in draft_card(kind, folder, out, overwrite=overwrite):
        print(line)
    print(f"{out} is a draft: correct it, then run `pancreas-ssl data check {out}`")


@data.command()
def describe(
    cards: Annotated[list[str], typer.Argument(metavar="CARD[/SOURCE]...", help="Sets to compare with the first.")],
    root: Roots = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many cases of each, drawn at random.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of that draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the table here (CSV).")] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Also draw the HU of the pancreas here.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare data sets: spacing, HU, volumes, and distances beside those that chance makes."""
    from pancreas_ssl.data.access import parse_roots
    from pancreas_ssl.data.fingerprint import describe, fingerprints, halves, pooled
    from pancreas_ssl.errors import require, without_paths
    from pancreas_ssl.files import atomic_path, claim
    from pancreas_ssl.runs.formatting import print_table

    require(len(set(cards)) == len(cards), "each set once", ", ".join(cards), "name it once")
    if out is not None:
        claim([out], overwrite=overwrite)
    names = [Path(card).stem if card.endswith(".md") else without_paths(card) for card in cards]
    names = [f"{name} ({n})" if names.count(name) > 1 else name for n, name in enumerate(names, 1)]
    sets = {n: fingerprints(c, parse_roots(root or ()), most, seed) for n, c in zip(names, cards, strict=True)}
    table = describe(sets)
    facts = table.set_index("set").T.map(lambda value: "n/a" if value != value else str(value))
    facts = facts[(facts != "").any(axis=1)]  # what no set tells
    print_table(("", *facts.columns), facts.itertuples(name=None))
    if out is not None:
        with atomic_path(out) as temporary:
            table.to_csv(temporary, index=False)
    if figures is not None:
        from pancreas_ssl.figures import hu_histograms

        (first, found), *_ = sets.items()
        drawn = {name: pooled(one) for name, one in sets.items()}
        drawn |= {f"{first}, half {n}": pooled(half) for n, half in enumerate(halves(found), 1)}
        for path in hu_histograms(drawn, "HU inside the pancreas", name="pancreas_hu").save(figures).values():
            print(path)

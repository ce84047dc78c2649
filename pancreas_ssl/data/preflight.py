"""Checks before anything is computed, because real data sets failed each of them: one table, one exit code.

One case per process is in memory at a time; what stays is a few numbers per case, so hundreds of CTs pass in one go.
What was found about a case can be kept in the cache until its files, its card or the code change; what concerns several
cases (copies of a scan, patients on two sides) is looked for at the end, over all of them.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pancreas_ssl.data.access import Case, Root, cache_dir, cases, fetched_folder, parse_source, root_for
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.data.generate import voxels_digest
from pancreas_ssl.data.hounsfield import check_image
from pancreas_ssl.data.image_checks import Check, image_checks, twins, voxel_hash
from pancreas_ssl.data.label_checks import examine_label, spread_under_flips
from pancreas_ssl.data.nifti import memory_forecast
from pancreas_ssl.data.reading import grid_difference, read_image
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.data.wheel import members_intact
from pancreas_ssl.engines import Engine, completed
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import atomic_path, sweep
from pancreas_ssl.manifest import key_of, states_of
from pancreas_ssl.progress import Progress
from pancreas_ssl.versions import code_digest

if TYPE_CHECKING:
    import pandas

__all__ = ["Examined", "Look", "check_image", "check_sets", "examine", "exit_code",
           "open_cards", "preflight", "spread_under_flips", "table_of", "voxel_hash"]  # fmt: skip

Look = Callable[[Volume, Volume | None], tuple[bytes, str]]  # a picture (PNG) of image and label, and it in words


class Finding(NamedTuple):
    """A row of the table."""

    case: str
    check: str
    level: str
    message: str


class Examined(NamedTuple):
    """A case, what was found about it alone, the digest of its voxels ("": unreadable), and its picture if asked for.

    The picture is PNG as base64; `words` describes it.
    """

    case: Case
    checks: tuple[Check, ...]
    voxels: str
    picture: str = ""
    words: str = ""


def _digest_check(case: Case) -> Iterator[Check]:
    """Whether a generated case holds what was generated."""
    digest = case.image.parent / "digest.json"
    if not digest.is_file():
        return
    try:
        same = json.loads(digest.read_text()).get("voxels") == voxels_digest(case.image.parent)
    except Exception as error:
        yield "digest", "error", f"cannot be read ({error}); remove {case.image.parent}, it will be made again"
        return
    note = "as generated" if same else f"changed since; remove {case.image.parent}, it will be made again"
    yield "digest", "ok" if same else "error", f"voxels {note}"


def _examine(case: Case, look: Look | None = None) -> Examined:
    """All checks of one case; its voxels leave memory when this ends."""
    checks = list(_digest_check(case))
    if any(message.startswith("cannot be read") for _, _, message in checks):
        return Examined(case, tuple(checks), "")
    try:
        image = read_image(case.image, case.series)
    except InputError as error:
        return Examined(case, (*checks, ("reading", "error", str(error))), "")
    checks += [*image_checks(image, case.limits), ("duplicate", "", "")]
    label, about = examine_label(case, image)
    if label is not None and grid_difference(label, image):
        label = None  # not drawn; what is wrong with it stands in the table
    picture, words = look(image, label) if look is not None else (b"", "")
    found = tuple(checks + about)
    return Examined(case, found, voxel_hash(image.array), base64.b64encode(picture).decode(), words)


def _known_or_examined(case: Case, look: Look | None = None) -> Examined:
    """What the cache keeps about a case, or `_examine`; faults of reading, which may pass, are not kept."""
    parts = [code_digest("data", "figures"), look is not None, asdict(replace(case, limits=None, series=None))]
    parts += [case.limits.model_dump(), case.series and case.series.model_dump()]
    parts += [states_of(path) for path in (*case.files, case.image.parent / "digest.json")]
    kept = cache_dir() / "checked" / key_of(*parts)
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(kept.read_text(encoding="utf-8"))
        checks = tuple((str(name), str(level), str(message)) for name, level, message in told["checks"])
        return Examined(case, checks, *(str(told[name]) for name in Examined._fields[2:]))
    found = _examine(case, look)
    if not any(level == "error" and name in ("reading", "label values", "digest") for name, level, _ in found.checks):
        facts = found._asdict() | {"case": case.id}
        with suppress(InputError, RunError, OSError), atomic_path(kept, state=True) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
    return found


def _check_patients(listed: list[Case]) -> Iterator[Finding]:
    """A patient on two sides of a split would let a model be tested on someone it learned from."""
    sides: dict[tuple[str, str], dict[str, str]] = {}
    for case in listed:
        side = f"{case.source}/{case.split}" if case.split else case.source
        sides.setdefault((case.card, case.patient), {}).setdefault(side, case.id)
    torn = {patient: where for (_, patient), where in sides.items() if len(where) > 1}
    for patient, where in torn.items():
        text = ", ".join(f"{case_id} in {side}" for side, case_id in where.items())
        yield Finding(next(iter(where.values())), "split", "error", f"patient {patient} is on both sides: {text}")
    if not torn:
        yield Finding("all", "split", "ok", f"{len(sides)} patient{'s' * (len(sides) != 1)}, none in two splits")


def examine(
    listed: Sequence[Case],
    *,
    engine: Engine = Engine(workers=1),  # noqa: B008
    keep: bool = False,
    look: Look | None = None,
    progress: bool = True,
) -> list[Examined]:
    """Check every case by itself; in the order of the list.

    Args:
        engine: what does it; here, one after the other, by default.
        keep: take what the cache knows of cases that are unchanged, and keep there what is found, so that a check that
            was interrupted goes on where it was.
        look: makes a picture of each case; a function of a module.
    """
    if keep and (folder := cache_dir() / "checked").is_dir():
        sweep(folder)
    found: dict[int, Examined] = {}
    show = progress and len(listed) > 3 and sys.stderr.isatty()
    with Progress(len(listed), show=show, title="preflight", unit="case", stream=sys.stderr) as bar:
        one = partial(_known_or_examined if keep else _examine, look=look)
        memory = memory_forecast(case.image for case in listed)
        how = {"folder": cache_dir(), "memory": memory, "here": True, "patience": 5}
        for number, examined, problem in completed(one, listed, engine, **how):
            if problem:
                raise RunError(problem)
            found[number] = examined
            bar.update(len(found))
    return [found[number] for number in range(len(listed))]


def table_of(examined: Sequence[Examined]) -> "pandas.DataFrame":
    """The table of `preflight`; copies of a scan and torn patients are found here. Cases of several cards are named
    with their source."""
    import pandas

    several = len({one.case.card for one in examined}) > 1
    rows, seen = [], {}
    for case, checks, voxels, *_ in examined:
        name = f"{case.source}/{case.id}" if several else case.id
        sentence = twins(case, case.split, voxels, seen) if voxels else None
        copy = ("error", sentence) if sentence else ("ok", "no earlier case has the same voxels")
        rows += [Finding(name, check, *(copy if check == "duplicate" else rest)) for check, *rest in checks]
    rows += _check_patients([one.case for one in examined])
    return pandas.DataFrame(rows, columns=Finding._fields)


def check_sets(
    what: str | Path | Card | Iterable[Case | str | Path | Card], root: Root = None, **how
) -> "tuple[pandas.DataFrame, list[Examined]]":
    """The table of `preflight`, and what was found about each case; `how` as in `examine`."""
    import pandas

    listed, cards = [], {}
    for item in [what] if isinstance(what, str | Path | Card) else what:
        found = [item] if isinstance(item, Case) else cases(item, root=root)
        for case in found:
            if case.card not in cards:
                cards[case.card] = item if isinstance(item, Card) else _card_of(case.card if item is case else item)
        listed += found
    examined, rows = examine(listed, **how), []
    for name, card in sorted(cards.items()):
        rows += _check_wheel(card, next(case for case in listed if case.card == name), root)
    table = table_of(examined)
    if rows:
        table = pandas.concat([table, pandas.DataFrame(rows, columns=Finding._fields)], ignore_index=True)
    return table, examined


def preflight(
    what: str | Path | Card | Iterable[Case | str | Path | Card], root: Root = None, progress: bool = True, **how
) -> "pandas.DataFrame":
    """Check a card (by name, path or object), several of them together, or a list of cases; `how` as in `examine`.

    Checks: digest of made and fetched files, readable 3D image, HU, the card's limits of spacing and pancreas volume,
    duplicates by voxel hash, label values and grid, pancreas at the border, orientation (soft tissue under the label,
    less spread than under its seven mirror images), no patient in two splits.

    Returns:
        A table with the columns case, check, level ("ok", "warning" or "error") and message.

    Example:
        >>> table = preflight("lidc_idri_0001")    # doctest: +SKIP
        >>> exit_code(table)                       # doctest: +SKIP
        0
    """
    return check_sets(what, root, progress=progress, **how)[0]


def exit_code(table: "pandas.DataFrame") -> int:
    """1 where a check found an error, else 0; warnings do not count."""
    return int((table["level"] == "error").any())


def _card_of(name: str | Path) -> Card | None:
    try:
        return load_card(parse_source(name)[0])
    except InputError:  # cases of a card that lies elsewhere: the usual limits hold
        return None


def open_cards(names: Iterable[str | Path]) -> set[str]:
    """Those of these cards whose cases are public under their ids, not a folder of the user's."""
    return {card.name for card in map(_card_of, names) if card is not None and card.public}


def _check_wheel(card: Card | None, case: Case, root: Root) -> list[Finding]:
    if card is None or card.access.method != "pip" or root_for(card, root) is not None:
        return []
    folder = fetched_folder(card)
    intact = members_intact(card.access, folder)
    note = "files are those of the card" if intact else f"files differ from the card's sha256; remove {folder}, fetch"
    return [Finding(case.id, "digest", "ok" if intact else "error", note)]

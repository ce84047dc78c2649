"""Checks before anything is computed, because real data sets failed each of them: one table, one exit code.

One case is in memory at a time; what stays is a few numbers per case, so hundreds of CTs pass in one go.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pancreas_ssl.data.access import Case, Root, cases, fetched_folder, parse_source
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.data.generate import voxels_digest
from pancreas_ssl.data.hounsfield import check_image
from pancreas_ssl.data.image_checks import Check, image_checks, twins, voxel_hash
from pancreas_ssl.data.label_checks import check_label, spread_under_flips
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.wheel import members_intact
from pancreas_ssl.errors import InputError
from pancreas_ssl.progress import tracked

if TYPE_CHECKING:
    import pandas

__all__ = ["check_image", "exit_code", "preflight", "spread_under_flips", "voxel_hash"]


class Finding(NamedTuple):
    """A row of the table."""

    case: str
    check: str
    level: str
    message: str


def _check_case(case: Case, seen: dict[str, tuple[str, str, str]]) -> Iterator[Check]:
    """(check, level, message) about one case; its voxels leave memory when this ends."""
    digest = case.image.parent / "digest.json"
    if digest.is_file():
        try:
            same = json.loads(digest.read_text()).get("voxels") == voxels_digest(case.image.parent)
        except Exception as error:
            yield "digest", "error", f"cannot be read ({error}); remove {case.image.parent}, it will be made again"
            return
        note = "as generated" if same else f"changed since; remove {case.image.parent}, it will be made again"
        yield "digest", "ok" if same else "error", f"voxels {note}"
    try:
        image = read_image(case.image)
    except InputError as error:
        yield "reading", "error", str(error)
        return
    yield from image_checks(image, case.limits)
    sentence = twins(case, case.split, voxel_hash(image.array), seen)
    yield "duplicate", *(("error", sentence) if sentence else ("ok", "no earlier case has the same voxels"))
    yield from check_label(case, image)


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


def preflight(what: str | Path | Card | Iterable[Case], root: Root = None, progress: bool = True) -> "pandas.DataFrame":
    """Check a card (by name, path or object) or a list of cases.

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
    import pandas

    given = isinstance(what, str | Path | Card)
    listed = cases(what, root=root) if given else list(what)
    cards = {what.name: what} if isinstance(what, Card) else {}
    rows, seen = [], {}
    show = progress and len(listed) > 3 and sys.stderr.isatty()
    for case in tracked(listed, "preflight", "case", show=show, stream=sys.stderr):
        if case.card not in cards:
            cards[case.card] = _card_of(what if given else case.card)
        rows += [Finding(case.id, *finding) for finding in _check_case(case, seen)]
    for name in sorted({case.card for case in listed}):
        rows += _check_wheel(cards[name], next(c for c in listed if c.card == name), root)
    rows += _check_patients(listed)
    return pandas.DataFrame(rows, columns=Finding._fields)


def exit_code(table: "pandas.DataFrame") -> int:
    """1 where a check found an error, else 0; warnings do not count."""
    return int((table["level"] == "error").any())


def _card_of(name: str | Path) -> Card | None:
    try:
        return load_card(parse_source(name)[0])
    except InputError:  # cases of a card that lies elsewhere: the usual limits hold
        return None


def _check_wheel(card: Card | None, case: Case, root: Root) -> list[Finding]:
    if card is None or card.access.method != "pip" or root is not None:
        return []
    folder = fetched_folder(card)
    intact = members_intact(card.access, folder)
    note = "files are those of the card" if intact else f"files differ from the card's sha256; remove {folder}, fetch"
    return [Finding(case.id, "digest", "ok" if intact else "error", note)]

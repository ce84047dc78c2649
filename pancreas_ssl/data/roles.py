"""Which source may be opened for what. Cards hold the roles, `check_role` guards them, and every reveal is logged.

| use | sources | cases |
|---|---|---|
| train | role `train` | split `train` |
| select | role `train` | split `held_out` |
| unlabelled | role `train` | split `unlabelled` |
| measure | any; role `test` only when revealed | `held_out` of a training source, else the split named as the role |
| oracle | any; role `test` only when revealed | split `oracle`: patients that are never measured |
"""

import getpass
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pancreas_ssl.data.access import Case, cases, parse_source
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import make_folder, open_to_append

__all__ = ["USES", "check_role", "find_source", "full_name", "log_reveal", "open_cases", "role_of"]

USES = ("train", "select", "unlabelled", "measure", "oracle")
REVEALS = "reveals.log"


def find_source(name: str) -> tuple[Card, str]:
    """The card and the source's key of `card/source`; a card with a single source needs no key.

    Raises:
        InputError: no such card or source, or several sources and none named.

    Example:
        >>> find_source("phantom/A")[1]
        'A'
    """
    card_name, key = parse_source(name)
    card = load_card(card_name)
    if key is None and len(card.sources) == 1:
        key = next(iter(card.sources))
    if key not in card.sources:
        known = ", ".join(f"{card_name}/{source}" for source in card.sources)
        raise InputError(f"expected one of the sources {known}, got {name}; name one of them")
    return card, key


def full_name(name: str) -> str:
    """How tables call a source: the card's own name and the source's key, wherever the card's file lies."""
    card, key = find_source(name)
    return f"{card.name}/{key}"


def role_of(name: str) -> str:
    """`train`, `development` or `test`, as the card says.

    Example:
        >>> role_of("phantom/V")
        'development'
    """
    card, key = find_source(name)
    return card.sources[key].role


def check_role(name: str, use: str, *, reveal: bool = False) -> str:
    """Refuse a source that must not be opened for this use; return its role.

    Args:
        name: `card/source`.
        use: one of `USES`; the module's table says what each may open.
        reveal: the user asked for the test sources, and knows that it is logged.

    Raises:
        InputError: the card's role forbids the use.

    Example:
        >>> check_role("phantom/A", "train"), check_role("phantom/V", "measure")
        ('train', 'development')
    """
    if use not in USES:
        raise InputError(f"expected a use out of {', '.join(USES)}, got {use!r}; name one of these")
    role = role_of(name)
    if use in ("train", "select", "unlabelled") and role != "train":
        what = "select with" if use == "select" else "train on"
        raise InputError(
            f"expected a source of role train to {what}, {name} has the role {role}; name a training source, or "
            f"declare an in-domain oracle"
        )
    if use in ("measure", "oracle") and role == "test" and not reveal:
        raise InputError(
            f"expected sources that may be looked at, {name} has the role test; leave it out until everything is "
            f"frozen, then add --reveal (each reveal is logged)"
        )
    return role


def open_cases(
    name: str, use: str, *, reveal: bool = False, most: int | None = None, root: str | Path | None = None
) -> list[Case]:
    """The cases of a source that the use may see, in the card's order, after `check_role`.

    Args:
        most: at most so many, the first ones. None: all.
        root: where the card's files lie, for cards that read a folder.

    Raises:
        InputError: as `check_role`, or the card has no split for the use.

    Example:
        >>> [case.id for case in open_cases("phantom/V", "measure", most=2)]    # doctest: +SKIP
        ['V_000', 'V_001']
    """
    role = check_role(name, use, reveal=reveal)
    card, key = find_source(name)
    splits = card.splits.get(key, {})
    wanted = {
        "train": "train",
        "select": "held_out",
        "unlabelled": "unlabelled",
        "measure": "held_out" if role == "train" else role,
        "oracle": "oracle",
    }[use]
    if not splits and use == "measure" and not card.splits:
        return cases(card, key, root=root)[:most]
    if not splits.get(wanted):
        raise InputError(
            f"expected a split '{wanted}' of {name} to {use} with, card {card.name} lists "
            f"{', '.join(splits) or 'none'}; add the case ids to the card"
        )
    return cases(card, key, wanted, root=root)[:most]


def log_reveal(folder: str | Path, digest: str, sources: Sequence[str], command: str) -> Path:
    """Append one line to `reveals.log`: when, which config, which sources, who, and by what command.

    The file is only ever appended to, one whole line in one write.

    Raises:
        InputError, RunError: it cannot be written; then nothing may be opened.
    """
    path = make_folder(folder) / REVEALS
    try:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        who = "unknown"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    line = "\t".join([when, f"config {digest[:16]}", ", ".join(sources), who, command])
    try:
        with open_to_append(path) as handle:
            handle.write(line.replace("\n", " ") + "\n")
    except InputError as error:
        raise InputError(f"{error}; nothing was opened") from error
    except OSError as error:
        raise RunError(
            f"the reveal could not be written to {path} ({error.strerror}); nothing was opened, make it writable"
        ) from error
    return path

"""Which source may be opened for what. Cards hold the roles, `check_role` guards them, and every reveal is logged.

| use | sources | cases |
|---|---|---|
| train | role `train` | split `train` |
| select | role `train` | split `held_out` |
| unlabelled | role `train` | split `unlabelled` |
| measure | any; role `test` only when revealed | `held_out` of a training source, else the split named as the role |
| oracle | any; role `test` only when revealed | split `oracle`: patients that are never measured |

A source of role `any` (a real set) has no such splits. Its patients are dealt into the card's folds: the fold that is
asked for (by default the first) is held out, `select` and `measure` see it, `train` sees the others. Where another
source trains, all its labelled cases are measured: the network has seen none of them. Cases without a label file are
`unlabelled`.
"""

import getpass
import hashlib
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pancreas_ssl.data.access import Case, Root, cases, parse_source
from pancreas_ssl.data.cards import Card, load_card
from pancreas_ssl.data.label_checks import holds_pancreas
from pancreas_ssl.errors import InputError, RunError, require, warn
from pancreas_ssl.files import make_folder, open_to_append

__all__ = ["SIMULATED", "USES", "check_role", "deal_folds", "find_source", "folds_of", "full_name", "log_reveal",
           "open_cases", "role_of", "warn_of_overlap"]  # fmt: skip

SIMULATED = ("phantom/", "phantom2/", "random_phantoms/", "random_phantoms2/")
"""How full names of sources begin that hold no patient: results on them are checks of mechanism."""

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
    """`train`, `development`, `test` or `any`, as the card says.

    Example:
        >>> role_of("phantom/V")
        'development'
    """
    card, key = find_source(name)
    return card.sources[key].role


def warn_of_overlap(trained: str, measured: str) -> None:
    """Warn where a card says that its set shares scans with the other's: voxels that were resampled or cropped since
    are no longer the same, so that no digest finds them.

    Args:
        trained, measured: sources or cards; the card of the one that trained may be gone by now.
    """
    cards = []
    for name in (trained, measured):
        try:
            cards.append(find_source(name)[0])
        except (InputError, OSError):
            cards.append(None)
    names = [
        card.name if card else Path(parse_source(one)[0]).stem
        for card, one in zip(cards, (trained, measured), strict=True)
    ]
    for card, other in zip(cards, names[::-1], strict=True):
        if sentence := getattr(card, "overlaps", {}).get(other):
            warn(f"{names[1]} is measured and {names[0]} trained, sets that overlap: {sentence}")
            return


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
    if use in ("train", "select", "unlabelled") and role not in ("train", "any"):
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
    name: str,
    use: str,
    *,
    reveal: bool = False,
    most: int | None = None,
    root: Root = None,
    fold: int | None = None,
    home: str | None = None,
) -> list[Case]:
    """The cases of a source that the use may see, in the card's order, after `check_role`.

    Args:
        most: at most so many, the first ones; below 0, the last ones. None: all.
        root: where the cards' files lie, as in `access.cases`.
        fold: of a source of role `any`, the fold that is held out; None: the first, 0.
        home: the source that trains, for the use `measure`: of a source of role `any` the held-out fold is then
            measured at home, and every labelled case elsewhere (None: elsewhere).

    Raises:
        InputError: as `check_role`, or the card has no split for the use, no such fold, or too few patients for it.

    Example:
        >>> [case.id for case in open_cases("phantom/V", "measure", most=2)]    # doctest: +SKIP
        ['V_000', 'V_001']
    """
    role = check_role(name, use, reveal=reveal)
    card, key = find_source(name)
    if role == "any":
        at_home = use != "measure" or (home is not None and full_name(home) == full_name(name))
        return _of_any_role(card, key, use, root, (fold or 0) if at_home else None, most)
    require(fold is None, f"a source of role any for a fold, {name} has the role {role}", fold, "leave the fold out")
    splits = card.splits.get(key, {})
    wanted = {
        "train": "train",
        "select": "held_out",
        "unlabelled": "unlabelled",
        "measure": "held_out" if role == "train" else role,
        "oracle": "oracle",
    }[use]
    whole = use == "measure" and not card.splits
    if not whole and not splits.get(wanted):
        raise InputError(
            f"expected a split '{wanted}' of {name} to {use} with, card {card.name} lists "
            f"{', '.join(splits) or 'none'}; add the case ids to the card"
        )
    asked = None if card.require_pancreas else most  # else labels tell which are the first
    return _with_pancreas(card, cases(card, key, None if whole else wanted, root, asked), most)


def _of_any_role(card: Card, key: str, use: str, root: Root, fold: int | None, most: int | None) -> list[Case]:
    """Cases of a source whose patients are dealt into folds; `fold=None`: all that are labelled."""
    name = f"{card.name}/{key}"
    require(use != "oracle", f"a source with a split 'oracle', {name} has the role any", use, "train on it instead")
    found = cases(card, key, root=root)
    labelled = [case for case in found if case.label is not None]
    dealt = folds_of(card, labelled)
    if use == "unlabelled":  # without other scans of patients that are held out
        return [case for case in found if case.label is None and dealt.get(case.patient, -1) != fold][:most]
    if fold is not None:
        k = card.folds.k
        require(0 <= fold < k, f"a fold from 0 to {k - 1} for {name}", fold, "the card's folds say how many")
        counted, remedy = f"{len(dealt)} with a label", "bring more, or lower folds.k in a copy of the card"
        require(len(dealt) >= k, f"at least {k} patients of {name} for {k} folds", counted, remedy)
    if len(labelled) < len(found):
        warn(f"{len(found) - len(labelled)} of {len(found)} cases of {name} have no label and are left out")
    if fold is not None:
        labelled = [case for case in labelled if (dealt[case.patient] == fold) == (use != "train")]
    kept = _with_pancreas(card, labelled, most)
    values, none = " or ".join(map(str, card.pancreas)), f"none among {len(labelled)} with a label"
    require(bool(kept) or use == "select", f"a case of {name} to {use} with a pancreas (label value {values})", none,
            "check layout.label and label_values in the card")  # fmt: skip
    return kept


def _with_pancreas(card: Card, found: list[Case], most: int | None) -> list[Case]:
    """The first cases, or the last, where `most` is below 0; where the card requires a pancreas, of those that have
    one, and the others are counted."""
    if most is not None and most < 0:
        return _with_pancreas(card, found[::-1], -most)[::-1]
    if not card.require_pancreas:
        return found[:most]
    kept, without = [], 0
    for case in found:
        if most is not None and len(kept) == most:
            break
        if holds_pancreas(case):
            kept.append(case)
        else:
            without += 1
    if without and kept:
        warn(f"{without} of {len(kept) + without} cases of {card.name} hold no pancreas and are left out")
    return kept


def folds_of(card: Card, labelled: Iterable[Case]) -> dict[str, int]:
    """Patient -> fold, of the labelled cases of a source, as the card deals them."""
    return deal_folds((case.patient for case in labelled), card.folds.k, card.folds.seed)


def deal_folds(patients: Iterable[str], k: int, seed: int) -> dict[str, int]:
    """Patient -> fold, from 0 to k - 1; sizes differ by one at most. The order of the patients plays no part.

    Example:
        >>> sorted(deal_folds(["a", "b", "c", "d"], k=2, seed=0).values())
        [0, 0, 1, 1]
    """
    drawn = sorted(set(patients), key=lambda one: hashlib.sha256(f"{seed}/{one}".encode()).digest())
    return {patient: place % k for place, patient in enumerate(drawn)}


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

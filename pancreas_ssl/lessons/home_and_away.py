"""One switch for every notebook: the source that trains (home), and the sources that are met (away), of any cards.

named_sources        the names of home and away, as tables spell them, checked before anything is opened
choose, pick         one of the sources, the patient of this number
held_out_patient     a held-out patient of the phantom, by number
look_at              one scan of a source, to be drawn
title_of, dealt      what the card says of a source: its title, and how many cases there are for which use
only_phantom         says in a sentence what a set of real scans cannot show
fold_of              the fold that weights held out when they were trained at home
tell_where_trained   says in a sentence which weights were trained elsewhere
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Num, UInt8
from numpy import ndarray

from pancreas_ssl.data.access import Case, cases
from pancreas_ssl.data.access_methods import GenerateAccess
from pancreas_ssl.data.label_checks import read_case_label
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.roles import check_role, find_source, folds_of, full_name, open_cases, warn_of_overlap
from pancreas_ssl.data.volume import Original, spacing_of
from pancreas_ssl.errors import require
from pancreas_ssl.phantom.cohort import SCANNERS, make_case
from pancreas_ssl.phantom.scanner import Scan

__all__ = ["ReadScan", "choose", "dealt", "fold_of", "held_out_patient", "look_at", "named_sources", "only_phantom",
           "phantom_key", "pick", "read_scan", "tell_where_trained", "title_of"]  # fmt: skip


@dataclass(frozen=True)
class ReadScan:
    """A scan of a set of files, with those fields of a phantom's `Scan` that are known of it, and how it is stored."""

    image: Num[ndarray, "X Y Z"]
    label: UInt8[ndarray, "X Y Z"]
    affine: Float[ndarray, "4 4"]
    original: Original | None = None
    tissue: None = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        return spacing_of(self.affine)


def named_sources(train: str, meet: Iterable[str], *, pictures: bool = False) -> dict[str, str]:
    """The name of each source in tables (`card/source`) -> the name as it was given; the one that trains comes first.

    Args:
        train: of role `train` or `any`.
        meet: others. A test source is refused (`check_role`) unless nothing but `pictures` will be looked at.

    Raises:
        InputError: an unknown source, one that may not be opened for this, or one that is named twice.

    Example:
        >>> list(named_sources("phantom/A", ["phantom/V", "phantom/W"]))
        ['phantom/A', 'phantom/V', 'phantom/W']
    """
    check_role(train, "train")
    found = {full_name(train): train}
    for source in meet:
        check_role(source, "measure", reveal=pictures)
        name = full_name(source)
        require(name not in found, "each source once in TRAIN and MEET", f"{name} twice", "leave it out of MEET")
        found[name] = source
        warn_of_overlap(train, source)
    return found


def choose(source: str, among: Sequence[str]) -> str:
    """The name of one of these sources as tables spell it; of the first where none is named.

    Raises:
        InputError: another source, or there is none.

    Example:
        >>> choose("", ["phantom/V", "phantom/W"]), choose("phantom/W", ["phantom/V", "phantom/W"])
        ('phantom/V', 'phantom/W')
    """
    require(bool(among), "at least one source in MEET", "none", "name one, such as phantom/V")
    name = full_name(source) if source else among[0]
    require(name in among, f"one of the sources {', '.join(among)}", name, "name one of these")
    return name


def pick(found: Sequence[Any], number: int) -> Any:
    """The case of this number, from 0.

    Raises:
        InputError: there are fewer.
    """
    there = f"a patient number from 0 to {len(found) - 1}" if found else "a source with patients for this use"
    require(0 <= number < len(found), there, number, "choose another number or source")
    return found[number]


def held_out_patient(number: int, source: str = "phantom/A") -> Case:
    """The held-out case of the phantom whose patient has this number, such as 24 of phantom/A.

    Raises:
        InputError: that patient is not held out.
    """
    card, key = find_source(source)
    numbers = [int(name.split("_")[-1]) for name in card.splits[key]["held_out"]]
    there = f"a held-out patient of {source}, {min(numbers)} to {max(numbers)}"
    require(number in numbers, there, number, "choose one of them")
    return cases(card, key, "held_out", most=numbers.index(number) + 1)[-1]


def read_scan(case: Case) -> ReadScan:
    """Image and label of a case as they are stored, turned to RAS.

    Raises:
        InputError: a case without a label, or files that cannot be read.
    """
    require(case.label is not None, f"a label of case {case.id}", "none", "choose a labelled case")
    image = read_image(case.image, case.series)
    return ReadScan(image.array, read_case_label(case, image).array, image.affine, image.original)


def look_at(source: str, number: int, home: str) -> Scan | ReadScan:
    """One labelled scan of a source, for pictures alone: of the phantom made here, with its tissues, else read.

    Args:
        number: of the patient, from 0: of `home` among those that train, elsewhere among those that may be measured.

    Raises:
        InputError: as `open_cases` and `pick`.

    Example:
        >>> look_at("phantom/V", 0, home="phantom/A").tissue.max()    # doctest: +SKIP
    """
    if key := phantom_key(source):
        return make_case(key, number)[0]
    use = "train" if full_name(source) == full_name(home) else "measure"
    found = open_cases(source, use, home=home, reveal=True)
    return read_scan(pick([case for case in found if case.label is not None], number))


def phantom_key(source: str) -> str | None:
    """The name of one of the phantom's sources with a scanner of its own; None for any other source.

    Example:
        >>> phantom_key("phantom/V"), phantom_key("lidc_idri_0001")
        ('V', None)
    """
    card, key = find_source(source)
    return key if isinstance(card.access, GenerateAccess) and key not in SCANNERS else None


def title_of(source: str) -> str:
    """Name and title of a source.

    Example:
        >>> title_of("random_phantoms")
        'random_phantoms/R: a scanner of its own for every patient'
    """
    card, key = find_source(source)
    return f"{card.name}/{key}: {card.sources[key].title}"


def dealt(source: str) -> dict[str, int]:
    """Cases of each split; of a source of role `any`, of each fold, and those without a label.

    Example:
        >>> dealt("random_phantoms")
        {'train': 288, 'held_out': 12}
    """
    card, key = find_source(source)
    if card.sources[key].role != "any":
        return {split: len(ids) for split, ids in card.splits.get(key, {}).items()}
    found = cases(card, key)
    labelled = [case for case in found if case.label is not None]
    folds = folds_of(card, labelled)
    counts = {f"in fold {k}": sum(folds[case.patient] == k for case in labelled) for k in range(card.folds.k)}
    return counts | ({"unlabelled": len(found) - len(labelled)} if len(labelled) < len(found) else {})


def only_phantom(what: str, *sources: str, instead: str = "so this step is left out") -> bool:
    """Whether all of these sources are the phantom's; if not, one sentence says what happens in place of `what`.

    Example:
        >>> only_phantom("scan one patient twice", "phantom/A")
        True
    """
    others = [full_name(source) for source in sources if phantom_key(source) is None]
    if others:
        _say(f"Only the phantom can {what}; {_listed(others)} cannot, {instead}.")
    return not others


def fold_of(model: Any, source: str) -> int | None:
    """The fold of a source that a `Model` held out in training; None if it was trained elsewhere or without folds."""
    return model.metadata.get("fold") if model.metadata.get("source") == full_name(source) else None


def tell_where_trained(weights: Mapping[str, Any], home: str) -> None:
    """One sentence about the weights that were not trained at home: name -> `Model`. Silent where there are none."""
    elsewhere: dict[str, list[str]] = {}
    for name, model in weights.items():
        place = model.metadata.get("source") or "an unknown source"
        if place != full_name(home):
            elsewhere.setdefault(place, []).append(name)
    for place, names in elsewhere.items():
        _say(f"The weights {_listed(names)} were trained on {place}, not on {full_name(home)}: to them, "
             f"{full_name(home)} is not home but one more source elsewhere.")  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _say(sentence: str) -> None:
    """A sentence as the output of a notebook's cell."""
    from IPython.display import display

    display({"text/markdown": sentence, "text/plain": sentence}, raw=True)

"""Data cards: Markdown files whose YAML header says how a data set is reached, read, split and cited.

`access` decides how cases come to disk, `layout` which files are images and labels, `label_values` what counts as
pancreas, `splits` who trains and who tests. Nothing about a data set stands in code.
"""

import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from pancreas_ssl.data.access_methods import FolderAccess, GenerateAccess, PipAccess
from pancreas_ssl.data.card_fields import (
    Axes,
    Excluded,
    Expression,
    Hub,
    Labels,
    Name,
    Patient,
    Patterns,
    Splits,
    Strict,
    excluded,
    patient_in,
)
from pancreas_ssl.data.yaml_errors import parse_yaml, split_front_matter, validate
from pancreas_ssl.errors import InputError

__all__ = ["Card", "Folds", "Limits", "Series", "cards_folder", "list_cards", "load_card"]


Limit = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Role = Literal["train", "development", "test", "any"]


class Layout(Strict):
    """Path patterns below the root, with {id} and, if sources have folders, {source}; a final / means DICOM."""

    image: Patterns = Field(min_length=1)
    label: Patterns = []
    organs: Patterns = []
    joined: dict[Annotated[int, Field(ge=1, le=255)], Patterns] = Field({}, max_length=50)

    @model_validator(mode="after")
    def _one_kind_of_label(self) -> "Layout":
        if self.label and self.joined:
            raise ValueError("labels are either files of all structures (label) or one file for each (joined)")
        return self


class Folds(Strict):
    """Shares of a source's patients, each held out once: `k` of them, dealt by `seed`."""

    k: int = Field(5, ge=2, le=100)
    seed: int = Field(0, ge=0, lt=2**32)


class Series(Strict):
    """Which DICOM series of a case's folder is read, where it holds several.

    `description` is a regular expression that SeriesDescription has to hold (case is ignored), `min_slices` leaves
    topograms aside, `prefer` decides among those that are left.
    """

    description: Expression | None = None
    min_slices: int = Field(5, ge=2, le=10_000)
    prefer: Literal["thinnest", "most"] | None = None


class Source(Strict):
    """Where scans come from and what they may be used for. A source of role `any` trains, or is met by a network that
    was trained elsewhere; its patients are dealt into folds."""

    role: Role
    title: str


class Licence(Strict):
    """What was reported about the licence, and where to verify it; never a promise."""

    name: str
    verify_at: str

    @property
    def statement(self) -> str:
        return f"{self.name}, as reported; verify at the source: {self.verify_at}"


class Limits(Strict):
    """What preflight takes for normal: spacing in mm (error outside), pancreas in mL (warning outside)."""

    spacing_mm: tuple[Limit, Limit] = (0.3, 8.0)
    pancreas_ml: tuple[Limit, Limit] = (15.0, 250.0)

    @field_validator("spacing_mm", "pancreas_ml")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not limits[0] < limits[1]:
            raise ValueError(f"a low and a high limit are needed, in this order, not {limits[0]:g} and {limits[1]:g}")
        return limits


class Card(Hub):
    """One data set. Fields follow the header of the Markdown file; see `data_cards/folder.md` for each.

    `patients` is a regular expression whose first group takes the patient out of a case id (default: all of it).
    `label_values["pancreas"]` is what gets segmented, further names are structures the label file may hold besides.
    `splits` maps source -> split -> case ids; a source of role `any` has the one split `all`, or none (what is found).
    `exclude` takes ids, ranges of ids and /patterns/ out of all of this. `parts` names values of the pancreas that are
    reported besides, such as a tumour. `structures` maps a label value to a regular expression for the name of its
    structure, for labels kept as DICOM SEG or RTSTRUCT. With `label_geometry: image` a label's voxels are trusted and
    its affine is not: its axes are `label_axes` (else those that its file says), its place is its image's. `overlaps`
    tells by card which other sets hold patients of this one.
    """

    name: Annotated[Name, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: str
    summary: str
    licence: Licence
    citation: list[str]
    homepage: str | None = None
    doi: str | None = None
    access: GenerateAccess | PipAccess | FolderAccess = Field(discriminator="method")
    layout: Layout
    label_values: Labels
    parts: Labels = {}
    label_root: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    label_geometry: Literal["own", "image"] = "own"
    label_axes: Axes | None = None
    require_pancreas: bool = False
    exclude: Excluded = []
    series: Series | None = None
    structures: dict[Annotated[int, Field(ge=1, le=65_535)], Expression] = Field({}, max_length=50)
    folds: Folds = Folds()
    patients: Patient = "(.+)"
    sources: dict[Name, Source] = Field(min_length=1)
    splits: Splits = {}
    limits: Limits = Limits()
    overlaps: dict[Name, str] = Field({}, max_length=100)
    known_defects: list[str] = []

    _path: Path = PrivateAttr(default=Path())
    _body: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """The file the card was read from."""
        return self._path

    @property
    def body(self) -> str:
        """The Markdown below the header: questions and answers about the data."""
        return self._body

    @property
    def pancreas(self) -> tuple[int, ...]:
        """Label values that together are the pancreas."""
        return tuple(self.label_values["pancreas"])

    @property
    def public(self) -> bool:
        """Whether the case ids are public: of a set that is made, or that its card says how anybody can have."""
        return self.access.method != "folder" or bool(self.access.download or self.access.by_hand)

    @property
    def known_values(self) -> tuple[int, ...]:
        """All label values the card names."""
        return tuple(sorted({v for values in self.label_values.values() for v in values}))

    def patient_of(self, case_id: str) -> str:
        """The patient a case id belongs to."""
        return patient_in(self.patients, case_id)

    def excludes(self, case_id: str) -> bool:
        """Whether `exclude` names the case or has a pattern that fits the whole of its id."""
        return excluded(self.exclude, case_id)

    def split_of(self, source: str, case_id: str) -> str:
        """The split that lists a case, or an empty string."""
        return next((split for split, ids in self.splits.get(source, {}).items() if case_id in ids), "")

    @field_validator("label_values")
    @classmethod
    def _has_pancreas(cls, values: dict[str, list[int]]) -> dict[str, list[int]]:
        if not values.get("pancreas"):
            raise ValueError('an entry "pancreas" is needed, such as pancreas: [1]')
        listed = [v for group in values.values() for v in group]
        if 0 in listed:
            raise ValueError("0 is the background and is not listed")
        if strange := [v for v in listed if not 1 <= v <= 65_535]:
            raise ValueError(f"label values are whole numbers of 1 to 65535, not {strange[0]}")
        return values

    @model_validator(mode="after")
    def _fields_agree(self) -> "Card":
        for name, values in self.parts.items():
            if strange := set(values) - set(self.pancreas):
                raise ValueError(f"the part {name} holds {min(strange)}, which is no value of the pancreas")
        if self.layout.joined and not set(self.pancreas) <= set(self.layout.joined):
            raise ValueError(f"layout.joined needs a file for each value of the pancreas, {list(self.pancreas)}")
        if self.structures and not set(self.pancreas) <= set(self.structures):
            raise ValueError(f"structures needs a name for each value of the pancreas, {list(self.pancreas)}")
        if self.label_axes and self.label_geometry == "own":
            raise ValueError("label_axes go with label_geometry: image")
        for source, about in self.sources.items():
            if about.role == "any" and (other := set(self.splits.get(source, ())) - {"all"}):
                raise ValueError(f"{source} has the role any, so it lists its cases under all, not {min(other)}")
        return self

    @field_validator("splits")
    @classmethod
    def _no_patient_twice(cls, splits: dict[str, dict[str, list[str]]], info) -> dict[str, dict[str, list[str]]]:
        sources, pattern = info.data.get("sources"), info.data.get("patients")
        if sources is None or pattern is None:
            return splits
        where: dict[str, str] = {}
        listed: set[tuple[str, str]] = set()
        for source in splits:
            if source not in sources:
                raise ValueError(f"source {source} is not among sources ({', '.join(sources)})")
        rows = [(s, f"{s}/{split}", one) for s, parts in splits.items() for split, ids in parts.items() for one in ids]
        begin = time.process_time()
        for source, side, case_id in rows:
            patient = patient_in(pattern, case_id)
            if time.process_time() - begin > 5:
                raise ValueError(f"the pattern of patients, {pattern[:60]}, is too slow for so many ids")
            if where.setdefault(patient, side) != side:
                raise ValueError(f"patient {patient} is in {where[patient]} and in {side}, keep one")
            if (source, case_id) in listed:
                raise ValueError(f"case {case_id} is listed twice")
            listed.add((source, case_id))
        return splits

    @model_validator(mode="after")
    def _of_the_phantom(self) -> "Card":
        if not isinstance(self.access, GenerateAccess):
            return self
        from pancreas_ssl.phantom.profiles import WORLD

        if strange := sorted(set(self.sources) - set(WORLD)):
            raise ValueError(f"the phantom's sources are {', '.join(WORLD)}, not {strange[0]}")
        for source, parts in self.splits.items():
            for case_id in (one for ids in parts.values() for one in ids):
                if not re.fullmatch(f"{source}_[0-9]{{3,9}}", case_id):
                    raise ValueError(f"ids of the phantom's source {source} read like {source}_000, not {case_id}")
        return self


def cards_folder() -> Path:
    """The folder of the cards: PANCREAS_SSL_CARDS, else `data_cards` beside the package."""
    return Path(os.environ.get("PANCREAS_SSL_CARDS") or Path(__file__).resolve().parents[2] / "data_cards")


def list_cards() -> list[str]:
    """Names of all cards in the folder, in alphabetical order."""
    return sorted(path.stem for path in cards_folder().glob("*.md") if path.stem.lower() != "readme")


def load_card(name: str | Path) -> Card:
    """Read a card by its name (`phantom`) or its path (`mine.md`).

    Raises:
        InputError: no such card, or a header that does not fit; the sentence names file, line and field.

    Example:
        >>> load_card("phantom").pancreas
        (1,)
    """
    path = Path(name)
    if path.suffix != ".md":
        path = cards_folder() / f"{name}.md"
        if not path.is_file():
            known = ", ".join(list_cards()) or f"none in {cards_folder()}"
            raise InputError(f'no data card is called "{name}"; known are: {known} (or pass the path of a .md file)')
    return _card(*split_front_matter(path), path)


@lru_cache(maxsize=64)
def _card(header: str, body: str, path: Path) -> Card:
    """The card of these texts; a study asks for the same one hundreds of times."""
    values, lines = parse_yaml(header, path, first=2)
    card = validate(Card, values, lines, path)
    card._path, card._body = path, body
    return card

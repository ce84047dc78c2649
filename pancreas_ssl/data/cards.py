"""Data cards: Markdown files whose YAML header says how a data set is reached, read, split and cited.

The header is not decoration: `access` decides how cases come to disk, `layout` which files are images and labels,
`label_values` what counts as pancreas, `splits` who trains and who tests. Nothing about a data set stands in code.
"""

import os
import re
from pathlib import Path

from pydantic import Field, PrivateAttr, field_validator

from pancreas_ssl.data.card_parts import (
    FolderAccess,
    GenerateAccess,
    Ids,
    Layout,
    Licence,
    Limits,
    PipAccess,
    Source,
    Strict,
    Values,
)
from pancreas_ssl.data.headers import parse_header, split_front_matter, validate
from pancreas_ssl.errors import InputError

__all__ = ["Card", "FolderAccess", "GenerateAccess", "PipAccess", "cards_folder", "list_cards", "load_card"]


class Card(Strict):
    """One data set. Fields follow the header of the Markdown file; see `data_cards/folder.md` for each.

    `patients` is a regular expression whose first group takes the patient out of a case id (default: each case is
    a patient of its own). `label_values["pancreas"]` is what gets segmented, further names are structures the label
    file may hold besides. `splits` maps source -> split -> case ids.
    """

    name: str = Field(pattern="^[A-Za-z0-9_.-]+$")
    title: str
    summary: str
    licence: Licence
    citation: list[str]
    homepage: str | None = None
    doi: str | None = None
    tags: list[str] = []
    access: GenerateAccess | PipAccess | FolderAccess = Field(discriminator="method")
    layout: Layout
    label_values: dict[str, Values]
    patients: str = "(.+)"
    sources: dict[str, Source] = Field(min_length=1)
    splits: dict[str, dict[str, Ids]] = {}
    limits: Limits = Limits()
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
    def known_values(self) -> tuple[int, ...]:
        """All label values the card names."""
        return tuple(sorted({v for values in self.label_values.values() for v in values}))

    def patient_of(self, case_id: str) -> str:
        """The patient a case id belongs to."""
        match = re.match(self.patients, case_id)
        return match[1] if match else case_id

    def split_of(self, source: str, case_id: str) -> str:
        """The split that lists a case, or an empty string."""
        return next((split for split, ids in self.splits.get(source, {}).items() if case_id in ids), "")

    @field_validator("label_values")
    @classmethod
    def _has_pancreas(cls, values: dict[str, list[int]]) -> dict[str, list[int]]:
        if not values.get("pancreas"):
            raise ValueError('an entry "pancreas" is needed, such as pancreas: [1]')
        if 0 in (v for group in values.values() for v in group):
            raise ValueError("0 is the background and is not listed")
        return values

    @field_validator("patients")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        if groups != 1:
            raise ValueError("a regular expression with exactly one group, around the patient, is needed")
        return pattern

    @field_validator("splits")
    @classmethod
    def _no_patient_twice(
        cls, splits: dict[str, dict[str, list[str]]], info
    ) -> dict[str, dict[str, list[str]]]:
        sources, pattern = info.data.get("sources"), info.data.get("patients")
        if sources is None or pattern is None:
            return splits
        where: dict[str, tuple[str, str]] = {}
        listed: set[tuple[str, str]] = set()
        for source, parts in splits.items():
            if source not in sources:
                raise ValueError(f"source {source} is not among sources ({', '.join(sources)})")
            for split, ids in parts.items():
                for case_id in ids:
                    match = re.match(pattern, case_id)
                    patient = match[1] if match else case_id
                    if where.setdefault(patient, (source, split)) != (source, split):
                        other = "/".join(where[patient])
                        raise ValueError(f"patient {patient} is in {other} and in {source}/{split}, keep one")
                    if (source, case_id) in listed:
                        raise ValueError(f"case {case_id} is listed twice")
                    listed.add((source, case_id))
        return splits


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
            raise InputError(
                f'no data card is called "{name}"; known are: {known} (or pass the path of a .md file)'
            )
    header, body = split_front_matter(path)
    values, lines = parse_header(header, path)
    card = validate(Card, values, lines, path)
    card._path, card._body = path, body
    return card

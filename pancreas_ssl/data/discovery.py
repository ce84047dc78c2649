"""Files below a folder that fit a card's path patterns: `images/{id}.nii.gz`, `{source}/{id}/`, ..."""

import re
from pathlib import Path

from pancreas_ssl.data.cards import Card
from pancreas_ssl.data.dicom import has_dicom
from pancreas_ssl.errors import InputError, require

__all__ = ["discover", "locate"]


def discover(card: Card, folder: Path) -> dict[tuple[str, str], Path]:
    """(source, id) -> file or DICOM folder, for every path that fits a pattern; the first fitting pattern counts."""
    found: dict[tuple[str, str], Path] = {}
    taken: set[Path] = set()
    only = next(iter(card.sources)) if len(card.sources) == 1 else None
    for pattern in card.layout.image:
        expression = re.escape(pattern.rstrip("/"))
        for name in ("id", "source"):
            expression = expression.replace(rf"\{{{name}\}}", rf"(?P<{name}>[^/.][^/]*?)", 1)
            expression = expression.replace(rf"\{{{name}\}}", rf"(?P={name})")
        for path in sorted(folder.glob(re.sub(r"({.*?})+", "*", pattern.rstrip("/")))):
            match = re.fullmatch(expression, path.relative_to(folder).as_posix())
            fits = match is not None and path not in taken and path.is_dir() == pattern.endswith("/")
            if not fits or (path.is_dir() and not has_dicom(path)):
                continue
            source = match.groupdict().get("source") or only
            if source is None:
                lacking = f"several sources but neither {{source}} in {pattern} nor splits"
                raise InputError(f"card {card.name} has {lacking}; add one")
            key = (source, match["id"])
            if source not in card.sources or card.excludes(match["id"]):
                continue
            named = f"a case's name that is readable text in {folder}"
            require(match["id"].isprintable(), named, repr(match["id"]), "rename the file")
            if key in found:
                both, remedy = f"{found[key]} and {path}", "keep one, or narrow layout.image in the card"
                raise InputError(f"expected one image per case, {key[1]} has {both}; {remedy}")
            taken.add(path)
            found[key] = path
    return found


def locate(folder: Path, patterns: list[str], source: str, case_id: str) -> Path | None:
    """The first file (or folder, for a pattern that ends in /) that is there for a case, else None."""
    for pattern in patterns:
        path = folder / pattern.format(id=case_id, source=source)
        if path.is_dir() if pattern.endswith("/") else path.is_file():
            return path
    return None

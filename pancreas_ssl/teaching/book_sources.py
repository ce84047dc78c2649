"""The book's sources in one folder: chapters, pages and pictures, as Sphinx reads them."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat

from pancreas_ssl.teaching.api_pages import api_pages
from pancreas_ssl.teaching.book_chapters import chapter
from pancreas_ssl.teaching.book_pages import ASSETS, about_page, contents, pages_of_texts, start_page

__all__ = ["write_sources"]


def write_sources(
    folder: Path,
    run: Path,
    report: Mapping[str, Any],
    executed: Sequence[str],
    course: Sequence[Path],
    *,
    rooms: Iterable[str] | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Write all sources; returns sha256 of a picture -> what it shows.

    Args:
        folder: to write into; made here.
        run: folder of the run, with its `report`.
        executed: names of the notebooks that the run holds.
        course: paths of all notebooks.
        rooms: rooms of the package whose reference is written; all by default.
        more: further pages, name in the book -> Markdown.
    """
    entries = {one["name"]: one for one in report["notebooks"]}
    chapters = []
    for path in course:
        if path.stem in executed:
            chapters.append(chapter(run / path.name, entries[path.stem], report["started"], source=path))
        else:
            chapters.append(chapter(path, None))
    pages = pages_of_texts(course[0].parent / "glossary.md") | api_pages(rooms) | dict(more or {})
    missing = [path.stem for path in course if path.stem not in executed]
    pages["about"] = about_page(report, executed, missing)
    pages["index"] = f"{start_page(chapters)}\n\n{contents(pages, chapters)}"
    for name, text in pages.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "tiles").mkdir()
    shutil.copyfile(ASSETS / "cover.png", folder / "cover.png")
    alts = {}
    for one in chapters:
        nbformat.write(one.notebook, folder / f"{one.name}.ipynb")
        if one.picture:
            (folder / "tiles" / f"{sha256(one.picture).hexdigest()}.png").write_bytes(one.picture)
        alts |= one.alts
    return alts

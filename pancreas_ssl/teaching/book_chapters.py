"""Executed notebooks as chapters of the book: solutions folded below each exercise, pictures with their words."""

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from pancreas_ssl.course.catalogue import exercise
from pancreas_ssl.course.checking import solved
from pancreas_ssl.course.exercise import Exercise
from pancreas_ssl.errors import without_paths
from pancreas_ssl.progress import duration
from pancreas_ssl.runs.outputs import alt_text
from pancreas_ssl.runs.results import MIME
from pancreas_ssl.teaching.book_links import relinked

__all__ = ["Chapter", "chapter", "folded_solution"]

_CHECK = re.compile(r'^check\("([\w-]+)"', re.M)


@dataclass(frozen=True)
class Chapter:
    """A notebook as the book shows it.

    Args:
        name: the notebook's, such as "03_uncertainty_maps".
        title: its first heading.
        question: the bold line below it.
        notebook: with what the book adds; to be written beside the other pages.
        alts: sha256 of a picture -> what it shows, in words.
        picture: PNG of the first figure, or None.
    """

    name: str
    title: str
    question: str
    notebook: Any
    alts: dict[str, str]
    picture: bytes | None


def chapter(path: Path, entry: dict[str, Any] | None, started: str = "", *, source: Path | None = None) -> Chapter:
    """The chapter of a notebook.

    Args:
        path: of the executed notebook, or of the course's own where it has not been run.
        entry: the notebook's part of the run's report; None where it has not been run.
        started: when the run began, as the report says it.
        source: the course's own notebook, from whose place its links lead; by default the path.
    """
    notebook = nbformat.read(path, as_version=4)
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = re.search(r"^# (.+)$", words, re.M)
    question = re.search(r"^\*\*(.+?)\*\*$", words, re.M)
    cells, alts, pictures = [], {}, []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            cell.source = relinked(cell.source, source or path, path.stem)
            continue
        cell.outputs = [output for output in cell.get("outputs", []) if not _for_the_report_alone(output)]
        for output in cell.outputs:
            _cut_paths(output)
            if png := output.get("data", {}).get("image/png"):
                pictures.append(base64.b64decode(png))
                alts[hashlib.sha256(pictures[-1]).hexdigest()] = alt_text(output) or f"Figure of {path.stem}"
        if "exercise" in cell.metadata.get("tags", []):
            cells += [_markdown(folded_solution(exercise(id)), id) for id in _CHECK.findall(cell.source)]
    cells[1:1] = [_markdown(note, "run") for note in _notes(path.stem, entry)]
    notebook.cells = cells + [_markdown(_colophon(path.stem, entry, started), "colophon")]
    notebook.metadata.pop("papermill", None)
    heads = (title.group(1) if title else path.stem, question.group(1) if question else "")
    return Chapter(path.stem, *heads, notebook, alts, pictures[0] if pictures else None)


def folded_solution(one: Exercise) -> str:
    """An exercise's solution and what it teaches, as Markdown that unfolds."""
    return (
        f'<details class="solution"><summary>Solution of exercise {html.escape(one.id)}</summary>\n\n'
        f"{solved(one)._repr_markdown_()}\n\n</details>"
    )


def _for_the_report_alone(output) -> bool:
    """Progress on standard error, and results in the report's form, whose table the page keeps."""
    if MIME in output.get("data", {}):
        del output.data[MIME]
    return output.get("name") == "stderr"


def _cut_paths(output) -> None:
    """The book is handed on: no output tells a folder of the machine."""
    if "text" in output:
        output.text = without_paths(output.text)
    for kind in output.get("data", {}):
        if kind.startswith("text/"):
            output.data[kind] = without_paths(output.data[kind])


def _notes(name: str, entry: dict[str, Any] | None) -> list[str]:
    """What a reader must know before the first figure."""
    if entry is None:
        return [f":::{{note}}\nThis notebook was not part of the run: `pancreas-ssl run {name[:3].strip('_')}`.\n:::"]
    if entry.get("profile") == "smoke":
        return [":::{note}\nThis run used the smallest sizes (profile smoke), which check that everything works. Read "
                "no result from its numbers: the profile class gives those of the course.\n:::"]  # fmt: skip
    return []


def _colophon(name: str, entry: dict[str, Any] | None, started: str) -> str:
    """Where the page comes from."""
    source = f"This page is the notebook `notebooks/{name}.ipynb`"
    if entry is None:
        return f"---\n\n*{source}, not executed.*"
    how = f"profile {entry['profile']}, {duration(entry['seconds'])}, on {entry['device']}"
    return f"---\n\n*{source}, executed {started[:10]} ({how}). [About this book](about.md) says more.*"


def _markdown(source: str, name: str):
    return nbformat.v4.new_markdown_cell(source, id=f"book-{re.sub('[^a-z0-9-]', '', name.lower())}")

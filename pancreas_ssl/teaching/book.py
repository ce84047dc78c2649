"""The course as a book: pages of an executed tour, cards, glossary and reference, that open from a disk anywhere."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import claim, copy_whole, inside, make_folder, workspace
from pancreas_ssl.manifest import MANIFEST, lines_of, record_of
from pancreas_ssl.runs.notebook_profiles import find_notebooks

__all__ = ["Book", "book", "newest_tour"]


@dataclass(frozen=True)
class Book:
    """What was written: the start page, how many pages, and notebooks that the run does not hold."""

    start: Path
    pages: int
    missing: tuple[str, ...]


def newest_tour(runs: str | Path = "runs") -> Path:
    """The newest run folder that holds every notebook of the course, executed without a failure.

    Raises:
        InputError: there is none.
    """
    course = {path.stem for path in find_notebooks()}
    whole = [folder for folder in Path(runs).glob("*/") if _done(folder) >= course]
    if not whole:
        raise InputError(
            f"expected a run of the whole course in {runs}, found none; run pancreas-ssl tour, name a run by --run, or "
            "add --execute"
        )
    return max(whole, key=lambda folder: (folder / "report.json").stat().st_mtime)


def _report(folder: Path) -> dict[str, Any]:
    """The report of a run; {} where there is none."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return report if isinstance(report, dict) and isinstance(report["notebooks"], list) else {}
    except (OSError, ValueError, KeyError):
        return {}


def _done(folder: Path) -> set[str]:
    """Names of the notebooks that a run has executed without a failure."""
    entries = _report(folder).get("notebooks", [])
    return {one["name"] for one in entries if one["status"] == "ok" and (folder / f"{one['name']}.ipynb").is_file()}


def book(
    run: str | Path | None = None,
    out: str | Path = "runs/book",
    *,
    rooms: Iterable[str] | None = None,
    more: Mapping[str, str] | None = None,
    workers: int = 2,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> Book:
    """Write the book as HTML pages that need no network and no server.

    Args:
        run: folder of a run; by default the newest whole tour in `runs`. Notebooks that it does not hold are shown
            without their outputs.
        out: the book's folder. Pages of an earlier book are replaced, and nothing else.
        rooms: rooms of the package whose reference is written; all by default.
        more: further pages, name in the book -> Markdown.
        workers: processes that write pages.
        overwrite: replace files of the book's names that this tool did not write, too.
        say: called with each line for the reader.

    Raises:
        InputError: no such run, or a foreign file where a page goes.
        RunError: Sphinx is not installed or found a fault, a link leads nowhere, a picture has no description.
    """
    run = newest_tour() if run is None else Path(run)
    course = find_notebooks()
    done = _done(run) & {path.stem for path in course}
    if not done:
        raise InputError(
            f"expected a run with executed notebooks of the course, {run} holds none; name another by --run"
        )
    try:
        import furo  # noqa: F401
        import myst_nb  # noqa: F401
    except ImportError as error:
        raise RunError('the book needs Sphinx, which is not installed; run pip install -e ".[book]"') from error
    out = make_folder(Path(out).resolve())
    claim([out / "index.html"], overwrite=overwrite)
    with workspace(out) as space:
        from pancreas_ssl.teaching.book_sources import write_sources

        alts = write_sources(space / "source", run, _report(run), sorted(done), course, rooms=rooms, more=more or {})
        say(f"Writing the pages of {len(done)} executed notebooks and the reference (a minute or two).")
        _build(space, alts, workers)
        _check(space / "html")
        pages = _land(space / "html", out, overwrite)
    return Book(out / "index.html", pages, tuple(path.stem for path in course if path.stem not in done))


def _build(space: Path, alts: dict[str, str], workers: int) -> None:
    """Run Sphinx; its warnings are faults."""
    from sphinx.application import Sphinx

    from pancreas_ssl.teaching.book_extension import settings

    faults = StringIO()
    places = [str(space / name) for name in ("source", "html", "doctrees")]
    app = Sphinx(
        places[0], None, places[1], places[2], "html", settings(alts), status=None, warning=faults, parallel=workers
    )
    app.build()
    text = re.sub(r"\x1b\[[0-9;]*m", "", faults.getvalue()).replace(f"{space / 'source'}/", "")
    told = [line for line in text.splitlines() if line.strip()]
    if told:
        raise RunError(f"the book has {len(told)} faults, such as: {'; '.join(told[:5])}; correct them and build again")


def _check(html: Path) -> None:
    from pancreas_ssl.teaching.book_links import broken_links

    if faults := broken_links(html):
        raise RunError(f"{len(faults)} links or pictures are broken, such as: {'; '.join(faults[:5])}; correct them")


def _land(html: Path, out: Path, overwrite: bool) -> int:
    """Bring the pages to their place, each whole; pages of an earlier book that are gone now are removed."""
    found = [path.relative_to(html) for path in sorted(html.rglob("*")) if path.is_file()]
    wanted = [path for path in found if path.name not in (".buildinfo", "objects.inv")]
    claim([inside(out, out / path) for path in wanted], overwrite=overwrite)
    for path in wanted:
        copy_whole(html / path, out / path, {"place_in_book": path.as_posix()})
    for manifest in out.rglob(MANIFEST):
        for name in lines_of(manifest.parent):
            old = manifest.parent / name
            place = old.relative_to(out)
            if place not in wanted and (record_of(old) or {}).get("place_in_book") == place.as_posix():
                old.unlink()
    return sum(path.suffix == ".html" for path in wanted)

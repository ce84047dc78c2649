"""What the book is made of, and how it lands: without Sphinx, which tests/browser/test_book.py runs."""

import base64
import hashlib
import json
import os
import pkgutil
from pathlib import Path

import nbformat
import pytest

import pancreas_ssl
from pancreas_ssl.cli import main
from pancreas_ssl.course.catalogue import exercises
from pancreas_ssl.data.cards import list_cards
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import write_text
from pancreas_ssl.runs.notebook_profiles import find_notebooks
from pancreas_ssl.teaching.api_pages import api_pages, as_rst, rooms
from pancreas_ssl.teaching.book import _land, book, newest_tour
from pancreas_ssl.teaching.book_chapters import chapter, folded_solution
from pancreas_ssl.teaching.book_links import broken_links, relinked
from pancreas_ssl.teaching.book_pages import pages_of_texts

COURSE = [path.stem for path in find_notebooks()]
PNG = base64.b64encode(b"\x89PNG a picture").decode()


def run_of(folder: Path, names: list[str], status: str = "ok") -> Path:
    """A run's folder with empty notebooks and a report."""
    folder.mkdir(parents=True)
    for name in names:
        nbformat.write(nbformat.v4.new_notebook(), folder / f"{name}.ipynb")
    entries = [{"name": name, "status": status} for name in names]
    (folder / "report.json").write_text(json.dumps({"started": "2026-01-01", "notebooks": entries}))
    return folder


def test_the_newest_whole_tour_is_taken(tmp_path):
    with pytest.raises(InputError, match="run pancreas-ssl tour"):
        newest_tour(tmp_path)
    new, old = run_of(tmp_path / "a", COURSE), run_of(tmp_path / "b", COURSE)
    run_of(tmp_path / "part", COURSE[:2])
    run_of(tmp_path / "failed", COURSE, "failed")
    (tmp_path / "other").mkdir()
    os.utime(old / "report.json", (1, 1))
    assert newest_tour(tmp_path) == new


def test_runs_and_places_that_cannot_be_used_are_refused_first(tmp_path):
    with pytest.raises(InputError, match="holds none"):
        book(tmp_path, tmp_path / "book")
    run = run_of(tmp_path / "run", COURSE[:1])
    (tmp_path / "book").mkdir(exist_ok=True)
    (tmp_path / "book" / "index.html").write_text("mine")
    with pytest.raises(InputError, match="not written by pancreas-ssl"):
        book(run, tmp_path / "book")
    assert (tmp_path / "book" / "index.html").read_text() == "mine"


def executed(path: Path) -> Path:
    """A notebook with a figure, results, progress and an exercise."""
    new = nbformat.v4
    data = {"image/png": PNG, "text/plain": "A line that rises."}
    picture = new.new_output("display_data", data, metadata={"image/png": {"alt": "A line that rises."}})
    results = new.new_output(
        "display_data", {"application/vnd.pancreas-ssl.results+json": {"results": []}, "text/html": "<table></table>"}
    )
    progress = new.new_output("stream", name="stderr", text="3 of 8")
    folder = new.new_output("stream", name="stdout", text="read /home/jane/scans/p01.nii.gz, {source}/{id}.nii.gz")
    cells = [
        new.new_markdown_cell("# 00 · A title\n\n**A question?**\n\nText."),
        new.new_code_cell("draw()", outputs=[progress, folder, picture, results]),
        new.new_code_cell('answer = ...\n\ncheck("00-1", answer)', metadata={"tags": ["exercise"]}),
    ]
    nbformat.write(new.new_notebook(cells=cells), path)
    return path


def test_a_chapter_has_words_for_pictures_and_solutions_below_exercises(tmp_path):
    entry = {"profile": "class", "seconds": 65.0, "device": "cpu"}
    made = chapter(executed(tmp_path / "00_start_here.ipynb"), entry, "2026-01-01T10:00")
    assert (made.title, made.question) == ("00 · A title", "A question?")
    digest = hashlib.sha256(base64.b64decode(PNG)).hexdigest()
    assert made.alts == {digest: "A line that rises."} and made.picture == base64.b64decode(PNG)
    first, drawn, stub, solution, colophon = made.notebook.cells
    told, *outputs = drawn.outputs
    assert told.text == "read .../p01.nii.gz, {source}/{id}.nii.gz", "no folder of the machine, and patterns stay"
    assert [set(output.data) for output in outputs] == [{"image/png", "text/plain"}, {"text/html"}]
    assert solution.source == folded_solution(exercises("00")[0]) and "```python" in solution.source
    assert "profile class" in colophon.source and "2026-01-01" in colophon.source
    nbformat.validate(made.notebook)


@pytest.mark.parametrize("entry, told", [(None, "not part of the run"), ({"profile": "smoke"}, "Read no result")])
def test_a_chapter_says_when_its_numbers_mean_nothing(tmp_path, entry, told):
    entry = entry and entry | {"seconds": 1.0, "device": "cpu"}
    made = chapter(executed(tmp_path / "00_start_here.ipynb"), entry, "2026-01-01")
    assert told in " ".join(made.notebook.cells[1].source.split())


def test_solutions_leave_no_trace_in_the_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_PROGRESS", str(tmp_path / "progress.jsonl"))
    assert all(folded_solution(one).count("<details") == 1 for one in exercises())
    assert not (tmp_path / "progress.jsonl").exists()


def test_every_card_and_text_is_a_page_with_a_title():
    pages = pages_of_texts(find_notebooks()[0].parent / "glossary.md")
    assert {f"data/{name}" for name in list_cards()} | {"glossary", "changelog", "study/notes", "models/real"} <= set(
        pages
    )
    for name, text in pages.items():
        assert text.startswith("# "), name
    assert "CC BY-SA 4.0" in pages["data/msd"] and "## Known defects" in pages["data/msd"]


def test_the_reference_holds_every_room():
    """A new room has to find its place in the book."""
    known = {module for modules in rooms().values() for module in modules}
    there = {module.name for module in pkgutil.walk_packages(pancreas_ssl.__path__, "pancreas_ssl.")}
    packages = {name for name in there if any(other.startswith(f"{name}.") for other in there)}
    assert {name for name in there - packages - known if not name.startswith("pancreas_ssl.cli.")} == {
        "pancreas_ssl.__main__"
    }
    assert all(len(text) > 100 for text in api_pages().values())


@pytest.mark.parametrize(
    "written, read",
    [
        (["`x*y` of `model`s, a * b, rim_ and *this*."], ["``x*y`` of ``model``\\ s, a \\* b, rim\\_ and *this*."]),
        ([">>> 2 * 3 | 4"], [">>> 2 * 3 | 4"]),
        (["**given: what *it* needs"], ["**given: what *it* needs"]),
        (["Text:", "- one", "- two"], ["Text:", "", "- one", "- two"]),
        (["In a notebook:", "", "    f(**x)"], ["In a notebook:", "", ".. code-block:: python", "", "    f(**x)", ""]),
        (["[the paper](https://a.b)"], ["the paper (https://a.b)"]),
    ],
)  # fmt: skip
def test_docstrings_become_restructured_text(written, read):
    assert as_rst(written) == read


@pytest.mark.parametrize(
    "page, written, read",
    [
        ("03_maps", "[HD95](glossary.md#hd95), ![p](../README.md)", "[HD95](glossary.md#hd95), ![p](../README.md)"),
        ("03_maps", "[step](../pancreas_ssl/method/dual.py)", "[step](api/method.md#dual)"),
        ("teaching/first", "[00](00_start_here.ipynb), [a](../README.md)", "[00](../00_start_here.ipynb), a"),
        ("03_maps", "[notes](../pancreas_ssl/assets/study/NOTES.md#x)", "[notes](study/notes.md#x)"),
        ("03_maps", "[gone](gone.ipynb), [out](https://x.org)", "[gone](gone.ipynb), [out](https://x.org)"),
    ],
)
def test_links_of_the_project_become_links_of_the_book(page, written, read):
    assert relinked(written, find_notebooks()[0], page) == read


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="here">A</h1><a href="b.html#there">b</a><a href="c.html">c</a>')
    (tmp_path / "b.html").write_text('<a href="a.html#here">a</a><a href="https://x.org">x</a><img src="a.html">')
    anchor, page, picture = broken_links(tmp_path)
    assert anchor == "a.html: b.html#there has no such anchor" and page == "a.html: c.html does not exist"
    assert picture == "b.html: no words for the picture a.html"


def test_pages_land_whole_and_replace_only_their_own(tmp_path):
    html, out = tmp_path / "html", tmp_path / "out"
    for name in ("index.html", "api/old.html"):
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).write_text(name)
    out.mkdir()
    (out / "mine.html").write_text("mine")
    write_text(out / "run" / "report.json", "{}")  # of this tool, but of no book in this folder
    _land(html, out / "run" / "other", False)
    assert _land(html, out, False) == 2
    (html / "api" / "old.html").unlink()
    (html / "index.html").write_text("new")
    assert _land(html, out, False) == 1
    assert (out / "index.html").read_text() == "new" and not (out / "api" / "old.html").exists()
    assert (out / "mine.html").read_text() == "mine" and (out / "run" / "report.json").is_file()
    assert (out / "run" / "other" / "api" / "old.html").is_file(), "another book's page"
    (out / "index.html").write_text("changed by hand")
    with pytest.raises(InputError, match="changed since"):
        _land(html, out, False)


def test_the_command_wants_one_run(tmp_path, capsys):
    assert main(["book", "--run", str(tmp_path), "--execute"]) == 2
    assert main(["book", "--run", str(tmp_path), "--out", str(tmp_path / "book")]) == 2
    assert "holds none" in capsys.readouterr().err

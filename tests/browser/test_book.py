"""The book opens from a disk: every page with pictures and their words, formulas, search, and no request outside."""

import json

import pytest

from pancreas_ssl.runs.notebook_profiles import find_notebooks
from pancreas_ssl.teaching.book import book
from tests.notebooks.parallel import started

RAN = ("01_data",)

PAGES = {"api/commands": "# The command line\n"}


@pytest.fixture(scope="module")
def made(tmp_path_factory, course_cache):
    """A small book: one notebook executed, the others as they are, and the reference of two rooms."""
    folder = tmp_path_factory.mktemp("book")
    paths = {path.stem: path for path in find_notebooks()}
    jobs = {paths[name]: ({"REAL_CT": False}, folder / name) for name in RAN}
    with started(jobs, {"PANCREAS_SSL_CACHE": course_cache}) as futures:
        runs = [future.result() for future in futures.values()]
    (folder / "run").mkdir()
    reports = []
    for run in runs:
        (folder / "run" / run.executed.name).write_bytes(run.executed.read_bytes())
        reports.append(json.loads((run.executed.parent / "report.json").read_text()))
    whole = reports[0] | {"notebooks": [entry for report in reports for entry in report["notebooks"]]}
    (folder / "run" / "report.json").write_text(json.dumps(whole))
    result = book(folder / "run", folder / "html", rooms=["method", "course"], more=PAGES, say=list)
    assert len(result.missing) == len(paths) - len(RAN)
    return result


@pytest.fixture(scope="module")
def reader(chromium):
    """A page without a network, and what it complained of or asked the outside for."""
    context = chromium.new_context(viewport={"width": 1300, "height": 900})
    page, heard = context.new_page(), []
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(request.url))
    context.set_offline(True)
    context.route("http*://**", lambda route: (heard.append(route.request.url), route.abort()))
    yield page, heard
    context.close()


def test_every_page_opens_whole(made, reader):
    page, heard = reader
    pages = sorted(path for path in made.start.parent.rglob("*.html") if "_modules" not in path.parts)
    assert len(pages) > 40
    for path in pages:
        page.goto(path.as_uri(), wait_until="load")
        bad = page.evaluate(
            "() => [...document.images].filter(one => !one.alt || !one.naturalWidth).map(one => one.src)"
        )
        assert bad == [] and page.title(), path.name
    assert heard == []


def test_formulas_are_drawn(made, reader):
    page, heard = reader
    page.goto((made.start.parent / "03_uncertainty_maps.html").as_uri())
    page.wait_for_function("() => document.querySelectorAll('mjx-container svg').length > 10", timeout=20_000)
    assert page.locator("mjx-merror, mjx-container [data-mml-node='merror']").count() == 0
    assert page.locator("span.math").filter(has_text="\\frac").count() == 0, "a formula stayed as it was typed"
    assert heard == []


def test_search_finds_a_word_from_the_disk(made, reader):
    page, heard = reader
    page.goto((made.start.parent / "search.html").as_uri() + "?q=entropy")
    page.locator("ul.search li a[href^='03_uncertainty_maps']").first.wait_for(timeout=20_000)
    assert heard == []


def test_pages_fit_a_phone(made, reader):
    page, _ = reader
    page.set_viewport_size({"width": 400, "height": 800})
    for name in (
        "index",
        "00_start_here",
        "01_data",
        "03_uncertainty_maps",
        "glossary",
        "data/msd",
        "api/method",
        "models/dual",
    ):
        page.goto((made.start.parent / f"{name}.html").as_uri())
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 400, name


def test_solutions_unfold_below_their_exercises(made, reader):
    page, _ = reader
    from pancreas_ssl.course.catalogue import exercises

    page.goto((made.start.parent / "01_data.html").as_uri())
    folded = page.locator("details.solution")
    cells = page.locator("div.tag_exercise")
    assert folded.count() == cells.count() in (0, len(exercises("01")))
    for one in folded.all():
        assert not one.locator("pre").first.is_visible()
        one.locator("summary").click()
        assert one.locator("pre").first.is_visible()


def test_no_sources_stay_behind(made):
    assert not [
        path for path in made.start.parent.rglob("*") if path.suffix in (".ipynb", ".md", ".pickle", ".doctree")
    ]

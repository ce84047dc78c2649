"""The run report: complete for machines, readable and accessible for people."""

import base64
import json
from html.parser import HTMLParser

import pytest

from pancreas_ssl.errors import without_paths
from pancreas_ssl.runs.run_report import build_report, write_report


@pytest.fixture(scope="module")
def report(toured):
    tour, _ = toured
    return json.loads((tour.folder / "report.json").read_text())


@pytest.fixture(scope="module")
def page(toured):
    return toured[0].report.read_text()


def test_the_run_as_a_whole(report):
    assert report["status"] == "failed" and report["profile"] == "class" and report["not_run"] == []
    assert [(n["name"], n["status"]) for n in report["notebooks"]] == [
        ("00_fine", "ok"),
        ("01_failing", "failed"),
        ("02_plain", "ok"),
    ]
    assert report["seconds"] == pytest.approx(sum(n["seconds"] for n in report["notebooks"]), abs=0.05)
    surroundings = report["environment"]
    assert surroundings["device"] and surroundings["python"] and surroundings["memory_bytes"] > 1e8
    assert {"torch", "monai", "papermill"} <= set(surroundings["versions"])


def test_a_notebook_of_the_report(report, course):
    fine = report["notebooks"][0]
    assert fine["title"] == "A notebook that is fine"
    assert fine["parameters"] == {"STEPS": 300, "SECONDS": 0.6}
    assert fine["results"]["dice"] == 0.83125 and fine["results"]["cases"] == [1, 2]
    assert list(fine["results"])[:2] == ["steps", "dice"]
    assert fine["device"] == report["environment"]["device"]
    assert len(fine["data_digest"]) == 16 and fine["peak_memory_bytes"] > 20e6
    slow = [c for c in fine["cells"] if c["heading"] == "A slow cell"]
    assert len(slow) == 1 and 0.6 <= slow[0]["seconds"] < 3 and slow[0]["first_line"] == "import time"
    assert [c["number"] for c in fine["cells"]] == [1, 2, 3, 4, 5, 6]


def test_the_kernel_is_this_interpreters_own_and_draws_into_the_notebook(report, course):
    import sys

    results = report["notebooks"][0]["results"]
    assert results["python"] == without_paths(sys.prefix) and len(sys.prefix) > 4
    assert results["live"] == "" and "inline" in results["backend"]
    assert results["at"] == without_paths(str(course))


def test_figures_come_with_words_and_numbers(report, toured):
    (figure,) = report["notebooks"][0]["figures"]
    folder = toured[0].folder
    assert figure["file"] == "figures/00_fine/rising-line.png" and (folder / figure["file"]).is_file()
    assert figure["table"] == "figures/00_fine/rising-line.csv" and (folder / figure["table"]).is_file()
    assert figure["alt"].startswith("A line that rises") and figure["cell"] == 4
    (bare,) = report["notebooks"][2]["figures"]
    assert bare["file"] == "figures/02_plain/cell-01-1.png" and bare["cell"] == 1
    assert bare["alt"] is None and bare["table"] is None
    assert (folder / bare["file"]).read_bytes().startswith(b"\x89PNG")


def test_a_failure_is_told_with_its_cell(report):
    failing = report["notebooks"][1]
    assert 'cell 3 of 4 ("raise ValueError' in failing["message"] and "the two grids differ" not in failing["message"]
    assert failing["results"] == {"before": 1}
    assert [c["status"] for c in failing["cells"]] == ["ok", "ok", "failed", "not run"]
    assert failing["cells"][-1]["seconds"] is None


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.headings, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_nothing_else_and_is_accessible(page, toured):
    parsed = _Page()
    parsed.feed(page)
    tags = [tag for tag, _ in parsed.tags]
    assert parsed.tags[0] == ("html", {"lang": "en"})
    assert "script" not in tags and "link" not in tags and "http" not in page.split("</style>")[1].split("base64")[0]
    assert any(tag == "meta" and a.get("name") == "viewport" for tag, a in parsed.tags)
    images = [a for tag, a in parsed.tags if tag == "img"]
    assert len(images) == 2 and all(a["src"].startswith("data:image/png;base64,") for a in images)
    assert images[0]["alt"].startswith("A line that rises") and images[1]["alt"] == "Figure without a description"
    assert all(int(a["width"]) > 0 and int(a["height"]) > 0 for a in images)
    png = base64.b64decode(images[0]["src"].partition(",")[2])
    assert png == (toured[0].folder / "figures/00_fine/rising-line.png").read_bytes()
    assert tags.count("h1") == 1 and tags.count("main") == 1 and len(set(parsed.ids)) == len(parsed.ids)
    assert all(b - a <= 1 for a, b in zip(parsed.headings, parsed.headings[1:], strict=False))
    for target in (a["href"] for tag, a in parsed.tags if tag == "a"):
        assert target[1:] in parsed.ids if target.startswith("#") else (toured[0].folder / target).is_file()


def test_the_page_says_what_counts(page):
    text = page.replace("\n", " ")
    assert "2 of 3 notebooks ran through" in text
    assert "7.123" in text and "rising-line.csv" in text  # the figure's twin
    assert "0.8313" in text and "with ValueError" in text
    assert "not for clinical use" in text


def test_the_short_form(toured):
    text = (toured[0].folder / "report.md").read_text()
    assert "| 01_failing | failed |" in text and "- dice: 0.8313" in text


def test_hostile_text_stays_text(tmp_path):
    entry = {
        "name": "x",
        "title": "<script>alert(1)</script>",
        "status": "failed",
        "message": 'a & b < c "d"',
        "seconds": 1.0,
        "peak_memory_bytes": 1,
        "profile": "class",
        "parameters": {"A": "</td>"},
        "device": None,
        "data_digest": None,
        "results": {"<i>": "<b>"},
        "cells": [{"number": 1, "heading": "<u>", "first_line": "a<b", "seconds": None, "status": "not run"}],
        "figures": [],
        "executed": None,
    }
    from datetime import UTC, datetime

    report = build_report(
        [entry],
        title="<t>",
        profile="class",
        started=datetime.now(UTC),
        environment={},
        planned=["x", "y"],
        notes=["<n>"],
    )
    assert report["not_run"] == ["y"] and report["status"] == "failed"
    body = write_report(report, tmp_path).read_text().split("</style>")[1]
    for tag in ("<script", "<i>", "<b>", "<u>", "<n>", "<t>", "a<b"):
        assert tag not in body
    assert "not run" in body


def test_an_unfinished_run_says_so(tmp_path):
    from datetime import UTC, datetime

    report = build_report([], title="t", profile="class", started=datetime.now(UTC), environment={}, planned=["x"])
    assert report["status"] == "unfinished"
    assert "Unfinished" in write_report(report, tmp_path).read_text()

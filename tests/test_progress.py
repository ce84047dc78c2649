"""Progress: lines in a log, with the time left, for steps and for whatever is counted."""

import io

from pancreas_ssl import progress
from pancreas_ssl.progress import Progress, tracked


def test_items_come_through_and_the_last_line_says_done(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_style", lambda stream: "log")
    assert list(tracked("abc", "looking")) == ["a", "b", "c"]
    assert capsys.readouterr().out == "looking: patient 3 of 3, done in 0 s\n"


def test_a_line_names_the_unit_and_the_time_left():
    bar = Progress(10, show=False, title="reading", unit="scan")
    assert bar.line(5, "", bar.start + 20) == "reading: scan 5 of 10, 20 s left"
    assert bar.line(5, "slow", bar.start + 20).endswith("20 s left, slow")


def test_without_an_estimate_the_time_spent_is_shown():
    bar = Progress(0, show=False, title="02_baseline", unit="cell", estimate=False)
    bar.total = 17
    assert bar.line(3, "The figure", bar.start + 42) == "02_baseline: cell 3 of 17, 42 s so far, The figure"


def test_lines_go_to_the_stream_and_take_a_total_that_was_not_known(monkeypatch):
    monkeypatch.setattr(progress, "LOG_EVERY", 0.0)
    stream = io.StringIO()
    with Progress(0, title="a", unit="cell", stream=stream, estimate=False) as bar:
        bar.update(1, "[x]", total=2)
    assert stream.getvalue() == "a: cell 1 of 2, 0 s so far, [x]\n"

"""Progress: lines in a log, with the time left, for steps and for whatever is counted."""

from pancreas_ssl.training import progress
from pancreas_ssl.training.progress import Progress, tracked


def test_items_come_through_and_the_last_line_says_done(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_style", lambda: "log")
    assert list(tracked("abc", "looking")) == ["a", "b", "c"]
    assert capsys.readouterr().out == "looking: patient 3 of 3, done in 0 s\n"


def test_a_line_names_the_unit_and_the_time_left():
    bar = Progress(10, show=False, title="reading", unit="scan")
    assert bar.line(5, "", bar.start + 20) == "reading: scan 5 of 10, 20 s left"
    assert bar.line(5, "slow", bar.start + 20).endswith("20 s left, slow")

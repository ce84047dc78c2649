"""Rows on disk: whole lines only, whatever moment the process died at."""

import json

import pytest

from pancreas_ssl.errors import RunError
from pancreas_ssl.study.rows import append_row, read_rows, repair_rows

ROWS = [{"case": f"A_{i:03d}", "dice": 0.1 * i, "missed": False, "hd95": None} for i in range(3)]


@pytest.fixture
def path(tmp_path):
    for row in ROWS:
        append_row(tmp_path / "rows.jsonl", row)
    return tmp_path / "rows.jsonl"


def test_what_goes_in_comes_out(path):
    assert read_rows(path) == ROWS and repair_rows(path) == ROWS


def test_a_line_torn_at_any_byte_is_dropped_and_the_next_row_stands_alone(path):
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        assert read_rows(path) == ROWS[:2]
        assert repair_rows(path) == ROWS[:2]
        append_row(path, ROWS[2])
        assert path.read_bytes() == whole


def test_numbers_that_are_none_are_refused_and_a_full_disk_is_told(path, monkeypatch):
    with pytest.raises(ValueError):
        append_row(path, {"dice": float("nan")})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pancreas_ssl.study.rows.os.fsync", full)
    with pytest.raises(RunError, match="could not be written"):
        append_row(path, ROWS[0])
    assert json.loads(path.read_text().splitlines()[0]) == ROWS[0]

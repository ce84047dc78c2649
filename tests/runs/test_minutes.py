"""Minutes of the course: kept from a tour, scaled to this machine, and the same in every first cell."""

import json
import shutil
from pathlib import Path

import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.runs import minutes
from pancreas_ssl.runs.notebook_profiles import find_notebooks

SLOW, FAST = (
    {"reference_seconds": 0.2, "notebooks": {"02_x": 240.0}},
    {"reference_seconds": 0.1, "notebooks": {"02_x": 30.0}},
)


def test_every_first_cell_says_what_the_table_says():
    for path in find_notebooks():
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        assert minutes.sentence(path.stem) in first, f"run python -m pancreas_ssl.runs.minutes for {path.name}"


def test_seconds_are_scaled_from_a_processor_of_the_same_kind(monkeypatch):
    monkeypatch.setattr(minutes, "known_tours", lambda: {"fp32": SLOW, "bf16": FAST})
    monkeypatch.setattr(minutes, "reference_seconds", lambda: ("fp32", 0.1))
    assert minutes.expected_seconds() == {"02_x": 120.0}
    monkeypatch.setattr(minutes, "reference_seconds", lambda: ("bf16", 0.2))
    assert minutes.expected_seconds() == {"02_x": 60.0}


def test_the_sentence_names_both_kinds():
    said = minutes.sentence("02_x", {"fp32": SLOW, "bf16": FAST})
    assert "half a minute with bfloat16 units and 4 minutes without them" in said
    one = minutes.sentence("02_x", {"fp32": SLOW, "bf16": FAST | {"notebooks": {}}})
    assert "about 4 minutes without bfloat16 units (" in one


def test_the_reference_is_a_second(cache):
    precision, seconds = minutes.reference_seconds()
    assert precision in ("fp32", "bf16") and 0 < seconds < 10


def test_a_tour_is_kept_and_written_into_the_notebooks(tmp_path, monkeypatch):
    path = Path(shutil.copy(find_notebooks()[0], tmp_path))
    monkeypatch.setattr(minutes, "FILE", tmp_path / "minutes.json")
    monkeypatch.setattr(minutes, "reference_seconds", lambda: ("bf16", 0.2))
    name = find_notebooks(tmp_path)[0].stem
    report = {"status": "ok", "profile": "class", "environment": {}, "notebooks": [{"name": name, "seconds": 200.0}]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    minutes.keep_tour(tmp_path / "report.json", tmp_path)
    assert minutes.known_tours()["bf16"]["notebooks"] == {name: 200.0}
    assert "about 3 minutes with bfloat16 units (measured" in path.read_text(encoding="utf-8")
    for broken in (report | {"status": "failed"}, report | {"notebooks": []}, [], {}):
        (tmp_path / "report.json").write_text(json.dumps(broken))
        with pytest.raises(InputError, match="report"):
            minutes.keep_tour(tmp_path / "report.json", tmp_path)

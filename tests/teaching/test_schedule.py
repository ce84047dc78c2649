"""Schedules fit in their time and name only what there is; tickets hold no personal data and come back whole."""

import getpass
import json
import platform
from pathlib import Path

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.course.catalogue import exercises
from pancreas_ssl.doctor import Check
from pancreas_ssl.errors import InputError
from pancreas_ssl.runs.notebook_profiles import find_notebooks
from pancreas_ssl.teaching import tickets
from pancreas_ssl.teaching.schedule import FORMATS, page, schedule
from pancreas_ssl.teaching.tickets import read_room, room_page, slowest, ticket


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize("format", FORMATS)
def test_each_schedule_fits_and_names_only_what_there_is(format, kind):
    known = {one.id for one in exercises()}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in find_notebooks()}
    for blocks in schedule(format, kind):
        assert sum(block.all_minutes for block in blocks) <= FORMATS[format]
        assert all(one.id in known for block in blocks for one in block.exercises)
        for block in (block for block in blocks if block.notebook):
            assert all(json.dumps(f"## {section}", ensure_ascii=False)[1:-1] in texts[block.notebook]
                       for section in block.sections)  # fmt: skip
            assert block.minutes >= block.machine, "cells run longer than the block"
    assert "leave out in this order" in page(format, kind) and "While cells run" in page(format, kind)


def test_slower_machines_cost_the_last_priorities_first():
    (quick,), (slow,) = schedule("90", "fp32"), schedule("90", "fp32", slower=10)
    gone = {block.what for block in quick} - {block.what for block in slow}
    assert gone and all(block.priority > 1 for block in quick if block.what in gone)
    with pytest.raises(InputError, match="longer format"):
        schedule("60", "fp32", slower=50)


def test_bad_words_are_sentences(capsys):
    assert main(["schedule", "75"]) == 2 and main(["schedule", "90", "--kind", "fp8"]) == 2
    assert main(["schedule", "90", "--room", "nowhere.txt"]) == 2
    assert capsys.readouterr().err.count("pancreas-ssl: expected") == 3


@pytest.fixture
def pasted(monkeypatch, tmp_path, cache) -> Path:
    seconds = iter([0.2, 0.2, 1.5])
    monkeypatch.setattr(tickets, "reference_seconds", lambda: ("fp32", next(seconds)))
    texts = [ticket(), ticket([Check("Disk", False, "/home/somebody")]), ticket()]
    path = tmp_path / "room.txt"
    path.write_text("\n> ".join(["Ann, 9:02", texts[0], "Bob: here it is", *texts, "thanks!"]))
    return path


def test_a_room_of_tickets(pasted, capsys):
    text = pasted.read_text()
    for private in (getpass.getuser(), platform.node(), str(Path.home()), "/home"):
        assert private not in text.replace("pancreas-ssl", "") or len(private) < 3
    room = read_room(pasted)
    assert len(room) == 3
    kind, slower = slowest(room)
    assert kind == "fp32" and 1 < slower < 2, "the slowest machine works in a pair and does not count"
    said = room_page(room)
    assert "share a faster machine" in said and "repair: Disk" in said and "fill the cache" in said
    assert main(["schedule", "90", "--room", str(pasted)]) == 0
    assert "0 of 3 are ready" in capsys.readouterr().out


def test_damaged_tickets_are_refused(pasted, tmp_path):
    for damage, sentence in ((lambda t: t.replace('"memory": ', '"memory": 9'), "changed one"),
                             (lambda t: t[: t.rindex("}")], "cut short"),
                             (lambda t: "no ticket", "none in")):  # fmt: skip
        (tmp_path / "bad.txt").write_text(damage(pasted.read_text()))
        with pytest.raises(InputError, match=sentence):
            read_room(tmp_path / "bad.txt")

"""Questions: a static twin, buttons that answer at once, answers that are kept, and a table of progress."""

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.course import check, quiz, solution
from pancreas_ssl.course.catalogue import questions
from pancreas_ssl.course.kept_progress import kept
from pancreas_ssl.course.progress_table import progress
from pancreas_ssl.course.question import Choice, Question
from pancreas_ssl.errors import InputError


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_PROGRESS", str(tmp_path / "deep" / "progress.jsonl"))
    return tmp_path / "deep" / "progress.jsonl"


def test_static_twin_holds_every_word():
    made = quiz("00", live=False)
    assert made.live is None
    for one in questions("00"):
        assert one.text in made.static and all(choice.text in made.static for choice in one.choices)


def test_a_choice_is_answered_at_once_kept_and_shown_again():
    one = questions("00")[0]
    block = quiz("00", live=True).live.children[0]
    for choice in one.choices:
        block.children[1].value = choice.text
        assert choice.why.split("'")[0] in block.children[2].value
        assert ('role="status"' in block.children[2].value) == choice.right
    last = one.choices[-1]
    assert quiz("00", live=True).live.children[0].children[1].value == last.text
    assert [line["kind"] for line in kept()] == ["right" if choice.right else "wrong" for choice in one.choices]


def test_progress_is_a_table_and_survives_a_broken_line(own, capsys):
    assert main(["progress"]) == 0 and "0 of" in capsys.readouterr().out
    check("00-1", ...)
    assert not own.exists(), "a stub leaves no line"
    check("00-1", lambda a, b: (a == b).mean())
    solution("00-2")
    with open(own, "a") as file:
        file.write('{"id": "00-1", "ki\n[1]\n')
    states = progress().set_index("id")["state"]
    assert (states["00-1"], states["00-2"], states["00-q1"]) == ("tried", "solution read", "open")
    assert main(["progress", "--all"]) == 0 and "Dice by hand" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_spoils_no_exercise(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PANCREAS_SSL_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    assert not check("00-1", lambda a, b: 0.5) and kept() == []


def test_a_question_has_one_right_choice():
    with pytest.raises(InputError, match="one of them right"):
        Question("00-q9", "?", (Choice("a", "b"), Choice("c", "d")))

"""Who may open what: by role, by split, and with a log of every reveal."""

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.roles import check_role, find_source, full_name, log_reveal, open_cases
from pancreas_ssl.errors import InputError


@pytest.mark.parametrize(
    ("source", "use", "reveal", "words"),
    [
        ("A", "train", False, None),
        ("A", "select", False, None),
        ("A", "measure", False, None),
        ("V", "measure", False, None),
        ("V", "oracle", False, None),
        ("V", "train", False, "role train to train on, .* has the role development"),
        ("V", "select", False, "role train to select with"),
        ("B", "train", True, "role train to train on, .* has the role test"),
        ("B", "select", True, "has the role test"),
        ("B", "measure", False, "has the role test; .*--reveal"),
        ("B", "oracle", False, "has the role test; .*--reveal"),
        ("B", "measure", True, None),
        ("B", "oracle", True, None),
    ],
)
def test_roles_decide(card, source, use, reveal, words):
    name = f"{card}/{source}"
    if words is None:
        assert check_role(name, use, reveal=reveal) in ("train", "development", "test")
    else:
        with pytest.raises(InputError, match=words):
            check_role(name, use, reveal=reveal)


@pytest.mark.parametrize("source", ["V", "W", "X", "B", "C", "D"])
def test_no_shifted_source_of_the_phantom_can_train_or_select(source):
    for use in ("train", "select"):
        with pytest.raises(InputError, match="expected a source of role train"):
            check_role(f"phantom/{source}", use, reveal=True)


def test_names_of_sources(card):
    assert find_source("lidc_idri_0001")[1] == "lidc"
    assert full_name(f"{card}/V") == "tiny/V"
    with pytest.raises(InputError, match="expected one of the sources .*phantom/A"):
        find_source("phantom")
    with pytest.raises(InputError, match="got phantom/Z"):
        find_source("phantom/Z")
    with pytest.raises(InputError, match="expected a use out of"):
        check_role("phantom/A", "peek")


def test_each_use_opens_its_own_split(card):
    def ids(source, use, **more):
        return [case.id for case in open_cases(f"{card}/{source}", use, **more)]

    assert ids("A", "train") == ["A_000", "A_001"] and ids("A", "select") == ["A_024", "A_025"]
    assert ids("A", "measure") == ["A_024", "A_025"]
    assert ids("V", "measure", most=2) == ["V_000", "V_001"] and ids("V", "oracle") == ["V_016", "V_017"]
    assert ids("B", "measure", reveal=True) == ["B_000", "B_001"]
    with pytest.raises(InputError, match="expected a split 'oracle' of .*tiny.md/B"):
        ids("B", "oracle", reveal=True)


def test_a_reveal_is_one_line_that_is_appended(tmp_path):
    log_reveal(tmp_path, "a" * 64, ["phantom/B", "phantom/C"], "study\n--reveal")
    path = log_reveal(tmp_path, "b" * 64, ["phantom/B"], "again")
    first, second = path.read_text().splitlines()
    when, config, sources, who, command = first.split("\t")
    assert when.startswith("20") and config == "config " + "a" * 16 and sources == "phantom/B, phantom/C"
    assert "@" in who and command == "study --reveal"
    assert "config " + "b" * 16 in second


def test_a_log_that_cannot_be_written_opens_nothing(tmp_path):
    (tmp_path / "reveals.log").mkdir()
    with pytest.raises(InputError, match="reveals.log is a folder.*nothing was opened"):
        log_reveal(tmp_path, "a" * 64, ["phantom/B"], "study")


def test_test_sources_stay_shut_until_they_are_revealed(config, card, tmp_path, inline, capsys):
    path = config(
        measure=[f"{card}/A", f"{card}/B"], arms={"supervised": {"steps": 2}}, seeds=[0], comparisons=[], patients=1
    )
    out = tmp_path / "out"
    arguments = ["study", "--config", str(path), "--out", str(out), "--device", "cpu"]
    assert main(arguments) == 2
    assert "has the role test" in capsys.readouterr().err and not out.exists() and not inline
    assert main([*arguments, "--reveal"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {out / 'report.md'}"
    assert "tiny/B" in (out / "rows.csv").read_text()
    assert "revealed 1 time" in (out / "report.md").read_text()
    assert main(arguments) == 2 and len(inline) == 1  # looking once does not open them for good
    assert main([*arguments, "--reveal"]) == 0 and len(inline) == 1  # nothing to run, and yet a look
    log = (out / "reveals.log").read_text().splitlines()
    assert len(log) == 2 and all("tiny/B" in line and "--reveal" in line for line in log)


def test_training_on_a_development_source_is_refused_before_anything_is_made(config, card, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["study", "--config", str(config(train=f"{card}/V")), "--out", str(out)]) == 2
    assert "expected a source of role train" in capsys.readouterr().err and not out.exists()

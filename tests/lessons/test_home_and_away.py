"""Sources named once and guarded before anything is opened; what only the phantom can show is said in one sentence."""

from types import SimpleNamespace

import pytest

from pancreas_ssl.errors import DataWarning, InputError
from pancreas_ssl.lessons.home_and_away import (
    choose,
    dealt,
    fold_of,
    held_out_patient,
    look_at,
    named_sources,
    only_phantom,
    phantom_key,
    pick,
    tell_where_trained,
)


def test_home_comes_first_and_short_names_are_written_out():
    assert named_sources("random_phantoms", ["phantom/V", "phantom/A"]) == {
        "random_phantoms/R": "random_phantoms",
        "phantom/V": "phantom/V",
        "phantom/A": "phantom/A",
    }


@pytest.mark.parametrize(
    ("train", "meet", "said"),
    [
        ("phantom/V", [], "expected a source of role train"),
        ("phantom/A", ["phantom/B"], "has the role test"),
        ("phantom/A", ["phantom/A"], "phantom/A twice"),
        ("phantom/A", ["phantom/V", "phantom/V"], "phantom/V twice"),
        ("phantom/A", ["phantom"], "expected one of the sources"),
    ],
)
def test_sources_are_guarded(train, meet, said):
    with pytest.raises(InputError, match=said):
        named_sources(train, meet)


def test_test_sources_may_be_looked_at():
    assert list(named_sources("phantom/A", ["phantom/B"], pictures=True)) == ["phantom/A", "phantom/B"]


def test_one_of_the_sources_is_chosen():
    assert choose("random_phantoms", ["phantom/V", "random_phantoms/R"]) == "random_phantoms/R"
    for source, among, said in (("phantom/B", ["phantom/V"], "got phantom/B"), ("", [], "at least one source")):
        with pytest.raises(InputError, match=said):
            choose(source, among)


def test_a_number_that_does_not_exist_is_told():
    assert pick(["a", "b"], 1) == "b"
    for found, number in ((["a"], 1), (["a"], -1), ([], 0)):
        with pytest.raises(InputError, match="expected a"):
            pick(found, number)


def test_only_the_phantom_can(capsys):
    assert phantom_key("phantom/A") == "A" and phantom_key("random_phantoms") is None
    assert only_phantom("scan one patient twice", "phantom/A", "phantom/D") and not capsys.readouterr().out
    assert not only_phantom("scan one patient twice", "phantom/A", "lidc_idri_0001", "folder")
    said = "Only the phantom can scan one patient twice; lidc_idri_0001/lidc and folder/mine cannot"
    assert said in capsys.readouterr().out


def test_weights_trained_elsewhere_are_told(capsys):
    one, other = (SimpleNamespace(metadata=about) for about in ({"source": "phantom/A"}, {}))
    assert fold_of(one, "phantom/A") is None and fold_of(other, "phantom/A") is None
    folded = SimpleNamespace(metadata={"source": "nih/nih", "fold": 2})
    assert fold_of(folded, "nih") == 2 and fold_of(folded, "msd") is None
    tell_where_trained({"baseline": one}, "phantom/A")
    assert not capsys.readouterr().out
    tell_where_trained({"baseline": one, "strong": one, "mine": other}, "random_phantoms")
    said = capsys.readouterr().out
    assert "weights baseline and strong were trained on phantom/A, not on random_phantoms/R" in said
    assert "weights mine were trained on an unknown source" in said


def test_one_scan_of_a_real_set_is_looked_at(miniature, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(miniature("msd").parent))
    assert dealt("msd") == {f"in fold {k}": 1 for k in range(5)} | {"unlabelled": 1}
    with pytest.warns(DataWarning, match="1 of 6 cases of msd/msd have no label"):
        home, away = look_at("msd", 0, home="msd"), look_at("msd", 4, home="phantom/A")
    assert home.image.shape == home.label.shape and home.label.any() and home.tissue is None
    assert home.spacing == (3.0, 3.0, 3.0) and home.original.orientation == ("R", "A", "S")
    assert away.label.any(), "all five are met elsewhere, and at home one is held out"
    with pytest.raises(InputError, match="patient number from 0 to 3"):
        look_at("msd", 4, home="msd")


def test_a_patient_who_is_not_held_out_gets_one_sentence(cache):
    assert held_out_patient(24).id.endswith("24")
    assert len(list(cache.glob("phantom-*/A/A_*"))) == 1, "no other was made"
    with pytest.raises(InputError, match="phantom/A, 24 to 31, got 40"):
        held_out_patient(40)

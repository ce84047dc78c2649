"""The study's file: what fits, and a sentence with line and field for what does not."""

import pytest
import yaml

from pancreas_ssl.errors import InputError
from pancreas_ssl.study.config import load_study
from tests.study.helpers import settings, write


def test_arms_inherit_the_recipe_and_oracles_are_measured_at_home(config, card):
    study = load_study(
        config(arms={"plain": None, "noisy": {"noise": 0.3, "steps": 7}, "oracle/V": {"oracle": f"{card}/V"}},
               comparisons=[])
    )  # fmt: skip
    assert study.recipe_of("plain")["steps"] == 20 and "noise" not in study.recipe_of("plain")
    assert study.recipe_of("noisy")["noise"] == 0.3 and study.recipe_of("noisy")["steps"] == 7
    assert "oracle" not in study.recipe_of("oracle/V")
    assert study.sources_of("oracle/V") == [f"{card}/V"] and study.sources_of("plain") == study.measure


def test_a_comparison_takes_the_sources_that_both_arms_have(config, card):
    arms = {"plain": {}, "oracle/V": {"oracle": f"{card}/V"}}
    study = load_study(config(arms=arms, comparisons=[{"name": "gap", "arm": "oracle/V", "against": "plain"}]))
    assert study.compared(study.comparisons[0]) == [f"{card}/V"]


def test_the_digest_sees_values_and_not_comments(tmp_path, card):
    path = write(tmp_path / "a.yml", settings(card))
    first = load_study(path).digest()
    path.write_text("# a comment\n" + path.read_text())
    assert load_study(path).digest() == first
    assert load_study(write(path, settings(card, replicates=300))).digest() != first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": ["phantom/A"]}, "unknown key sources on line"),
        ({"seed": [0]}, "unknown key seed on line .*did you mean seeds"),
        ({"recipe": {"step": 3}}, "unknown key recipe.step on line .*did you mean steps"),
        ({"recipe": {"seed": 3}}, "unknown key recipe.seed on line"),
        ({"arms": {"supervised": {"augmentatoin": "labels"}}}, "unknown key arms.supervised.augmentatoin on line"),
        ({"arms": {}}, "arms on line .*at least 1"),
        ({"arms": {"a?": {}}}, "an arm's name holds letters"),
        ({"arms": {"a/b": {}, "a b": {}}}, "would share a folder"),
        ({"arms": {"supervised": {"steps": "many"}}}, "arms.supervised.steps on line .*another steps.*'many'"),
        ({"arms": {"supervised": {"patch": [20, 32, 32]}}}, "arms.supervised on line .*multiples of 16"),
        ({"seeds": [0, 0]}, "seeds on line .*each must be listed once"),
        ({"seeds": [-1]}, r"seeds.0 on line .*greater than or equal to 0, it is -1"),
        ({"seeds": 3}, "seeds on line .*valid list"),
        ({"patients": 0}, "patients on line .*it is 0"),
        ({"power": {"patient_sd": -1}}, "power.patient_sd on line"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_line(config, changes, words):
    with pytest.raises(InputError, match=words):
        load_study(config(**changes))


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        ({"arm": "other"}, "comparisons.0.arm on line .*supervised, noisy, got other"),
        ({"against": "noisy"}, "another arm than noisy"),
        ({"metric": "accuracy"}, "expected one of dice.*got accuracy"),
        ({"sources": ["phantom/W"]}, "both noisy and supervised are measured on .*got phantom/W"),
        ({"name": None}, "comparisons.0.name on line"),
    ],
)
def test_comparisons_name_what_the_study_has(config, comparison, words):
    whole = {"name": "one", "arm": "noisy", "against": "supervised"} | comparison
    with pytest.raises(InputError, match=words):
        load_study(config(comparisons=[whole]))


def test_two_comparisons_of_one_name_and_an_oracle_that_is_not_measured(config):
    one = {"name": "one", "arm": "noisy", "against": "supervised"}
    with pytest.raises(InputError, match="the name one is taken"):
        load_study(config(comparisons=[one, one]))
    with pytest.raises(InputError, match="arms.o.oracle on line .*listed under measure, got phantom/W"):
        load_study(config(arms={"o": {"oracle": "phantom/W"}}, comparisons=[]))


@pytest.mark.parametrize("key", ["name", "train", "arms", "seeds", "measure"])
def test_missing_keys_are_named(tmp_path, card, key):
    values = settings(card)
    del values[key]
    with pytest.raises(InputError, match=f"the key {key} is missing in .*study.yml; add it"):
        load_study(write(tmp_path / "study.yml", values))


def test_files_that_are_no_study(tmp_path, card):
    path = tmp_path / "study.yml"
    with pytest.raises(InputError, match="cannot be read"):
        load_study(path)
    path.write_text("- a\n- b\n")
    with pytest.raises(InputError, match="expected keys and values"):
        load_study(path)
    path.write_text("name: a\narms: {a: [}\n")
    with pytest.raises(InputError, match="cannot read the YAML on line 2"):
        load_study(path)
    path.write_text("name: a\nseeds: [0]\nname: b\n")
    with pytest.raises(InputError, match='"name" on line 3 .*repeats line 1'):
        load_study(path)


def test_the_example_in_the_modules_documentation_is_valid(tmp_path):
    import pancreas_ssl.study.config as module

    lines = [line[4:] for line in module.__doc__.splitlines() if line.startswith("    ")]
    values = yaml.safe_load("\n".join(lines))
    values["arms"]["labels"] = {"noise": 0.3}
    study = load_study(write(tmp_path / "example.yml", values))
    assert study.patients == 24 and len(study.comparisons) == 1

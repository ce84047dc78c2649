"""A study may grow, but what exists in its folder stays what it was."""

from dataclasses import replace

import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.study.config import load_study
from pancreas_ssl.study.plan import agree, agree_data, jobs_of, make_plan, read_plan, revealed, write_plan
from tests.study.helpers import CARD, RECIPE


@pytest.fixture(scope="module")
def opened():
    """Plans that were made, by what they depend on: opening the cases takes a moment."""
    return {}


@pytest.fixture
def plan_of(opened):
    def make(study):
        precision = dict.fromkeys(study.arms, "fp32")
        return opened.setdefault(study.digest(), make_plan(study, precision, False))

    return make


def test_jobs_are_seed_by_seed_and_know_all(config, card, plan_of):
    arms = {"supervised": {}, "oracle/V": {"oracle": f"{card}/V"}}
    study = load_study(config(arms=arms, comparisons=[]))
    jobs = jobs_of(study, plan_of(study), False)
    assert [(job.arm, job.seed) for job in jobs] == [(arm, seed) for seed in (0, 1) for arm in arms]
    plain, oracle = jobs[2], jobs[3]
    assert plain.recipe["seed"] == 1 and plain.recipe["steps"] == 20 and plain.recipe["precision"] == "fp32"
    assert plain.train == f"{card}/A" and not plain.oracle and len(plain.measure) == 2
    assert oracle.train == f"{card}/V" and oracle.oracle and oracle.measure == (f"{card}/V",)
    assert oracle.folder == "cells/oracle_V-seed1"


def test_an_arm_may_train_on_fewer_patients(config, plan_of):
    study = load_study(config(arms={"all": {}, "few": {"labelled": 1}}, comparisons=[], seeds=[0]))
    plan = plan_of(study)
    every, few = jobs_of(study, plan, False)
    assert (every.labelled, few.labelled) == (None, 1) and "labelled" not in few.recipe
    trained = {key: digest for key, digest in plan.data.items() if " train" in key}
    assert len(trained) == 2 and any("train (first 1)," in key for key in trained)
    assert len(set(trained.values())) == 2
    last = plan_of(load_study(config(arms={"all": {}, "last": {"labelled": -1}}, comparisons=[], seeds=[0])))
    key = next(key for key in last.data if "train (last 1)," in key)
    assert last.data[key] not in trained.values()
    with pytest.raises(InputError, match="expected 99 patients to train many on, .* has 2; lower labelled"):
        plan_of(load_study(config(arms={"many": {"labelled": 99}}, comparisons=[])))


def test_arms_that_only_answer_otherwise_share_one_training(config, plan_of):
    arms = {"supervised": {}, "few": {"labelled": 1}, "grown": {"decision": "hysteresis"},
            "few-grown": {"labelled": 1, "decision": "hysteresis"}}  # fmt: skip
    study = load_study(config(arms=arms, comparisons=[]))
    bases = [
        (job.arm, job.seed, job.base and (job.base.arm, job.base.seed)) for job in jobs_of(study, plan_of(study), False)
    ]
    assert bases[:4] == [("supervised", 0, None), ("few", 0, None), ("grown", 0, ("supervised", 0)),
                         ("few-grown", 0, ("few", 0))]  # fmt: skip
    assert bases[7] == ("few-grown", 1, ("few", 1))


def test_a_plan_is_kept_word_by_word(config, tmp_path, plan_of):
    plan = plan_of(load_study(config()))
    assert read_plan(tmp_path) is None
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path)


@pytest.mark.parametrize("what", ["trains", "measures"])
def test_results_of_other_code_are_not_mixed_in(config, tmp_path, plan_of, what):
    study = load_study(config())
    plan = plan_of(study)
    agree(plan, study.plain(), tmp_path)
    agree(replace(plan, code={"shipped": "controls"}), study.plain(), tmp_path)
    for code in (plan.code | {what: "0" * 16}, {k: v for k, v in plan.code.items() if k != what}):
        with pytest.raises(InputError, match=f"this version of pancreas-ssl {what} otherwise; install that"):
            agree(replace(plan, code=code), study.plain(), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seeds": [0, 1, 2]},
        {"seeds": [1, 0]},
        {"arms": {"noisy": {"noise": 0.3}, "supervised": {}, "third": {"noise": 0.1}}},
        {"comparisons": [
            {"name": "noise helps", "arm": "noisy", "against": "supervised"},
            {"name": "again", "arm": "noisy", "against": "supervised", "metric": "nsd"},
        ]},
    ],
    ids=str,
)  # fmt: skip
def test_growing_is_welcome(config, tmp_path, plan_of, changes):
    before = plan_of(load_study(config()))
    agree(before, load_study(config(**changes)).plain(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": RECIPE | {"steps": 21}}, "recipe: steps 20 there, 21 now"),
        ({"arms": {"supervised": {}, "noisy": {"noise": 0.2}}}, "arms.noisy: noise 0.3 there, 0.2 now"),
        ({"arms": {"noisy": {"noise": 0.3}}, "comparisons": []}, "arms.supervised .* there, gone now"),
        ({"seeds": [0]}, "seed 1 there, gone now"),
        ({"patients": 1}, "patients 2 there, 1 now"),
        ({"comparisons": []}, "comparison noise helps .* gone now"),
        (
            {"comparisons": [{"name": "noise helps", "arm": "supervised", "against": "noisy"}]},
            "comparison noise helps: arm noisy there, supervised now",
        ),
        ({"replicates": 300}, "replicates 200 there, 300 now"),
    ],
)
def test_changes_are_refused_by_name(config, tmp_path, plan_of, changes, words):
    before = plan_of(load_study(config()))
    with pytest.raises(InputError, match=words):
        agree(before, load_study(config(**changes)).plain(), tmp_path)


def test_other_data_phantoms_and_defaults_are_refused(config, tmp_path, plan_of):
    plan = plan_of(load_study(config()))
    key = next(iter(plan.data))
    agree_data(plan, plan, tmp_path)
    with pytest.raises(InputError, match="those of tiny/A train.* have changed since"):
        agree_data(replace(plan, data=plan.data | {key: "0"}), plan, tmp_path)
    agree_data(replace(plan, phantom="old"), plan, tmp_path)  # another generator, the same voxels
    with pytest.raises(InputError, match="its phantom was old, this package has .*those of tiny/A train"):
        agree_data(replace(plan, phantom="old", data=plan.data | {key: "0"}), plan, tmp_path)
    changed = {arm: recipe | {"clip": 9.0} for arm, recipe in plan.recipes.items()}
    with pytest.raises(InputError, match="supervised.clip 9.0 there, 5.0 now"):
        agree_data(replace(plan, recipes=changed), plan, tmp_path)
    fewer = {arm: {"steps": recipe["steps"]} for arm, recipe in plan.recipes.items()}
    older = {arm: recipe | {"phases": 8} for arm, recipe in plan.recipes.items()}
    agree_data(replace(plan, recipes=older), plan, tmp_path)  # a field of earlier versions
    agree_data(replace(plan, recipes=fewer), plan, tmp_path)  # a field that did not exist then


def test_the_digest_sees_a_voxel(config, tmp_path, plan_of, monkeypatch):
    from pancreas_ssl.data import preprocessing

    study = load_study(config())
    before, real = plan_of(study), preprocessing.prepare_case

    def changed(case, **how):
        prepared = real(case, **how | {"mapped": False})
        if case.id == "V_001":
            prepared.image[0, 3, 3, 3] += 0.5
        return prepared

    monkeypatch.setattr("pancreas_ssl.study.plan.prepare_case", changed)
    now = make_plan(study, dict.fromkeys(study.arms, "fp32"), False)
    assert [key for key in now.data if now.data[key] != before.data[key]] == [
        key for key in now.data if key.startswith("tiny/V measure")
    ]


def test_a_patient_on_two_sides_is_refused(config, tmp_path):
    """The card refuses it within itself; two cards of one name could still share a patient."""
    twin = tmp_path / "twin.md"
    twin.write_text(CARD.replace("V_000..V_002", "A_001").replace("develops}", "twin}"))
    text = twin.read_text().replace("train: [A_000, A_001]", "train: [A_000]")
    text = text.replace('{method: generate, generator: phantom, version: "1"}', f"{{method: folder, root: {tmp_path}}}")
    twin.write_text(text.replace("  V:", "  W:").replace("{source}", "A"))
    for name in ("image", "label"):
        (case := tmp_path / "A" / "A_001").mkdir(parents=True, exist_ok=True)
        (case / f"{name}.nii.gz").touch()
    with pytest.raises(InputError, match="A_001 of .*twin.md/W trains and is measured"):
        study = load_study(config(measure=[f"{twin}/W"], comparisons=[]))
        make_plan(study, dict.fromkeys(study.arms, "fp32"), False)


def test_test_sources_are_known_beforehand(config, card):
    study = load_study(config(measure=[f"{card}/A", f"{card}/B"], comparisons=[]))
    assert revealed(study) == [f"{card}/B"] and revealed(load_study(config())) == []

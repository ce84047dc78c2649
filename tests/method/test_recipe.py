"""The recipe: strict, serialisable, and its schedule is a function of the step."""

import json
from dataclasses import replace

import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.arms import ARMS, with_arm


def test_there_and_back_through_json():
    recipe = Recipe(steps=12, patch=(32, 48, 64), window=(-100, 240), channels=(8, 16))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_dict({}) == Recipe()


def test_numbers_may_be_written_either_way_but_not_as_text():
    assert Recipe.from_dict({"steps": 20.0, "learning_rate": 1}).steps == 20
    for wrong in ({"steps": "20"}, {"steps": 20.5}, {"seed": True}, {"patch": 64}, {"precision": 32}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}.*correct the recipe"):
            Recipe.from_dict(wrong)


def test_an_unknown_field_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="learning_rate.*got learning_rat;"):
        Recipe.from_dict({"learning_rat": 1e-3})


@pytest.mark.parametrize(
    "wrong",
    [
        dict(patch=(64, 64, 50)),
        dict(patch=(64, 64)),
        dict(window=(250.0, -150.0)),
        dict(batch=0),
        dict(n_classes=1),
        dict(steps=0),
        dict(foreground=1.5),
        dict(noise=-0.1),
        dict(ema_decay=1.0),
        dict(precision="fp16"),
        dict(spacing=0.0),
        dict(augmentation="wild"),
        dict(views=0),
        dict(consistency_weight=0.5),
        dict(unlabelled_weight=0.5, views=1),
        dict(mixstyle=1.5),
        dict(organs_weight=-0.1),
        dict(restoration_weight=0.3, corrupted_share=0.0),
        dict(prototype_weight=1.0),
        dict(prototype_weight=1.0, contrast_weight=0.1, contrast_strides=(4,)),
        dict(contrast_strides=()),
        dict(contrast_strides=(4, 2)),
        dict(contrast_strides=(3,)),
        dict(contrast_strides=(32,)),
        dict(contrast_views=3),
        dict(lookalikes=0.5, contrast="plain"),
        dict(contrast_queue=10, contrast="plain"),
        dict(contrast_share=1.5),
        dict(contrast_start=-0.1),
        dict(box=(60.0, 15.0)),
        dict(coverage=(0.5, 1.1)),
        dict(match_weight=1.1),
        dict(test_views=65),
        dict(decision="majority"),
        dict(thresholds=(0.8, 0.2)),
    ],
)
def test_unfit_values_get_a_sentence_that_names_them(wrong):
    with pytest.raises(InputError, match=f"({'|'.join(wrong)}).*correct the recipe"):
        Recipe(**wrong)


def test_files_of_earlier_versions_still_read():
    assert Recipe.from_dict({"phases": 8, "steps": 5}) == Recipe(steps=5)
    with pytest.raises(InputError, match="got phases"):
        Recipe.from_dict({"phases": 2})


def test_warm_up_then_half_a_cosine():
    recipe = Recipe(steps=100, warmup=10, learning_rate=1.0)
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True) and 0 < rates[-1] < 0.01
    assert rates[55] == pytest.approx(0.5)
    assert all(rate > 0 for rate in (Recipe(steps=1).learning_rate_at(0), Recipe(steps=3).learning_rate_at(2)))


def test_arms_are_recipes_and_an_unknown_one_is_named():
    assert with_arm(Recipe(steps=5), "supervised") == Recipe(steps=5)
    for name, arm in ARMS.items():
        made = with_arm(Recipe(), name)
        changed = {key for key, value in made.to_dict().items() if Recipe().to_dict()[key] != value}
        assert changed == set(arm.fields) and arm.what
    assert with_arm(Recipe(), "labels").needs_organs and not with_arm(Recipe(), "gin").needs_organs
    for wild in ("wild", "dual+wild"):
        with pytest.raises(InputError, match="supervised, strong.*joined by \\+, got 'wild'"):
            with_arm(Recipe(), wild)


def test_arms_joined_by_plus_are_the_fields_of_all():
    for first in ("randconv", "gin", "mixstyle", "strong", "labelconv", "matching", "expected-dice", "real"):
        made = with_arm(Recipe(), f"{first}+dual")
        assert made == with_arm(with_arm(Recipe(), "dual"), first) == with_arm(Recipe(), f"dual+{first}")
    assert with_arm(Recipe(), "srcsm") == with_arm(Recipe(), "labelconv+matching")
    registered = with_arm(Recipe(), "labels+dual")  # as in the study that came with the package
    assert registered.corrupted_share == 0.125 and with_arm(Recipe(), "labels").corrupted_share == 0
    assert registered == with_arm(replace(with_arm(Recipe(), "dual"), corrupted_share=0.125), "labels")
    with pytest.raises(InputError, match="gin\\+strong sets augmentation to gin and to strong; leave one out"):
        with_arm(Recipe(), "gin+strong")


def test_the_contrast_may_begin_before_or_after_the_other_module():
    usual = Recipe(steps=100, contrast_weight=0.1, corrupted_share=0.5, contrast_start=None)
    assert usual.contrast_step == usual.corruption_step == usual.first_module_step == 20
    early, late = (Recipe.from_dict(usual.to_dict() | {"contrast_start": start}) for start in (0.0, 0.5))
    assert (early.first_module_step, late.first_module_step) == (0, 20)
    assert early.contrast_begun(0) and not late.contrast_begun(49) and late.contrast_begun(50)
    alone = Recipe(steps=100, contrast_weight=0.1, contrast_start=0.5)
    assert alone.first_module_step == 50 and alone.module_ramp_at(59) == pytest.approx(0.5)

"""Regions of training patches: they follow the patch, the teacher's answers survive a checkpoint, ramps rise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.dual import patch_maps
from pancreas_ssl.training import Recipe
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.extra_terms import ArmModel
from pancreas_ssl.training.patches import Patches
from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps
from tests.training.helpers import RECIPE, ball

DUAL = replace(with_arm(RECIPE, "dual"), module_start=0.0, module_ramp=0.0, augmentation="none")


def test_the_modules_wait_and_then_rise():
    recipe = Recipe(steps=100, module_start=0.2, module_ramp=0.4, contrast_weight=1.0)
    ramps = [recipe.module_ramp_at(step) for step in range(100)]
    assert ramps[:20] == [0.0] * 20 and ramps[20] == pytest.approx(1 / 40)
    assert ramps[58] < 1.0 == ramps[59] == ramps[99] and ramps == sorted(ramps)
    guides = TeacherMaps([ball(0)], replace(recipe, teacher_every=30))
    assert [step for step in range(100) if guides.due(step)] == [20, 50, 80]


def test_regions_follow_the_patch():
    """Cut from turned and scaled maps, regions are those of the turned and scaled label."""
    from pancreas_ssl.method.regions import Region

    cases = [ball(k, (40, 40, 32)) for k in range(2)]
    guides = TeacherMaps(cases, DUAL)
    batch = Patches(cases, replace(DUAL, affine=1.0))(0, 0, guides.maps, OUTSIDE)
    guide = patch_maps(batch, DUAL, 0)
    label = batch.labels[:, 0] == 1
    inside = (guide.regions == Region.CORE) | (guide.regions == Region.RIM_IN)
    assert torch.equal(inside, label) and label.any()
    assert (guide.regions == Region.CORE).any()
    distance = batch.maps[:, 0]
    near = distance.abs() < 0.5
    assert guide.uncertainty[near].min() > 0.9 and guide.uncertainty.max() <= 1
    assert (guide.uncertainty[distance.abs() > 8] < 1e-3).all()


def test_beyond_a_volume_lies_nothing():
    case = ball(0, (16, 16, 16))
    recipe = replace(DUAL, patch=(32, 32, 32), affine=0.0)
    guides = TeacherMaps([case], recipe)
    batch = Patches([case], recipe)(0, 0, guides.maps, OUTSIDE)
    corner = batch.maps[0, :, 0, 0, 0]
    assert corner.tolist() == list(OUTSIDE) and batch.clean[0, 0, 0, 0, 0] == -1


def test_the_teachers_answers_come_back_as_they_were():
    cases = [ball(k) for k in range(2)]
    guides, again = TeacherMaps(cases, DUAL), TeacherMaps(cases, DUAL)
    guides.refresh(ArmModel(DUAL).network)
    again.load_state(guides.state())
    assert all(torch.equal(a.whole(), b.whole()) for a, b in zip(guides.maps, again.maps, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(guides.state(), again.state(), strict=True))
    assert guides.maps[0].whole()[2].max() > 0


def test_a_case_without_pancreas_has_no_core_and_no_rim():
    case = replace(ball(0), label=np.zeros_like(ball(0).label))
    guides = TeacherMaps([case], DUAL)
    guides.refresh(ArmModel(DUAL).network)
    guides.load_state(guides.state())
    guide = patch_maps(Patches([case], DUAL)(0, 0, guides.maps, OUTSIDE), DUAL, 0)
    assert set(guide.regions.unique().tolist()) <= {0, 5}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"contrast": "sideways"}, "another contrast in the recipe .*'guided', 'plain' or 'random'"),
        ({"restoration": "there"}, "another restoration in the recipe .*'guided', 'random' or 'everywhere'"),
        ({"module_start": 1.5}, "another module_start in the recipe .*less than or equal to 1"),
        ({"temperature": 0.0}, "another temperature in the recipe .*greater than 0"),
        ({"teacher_every": 0}, "another teacher_every in the recipe .*greater than or equal to 1"),
    ],
)
def test_a_wrong_recipe_gets_a_sentence(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Recipe(**wrong)

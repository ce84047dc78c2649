"""The rules of the weights: defaults change nothing, views and decisions act everywhere, other values are refused."""

import numpy as np
import pytest

from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import Model, load_weights, predict_prepared, predict_volume, save_weights
from pancreas_ssl.inference.asking import RULES, ask, told_rules, with_rules
from pancreas_ssl.inference.sample_predictions import sample_predictions
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.recipe import Recipe
from tests.inference.helpers import make_hu

QUICK = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(-0.9, 0.9, (1, 20, 20, 16)).astype(np.float32)


def test_the_defaults_are_one_plain_pass(tiny, image):
    assert np.array_equal(ask(tiny, image, **QUICK), predict_prepared(tiny, image, **QUICK))
    assert {name: tiny.rule(name) for name in RULES} == {name: getattr(Recipe(), name) for name in RULES}
    assert told_rules(tiny) == {} and told_rules(with_rules(tiny)) == {}


def test_views_are_those_of_test_time_augmentation_averaged(tiny, image):
    several = ask(with_rules(tiny, test_views=3), image, overlap=0.25, **QUICK)
    members = sample_predictions(tiny, image, "tta", n=3, overlap=0.25, **QUICK)
    np.testing.assert_allclose(several[1], members.mean(0), atol=1e-5)
    np.testing.assert_allclose(several.sum(0), 1, atol=1e-5)
    assert np.abs(several - ask(tiny, image, overlap=0.25, **QUICK)).max() > 1e-4


def test_scans_are_segmented_by_the_rules(threshold):
    volume = Volume(make_hu().astype(np.float32), np.diag([1.5, 1.5, 2.5, 1.0]))
    plain = predict_volume(threshold, volume, device="cpu")
    masks = {
        how: predict_volume(with_rules(threshold, decision=how, thresholds=(0.4, 0.6)), volume, device="cpu").mask
        for how in ("argmax", "expected-dice", "hysteresis")
    }
    assert np.array_equal(masks["argmax"], plain.mask)
    everything = predict_volume(threshold, volume, device="cpu", largest=False).mask
    assert masks["expected-dice"].sum() >= plain.mask.sum()
    assert masks["hysteresis"].sum() >= everything.sum() > plain.mask.sum()  # the island has seeds of its own


def test_the_rules_of_weights_are_read_from_their_file(tmp_path):
    recipe = Recipe(patch=(16, 16, 16), channels=(4, 8), decision="hysteresis", thresholds=(0.1, 0.5), test_views=2)
    header = {"spacing": 3.0, "window": recipe.window, "patch": recipe.patch, "recipe": recipe.to_dict()}
    model = load_weights(save_weights(tmp_path / "w.safetensors", SegmentationNetwork(channels=(4, 8)), header))
    assert told_rules(model) == {"test_views": 2, "decision": "hysteresis", "thresholds": "0.1 0.5"}
    for wrong in ({"decision": "majority"}, {"test_views": 1000}, {"thresholds": [0.1]}, {"match_weight": 2.0}):
        changed = header | {"recipe": recipe.to_dict() | wrong}
        path = save_weights(tmp_path / "wrong.safetensors", SegmentationNetwork(channels=(4, 8)), changed)
        with pytest.raises(InputError, match=f"recipe.{next(iter(wrong))}"):
            load_weights(path)


def test_other_fields_and_unfit_values_are_refused(tiny):
    with pytest.raises(InputError, match="expected rules out of tissue_above, .*got steps"):
        with_rules(tiny, steps=3)
    with pytest.raises(InputError, match="thresholds"):
        with_rules(tiny, thresholds=(0.9, 0.1))
    assert isinstance(with_rules(tiny, test_views=2), Model) and tiny.rule("test_views") == 1

"""Members: each way by what it must and must not change; seeds; models stay as they were."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import Model, predict_prepared
from pancreas_ssl.inference.sample_predictions import HOW, View, apply_view, draw_view, sample_predictions
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.uncertainty import MAPS
from tests.inference.helpers import Threshold

module = importlib.import_module("pancreas_ssl.inference.sample_predictions")
QUICK = {"device": "cpu", "precision": "fp32"}


def image_of(shape=(26, 20, 14), seed=0):
    """A noisy body with air around it."""
    image = np.full((1, *shape), -1, np.float32)
    body = (slice(None), slice(4, 22), slice(3, 17), slice(None))
    image[body] = np.random.default_rng(seed).uniform(-0.9, 0.9, image[body].shape)
    return image


@pytest.fixture(scope="module")
def tiny() -> Model:
    return Model(SegmentationNetwork(channels=(4, 8), seed=3), patch=(16, 16, 12))


@pytest.fixture
def threshold() -> Model:
    return Model(Threshold(), patch=(16, 16, 12))


@pytest.mark.parametrize("how, k", [("softmax", 1), ("tta", 3), ("flips", 3), ("dropout", 3), ("ensemble", 2)])
def test_every_way_gives_members(tiny, how, k):
    assert how in HOW
    image = image_of()
    before, state = image.copy(), {name: t.clone() for name, t in tiny.network.state_dict().items()}
    other = replace(tiny, network=SegmentationNetwork(channels=(4, 8), seed=4))
    given = [tiny, other] if how == "ensemble" else tiny
    found = sample_predictions(given, image, how, n=3, **QUICK)
    assert found.shape == (k, 26, 20, 14) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1 and np.isfinite(found).all()
    assert (found[:, 0] == 0).all()  # air, beyond the box of the body
    np.testing.assert_array_equal(sample_predictions(given, image, how, n=3, **QUICK), found)
    np.testing.assert_array_equal(sample_predictions(given, image, how, n=2, **QUICK), found[:2])
    np.testing.assert_array_equal(image, before)
    assert all(torch.equal(t, state[name]) for name, t in tiny.network.state_dict().items())
    if k > 1:
        assert not np.allclose(found[0], found[1])
    for function in MAPS.values():
        assert np.isfinite(function(found)).all()


def test_softmax_and_first_members_are_the_plain_prediction(tiny):
    image = image_of()
    plain = predict_prepared(tiny, image, overlap=0.25, **QUICK)[1]
    for how in ("softmax", "tta", "flips"):
        np.testing.assert_allclose(sample_predictions(tiny, image, how, n=2, **QUICK)[0], plain, atol=1e-6)
    np.testing.assert_allclose(sample_predictions([tiny, tiny], image, "ensemble", **QUICK)[1], plain, atol=1e-6)
    for same in (torch.from_numpy(image), image[:, ::-1].copy()[:, ::-1], image.tolist()):
        np.testing.assert_allclose(sample_predictions(tiny, same, "softmax", **QUICK)[0], plain, atol=1e-6)


def test_mirrored_and_shifted_answers_are_put_back(threshold, monkeypatch):
    image = image_of((23, 19, 13))
    plain = sample_predictions(threshold, image, "softmax", **QUICK)
    assert 0.1 < plain[plain > 0].mean() < 0.9
    flips = sample_predictions(threshold, image, "flips", **QUICK)
    assert len(flips) == 8
    np.testing.assert_allclose(flips, np.repeat(plain, 8, 0), atol=1e-5)
    shifts = iter([(1, 0, 0), (0, 1, 1), (1, 1, 1)])
    monkeypatch.setattr(module, "draw_view", lambda rng: View(shift=next(shifts)))
    np.testing.assert_allclose(
        sample_predictions(threshold, image, "tta", n=4, **QUICK), np.repeat(plain, 4, 0), atol=1e-5
    )


def test_a_shift_by_a_voxel_does_move_the_answer_of_a_folding_network(tiny, monkeypatch):
    monkeypatch.setattr(module, "draw_view", lambda rng: View(shift=(1, 0, 0)))
    found = sample_predictions(tiny, image_of(), "tta", n=2, **QUICK)
    assert np.abs(found[1] - found[0]).max() > 1e-4


def test_views_by_hand_and_in_their_ranges():
    image = np.array([-1, -0.5, 0, 0.5, 1], np.float32).reshape(1, 5, 1, 1)
    np.testing.assert_array_equal(apply_view(image, View()), image)
    np.testing.assert_allclose(apply_view(image, View(gain=0.5)).ravel(), [-1, -0.25, 0, 0.25, 0.5])
    np.testing.assert_allclose(apply_view(image, View(offset=0.75)).ravel(), [-1, 0.25, 0.75, 1, 1])
    np.testing.assert_allclose(apply_view(image, View(gamma=2)).ravel(), [-1, -0.875, -0.5, 0.125, 1], atol=1e-6)
    moved = apply_view(np.random.default_rng(0).random((1, 4, 5, 6), np.float32), View(shift=(1, 0, 1)))
    assert moved.shape == (1, 5, 5, 7) and (moved[:, 0] == moved[:, 1]).all()
    noisy = [apply_view(np.zeros((1, 20, 20, 20), np.float32), View(noise=0.05, seed=s)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != noisy[2]).any() and noisy[0].std() == pytest.approx(0.05, rel=0.05)
    views = [draw_view(np.random.default_rng(seed)) for seed in range(300)]
    for name, low, high in (("gain", 0.9, 1.1), ("offset", -0.05, 0.05), ("gamma", 0.9, 1.11), ("noise", 0, 0.05)):
        values = [getattr(view, name) for view in views]
        assert low <= min(values) and max(values) <= high
        assert max(values) - min(values) > 0.9 * (high - low)
    assert {step for view in views for step in view.shift} == {0, 1}
    for view in views[:20]:
        out = apply_view(image_of(), view)
        assert out.dtype == np.float32 and np.abs(out).max() <= 1 and np.isfinite(out).all()


def test_seeds_and_rates(tiny):
    image = image_of()
    for how in ("tta", "dropout"):
        first, other = (sample_predictions(tiny, image, how, n=2, seed=s, **QUICK) for s in (0, 1))
        assert not np.allclose(first[1], other[1])
    low, high = (sample_predictions(tiny, image, "dropout", n=6, rate=r, **QUICK) for r in (0.02, 0.6))
    assert low.var(0).mean() < high.var(0).mean()


def test_dropout_leaves_model_and_random_state_alone(tiny):
    tiny.network.train()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    sample_predictions(tiny, image_of(), "dropout", n=2, **QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    assert tiny.network.training and tiny.network.dropout.training and tiny.network.dropout.p == 0
    tiny.network.eval()
    sample_predictions(tiny, image_of(), "tta", n=2, **QUICK)
    assert not tiny.network.training


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_a_constant_image_is_finite(tiny, value):
    image = np.full((1, 9, 7, 5), value, np.float32)
    for how in HOW[:-1]:
        found = sample_predictions(tiny, image, how, n=2, **QUICK)
        assert found.shape[1:] == (9, 7, 5) and np.isfinite(found).all()


def test_misuse_gets_a_sentence(tiny, threshold):
    image = image_of()
    other = replace(tiny, spacing=(1.5, 1.5, 1.5))
    for given, how, options, said in [
        (tiny, "magic", {}, "expected one of softmax, tta"),
        (tiny, "ensemble", {}, "two or more models"),
        ([], "ensemble", {}, "two or more models"),
        ([tiny, tiny], "tta", {}, "one model"),
        ([tiny, other], "ensemble", {}, "one spacing and window"),
        (tiny, "tta", {"n": 0}, "at least one member"),
        (threshold, "dropout", {}, "with dropout layers"),
        (tiny, "dropout", {"rate": 0.0}, "a rate between 0 and 1"),
    ]:
        with pytest.raises(InputError, match=said):
            sample_predictions(given, image, how, **options, **QUICK)
    with pytest.raises(InputError, match="use prepare"):
        sample_predictions(tiny, image[0], "softmax", **QUICK)

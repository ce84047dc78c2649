"""Strong intensity: each change alone against its formula, nothing at strength 0, air that stays air."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.intensity import RANGES, StrongDraw, apply_strong, draw_strong
from pancreas_ssl.augmentation.patch import blur
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import keeps_the_promises, patch


def test_promises():
    keeps_the_promises(draw_strong, apply_strong)


@pytest.mark.parametrize(
    ("draw", "grey"),
    [
        (StrongDraw(brightness=0.1), 0.3),
        (StrongDraw(contrast=1.5), 0.3),
        (StrongDraw(brightness=-0.1, contrast=2.0), 0.2),  # brightness comes first
        (StrongDraw(gamma=2.0), 2 * 0.6**2 - 1),
        (StrongDraw(brightness=2.0), 1.0),
        (StrongDraw(sharpness=2.0, blur=1.5), 0.2),  # a constant has no detail
    ],
)
def test_by_hand_on_a_constant_patch(draw, grey):
    out = apply_strong(torch.full((1, 4, 4, 4), 0.2), draw)
    torch.testing.assert_close(out, torch.full((1, 4, 4, 4), grey), rtol=0, atol=1e-6)


def test_sharpness_and_blur_on_a_textured_patch():
    image, _ = patch()
    sharp = apply_strong(image, StrongDraw(sharpness=0.8))
    torch.testing.assert_close(sharp, (image + 0.8 * (image - blur(image, 1.0))).clamp(-1, 1), rtol=0, atol=1e-6)
    torch.testing.assert_close(apply_strong(image, StrongDraw(blur=0.9)), blur(image, 0.9).clamp(-1, 1))
    torch.testing.assert_close(apply_strong(image, StrongDraw()), image)


def test_strength_zero_changes_nothing_and_more_changes_more():
    image, _ = patch()
    assert torch.equal(apply_strong(image, draw_strong(np.random.default_rng(1), 0.0)), image)
    moved = [
        np.mean(
            [
                (apply_strong(image, draw_strong(np.random.default_rng(seed), s)) - image).abs().mean()
                for seed in range(10)
            ]
        )
        for s in (0.3, 1.0, 2.0)
    ]
    assert 0.01 < moved[0] < moved[1] < moved[2]


def test_each_change_happens_in_half_of_the_draws_within_its_range():
    draws = [draw_strong(np.random.default_rng(seed)) for seed in range(400)]
    neutral = StrongDraw()
    assert set(RANGES) == {field.name for field in fields(StrongDraw)} - {"noise_seed"}
    for name, (low, high) in RANGES.items():
        values = np.array([getattr(draw, name) for draw in draws])
        drawn = values[values != getattr(neutral, name)]
        assert 0.4 < len(drawn) / len(draws) < 0.6
        drawn = np.log(drawn) if name in ("contrast", "gamma") else drawn
        assert low <= drawn.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < drawn.max() <= high


def test_air_stays_air_under_every_change_of_grey():
    image, _ = patch()
    air = (slice(None), slice(0, 2))
    for seed in range(20):
        draw = replace(draw_strong(np.random.default_rng(seed)), blur=0.0, sharpness=0.0)
        assert (apply_strong(image, draw)[air] == -1).all()


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_a_bad_strength_gets_a_sentence(strength):
    with pytest.raises(InputError, match="expected a strength of at least 0, got"):
        draw_strong(np.random.default_rng(0), strength)
    with pytest.raises(InputError, match="pass one patch"):
        apply_strong(torch.zeros(4, 4, 4), StrongDraw())

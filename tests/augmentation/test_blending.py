"""Blending: the spline against scipy's, a smooth field over [0, 1], mixtures that add up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.blending import _spline, blend, blend_field, draw_blend
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import SHAPE, patch, same


def images():
    first, _ = patch(0)
    return first, -first


def test_the_spline_is_the_uniform_cubic_one():
    from scipy.interpolate import BSpline

    points, size = 7, 33
    knots = np.arange(-3, points + 1)
    at = np.linspace(0, points - 3, size)
    expected = np.stack([BSpline(knots, row, 3)(at) for row in np.eye(points)], axis=1)
    np.testing.assert_allclose(_spline(size, points), expected, atol=1e-6)
    assert _spline(1, 4).sum() == pytest.approx(1)


def test_the_field_spans_0_to_1_and_is_smooth():
    for seed in range(5):
        field = blend_field(draw_blend(np.random.default_rng(seed), (48, 40, 32)))
        assert field.shape == (1, 48, 40, 32) and field.dtype == torch.float32
        assert field.min() == 0 and field.max() == 1
        assert max(field.diff(dim=axis).abs().max() for axis in (1, 2, 3)) < 0.15


def test_mixtures_are_convex_and_add_up():
    first, second = images()
    draw = draw_blend(np.random.default_rng(0), SHAPE)
    one, two = blend(first, second, draw)
    b = blend_field(draw)
    torch.testing.assert_close(one, b * first + (1 - b) * second)
    torch.testing.assert_close(one + two, first + second, rtol=0, atol=1e-6)
    assert one.abs().max() <= 1 and one.dtype == torch.float32 and one.shape == first.shape


def test_ends_of_the_field_take_one_image_alone():
    first, second = images()
    draw = draw_blend(np.random.default_rng(0), SHAPE)
    ones = replace(draw, control=np.ones((6, 6, 6), np.float32))  # constant: not stretched
    one, two = blend(first, second, ones)
    torch.testing.assert_close(one, first, rtol=0, atol=1e-6)
    torch.testing.assert_close(two, second, rtol=0, atol=1e-6)
    one, two = blend(first, first, draw)
    torch.testing.assert_close(one, first)


def test_replay_and_untouched_input():
    first, second = images()
    before = first.clone(), second.clone()
    draw = draw_blend(np.random.default_rng(4), SHAPE)
    assert same(draw, draw_blend(np.random.default_rng(4), SHAPE))
    assert not same(draw, draw_blend(np.random.default_rng(5), SHAPE))
    for a, b in zip(blend(first, second, draw), blend(first, second, draw), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(first, before[0]) and torch.equal(second, before[1])
    assert not blend(first.clone().requires_grad_(), second, draw)[0].requires_grad


def test_bad_parameters_get_a_sentence():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="three positive patch sizes"):
        draw_blend(rng, (4, 4))
    with pytest.raises(InputError, match="at least 4 control points"):
        draw_blend(rng, (4, 4, 4), points=3)
    with pytest.raises(InputError, match="that of the draw, got .*; draw the field"):
        blend(torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 5), draw_blend(rng, (4, 4, 4)))

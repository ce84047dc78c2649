"""Twenty points on a circle: the library's loss, split into parts, and the way down."""

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.lessons.contrast_in_2d import START, Group, on_circle, push_shares
from tests.method.voxels import guided


def test_parts_sum_to_the_loss_of_the_library():
    for groups in ({}, {"rim_out": Group(80, 20)}, {"core": Group(-100, 60)}):
        one = on_circle(groups, temperature=0.2, margin=0.1)
        again = guided(one.z, one.sample, one.prototypes, temperature=0.2, margin=0.1)
        assert float(one.terms.loss) == pytest.approx(float(again.loss), rel=1e-5)
        assert float(one.parts.sum()) == pytest.approx(float(one.terms.loss), rel=1e-4)
        assert not one.parts[one.regions >= 4].any() and len(one.z) == 20


def test_pull_is_the_way_down():
    one = on_circle()
    theta = torch.from_numpy(np.radians(one.angles)).float()

    def loss(angles) -> float:
        z = torch.stack([angles.cos(), angles.sin()], 1)
        return float(guided(z, one.sample, one.prototypes).loss)

    assert loss(theta + 0.01 * one.pull) < loss(theta)
    for k in (0, 5, 10, 15):
        step = torch.zeros(20)
        step[k] = 5e-3
        slope = (loss(theta + step) - loss(theta - step)) / 1e-2
        assert float(one.pull[k]) == pytest.approx(-slope, abs=5e-3)


def test_groups_prototype_and_names():
    one = on_circle({"far": Group(-90, 0)}, towards=0)
    assert np.allclose(one.angles[one.regions == 5], -90, atol=0.01)
    assert float(one.prototypes.pancreas[0]) == pytest.approx(1.0)
    assert float(on_circle().prototypes.pancreas[1]) > 0.99 and set(START) >= {"core", "far"}
    with pytest.raises(InputError, match="got pancreas"):
        on_circle({"pancreas": Group(0, 0)})


@pytest.mark.parametrize("temperature", [0.05, 0.3, 2.0])
def test_shares_are_a_softmax(temperature):
    cosines = np.linspace(-0.9, 0.95, 12)
    expected = np.exp(cosines / temperature) / np.exp(cosines / temperature).sum()
    np.testing.assert_allclose(push_shares(cosines, temperature), expected, atol=2e-5)

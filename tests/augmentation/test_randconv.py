"""RandConv: kernels of size 1 by hand, the papers' distributions, a slow reference."""

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.randconv import SIZES, RandConvDraw, apply_randconv, draw_randconv
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import keeps_the_promises, patch

ONE = np.ones((1, 1, 1), np.float32)


def test_promises():
    keeps_the_promises(draw_randconv, apply_randconv)


def test_size_one_by_hand():
    image, _ = patch()
    torch.testing.assert_close(apply_randconv(image, RandConvDraw(ONE, 0.3)), image)
    torch.testing.assert_close(apply_randconv(image, RandConvDraw(-ONE, 0.0)), -image)
    torch.testing.assert_close(apply_randconv(image, RandConvDraw(-ONE, 0.5)), torch.zeros_like(image))
    torch.testing.assert_close(apply_randconv(image, RandConvDraw(3 * ONE, 0.0)), (3 * image).clamp(-1, 1))


def test_alpha_one_is_the_identity_for_every_size():
    image, _ = patch()
    for size in SIZES:
        draw = draw_randconv(np.random.default_rng(size), (size,))
        torch.testing.assert_close(apply_randconv(image, RandConvDraw(draw.weight, 1.0)), image)


def test_a_slow_reference():
    image, _ = patch()
    values = image[0].numpy()
    draw = draw_randconv(np.random.default_rng(0), (3,))
    around = np.pad(values, 1, mode="edge")
    expected = np.empty_like(values)
    for x, y, z in np.ndindex(values.shape):
        expected[x, y, z] = (around[x : x + 3, y : y + 3, z : z + 3] * draw.weight).sum()
    expected = np.clip(draw.alpha * values + (1 - draw.alpha) * expected, -1, 1)
    np.testing.assert_allclose(apply_randconv(image, draw)[0].numpy(), expected, atol=1e-5)


def test_a_constant_patch_stays_constant():
    for size in SIZES:
        draw = draw_randconv(np.random.default_rng(3), (size,))
        out = apply_randconv(torch.full((1, 6, 6, 6), 0.4), draw)
        grey = float(np.clip(0.4 * (draw.alpha + (1 - draw.alpha) * draw.weight.sum()), -1, 1))
        torch.testing.assert_close(out, torch.full_like(out, grey), rtol=0, atol=1e-5)


def test_sizes_shares_and_weights_are_distributed_as_in_the_paper():
    draws = [draw_randconv(np.random.default_rng(seed)) for seed in range(400)]
    found, counts = np.unique([len(draw.weight) for draw in draws], return_counts=True)
    assert found.tolist() == [1, 3, 5, 7] and counts.min() > 70
    assert np.mean([draw.alpha for draw in draws]) == pytest.approx(0.5, abs=0.05)
    for size in SIZES:
        weights = np.concatenate([draw.weight.ravel() for draw in draws if len(draw.weight) == size])
        assert weights.std() == pytest.approx(size**-1.5, rel=0.2)


@pytest.mark.parametrize("sizes", [(), (2,), (3, 4), (-1,)])
def test_bad_sizes_get_a_sentence(sizes):
    with pytest.raises(InputError, match="expected odd kernel sizes of at least 1, got"):
        draw_randconv(np.random.default_rng(0), sizes)
    with pytest.raises(InputError, match="pass one patch"):
        apply_randconv(torch.zeros(2, 4, 4, 4), RandConvDraw(ONE, 0.0))

"""GIN: the norm is kept, a network written out slowly, what alpha means with and without balance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.augmentation.gin import GinDraw, apply_gin, draw_gin
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import keeps_the_promises, patch


def layer(weight: float, offset: float):
    return np.full((1, 1, 1, 1, 1), weight, np.float32), np.full(1, offset, np.float32)


def network(*layers, alpha: float, balanced: bool = False) -> GinDraw:
    weights, offsets = zip(*layers, strict=True)
    return GinDraw(weights, offsets, alpha, balanced)


def test_promises():
    keeps_the_promises(draw_gin, apply_gin)
    keeps_the_promises(lambda rng: draw_gin(rng, balanced=True), apply_gin)


def test_the_frobenius_norm_is_kept():
    image = 0.01 * patch()[0]  # so small that nothing is clipped
    for seed in range(10):
        out = apply_gin(image, draw_gin(np.random.default_rng(seed)))
        torch.testing.assert_close(out.norm(), image.norm(), rtol=1e-4, atol=0)


def test_by_hand():
    image = torch.tensor([0.3, -0.3, 0.3, -0.3]).reshape(1, 2, 2, 1)  # +1 and -1 in units of the root mean square
    torch.testing.assert_close(apply_gin(image, network(layer(-2, 0), alpha=1.0)), -image)
    torch.testing.assert_close(apply_gin(image, network(layer(-2, 0), alpha=0.0)), image)
    # 1 + u is 2 and 0, of root mean square sqrt(2)
    out = apply_gin(image, network(layer(1, 1), alpha=1.0))
    torch.testing.assert_close(out.flatten(), torch.tensor([1.0, 0, 1, 0]) * 0.3 * 2**0.5)
    # the leaky ReLU stands between layers and not after the last: u -> (1, -0.01) -> (-1, 0.01)
    out = apply_gin(image, network(layer(1, 0), layer(-1, 0), alpha=1.0))
    torch.testing.assert_close(out[0, 1, 0, 0] / out[0, 0, 0, 0], torch.tensor(1.0))
    torch.testing.assert_close(out[0, 0, 1, 0] / out[0, 0, 0, 0], torch.tensor(-0.01))


def test_balance_makes_alpha_a_true_share():
    image = torch.tensor([0.3, -0.3, 0.3, -0.3]).reshape(1, 2, 2, 1)
    loud = network(layer(-100, 0), alpha=0.25)
    torch.testing.assert_close(apply_gin(image, loud), -image)  # as in the paper: the network drowns the patch
    torch.testing.assert_close(apply_gin(image, replace(loud, balanced=True)), image)


def test_a_slow_reference():
    image, _ = patch()
    for seed in range(4):
        draw = draw_gin(np.random.default_rng(seed))
        unit = image[None] / image.square().mean().sqrt()
        out = unit
        for k, (weight, offset) in enumerate(zip(draw.weights, draw.offsets, strict=True)):
            padded = F.pad(out, (weight.shape[-1] // 2,) * 6, mode="replicate")
            out = F.conv3d(padded, torch.from_numpy(weight), torch.from_numpy(offset))
            out = F.leaky_relu(out) if k < 3 else out
        mixed = draw.alpha * out + (1 - draw.alpha) * unit
        expected = (mixed * image.norm() / mixed.norm())[0].clamp(-1, 1)
        torch.testing.assert_close(apply_gin(image, draw), expected, rtol=0, atol=1e-4)


def test_constant_patches():
    draw = draw_gin(np.random.default_rng(0))
    assert torch.equal(apply_gin(torch.zeros(1, 4, 4, 4), draw), torch.zeros(1, 4, 4, 4))
    out = apply_gin(torch.full((1, 4, 4, 4), 0.4), draw)
    torch.testing.assert_close(out.abs(), torch.full_like(out, 0.4), rtol=1e-4, atol=0)


def test_the_network_has_the_papers_shape():
    draw = draw_gin(np.random.default_rng(0))
    assert [weight.shape[:2] for weight in draw.weights] == [(2, 1), (2, 2), (2, 2), (1, 2)]
    sizes = {w.shape[-1] for seed in range(20) for w in draw_gin(np.random.default_rng(seed)).weights}
    assert sizes == {1, 3}
    assert [len(offset) for offset in draw.offsets] == [2, 2, 2, 1] and not draw.balanced


@pytest.mark.parametrize("bad", [dict(layers=0), dict(channels=0), dict(sizes=()), dict(sizes=(2,))])
def test_bad_parameters_get_a_sentence(bad):
    with pytest.raises(InputError, match=r"expected .* got .*; "):
        draw_gin(np.random.default_rng(0), **bad)
    with pytest.raises(InputError, match="pass one patch"):
        apply_gin(torch.zeros(1, 1, 4, 4, 4), draw_gin(np.random.default_rng(0)))

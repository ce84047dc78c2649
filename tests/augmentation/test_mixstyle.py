"""MixStyle: identity at lam 1, statistics exchanged at lam 0, detached statistics, no one is its own partner."""

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.mixstyle import MixStyleDraw, apply_mixstyle, draw_mixstyle
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import same

SPACE = (2, 3, 4)


def features(batch: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread, mean = torch.rand(2, batch, 3, 1, 1, 1, generator=generator)
    return ((spread + 0.5) * torch.randn(batch, 3, 6, 5, 4, generator=generator) + mean).to(dtype)


def mix(permutation, lam) -> MixStyleDraw:
    return MixStyleDraw(np.array(permutation), np.array(lam, np.float32))


def test_lam_one_is_the_identity():
    x = features()
    assert apply_mixstyle(x, mix([1, 0], [1, 1])) is x
    torch.testing.assert_close(apply_mixstyle(x, mix([1, 0], [1, 0]))[0], x[0])


def test_lam_zero_exchanges_mean_and_standard_deviation():
    x = features()
    out = apply_mixstyle(x, mix([1, 0], [0, 0]))
    torch.testing.assert_close(out.mean(SPACE), x.mean(SPACE)[[1, 0]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.std(SPACE), x.std(SPACE)[[1, 0]], rtol=1e-4, atol=1e-5)
    corr = torch.corrcoef(torch.stack([out[0, 0].flatten(), x[0, 0].flatten()]))[0, 1]
    assert corr == pytest.approx(1, abs=1e-5)  # what is shown stays, only its style goes


def test_a_share_lies_in_between():
    x = features()
    out = apply_mixstyle(x, mix([1, 0], [0.25, 0.25]))
    torch.testing.assert_close(out.mean(SPACE)[0], 0.25 * x.mean(SPACE)[0] + 0.75 * x.mean(SPACE)[1])
    torch.testing.assert_close(out.std(SPACE)[1], 0.25 * x.std(SPACE)[1] + 0.75 * x.std(SPACE)[0], rtol=1e-4, atol=1e-5)


def test_the_gradient_sees_the_statistics_as_constants():
    x = features().requires_grad_()
    apply_mixstyle(x, mix([1, 0], [0, 0])).sum().backward()
    spread = x.detach().std(SPACE, keepdim=True, correction=0)
    torch.testing.assert_close(x.grad, (spread[[1, 0]] / spread).expand_as(x), rtol=1e-4, atol=1e-5)


def test_bfloat16_constant_channels_and_untouched_input():
    x = features(dtype=torch.bfloat16)
    before = x.clone()
    out = apply_mixstyle(x, mix([1, 0], [0, 0]))
    assert out.dtype == torch.bfloat16 and out.shape == x.shape and torch.equal(x, before)
    torch.testing.assert_close(out.float().mean(SPACE), x.float().mean(SPACE)[[1, 0]], rtol=0.02, atol=0.02)
    flat = torch.ones(2, 3, 4, 4, 4)
    flat[1] = 3
    out = apply_mixstyle(flat, mix([1, 0], [0, 0]))
    torch.testing.assert_close(out, flat[[1, 0]])


def test_a_batch_of_one_comes_back():
    x = features(1)
    for seed in range(5):
        assert apply_mixstyle(x, draw_mixstyle(np.random.default_rng(seed), 1, probability=1.0)) is x
    assert apply_mixstyle(x, mix([0], [0.3])) is x


def test_drawings():
    assert same(draw_mixstyle(np.random.default_rng(7), 5), draw_mixstyle(np.random.default_rng(7), 5))
    draws = [draw_mixstyle(np.random.default_rng(seed), 4) for seed in range(300)]
    for draw in draws:
        assert sorted(draw.permutation) == [0, 1, 2, 3] and (draw.permutation != np.arange(4)).all()
        assert (draw.lam >= 0).all() and (draw.lam <= 1).all() and draw.lam.dtype == np.float32
    mixed = [draw for draw in draws if (draw.lam != 1).any()]
    assert 0.4 < len(mixed) / len(draws) < 0.6
    lam = np.concatenate([draw.lam for draw in mixed])
    assert lam.mean() == pytest.approx(0.5, abs=0.06) and ((lam < 0.1) | (lam > 0.9)).mean() > 0.7
    assert (draw_mixstyle(np.random.default_rng(0), 4, probability=0.0).lam == 1).all()


def test_applying_ignores_the_global_generators():
    x, draw = features(3), draw_mixstyle(np.random.default_rng(1), 3, probability=1.0)
    torch.manual_seed(0)
    first = apply_mixstyle(x, draw)
    torch.manual_seed(1)
    assert torch.equal(first, apply_mixstyle(x, draw))


@pytest.mark.parametrize("bad", [dict(batch=0), dict(batch=2, alpha=0.0), dict(batch=2, probability=1.2)])
def test_bad_parameters_get_a_sentence(bad):
    with pytest.raises(InputError, match=r"expected .* got .*; "):
        draw_mixstyle(np.random.default_rng(0), **bad)
    with pytest.raises(InputError, match="batch of 2, got"):
        apply_mixstyle(features(3), mix([1, 0], [0, 0]))
    with pytest.raises(InputError, match="batch of 2, got"):
        apply_mixstyle(features(2)[:, 0], mix([1, 0], [0, 0]))

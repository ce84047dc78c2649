"""The loss by hand, its closed forms, its symmetries, and a slow reference."""

import math

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.restoration import charbonnier, restoration_loss


def case(seed: int, shape=(2, 1, 5, 4, 3), share: float = 0.6):
    g = torch.Generator().manual_seed(seed)
    restored, target = (2 * torch.rand(shape, generator=g) - 1 for _ in range(2))
    return restored, target, torch.rand(shape, generator=g) < share


def reference(restored, target, mask, epsilon=0.01, weight=0.5) -> float:
    """Voxel by voxel, in double precision."""
    d = (restored.double() - target.double()).numpy()
    m = mask.numpy()
    rho = lambda v: math.sqrt(v * v + epsilon * epsilon) - epsilon  # noqa: E731
    values, steps = [], []
    for index in np.ndindex(d.shape):
        if not m[index]:
            continue
        values.append(rho(d[index]))
        for axis in (2, 3, 4):
            other = tuple(i + (k == axis) for k, i in enumerate(index))
            if other[axis] < d.shape[axis] and m[other]:
                steps.append(rho(d[other] - d[index]))
    return (np.mean(values) if values else 0.0) + weight * (np.mean(steps) if steps else 0.0)


def test_two_voxels_by_hand():
    """Errors 3 and 0 with eps = 4: rho(3) = 1, so 1/2 (1 + 0) + w rho(3)."""
    target = torch.zeros(1, 1, 2, 1, 1)
    restored = torch.tensor([3.0, 0.0]).reshape(target.shape)
    mask = torch.ones_like(target, dtype=torch.bool)
    loss = restoration_loss(restored, target, mask, epsilon=4.0, gradient_weight=0.25)
    assert loss.item() == pytest.approx(0.5 + 0.25)
    assert restoration_loss(restored, target, mask, epsilon=4.0, gradient_weight=0.0).item() == 0.5


def test_closed_forms():
    restored, target, mask = case(0)
    assert restoration_loss(target, target, mask).item() == 0
    for d in (1e-4, 0.01, -0.3):
        expected = math.sqrt(d * d + 1e-4) - 0.01
        got = restoration_loss(torch.full_like(target, d), torch.zeros_like(target), mask).item()
        assert got == pytest.approx(expected, rel=1e-5)
    large = restoration_loss(1000 * restored, 1000 * target, mask, gradient_weight=0.0)
    absolute = 1000 * (restored - target)[mask].abs().mean()
    assert large.item() == pytest.approx(absolute.item() - 0.01, rel=1e-5)


def test_charbonnier_near_zero_has_no_cancellation():
    d = torch.tensor([0.0, 1e-6, 1e-4])
    expected = d.double().square() / 0.02
    torch.testing.assert_close(charbonnier(d).double(), expected, rtol=1e-3, atol=0)


def test_the_slow_reference_over_fifty_draws():
    for seed in range(50):
        data = case(seed, share=float(np.random.default_rng(seed).random()))
        assert restoration_loss(*data).item() == pytest.approx(reference(*data), abs=1e-5)
        assert restoration_loss(*data, epsilon=0.1, gradient_weight=2.0).item() == pytest.approx(
            reference(*data, 0.1, 2.0), abs=1e-5
        )


def test_flips_turns_and_the_order_of_the_batch_do_not_matter():
    data = case(1)
    loss = restoration_loss(*data)
    changes = [
        lambda v: v.flip(2),
        lambda v: v.flip(3, 4),
        lambda v: v.flip(0),
        lambda v: v.permute(0, 1, 4, 2, 3),
        lambda v: v.transpose(2, 4),
        lambda v: v.contiguous(memory_format=torch.channels_last_3d),
    ]
    for change in changes:
        torch.testing.assert_close(restoration_loss(*(change(v) for v in data)), loss)
    torch.testing.assert_close(restoration_loss(data[1], data[0], data[2]), loss)
    torch.testing.assert_close(restoration_loss(data[0] + 0.7, data[1] + 0.7, data[2]), loss)


@pytest.mark.parametrize("outside", [0.0, 1e6, math.nan, math.inf])
def test_outside_the_mask_nothing_matters(outside):
    restored, target, mask = case(2)
    loss = restoration_loss(restored, target, mask)
    restored = torch.where(mask, restored, outside).requires_grad_()
    again = restoration_loss(restored, torch.where(mask, target, -outside), mask)
    assert torch.equal(again, loss)
    again.backward()
    assert (restored.grad[~mask] == 0).all() and (restored.grad[mask] != 0).any()


def test_gradients_point_away_from_the_target():
    _, target, mask = case(3)
    for sign in (-1, 1):
        restored = (target + 0.2 * sign).requires_grad_()
        restoration_loss(restored, target, mask).backward()
        assert (sign * restored.grad[mask] > 0).all()
    restored = target.clone()
    restored[0, 0, 2, 2, 1] += 0.5
    restored.requires_grad_()
    full = torch.ones_like(mask)
    restoration_loss(restored, target, full).backward()
    assert restored.grad[0, 0, 2, 2, 1] > 0 > restored.grad[0, 0, 1, 2, 1]  # neighbours are drawn along
    assert restored.grad[0, 0, 0, 0, 0] == 0


def test_gradients_by_finite_differences():
    restored, target, mask = (v[:1, :, :3, :3, :2] for v in case(4))
    restored = restored.clone().requires_grad_()
    restoration_loss(restored, target, mask, epsilon=0.5).backward()
    for index in map(tuple, mask.nonzero()[:6].tolist()):
        high, low = restored.detach().clone(), restored.detach().clone()
        high[index] += 1e-3
        low[index] -= 1e-3
        slope = (reference(high, target, mask, 0.5) - reference(low, target, mask, 0.5)) / 2e-3
        assert restored.grad[index].item() == pytest.approx(slope, abs=1e-4)


DEGENERATE = {
    "empty": ((2, 1, 4, 4, 4), torch.zeros_like),
    "one voxel": ((2, 1, 4, 4, 4), torch.zeros_like),
    "everywhere": ((2, 1, 4, 4, 4), torch.ones_like),
    "batch of one": ((1, 1, 4, 4, 4), lambda m: m),
    "a patch of one voxel": ((1, 1, 1, 1, 1), torch.ones_like),
    "a plane": ((1, 1, 4, 4, 1), torch.ones_like),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("constant", [False, True])
def test_degenerate_inputs_give_finite_values_and_gradients(name, constant):
    shape, change = DEGENERATE[name]
    restored, target, mask = case(5, shape)
    mask = change(mask)
    if name == "one voxel":
        mask[0, 0, 1, 2, 3] = True
    if constant:
        restored, target = torch.full_like(restored, 0.3), torch.full_like(target, 0.3)
    restored.requires_grad_()
    loss = restoration_loss(restored, target, mask)
    loss.backward()
    assert loss.shape == () and loss.isfinite() and restored.grad.isfinite().all()
    if name == "empty" or constant:
        assert loss.item() == 0 and (restored.grad == 0).all()
    else:
        assert loss.item() > 0


def test_bfloat16_agrees_within_two_percent_and_is_computed_in_float32():
    for seed in range(10):
        restored, target, mask = case(seed)
        half = restored.bfloat16().requires_grad_()
        loss = restoration_loss(half, target.bfloat16(), mask)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(restoration_loss(restored, target, mask).item(), rel=0.02)
        loss.backward()
        assert half.grad.dtype == torch.bfloat16 and half.grad.isfinite().all()


def test_bad_input_gets_a_sentence():
    restored, target, mask = case(0)
    with pytest.raises(InputError, match="a boolean mask of one shape"):
        restoration_loss(restored, target, mask.float())
    with pytest.raises(InputError, match="the patches that were restored"):
        restoration_loss(restored, target[:1], mask)
    with pytest.raises(InputError, match="the defaults are 0.01 and 0.5"):
        restoration_loss(restored, target, mask, epsilon=0.0)
    with pytest.raises(InputError, match="gradient_weight of at least 0"):
        restoration_loss(restored, target, mask, gradient_weight=-1.0)

"""The losses: by hand, in closed form, against slow references, and where there is nothing to compare."""

import math

import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.regions import Region
from tests.method.voxels import drawn, guided, plain, prototypes_of, random_case, slow_contrast, slow_pixel


def test_by_hand():
    """One anchor at 60 degrees from m_P, one far voxel opposite to m_P, T = 1."""
    z = torch.tensor([[0.5, math.sqrt(0.75)], [-1.0, 0.0]])
    terms = guided(z, drawn([1, 5]), prototypes_of([1.0, 0.0]), temperature=1.0)
    assert terms.loss.item() == pytest.approx(-math.log(math.exp(0.5) / (math.exp(0.5) + math.exp(-0.5))), abs=1e-6)
    assert (terms.anchors, terms.negatives, terms.hinge.item()) == (1, 1, 0.0)


def test_the_hinge_by_hand():
    """A rim_out voxel at cosine 0.8 with a margin of 0.3 costs half of 0.5."""
    z = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    terms = guided(z, drawn([1, 3]), prototypes_of([1.0, 0.0]), margin=0.3, hinge_weight=0.5)
    assert terms.hinge.item() == pytest.approx(0.5)
    assert (terms.loss - terms.infonce).item() == pytest.approx(0.25)


def test_closed_form_when_everything_is_alike():
    """All cosines equal: the positive is one of M + 1 equals, and the loss is log(1 + M) at any temperature."""
    z = torch.tensor([[0.6, 0.8]]).repeat(11, 1)
    draw = drawn([1] * 4 + [5] * 7)
    for temperature in (0.05, 0.1, 1.0):
        terms = guided(z, draw, prototypes_of([0.6, 0.8]), temperature=temperature)
        assert terms.loss.item() == pytest.approx(math.log(8), abs=1e-5)


def test_uncertain_rims_count_more():
    """Two anchors with different losses; the rim's weight is 1 + U."""
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    one, two = (guided(z[[k, 2]], drawn([1, 5]), prototypes_of([1.0, 0.0]), temperature=1.0).loss for k in (0, 1))
    both = guided(z, drawn([1, 2, 5], [0.7, 0.7, 0.7]), prototypes_of([1.0, 0.0]), temperature=1.0).loss
    assert both.item() == pytest.approx(((one + 1.7 * two) / 2.7).item(), abs=1e-6)


@pytest.mark.parametrize("seed", range(50))
def test_slow_references(seed):
    z, draw, prototypes = random_case(seed)
    how = {"temperature": 0.1 + 0.02 * seed, "margin": 0.3, "hinge_weight": 0.5}
    fast = guided(z, draw, prototypes, **how).loss.item()
    assert fast == pytest.approx(slow_contrast(z, draw, prototypes, **how), abs=1e-5, rel=1e-5)
    unguided = plain(z, draw, temperature=how["temperature"]).loss.item()
    assert unguided == pytest.approx(slow_pixel(z, draw, how["temperature"]), abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_between_two_views_against_the_slow_reference(seed):
    one, draw, prototypes = random_case(seed)
    both = F.normalize(torch.cat([one, one + 0.3 * torch.randn(one.shape, generator=torch.Generator().manual_seed(9))]))
    twice = drawn(draw.regions.repeat(2), draw.uncertainty.repeat(2))
    how = {"temperature": 0.1 + 0.1 * seed, "margin": 0.3, "hinge_weight": 0.5, "views": 2}
    fast = guided(both, twice, prototypes, **how)
    assert fast.loss.item() == pytest.approx(slow_contrast(both, twice, prototypes, **how), abs=1e-5, rel=1e-5)
    swapped = guided(both.roll(len(one), 0), twice, prototypes, **how)
    torch.testing.assert_close(swapped.loss, fast.loss)  # neither view is the first


def test_a_view_pulls_its_voxel_to_where_the_other_view_has_it():
    raw = torch.tensor([[1.0, 0.2, 0.0], [0.0, 0.0, 1.0], [1.0, -0.2, 0.0], [0.0, 0.1, 1.0]], requires_grad=True)
    z = F.normalize(raw, dim=1)
    guided(z, drawn([1, 5, 1, 5]), prototypes_of([1.0, 0.0, 0.0]), views=2).loss.backward()
    moved = F.normalize(raw.detach() - 0.1 * raw.grad, dim=1)
    assert moved[0] @ moved[2] > z[0] @ z[2]


def test_turning_the_space_and_shuffling_the_voxels_change_nothing():
    z, draw, prototypes = random_case(1)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(5)))
    turned = prototypes_of(prototypes.pancreas_mean @ turn, prototypes.background @ turn)
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(6))
    shuffled = drawn(draw.regions[order], draw.uncertainty[order])
    value = guided(z, draw, prototypes).loss
    torch.testing.assert_close(guided(z @ turn, draw, turned).loss, value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(guided(z[order], shuffled, prototypes).loss, value)
    unguided = plain(z, draw).loss
    torch.testing.assert_close(plain((z @ turn)[order], shuffled).loss, unguided, rtol=1e-4, atol=1e-5)


def test_a_step_down_pulls_anchors_in_and_pushes_the_others_away():
    raw, draw, prototypes = random_case(2)
    raw = raw.clone().requires_grad_()
    guided(F.normalize(raw, dim=1), draw, prototypes).loss.backward()
    moved = F.normalize(raw.detach() - 0.01 * raw.grad, dim=1)
    change = (moved - F.normalize(raw.detach(), dim=1)) @ prototypes.pancreas
    inside = (draw.regions == Region.CORE) | (draw.regions == Region.RIM_IN)
    near = F.normalize(raw.detach(), dim=1) @ prototypes.pancreas
    assert (change[inside] > 0).float().mean() > 0.9
    rim = (draw.regions == Region.RIM_OUT) & (near > 0.35)  # beyond the hinge's margin
    assert rim.any() and (change[rim] < 0).all()
    anchors = F.normalize(raw.detach(), dim=1)[inside].mean(0)
    away = ((moved - F.normalize(raw.detach(), dim=1)) @ anchors)[draw.regions == Region.FAR]
    assert away.mean() < 0


def test_the_background_is_not_pulled_together():
    """Two far voxels alone with an anchor: neither moves towards the other."""
    raw = torch.tensor([[1.0, 0.1, 0.0], [0.2, 1.0, 0.0], [0.2, 0.0, 1.0]], requires_grad=True)
    guided(F.normalize(raw, dim=1), drawn([1, 5, 5]), prototypes_of([1.0, 0.0, 0.0])).loss.backward()
    before = F.cosine_similarity(raw[1], raw[2], dim=0).item()
    moved = raw.detach() - 0.1 * raw.grad
    assert F.cosine_similarity(moved[1], moved[2], dim=0).item() <= before + 1e-4


@pytest.mark.parametrize("regions", [[], [1], [2], [3], [5], [1] * 6, [3] * 6, [5] * 6, [1, 5]], ids=str)
@pytest.mark.parametrize("loss", ["guided", "plain"])
@pytest.mark.parametrize("ready", [True, False])
def test_finite_on_every_degenerate_draw(regions, loss, ready):
    z = torch.ones(len(regions), 4) / 2  # identical features, as of a constant image
    z.requires_grad_()
    draw = drawn(torch.tensor(regions, dtype=torch.long))
    prototypes = prototypes_of([0.5] * 4 if ready else [0.0] * 4)
    terms = guided(z, draw, prototypes) if loss == "guided" else plain(z, draw)
    terms.loss.backward()
    assert terms.loss.isfinite() and z.grad.isfinite().all()


def test_half_precision_is_close():
    for seed in range(10):
        z, draw, prototypes = random_case(seed, n=200)
        half = z.bfloat16()
        pairs = [(guided(half, draw, prototypes), guided(z, draw, prototypes)), (plain(half, draw), plain(z, draw))]
        for rough, exact in pairs:
            torch.testing.assert_close(rough.loss, exact.loss, rtol=0.02, atol=0)


def test_a_wrong_call_gets_a_sentence():
    z, draw, prototypes = random_case(0)
    with pytest.raises(InputError, match="expected a temperature above 0"):
        guided(z, draw, prototypes, temperature=0)
    with pytest.raises(InputError, match="one region per vector"):
        guided(z[:-1], draw, prototypes)

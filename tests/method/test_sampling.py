"""Which voxels are drawn, and their features: the interpolation that would have been made for all."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.method.contrast import Projection
from pancreas_ssl.method.regions import Region
from pancreas_ssl.method.sampling import COUNTS, sample_features, sample_guided, sample_plain, sample_random


def world(seed: int = 0):
    """Regions as shells about a ball, outside at one end; uncertainty and prediction at random."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) - n / 2 for n in (32, 32, 24)), indexing="ij"))
    r = grid.pow(2).sum(0).sqrt()
    regions = torch.bucketize(r, torch.tensor([4.0, 6.0, 8.0, 11.0])) + 1
    regions[:4] = 0
    regions = regions[None].repeat(2, 1, 1, 1)
    return (regions, torch.rand(regions.shape, generator=generator), torch.rand(regions.shape, generator=generator))


def test_each_region_gives_its_number_without_repeats():
    regions, doubt, predicted = world()
    draw = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted)
    assert {Region(int(r)): int((draw.regions == r).sum()) for r in draw.regions.unique()} == dict(COUNTS)
    assert len(draw.positions.unique(dim=0)) == len(draw)
    at = draw.positions.unbind(1)
    assert torch.equal(regions[at], draw.regions) and torch.equal(doubt[at], draw.uncertainty)
    assert torch.equal(predicted[at], draw.confidence)
    again = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted)
    assert torch.equal(again.positions, draw.positions)


def test_confident_mistakes_come_first():
    regions, doubt, predicted = world()
    draw = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted)
    plain = sample_guided(regions, doubt, np.random.default_rng(0))
    wrong = draw.confidence[draw.regions == Region.RIM_OUT]
    assert wrong.min() > 0.6 and (plain.confidence == 0.5).all()


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_a_patch_of_one_region_is_no_error(code):
    regions = torch.full((1, 8, 8, 8), code)
    draw = sample_guided(regions, torch.zeros(1, 8, 8, 8), np.random.default_rng(0))
    assert set(draw.regions.tolist()) == ({code} if code else set())
    assert len(sample_random(regions, torch.zeros(1, 8, 8, 8), np.random.default_rng(0))) == len(draw)


def test_the_control_differs_in_nothing_but_the_places():
    regions, doubt, predicted = world()
    guided = sample_guided(regions, doubt, np.random.default_rng(3), predicted=predicted)
    control = sample_random(regions, doubt, np.random.default_rng(3), predicted=predicted)
    assert torch.equal(control.regions, guided.regions) and torch.equal(control.uncertainty, guided.uncertainty)
    true = regions[control.positions.unbind(1)]
    assert (true != Region.OUTSIDE).all() and len(control.positions.unique(dim=0)) == len(control)
    share = torch.stack([(true == code).float().mean() for code in range(1, 6)])
    expected = torch.stack([(regions == code).sum() / (regions > 0).sum() for code in range(1, 6)])
    assert (share - expected).abs().max() < 0.08


def test_plain_knows_pancreas_and_body_alone():
    regions, _, _ = world()
    label = (regions == 1) | (regions == 2)
    draw = sample_plain(label.long(), regions > 0, np.random.default_rng(0))
    assert set(draw.regions.tolist()) == {Region.CORE, Region.FAR} and len(draw) == sum(COUNTS.values())
    assert torch.equal(label[draw.positions.unbind(1)], draw.regions == Region.CORE)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_features_are_those_of_the_interpolated_map(stride):
    shape = (16, 8, 12)
    generator = torch.Generator().manual_seed(stride)
    small = tuple(n // stride for n in shape)
    features = torch.randn(2, 5, *small, generator=generator, requires_grad=True)
    positions = torch.stack([torch.randint(n, (200,), generator=generator) for n in (2, *shape)], 1)
    positions[:2] = torch.tensor([[0, 0, 0, 0], [1, *(n - 1 for n in shape)]])
    whole = F.interpolate(features, shape, mode="trilinear", align_corners=False)
    expected = whole.movedim(1, -1)[positions.unbind(1)]
    found = sample_features(features, positions, shape)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.square().sum(), features)
    (other,) = torch.autograd.grad(expected.square().sum(), features)
    torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


def test_a_map_of_one_voxel_can_be_read():
    features = torch.arange(3.0).view(1, 3, 1, 1, 1)
    found = sample_features(features, torch.tensor([[0, 1, 0, 1]]), (2, 2, 2))
    assert found.tolist() == [[0.0, 1.0, 2.0]]


def test_the_projection_ends_on_the_sphere_and_reaches_its_other_side():
    projection = Projection(6, outputs=8, seed=1)
    z = projection(torch.randn(300, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(300))
    assert (z @ z.T).min() < -0.1, "without a final ReLU cosines can be negative"
    assert projection(torch.zeros(1, 6)).isfinite().all()
    features = torch.randn(1, 6, 3, 4, 2)
    at = projection(features.movedim(1, -1)).movedim(-1, 1)[0, :, 1, 2, 0]
    torch.testing.assert_close(at, projection(features[0, :, 1, 2, 0]))


def test_a_share_of_near_and_far_looks_like_the_pancreas():
    regions, doubt, predicted = world()
    alike = torch.rand(regions.shape, generator=torch.Generator().manual_seed(1)) < 0.05
    plain = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted)
    none = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted, alike=alike, share=0.0)
    assert torch.equal(none.positions, plain.positions)  # what is not asked for draws nothing
    draw = sample_guided(regions, doubt, np.random.default_rng(0), predicted=predicted, alike=alike, share=0.5)
    assert torch.equal(draw.regions.bincount(), plain.regions.bincount())
    for region in (Region.NEAR, Region.FAR):
        like, expected = (one[one.regions == region] for one in (draw, plain))
        shares = [alike[one.positions.unbind(1)].float().mean() for one in (like, expected)]
        assert shares[0] >= 0.5 > 0.2 > shares[1]
    few = sample_guided(regions, doubt, np.random.default_rng(0), alike=torch.zeros_like(alike), share=1.0)
    assert torch.equal(few.regions.bincount(), plain.regions.bincount())  # where there are none, others are drawn

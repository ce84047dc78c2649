"""Prototypes: moving averages by hand, k-means, a state that comes back. (Several processes: tests/training.)"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.prototypes import Prototypes, spherical_k_means
from tests.method.test_sampling import world
from tests.method.voxels import drawn, random_case, voxels_of


def test_the_pancreas_prototype_by_hand():
    prototypes = Prototypes(2, decay=0.9)
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    prototypes.update(z, *voxels_of(drawn([1, 1, 2], [0.0, 0.5, 0.0])))
    torch.testing.assert_close(prototypes.pancreas_mean, torch.tensor([2 / 3, 1 / 3]))  # weights 1 and 0.5
    prototypes.update(z, *voxels_of(drawn([2, 1, 5], [0.0, 0.0, 0.0])))
    torch.testing.assert_close(prototypes.pancreas_mean, torch.tensor([0.6, 0.3 + 0.1]))
    assert prototypes.pancreas.norm().item() == pytest.approx(1.0)
    before = prototypes.pancreas_mean.clone()
    prototypes.update(z, *voxels_of(drawn([3, 4, 5])))  # no core: it stays
    assert torch.equal(prototypes.pancreas_mean, before)


def test_the_queue_forgets_the_oldest():
    prototypes = Prototypes(1, background=2, queue=4)
    for value in range(6):
        prototypes.update(torch.full((1, 1), float(value)), *voxels_of(drawn([5])))
    assert sorted(prototypes.queue[:, 0].tolist()) == [2.0, 3.0, 4.0, 5.0] and int(prototypes.queue_filled) == 4
    prototypes.update(torch.arange(10.0)[:, None], *voxels_of(drawn([4] * 10)))
    assert sorted(prototypes.queue[:, 0].tolist()) == [6.0, 7.0, 8.0, 9.0]


def test_k_means_finds_the_clusters():
    generator = torch.Generator().manual_seed(0)
    truth = torch.eye(6)[:4]
    points = truth.repeat_interleave(50, 0) + 0.1 * torch.randn(200, 6, generator=generator)
    points = F.normalize(points[torch.randperm(200, generator=generator)], dim=1)
    centres = spherical_k_means(points, 4)
    assert (centres @ truth.T).amax(0).min() > 0.98
    torch.testing.assert_close(spherical_k_means(points, 4, centres, rounds=2), centres, atol=1e-3, rtol=0)
    same = torch.ones(10, 3) / 3**0.5
    assert spherical_k_means(same, 4).isfinite().all()


def test_a_state_that_is_put_back_goes_on_alike():
    one = Prototypes(8, queue=64, every=3)
    for seed in range(5):
        z, draw, _ = random_case(seed)
        one.update(z, *voxels_of(draw))
    two = Prototypes(8, queue=64, every=3)
    two.load_state_dict(one.state_dict())
    for seed in range(5, 9):
        z, draw, _ = random_case(seed)
        one.update(z, *voxels_of(draw))
        two.update(z, *voxels_of(draw))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert one.has_background


@pytest.mark.parametrize("kind", ["guided", "plain", "random"])
def test_the_module_learns_on_features_that_can_be_separated(kind):
    """Features that hold the label in one channel among noise: the loss falls, and only guidance finds the rim."""
    regions, doubt, predicted = world()
    label = ((regions == 1) | (regions == 2)).long()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 6, 16, 16, 12, generator=generator)
    features[:, :1] += 2 * F.avg_pool3d(label[:, None].float(), 2)
    torch.manual_seed(0)
    contrast = GlobalContrast(kind, 6, outputs=8)
    optimiser = torch.optim.Adam(contrast.projection.parameters(), 0.01)
    losses = []
    for step in range(60):
        rng = np.random.default_rng(step)
        terms = contrast(features, regions, doubt, label, regions > 0, predicted, rng)
        optimiser.zero_grad()
        terms.loss.backward()
        optimiser.step()
        losses.append(terms.loss.item())
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) and contrast.prototypes.ready
    assert terms.z.shape == (len(terms.sample), 8) and not terms.z.requires_grad
    contrast.eval()
    before = contrast.prototypes.pancreas_mean.clone()
    contrast(features, regions, doubt, label, regions > 0, predicted, np.random.default_rng(0))
    assert torch.equal(contrast.prototypes.pancreas_mean, before), "outside training nothing is remembered"


def test_an_unknown_kind_gets_a_sentence():
    with pytest.raises(InputError, match="expected a kind out of guided, plain, random"):
        GlobalContrast("sideways", 4)


def test_several_levels_two_views_and_a_queue_are_read_together():
    regions, doubt, predicted = world()
    generator = torch.Generator().manual_seed(0)
    fine, coarse = torch.randn(2, 6, 16, 16, 12, generator=generator), torch.randn(2, 3, 4, 4, 3, generator=generator)
    levels, how = [fine, None, coarse], {"outputs": 8, "strides": (2, 8)}  # the level between them is not read
    contrast, alone = GlobalContrast("guided", 9, queue=2000, **how), GlobalContrast("guided", 9, **how)
    given = regions, doubt, (regions == 1).long(), regions > 0, predicted
    for step in range(2):
        terms = contrast(levels, *given, np.random.default_rng(step), other=[fine + 1, None, coarse])
        single = alone(levels, *given, np.random.default_rng(step))
    assert terms.z.shape == (len(terms.sample), 8) and terms.anchors == 2 * single.anchors
    queued = 2 * int((terms.sample.regions >= 4).sum())  # near and far of the step before, in both views
    assert terms.negatives == 2 * (len(terms.sample) - single.anchors) + 4 + queued
    assert len(contrast.prototypes.queue) == 2000 and len(alone.prototypes.queue) == 1024
    with pytest.raises(InputError, match="expected features 9 wide, got 6.*contrast_strides"):
        contrast(fine, *given, np.random.default_rng(0))

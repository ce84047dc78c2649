"""The diagnostics find what they are for: a planted collapse, swapped signs, features that are fine."""

import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.evaluation.feature_space import (
    cohesion,
    collapsed,
    effective_rank,
    polarity,
    region_table,
    report,
    rim_auc,
    separation,
)
from tests.method.voxels import drawn, guided, prototypes_of, random_case


def sphere(n: int, size: int, seed: int = 0):
    return F.normalize(torch.randn(n, size, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_by_hand():
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    regions, towards = torch.tensor([1, 1, 3, 5]), torch.tensor([1.0, 0.0])
    assert cohesion(z, regions, towards) == pytest.approx(0.8)
    assert separation(z, regions, towards) == pytest.approx(0.8 + 0.5)
    assert rim_auc(z, torch.tensor([2, 2, 3, 3]), towards) == 1.0
    assert rim_auc(z, torch.tensor([3, 3, 2, 2]), towards) == 0.0
    assert rim_auc(z, torch.tensor([1, 1, 2, 5]), towards) is None
    table = region_table(z, regions, towards)
    assert table["region"].tolist() == ["core", "rim_out", "far"] and table["voxels"].tolist() == [2, 1, 1]


def test_the_effective_rank_counts_directions():
    assert effective_rank(torch.eye(6).repeat(5, 1)) == pytest.approx(6.0, abs=1e-4)
    assert effective_rank(torch.eye(6)[:2].repeat(5, 1)) == pytest.approx(2.0, abs=1e-4)
    assert effective_rank(torch.ones(9, 6)) == pytest.approx(1.0, abs=1e-3)


def test_a_planted_collapse_is_caught():
    fine = sphere(200, 16)
    assert collapsed(fine) == ""
    one = F.normalize(torch.ones(200, 16) + 0.02 * fine, dim=1)
    assert "same way" in collapsed(one)
    line = torch.where(torch.arange(200)[:, None] % 2 == 0, 1.0, -1.0) * F.normalize(torch.ones(1, 16), dim=1)
    assert "directions" in collapsed(F.normalize(line + 0.001 * fine, dim=1))


def test_training_on_swapped_signs_is_caught():
    """The loss turned around pushes the core away from its prototype; the right one never does."""
    for sign, caught in ((1, False), (-1, True)):
        raw, draw, prototypes = random_case(4, n=120)
        raw = raw.clone().requires_grad_()
        optimiser = torch.optim.SGD([raw], 0.5)
        for _ in range(60):
            optimiser.zero_grad()
            (sign * guided(F.normalize(raw, dim=1), draw, prototypes).loss).backward()
            optimiser.step()
        z = F.normalize(raw.detach(), dim=1)
        assert ("swapped" in polarity(z, draw.regions, prototypes.pancreas)) == caught
        assert ("swapped" in report(z, draw, prototypes)["polarity"]) == caught


def test_swapped_regions_are_caught():
    z = torch.cat([F.normalize(sphere(50, 8) * 0.3 + torch.eye(8)[0], dim=1), sphere(50, 8, 1)])
    right, wrong = torch.tensor([1] * 50 + [5] * 50), torch.tensor([5] * 50 + [1] * 50)
    assert polarity(z, right, torch.eye(8)[0]) == "" != polarity(z, wrong, torch.eye(8)[0])


def test_a_report_holds_everything():
    z, draw, prototypes = random_case(1)
    found = report(z, draw, prototypes)
    assert {"cohesion", "separation", "rim_auc", "effective_rank", "collapsed", "polarity"} == set(found)
    empty = report(z[:1], drawn([5]), prototypes_of(torch.eye(8)[0]))
    assert empty["rim_auc"] is None

"""What a map is worth: AUROC, reliability and risk-coverage by hand, by brute force, and at their limits."""

import itertools

import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.calibration import band, band_ece, expected_calibration_error, reliability
from pancreas_ssl.evaluation.uncertainty_quality import (
    area_under_risk_coverage,
    case_uncertainty,
    error_auroc,
    risk_coverage,
)
from tests.method.shapes import blob, ellipsoid


def test_band_by_hand_and_by_brute_force():
    label = np.zeros((7, 7, 7))
    label[3, 3, 3] = 1
    assert band(label, (1, 1, 1), 1).sum() == 7 and band(label, (1, 1, 1), 0).sum() == 1
    assert band(label, (1, 1, 5), 1).sum() == 5
    assert not band(np.zeros((3, 3, 3)), (1, 1, 1)).any() and band(np.ones((3, 3, 3)), (1, 1, 1)).all()
    rng = np.random.default_rng(0)
    for _ in range(20):
        label, spacing, width = blob(rng), rng.uniform(0.5, 3, 3), rng.uniform(0, 6)
        places, inside = np.argwhere(np.ones(label.shape)), np.argwhere(label)
        expected = np.zeros(label.size, bool)
        if len(inside):
            gaps = (places[:, None] - inside[None]) * spacing
            expected = np.sqrt((gaps**2).sum(2)).min(1) <= width
        np.testing.assert_array_equal(band(label, tuple(spacing), width).ravel(), expected)


def test_auroc_by_hand():
    assert error_auroc([0, 1, 2, 3], [0, 0, 1, 1]) == 1
    assert error_auroc([3, 2, 1, 0], [0, 0, 1, 1]) == 0
    assert error_auroc([1, 1, 1, 1], [0, 0, 1, 1]) == 0.5
    assert error_auroc([1, 2, 2, 3], [0, 1, 0, 0]) == pytest.approx(1.5 / 3)
    assert error_auroc([1, 2], [0, 0]) is None and error_auroc([1, 2], [1, 1]) is None
    assert error_auroc([1, 2], [0, 1], [False, False]) is None


def test_auroc_slow_reference():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        values = rng.integers(0, rng.choice([3, 1000]), 40) / 7
        wrong, where = rng.random(40) < 0.3, rng.random(40) < 0.8
        pairs = list(itertools.product(values[where & wrong], values[where & ~wrong]))
        expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
        assert error_auroc(values, wrong, where) == pytest.approx(expected, abs=1e-12)
        stretched = error_auroc(np.exp(values), wrong, where)
        assert stretched == pytest.approx(expected, abs=1e-12)
        assert error_auroc(-values, wrong, where) == pytest.approx(1 - expected, abs=1e-12)


def test_auroc_refuses():
    with pytest.raises(InputError, match="one shape"):
        error_auroc([1, 2, 3], [0, 1])
    with pytest.raises(InputError, match="one shape"):
        error_auroc([1, 2], [0, 1], [True])
    with pytest.raises(InputError, match="finite map"):
        error_auroc([np.nan, 2], [0, 1])


def test_reliability_by_hand():
    table = reliability([0.0, 0.1, 0.6, 0.7, 1.0], [0, 1, 1, 0, 1], bins=4)
    assert table["voxels"].tolist() == [2, 0, 2, 1]
    np.testing.assert_allclose(table["probability"], [0.05, np.nan, 0.65, 1.0], atol=1e-6)
    np.testing.assert_allclose(table["share"], [0.5, np.nan, 0.5, 1.0])
    assert table["low"].tolist() == [0, 0.25, 0.5, 0.75] and table["high"].tolist() == [0.25, 0.5, 0.75, 1]
    assert expected_calibration_error(table) == pytest.approx((2 * 0.45 + 2 * 0.15) / 5, abs=1e-6)


def test_ece_agrees_with_a_slow_reference_and_with_the_evaluation():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        label = blob(rng, (8, 7, 6))
        p = rng.random(label.shape, np.float32)
        spacing, bins = tuple(rng.uniform(1, 4, 3)), int(rng.integers(1, 20))
        where = band(label, spacing, 5)
        table = reliability(p, label, where, bins)
        found = expected_calibration_error(table)
        official = band_ece(p, label, spacing, band_mm=5, bins=bins)
        assert (found is None) == (official is None) == (not label.any())
        if found is None:
            continue
        gaps = {}
        for q, is_label in zip(p[where].tolist(), label[where].tolist(), strict=True):
            number = min(int(q * bins), bins - 1)
            gaps[number] = gaps.get(number, 0.0) + q - is_label
        slow = sum(map(abs, gaps.values())) / where.sum()
        assert found == pytest.approx(slow, abs=1e-5) and found == pytest.approx(official, abs=1e-9)
        assert table["voxels"].sum() == where.sum()


def test_reliability_refuses_and_takes_nothing():
    with pytest.raises(InputError, match="probabilities from 0 to 1"):
        reliability([1.5], [1])
    with pytest.raises(InputError, match="probabilities from 0 to 1"):
        reliability([np.nan], [1])
    with pytest.raises(InputError, match="at least one bin"):
        reliability([0.5], [1], bins=0)
    nothing = reliability([0.5], [1], [False])
    assert nothing["voxels"].sum() == 0 and expected_calibration_error(nothing) is None


def test_case_score():
    mask = ellipsoid()
    assert case_uncertainty(np.full(mask.shape, 0.3), mask) == pytest.approx(0.3)
    uncertainty = mask * 0.5
    assert case_uncertainty(uncertainty, mask, margin=0) == pytest.approx(0.5)
    scores = [case_uncertainty(uncertainty, mask, margin=m) for m in range(4)]
    assert scores == sorted(scores, reverse=True) and scores[3] > 0
    assert case_uncertainty(uncertainty, np.zeros(mask.shape)) == 1
    assert case_uncertainty(uncertainty, np.ones(mask.shape)) == pytest.approx(uncertainty.mean())
    moved = case_uncertainty(np.roll(uncertainty, 2, 0), np.roll(mask, 2, 0))
    assert moved == pytest.approx(scores[2])
    with pytest.raises(InputError, match="on one grid"):
        case_uncertainty(uncertainty, mask[1:])


def test_risk_coverage_by_hand_and_its_ends():
    table = risk_coverage([0.2, 0.1, 0.4, 0.3], [0.5, 0.1, 0.9, 0.3])
    np.testing.assert_allclose(table["coverage"], [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(table["risk"], [0.1, 0.3, 0.3, 0.45])
    assert area_under_risk_coverage([0.2, 0.1, 0.4, 0.3], [0.5, 0.1, 0.9, 0.3]) == pytest.approx(0.2875)
    rng = np.random.default_rng(0)
    for _ in range(50):
        risks, scores = rng.random(9), rng.integers(0, 5, 9)
        best, worst = (area_under_risk_coverage(s, risks) for s in (risks, -risks))
        found = area_under_risk_coverage(scores, risks)
        assert best - 1e-12 <= found <= worst + 1e-12
        order = rng.permutation(9)  # the order in which cases are listed does not matter, not even in ties
        assert area_under_risk_coverage(scores[order], risks[order]) == pytest.approx(found)
        assert area_under_risk_coverage(np.zeros(9), risks) == pytest.approx(risks.mean())
        assert risk_coverage(scores, risks)["risk"].iloc[-1] == pytest.approx(risks.mean())
    one = risk_coverage([0.3], [0.7])
    assert one.values.tolist() == [[1.0, 0.7]]


def test_ties_count_with_the_mean_over_their_orders():
    scores, risks = np.array([0, 1, 1, 1]), np.array([0.2, 0.1, 0.6, 0.8])
    curves = []
    for order in itertools.permutations((1, 2, 3)):
        kept = risks[[0, *order]]
        curves.append(np.cumsum(kept) / np.arange(1, 5))
    np.testing.assert_allclose(risk_coverage(scores, risks)["risk"], np.mean(curves, axis=0))


@pytest.mark.parametrize("scores, risks", [([], []), ([1], [1, 2]), ([np.nan], [0.1]), ([0.1], [np.inf])])
def test_risk_coverage_refuses(scores, risks):
    with pytest.raises(InputError, match="one finite score and one finite risk"):
        risk_coverage(scores, risks)

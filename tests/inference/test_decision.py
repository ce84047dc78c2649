"""From probabilities to masks: each rule by hand, against a slow reference, and the two old answers unchanged."""

import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import largest_component
from pancreas_ssl.inference.decision import decided, expected_dice_threshold
from pancreas_ssl.method.recipe import DECISIONS


def both(p):
    p = np.asarray(p, np.float32)
    return np.stack([1 - p, p])


def smooth(seed, peak=1.0):
    """Two blobs and haze."""
    rng, at = np.random.default_rng(seed), np.indices((16, 14, 12))
    blob = sum(
        np.exp(-((at - np.reshape(c, (3, 1, 1, 1))) ** 2).sum(0) / s) for c, s in (((5, 6, 6), 14), ((13, 9, 5), 5))
    )
    return np.clip(peak * blob + 0.05 * rng.random(blob.shape), 0, 1).astype(np.float32)


def test_argmax_is_what_it_was():
    for seed in range(3):
        p = smooth(seed)
        assert np.array_equal(decided(both(p)) > 0, largest_component(both(p).argmax(0) == 1))
        assert np.array_equal(decided(both(p), largest=False) > 0, both(p).argmax(0) == 1)
    three = np.random.default_rng(0).dirichlet(np.ones(3), (8, 8, 8)).transpose(3, 0, 1, 2).astype(np.float32)
    assert np.array_equal(decided(three, largest=False) > 0, three.argmax(0) == 1)


@pytest.mark.parametrize("peak", [0.3, 0.6, 1.0])
def test_the_best_expected_dice_against_every_threshold(peak):
    p = smooth(1, peak)
    t = expected_dice_threshold(p)

    def expected(mask):
        return 2 * p[mask].sum(dtype=float) / (mask.sum() + p.sum(dtype=float))

    best = max(expected(p > s) for s in np.unique(p[p > 1e-3]) - 1e-7)
    assert expected(p > t) == pytest.approx(best, abs=1e-6)
    assert t == pytest.approx(best / 2, abs=0.01) and t <= 0.5  # half of the best, Lipton et al.
    wide, narrow = (decided(both(p), how, largest=False) > 0 for how in ("expected-dice", "argmax"))
    assert (wide >= narrow).all() and wide.sum() > narrow.sum()


def test_expected_dice_is_what_sampled_labels_give():
    p = smooth(2, 0.6)
    labels = np.random.default_rng(0).random((200, *p.shape)) < p

    def dice(mask):
        return np.mean(2 * (labels & mask).sum((1, 2, 3)) / (labels.sum((1, 2, 3)) + mask.sum()))

    assert dice(p > expected_dice_threshold(p)) > dice(p > 0.5) + 0.05


def test_hysteresis_grows_from_seeds_and_keeps_every_seeded_part():
    p = np.zeros((12, 3, 3), np.float32)
    p[0:4, 1, 1] = 0.9, 0.3, 0.3, 0.1
    p[6:8, 1, 1], p[9:11, 1, 1] = 0.6, (0.25, 0.95)
    line = (decided(both(p), "hysteresis") > 0)[:, 1, 1].astype(int).tolist()
    assert line == [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0]  # 0.6 is no seed
    low = decided(both(p), "hysteresis", (0.2, 0.5)) > 0
    assert low[:, 1, 1].astype(int).tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0]
    assert not (decided(both(p), "hysteresis", (0.2, 0.99)) > 0).any()


def test_no_organ_stays_none_and_an_unknown_rule_is_named():
    for how in DECISIONS:
        assert not (decided(both(np.zeros((6, 6, 6))), how) > 0).any()
    with pytest.raises(InputError, match="argmax, expected-dice, hysteresis, got majority"):
        decided(both(np.zeros((2, 2, 2))), "majority")

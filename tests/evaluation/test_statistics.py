"""The paired bootstrap: estimate, crossing of seeds and patients, coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import holm, paired_bootstrap


def rows_of(differences, source="B", generator=None):
    """Rows whose paired differences are the given (seeds, patients) table."""
    generator = generator or np.random.default_rng(0)
    base = generator.uniform(0.4, 0.9, differences.shape)
    return [
        {"arm": arm, "seed": s, "source": source, "case": f"{source}_{p:03d}", "dice": base[s, p] + add[s, p]}
        for arm, add in (("plain", 0 * differences), ("dual", differences))
        for s in range(differences.shape[0])
        for p in range(differences.shape[1])
    ]


def test_estimate_is_the_mean_of_patients_means_and_antisymmetric():
    differences = np.random.default_rng(1).normal(0.02, 0.05, (3, 12))
    rows = rows_of(differences)
    line = paired_bootstrap(rows, "dual", "plain", replicates=4000).iloc[0]
    assert line["difference"] == pytest.approx(differences.mean())
    assert line["low"] < line["difference"] < line["high"]
    assert (line["patients"], line["seeds"]) == (12, 3)
    assert line["better"] == (differences.mean(axis=0) > 0).sum()
    assert line["arm_mean"] - line["baseline_mean"] == pytest.approx(line["difference"])
    mirrored = paired_bootstrap(rows, "plain", "dual", replicates=4000).iloc[0]
    assert mirrored["low"] == pytest.approx(-line["high"]) and mirrored["high"] == pytest.approx(-line["low"])


def slow_draw(differences, generator):
    """One replicate, spelt out: patients with replacement, seeds by Student's t, the residual counted once."""
    n_seeds, n_patients = differences.shape
    mean = differences.mean()
    by_seed, by_patient = differences.mean(axis=1), differences.mean(axis=0)
    residual = sum(
        (differences[s, p] - by_seed[s] - by_patient[p] + mean) ** 2 for s in range(n_seeds) for p in range(n_patients)
    ) / ((n_seeds - 1) * (n_patients - 1))
    patients = n_seeds * sum((by_patient - mean) ** 2) / (n_patients - 1)
    seeds = n_patients * sum((by_seed - mean) ** 2) / (n_seeds - 1)
    leaves = max(0.0, 1 - (residual / seeds) ** 2) if seeds > residual else 0.0
    spread = np.sqrt((seeds - leaves * residual) / n_seeds / n_patients)
    moved = np.mean([by_patient[p] - mean for p in generator.integers(n_patients, size=n_patients)])
    kept = max(0.0, 1 - (1 - leaves) * residual / patients) * n_patients / (n_patients - 1)
    return mean + spread * generator.standard_t(n_seeds - 1) + np.sqrt(kept) * moved


@pytest.mark.parametrize(("seed_sd", "patient_sd"), [(0.0, 0.05), (0.05, 0.05), (0.03, 0.0)])
def test_agrees_with_a_slow_loop(seed_sd, patient_sd):
    generator = np.random.default_rng(2)
    differences = generator.normal(0, 0.05, (4, 10)) + generator.normal(0, seed_sd, (4, 1))
    differences += generator.normal(0, patient_sd, 10)
    line = paired_bootstrap(rows_of(differences), "dual", "plain", replicates=20_000).iloc[0]
    draws = [slow_draw(differences, generator) for _ in range(5000)]
    spread = line["high"] - line["low"]
    assert [line["low"], line["high"]] == pytest.approx(list(np.quantile(draws, [0.025, 0.975])), abs=0.06 * spread)


@pytest.mark.parametrize("skewed", [False, True])
def test_one_seed_agrees_with_scipys_bootstrap_of_patients(skewed):
    generator = np.random.default_rng(4)
    patients = generator.exponential(0.05, 30) if skewed else generator.normal(0.02, 0.05, 30)
    line = paired_bootstrap(rows_of(patients[None]), "dual", "plain", replicates=40_000).iloc[0]
    theirs = stats.bootstrap(
        (patients,), np.mean, n_resamples=40_000, method="percentile", rng=generator
    ).confidence_interval
    wider = np.sqrt(30 / 29)  # a bootstrapped variance has the divisor n
    expected = [patients.mean() + wider * (edge - patients.mean()) for edge in theirs]
    assert [line["low"], line["high"]] == pytest.approx(expected, abs=0.02 * (theirs.high - theirs.low))


def test_seeds_alone_give_students_interval():
    by_seed = np.array([0.03, -0.01, 0.02, 0.05])
    line = paired_bootstrap(rows_of(np.repeat(by_seed[:, None], 6, axis=1)), "dual", "plain").iloc[0]
    expected = stats.t.interval(0.95, 3, by_seed.mean(), by_seed.std(ddof=1) / 2)
    assert [line["low"], line["high"]] == pytest.approx(list(expected), abs=0.005)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_p_agrees_with_the_interval(confidence):
    generator = np.random.default_rng(8)
    for shift in np.linspace(-0.04, 0.04, 12):
        differences = shift + generator.normal(0, 0.03, (3, 12)) + generator.normal(0, 0.01, (3, 1))
        line = paired_bootstrap(rows_of(differences), "dual", "plain", replicates=2000, confidence=confidence).iloc[0]
        assert (line["low"] > 0 or line["high"] < 0) == (line["p"] < 1 - confidence + 1e-9)


def test_a_single_patient_says_nothing_of_others():
    line = paired_bootstrap(rows_of(np.array([[0.1], [0.12]])), "dual", "plain", replicates=100).iloc[0]
    assert np.isnan(line["low"]) and np.isnan(line["high"]) and line["p"] == 1.0
    assert line["difference"] == pytest.approx(0.11)


def test_seeds_that_differ_widen_the_interval():
    by_seed = np.repeat(np.array([[0.10], [-0.10], [0.02]]), 20, axis=1)
    line = paired_bootstrap(rows_of(by_seed), "dual", "plain").iloc[0]
    assert line["high"] - line["low"] > 0.1  # patients alone would give no spread at all
    one = paired_bootstrap(rows_of(by_seed[:1]), "dual", "plain").iloc[0]
    assert one["seeds"] == 1 and one["high"] == pytest.approx(one["low"])


def test_several_sources_share_the_seeds():
    shared = np.repeat(np.array([[0.10], [-0.10]]), 8, axis=1)
    rows = rows_of(shared, "B") + rows_of(shared, "C")
    table = paired_bootstrap(rows, "dual", "plain").set_index("source")
    assert list(table.index) == ["B", "C", "mean of sources"]
    # Independent draws of the seeds would shrink the mean's interval; one draw for all does not.
    assert table.loc["mean of sources", "high"] == pytest.approx(table.loc["B", "high"])
    assert table.loc["mean of sources", "patients"] == 16


def test_deterministic_and_generator_is_the_callers():
    rows = rows_of(np.random.default_rng(3).normal(0, 0.05, (3, 9)))
    first = paired_bootstrap(rows, "dual", "plain", replicates=500, generator=5)
    again = paired_bootstrap(rows[::-1], "dual", "plain", replicates=500, generator=np.random.default_rng(5))
    assert first.equals(again)


def test_empty_labels_drop_out_and_gaps_are_refused():
    rows = rows_of(np.full((2, 5), 0.1))
    for row in rows:
        if row["case"] == "B_004":
            row["dice"] = None
    assert paired_bootstrap(rows, "dual", "plain").iloc[0]["patients"] == 4
    with pytest.raises(InputError, match="lacks a partner for case B_000 with seed 1"):
        paired_bootstrap([r for r in rows if (r["arm"], r["seed"], r["case"]) != ("dual", 1, "B_000")], "dual", "plain")
    with pytest.raises(InputError, match="dual, plain, got 'other'"):
        paired_bootstrap(rows, "other", "plain")
    with pytest.raises(InputError, match="twice"):
        paired_bootstrap(rows + rows[:1], "dual", "plain")
    with pytest.raises(InputError, match="same seeds on every source"):
        paired_bootstrap(rows + rows_of(np.zeros((3, 4)), "C"), "dual", "plain")


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_holm_is_the_closed_test_of_bonferroni(n):
    """Adjusted p of one hypothesis = the largest Bonferroni p over all sets of hypotheses that hold it."""
    p = np.random.default_rng(n).uniform(0, 0.4, n)
    closed = [
        max(
            min(1.0, size * min(p[list(others)]))
            for size in range(1, n + 1)
            for others in itertools.combinations(range(n), size)
            if one in others
        )
        for one in range(n)
    ]
    assert holm(p) == pytest.approx(closed)

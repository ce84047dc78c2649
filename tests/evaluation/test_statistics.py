"""The paired bootstrap: estimate, crossing of seeds and patients, coverage."""

import numpy as np
import pytest

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


def test_agrees_with_a_slow_loop():
    differences = np.random.default_rng(2).normal(0, 0.05, (4, 10))
    line = paired_bootstrap(rows_of(differences), "dual", "plain", replicates=20_000).iloc[0]
    generator = np.random.default_rng(7)
    draws = []
    for _ in range(4000):
        seeds, patients = generator.integers(4, size=4), generator.integers(10, size=10)
        draws.append(np.mean([[differences[s, p] for s in seeds] for p in patients]))
    spread = line["high"] - line["low"]
    assert [line["low"], line["high"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.05 * spread)


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
        paired_bootstrap(
            [r for r in rows if (r["arm"], r["seed"], r["case"]) != ("dual", 1, "B_000")], "dual", "plain"
        )
    with pytest.raises(InputError, match="dual, plain, got 'other'"):
        paired_bootstrap(rows, "other", "plain")
    with pytest.raises(InputError, match="twice"):
        paired_bootstrap(rows + rows[:1], "dual", "plain")
    with pytest.raises(InputError, match="same seeds on every source"):
        paired_bootstrap(rows + rows_of(np.zeros((3, 4)), "C"), "dual", "plain")


def test_coverage_over_simulated_studies():
    generator = np.random.default_rng(11)
    studies, covered = 300, 0
    for _ in range(studies):
        effects = generator.normal(0, 0.01, (5, 1)) + generator.normal(0, 0.05, 24)
        differences = 0.02 + effects + generator.normal(0, 0.03, (5, 24))
        line = paired_bootstrap(
            rows_of(differences), "dual", "plain", replicates=400, generator=generator
        ).iloc[0]
        covered += line["low"] <= 0.02 <= line["high"]
    assert 0.88 <= covered / studies <= 0.985


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]

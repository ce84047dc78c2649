r"""Draws of a mean difference when every seed meets every patient, with an interval that few seeds do not fool.

The plain pigeonhole bootstrap (Owen 2007: seeds and patients both drawn with replacement) has two faults with three to
five seeds. Its percentiles ignore Student's t, so intervals are too short where trainings differ; and it counts the
residual about three times, so they are too long where the residual dominates. Here the patients are still drawn with
replacement, but the seeds' part is a random contrast of the seeds whose spread is exactly that of Student's t with
S - 1 degrees of freedom, and the residual is counted once. The sum of both parts has the Behrens-Fisher distribution,
whose intervals cover at least nearly what they promise (Weerahandi 1993).

Model, for source k: D[s, p] = mu_k + a_s + c_sk + b_p + e_sp; the seeds' effects a_s are shared by all sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["Weights", "crossed_draws", "draw_weights", "mean_squares"]


@dataclass(frozen=True)
class Weights:
    """What `crossed_draws` multiplies the data with: `seeds` (R, S), rows that sum to 0; `patients`, one (R, P) array
    of shares drawn with replacement, rows that sum to 1, per source."""

    seeds: Float[np.ndarray, "R S"]
    patients: tuple[Float[np.ndarray, "R P"], ...]


def draw_weights(generator: np.random.Generator, n_seeds: int, patients: Sequence[int], replicates: int) -> Weights:
    r"""Random weights for `replicates` draws.

    Seeds: u = (g - mean g) / sqrt(S chi2_{S-1}) with g standard normal, so that u . x, for any S numbers x, is
    sd(x) / sqrt(S) times a Student t with S - 1 degrees of freedom. Each u comes with its mirror image -u, which
    takes the chance out of the interval's symmetry. One seed has no spread: u = 0.
    Patients: counts of P draws out of P with replacement, divided by P.

    Example:
        >>> weights = draw_weights(np.random.default_rng(0), 3, [4], 5)
        >>> weights.seeds.shape, [w.shape for w in weights.patients]
        ((5, 3), [(5, 4)])
    """
    seeds = np.zeros((replicates, n_seeds))
    if n_seeds > 1:
        half = -(-replicates // 2)
        normal = generator.normal(size=(half, n_seeds))
        chi2 = generator.chisquare(n_seeds - 1, (half, 1))
        drawn = (normal - normal.mean(axis=1, keepdims=True)) / np.sqrt(n_seeds * chi2)
        seeds = np.concatenate([drawn, -drawn])[:replicates]
    shares = (generator.multinomial(n, np.full(n, 1.0 / n), size=replicates) / n for n in patients)
    return Weights(seeds, tuple(shares))


def mean_squares(grid: Float[np.ndarray, "S P"]) -> tuple[float, float]:
    """Mean squares of the patients and of the residual in a two-way table without replication (0 for one seed).

    Example:
        >>> mean_squares(np.array([[0.0, 2.0], [2.0, 4.0]]))
        (4.0, 0.0)
    """
    n_seeds, n_patients = grid.shape
    by_seed, by_patient, mean = grid.mean(axis=1, keepdims=True), grid.mean(axis=0), grid.mean()
    patients = n_seeds * ((by_patient - mean) ** 2).sum() / max(n_patients - 1, 1)
    residual = ((grid - by_seed - by_patient + mean) ** 2).sum()
    return float(patients), float(residual / max((n_seeds - 1) * (n_patients - 1), 1))


def crossed_draws(grids: Sequence[Float[np.ndarray, "S P"]], weights: Weights) -> Float[np.ndarray, " R"]:
    r"""Draws of the unweighted mean of the sources' mean differences, around the estimate.

    With m_s the mean over sources and patients of seed s, v = var(m) / S, MS_p and MS_e the mean squares of a source,
    and r = sum_k MS_e / (S P_k K^2) what the residual alone contributes to v:

        draw = mean + sqrt(1 - w r / v) u.m + sum_k sqrt((1 - (1 - w) MS_e / MS_p) P / (P - 1)) (shares - 1/P).b / K

    b are the patients' means over seeds. The residual is part of both v and MS_p and is taken out of one of them: w is
    the share that leaves the seeds, w = 1 - (r / v)^2, and 0 where v <= r. So seeds that differ no more than the
    residual explains keep their whole spread. P / (P - 1) undoes the shrinkage of a bootstrapped variance. The choice
    of w is ours: of the simple ones it kept the coverage closest to 95 % in `tests/evaluation/test_coverage.py`.

    Args:
        grids: per source, the differences of S seeds on P patients; the same seeds in the same order everywhere.
        weights: of `draw_weights`, for these sizes.

    Returns:
        (R,) draws; their quantiles are the interval. With one seed the spread between trainings is missing. NaN where
        a source has a single patient: nothing is known of others.

    Source: Owen 2007, doi 10.1214/07-AOAS122; Weerahandi 1993, doi 10.1080/01621459.1993.10476355 (generalised
    intervals); Hesterberg 2015, doi 10.1080/00031305.2015.1089789 (why percentiles of small samples are short).

    Example:
        >>> grid = np.random.default_rng(1).normal(0.02, 0.03, (5, 24))
        >>> draws = crossed_draws([grid], draw_weights(np.random.default_rng(0), 5, [24], 4000))
        >>> bool(np.quantile(draws, 0.025) < grid.mean() < np.quantile(draws, 0.975))
        True
    """
    n_sources, n_seeds = len(grids), grids[0].shape[0]
    if min(grid.shape[1] for grid in grids) < 2:
        return np.full(len(weights.seeds), np.nan)
    squares = [mean_squares(grid) for grid in grids]
    by_seed = np.mean([grid.mean(axis=1) for grid in grids], axis=0)
    seeds = float(by_seed.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    residual = sum(e / g.size for (_, e), g in zip(squares, grids, strict=True)) / n_sources**2
    leaves = 1.0 - (residual / seeds) ** 2 if seeds > residual else 0.0
    draws = np.full(len(weights.seeds), np.mean([grid.mean() for grid in grids]))
    if seeds > 0:
        draws += np.sqrt(1.0 - leaves * residual / seeds) * (weights.seeds @ by_seed)
    for grid, (patients, error), shares in zip(grids, squares, weights.patients, strict=True):
        if patients > 0:
            n = grid.shape[1]
            scale = max(0.0, 1.0 - (1.0 - leaves) * error / patients) * n / (n - 1)
            draws += np.sqrt(scale) / n_sources * ((shares - 1.0 / n) @ grid.mean(axis=0))
    return draws

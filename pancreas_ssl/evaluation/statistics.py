"""Does one arm beat another? Paired differences, with patients and seeds crossed in the bootstrap."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pancreas_ssl.errors import InputError, require
from pancreas_ssl.evaluation.crossed import Weights, crossed_draws, draw_weights
from pancreas_ssl.evaluation.summary import as_frame

__all__ = ["holm", "paired_bootstrap", "seeds_by_cases"]

OVERALL = "mean of sources"


def paired_bootstrap(
    rows: Iterable[Mapping[str, Any]] | pd.DataFrame,
    arm: str,
    baseline: str,
    *,
    metric: str = "dice",
    replicates: int = 10_000,
    confidence: float = 0.95,
    generator: np.random.Generator | int = 0,
) -> pd.DataFrame:
    r"""Mean paired difference `arm - baseline` per source, with a bootstrap interval.

    With D[s, p] the difference of seed s on patient p, the estimate is the mean over p of the mean over s. Every
    seed (one trained network) meets every patient, so the two are crossed: in each replicate the patients of each
    source are drawn with replacement, and the seeds get one random weighting for all patients and sources, with the
    spread of Student's t (`crossed_draws` has the formula). The interval holds the central `confidence` of the
    replicates; with a single seed (see the column `seeds`) it lacks the spread between trainings.

    Coverage of the 95 % interval in simulated studies, by seeds x patients: `tests/evaluation/test_coverage.py`.

    Args:
        rows: one per arm, seed, source and case: the columns arm, seed, source, case and `metric`. Cases whose
            label is empty (the metric is None in both arms) are left out.
        arm, baseline: names in the column arm; the difference is arm - baseline.
        metric: dice and nsd grow with quality; hd95 and msd shrink.
        replicates, confidence: bootstrap samples; coverage of the interval.
        generator: a NumPy generator, or a seed for a new one.

    Returns:
        One line per source, and one for the unweighted mean of the sources if there are several: source,
        patients, seeds, arm_mean, baseline_mean, difference, low, high, p (two-sided, from the share of
        replicates beyond 0, never below 1/replicates), better, worse (patients whose mean difference is above or
        below 0). A source with a single patient has no interval: low and high are NaN, p is 1.

    Raises:
        InputError: an unknown arm, or a case that one arm has and the other has not.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, doi 10.1214/07-AOAS122, changed for
    few seeds as `crossed.py` tells.

    Example:
        >>> rows = [dict(arm=a, seed=s, source="B", case=f"B_{p}", dice=0.7 + 0.02 * (a == "dual") + 0.01 * p)
        ...         for a in ("supervised", "dual") for s in range(3) for p in range(5)]
        >>> table = paired_bootstrap(rows, "dual", "supervised", replicates=200)
        >>> round(table.loc[0, "difference"], 3), table.loc[0, "patients"]
        (np.float64(0.02), np.int64(5))
    """
    frame = as_frame(rows, ["arm", "seed", "source", "case", metric])
    generator = np.random.default_rng(generator)
    known = sorted(frame["arm"].astype(str).unique())
    for name in (arm, baseline):
        require(name in known, f"an arm among {', '.join(known)}", repr(name), "name one of them")
    groups = frame[frame["arm"].isin([arm, baseline])].groupby("source", sort=True)
    matrices = {s: tuple(seeds_by_cases(group, name, metric) for name in (arm, baseline)) for s, group in groups}
    grids = {source: _difference(*pair, source) for source, pair in matrices.items()}
    grids = {source: grid for source, grid in grids.items() if grid.size}
    require(bool(grids), f"cases with a {metric} for {arm} and {baseline}", "none", "evaluate some first")
    seeds = {tuple(matrices[source][0].index) for source in grids}
    require(len(seeds) == 1, "the same seeds on every source", sorted(seeds), "run the missing ones")

    n_seeds = len(seeds.pop())
    weights = draw_weights(generator, n_seeds, [grid.shape[1] for grid in grids.values()], replicates)
    lines = []
    for (source, grid), patients in zip(grids.items(), weights.patients, strict=True):
        draws = crossed_draws([grid], Weights(weights.seeds, (patients,)))
        means = [float(np.nanmean(matrix.to_numpy())) for matrix in matrices[source]]
        lines.append(_line(source, grid.mean(axis=0), n_seeds, means, float(grid.mean()), draws, confidence))
    if len(grids) > 1:
        means = [float(np.mean([line[name] for line in lines])) for name in ("arm_mean", "baseline_mean")]
        centre = float(np.mean([line["difference"] for line in lines]))
        per_patient = np.concatenate([grid.mean(axis=0) for grid in grids.values()])
        totals = crossed_draws(list(grids.values()), weights)
        lines.append(_line(OVERALL, per_patient, n_seeds, means, centre, totals, confidence))
    return pd.DataFrame(lines)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: the k-th smallest of m p-values times (m - k + 1), made monotone, at most 1.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(order))
    scaled = np.asarray(p_values, float)[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(p) for p in adjusted]


def seeds_by_cases(group: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Seeds x cases of one arm on one source; a row that is not there leaves a NaN.

    Raises:
        InputError: a case stands there twice with one seed.
    """
    part = group[group["arm"] == arm]
    twice = part[part.duplicated(["seed", "case"])]
    if not twice.empty:
        found = f"{arm} has case {twice['case'].iloc[0]} with seed {twice['seed'].iloc[0]} twice"
        raise InputError(f"expected one row per arm, seed and case, {found}; drop one of them")
    return part.assign(**{metric: part[metric].astype(float)}).pivot(index="seed", columns="case", values=metric)


def _difference(arm: pd.DataFrame, baseline: pd.DataFrame, source: str) -> Float[np.ndarray, "S P"]:
    """D[s, p], complete; cases without any value in both arms (empty labels) are left out."""
    difference = arm - baseline  # aligned on seed and case; a partner that is missing leaves a NaN
    without_label = arm.reindex_like(difference).isna().all() & baseline.reindex_like(difference).isna().all()
    difference = difference.loc[:, ~without_label]
    if difference.isna().to_numpy().any():
        seed, case = difference.isna().stack().idxmax()
        lacks, remedy = f"a partner for case {case} with seed {seed}", "run the missing one or drop its partner"
        raise InputError(f"expected every case and seed in both arms, source {source} lacks {lacks}; {remedy}")
    return difference.to_numpy(float)


def _line(source, per_patient, n_seeds, means, difference, draws, confidence) -> dict[str, Any]:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    beyond = min((draws <= 0).mean(), (draws >= 0).mean()) if np.isfinite(low) else 1.0
    p = float(np.clip(2 * beyond, 1 / len(draws), 1.0))
    line = {"source": source, "patients": len(per_patient), "seeds": n_seeds}
    line |= {"arm_mean": means[0], "baseline_mean": means[1], "difference": difference}
    line |= {"low": float(low), "high": float(high), "p": p}
    return line | {"better": int((per_patient > 0).sum()), "worse": int((per_patient < 0).sum())}

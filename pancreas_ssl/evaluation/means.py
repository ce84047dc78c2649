"""How good is each arm on each source, and how sure is that? Means with intervals, patients and seeds crossed; and
where a further training should fall."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pancreas_ssl.errors import InputError, require
from pancreas_ssl.evaluation.crossed import crossed_draws, draw_weights
from pancreas_ssl.evaluation.statistics import OVERALL, seeds_by_cases
from pancreas_ssl.evaluation.summary import as_frame

__all__ = ["crossed_means", "next_value"]


def crossed_means(
    rows: Iterable[Mapping[str, Any]] | pd.DataFrame,
    *,
    metric: str = "dice",
    overall: Iterable[str] = (),
    replicates: int = 4000,
    confidence: float = 0.95,
    generator: np.random.Generator | int = 0,
) -> pd.DataFrame:
    """Mean of a metric per arm and source with a bootstrap interval; patients and seeds cross as in `paired_bootstrap`.

    The intervals describe each arm alone. Whether two arms differ is told by their paired differences: arms can differ
    while their intervals still overlap.

    Args:
        rows: one per arm, seed, source and case, with these columns and `metric`. Cases without a value (empty labels)
            are left out.
        overall: sources whose unweighted mean gets a line of its own ("mean of sources"), for arms that have them all.
        replicates, confidence, generator: of the bootstrap.

    Returns:
        One line per arm and source, in the order of the rows: arm, source, patients, seeds, mean, low, high, and for
        each seed the mean over patients (`seed 0` ...). With one seed the interval lacks the spread between trainings;
        with one patient there is none.

    Raises:
        InputError: a column is missing, there is no row, a case stands there twice, or a seed lacks one that
            another seed has.

    Example:
        >>> rows = [dict(arm="dual", seed=s, source="B", case=f"B_{p}", dice=0.7 + 0.01 * p + 0.02 * s)
        ...         for s in range(2) for p in range(5)]
        >>> crossed_means(rows)[["mean", "seed 0", "seed 1"]].round(3).values.tolist()
        [[0.73, 0.72, 0.74]]
    """
    frame = as_frame(rows, ["arm", "seed", "source", "case", metric]).dropna(subset=[metric])
    require(not frame.empty, f"cases with a {metric}", "none", "evaluate some first")
    generator, overall, lines = np.random.default_rng(generator), list(overall), []
    for arm, part in frame.groupby("arm", sort=False):
        grids = {source: seeds_by_cases(group, arm, metric) for source, group in part.groupby("source", sort=False)}
        for source, grid in grids.items():
            if grid.isna().to_numpy().any():
                seed, case = grid.isna().stack().idxmax()
                expected = f"case {case} of {source} with every seed of {arm}"
                raise InputError(f"expected {expected}, seed {seed} lacks it; run it or leave the case out")
        wanted = {source: [grid] for source, grid in grids.items()}
        if overall and set(overall) <= set(grids):
            wanted[OVERALL] = [grids[source] for source in overall]
        lines += [_line(arm, source, some, replicates, confidence, generator) for source, some in wanted.items()]
    return pd.DataFrame(lines)


def next_value(values: Iterable[float], confidence: float = 0.95) -> tuple[float, float]:
    r"""Where one further value of the same kind should fall: the prediction interval of a normal sample.

        mean +- t_{n-1, (1 + confidence) / 2} sd sqrt(1 + 1 / n)

    Args:
        values: n of them, the means of n trainings that differ in the seed alone, say.
        confidence: how often the further value falls inside, if values are normal.

    Raises:
        InputError: fewer than two values: one knows nothing of the spread.

    Source: Hahn 1969, Journal of the American Statistical Association 64:878-888 (one future observation).

    Example:
        >>> low, high = next_value([0.60, 0.62, 0.64])
        >>> round(low, 2), round(high, 2)
        (0.52, 0.72)
    """
    from scipy import stats

    known = np.asarray(list(values), float)
    fine = len(known) >= 2 and np.isfinite(known).all()
    require(fine, "at least two finite values", known.tolist(), "train another seed")
    half = stats.t.ppf((1 + confidence) / 2, len(known) - 1) * known.std(ddof=1) * np.sqrt(1 + 1 / len(known))
    return float(known.mean() - half), float(known.mean() + half)


def _line(arm, source, grids, replicates, confidence, generator) -> dict[str, Any]:
    arrays = [grid.to_numpy(float) for grid in grids]
    weights = draw_weights(generator, len(grids[0]), [a.shape[1] for a in arrays], replicates)
    draws = crossed_draws(arrays, weights)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    by_seed = dict(zip(grids[0].index, np.mean([a.mean(axis=1) for a in arrays], axis=0), strict=True))
    line = {"arm": arm, "source": source, "patients": sum(a.shape[1] for a in arrays), "seeds": len(by_seed)}
    line |= {"mean": float(np.mean(list(by_seed.values()))), "low": float(low), "high": float(high)}
    return line | {f"seed {seed}": float(value) for seed, value in by_seed.items()}

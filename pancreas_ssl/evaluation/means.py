"""How good is each arm on each source, and how sure is that? Means with intervals, patients and seeds crossed; and
where a further training should fall."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.crossed import Weights, crossed_draws, draw_weights
from pancreas_ssl.evaluation.statistics import OVERALL, seeds_by_cases
from pancreas_ssl.evaluation.summary import as_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["crossed_means", "next_value"]


def crossed_means(
    rows: "Iterable[Mapping[str, Any]] | pd.DataFrame",
    *,
    metric: str = "dice",
    overall: Iterable[str] = (),
    replicates: int = 4000,
    confidence: float = 0.95,
    generator: np.random.Generator | int = 0,
) -> "pd.DataFrame":
    """Mean of a metric per arm and source with a bootstrap interval, patients and seeds crossed as in
    `paired_bootstrap`.

    The intervals describe each arm alone. Whether two arms differ is told by the differences of pairs: intervals of
    single arms overlap long before that.

    Args:
        rows: one per arm, seed, source and case: the columns arm, seed, source, case and `metric`. Cases without a
            value (empty labels) are left out.
        overall: sources whose unweighted mean gets a line of its own ("mean of sources"), for arms that have them all.
        replicates, confidence, generator: of the bootstrap.

    Returns:
        One line per arm and source, in the order of the rows: arm, source, patients, seeds, mean, low, high, and for
        each seed the mean over patients (`seed 0` ...). With one seed the interval knows nothing
        of the spread between trainings; with one patient there is none.

    Raises:
        InputError: a column is missing, there is no row, a case stands there twice, or a seed lacks one that
            another seed has.

    Example:
        >>> rows = [dict(arm="dual", seed=s, source="B", case=f"B_{p}", dice=0.7 + 0.01 * p + 0.02 * s)
        ...         for s in range(2) for p in range(5)]
        >>> crossed_means(rows)[["mean", "seed 0", "seed 1"]].round(3).values.tolist()
        [[0.73, 0.72, 0.74]]
    """
    import pandas as pd

    frame = as_frame(rows, ["arm", "seed", "source", "case", metric]).dropna(subset=[metric])
    if frame.empty:
        raise InputError(f"expected cases with a {metric}, got none; evaluate some first")
    generator, overall, lines = np.random.default_rng(generator), list(overall), []
    for arm, part in frame.groupby("arm", sort=False):
        grids = {
            source: _grid(group, metric, arm, source) for source, group in part.groupby("source", sort=False)
        }
        for source, grid in grids.items():
            lines.append(_line(arm, source, [grid], replicates, confidence, generator))
        if overall and set(overall) <= set(grids):
            lines.append(_line(arm, OVERALL, [grids[s] for s in overall], replicates, confidence, generator))
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
    if len(known) < 2 or not np.isfinite(known).all():
        raise InputError(f"expected at least two finite values, got {known.tolist()}; train another seed")
    half = stats.t.ppf((1 + confidence) / 2, len(known) - 1) * known.std(ddof=1) * np.sqrt(1 + 1 / len(known))
    return float(known.mean() - half), float(known.mean() + half)


def _grid(group: "pd.DataFrame", metric: str, arm: str, source: str) -> "pd.DataFrame":
    """Seeds x cases, complete."""
    grid = seeds_by_cases(group, arm, metric)
    if grid.isna().to_numpy().any():
        seed, case = grid.isna().stack().idxmax()
        raise InputError(f"expected case {case} of {source} with every seed of {arm}, seed {seed} lacks it")
    return grid


def _line(arm, source, grids, replicates, confidence, generator) -> dict[str, Any]:
    arrays = [grid.to_numpy(float) for grid in grids]
    weights: Weights = draw_weights(generator, len(grids[0]), [a.shape[1] for a in arrays], replicates)
    draws = crossed_draws(arrays, weights)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    by_seed = dict(zip(grids[0].index, np.mean([a.mean(axis=1) for a in arrays], axis=0), strict=True))
    return {
        "arm": arm,
        "source": source,
        "patients": sum(a.shape[1] for a in arrays),
        "seeds": len(by_seed),
        "mean": float(np.mean(list(by_seed.values()))),
        "low": float(low),
        "high": float(high),
        **{f"seed {seed}": float(value) for seed, value in by_seed.items()},
    }

"""What the comparisons decided, in sentences, and what an arm differs in."""

import pandas as pd

from pancreas_ssl.study.config import Study
from pancreas_ssl.study.tables import LEVEL

__all__ = ["differs_in", "verdicts"]


def verdicts(comparisons: pd.DataFrame) -> list[str]:
    """One sentence for each comparison: difference, interval, target, and whether it is met and shown, or open.

    Args:
        comparisons: of `comparisons_table`; the deciding lines count.

    Example:
        >>> import pandas as pd
        >>> line = dict(comparison="both", arm="dual", against="plain", metric="dice", decides=True, difference=0.041,
        ...             low=-0.01, high=0.09, holm_p=0.08, target=0.03, met=True, shown=False)
        >>> print(*verdicts(pd.DataFrame([line])))
        both: dual - plain = +0.041 dice (-0.010 to +0.090), target at least +0.030: met, but not shown (Holm p 0.080).
    """
    sentences = []
    for row in comparisons[comparisons["decides"].astype(bool)].itertuples():
        target = f"at least {row.target:+.3f}" if row.target > 0 else "above 0"
        close = abs(row.holm_p - LEVEL) < 0.005  # a p of 0.0504 should not read 0.050
        p = "< 0.001" if row.holm_p < 0.001 else f"{row.holm_p:.{4 if close else 3}f}"
        outcome = "not met" if not row.met else "met and shown" if row.shown else "met, but not shown"
        outcome = f"open, as seeds are missing ({row.seeds} there)" if pd.isna(row.met) else f"{outcome} (Holm p {p})"
        sentences.append(
            f"{row.comparison}: {row.arm} - {row.against} = {row.difference:+.3f} {row.metric} "
            f"({row.low:+.3f} to {row.high:+.3f}), target {target}: {outcome}."
        )
    return sentences


def differs_in(study: Study) -> dict[str, str]:
    """Per arm the fields of the recipe, and the data, in which it differs from plain training.

    Example:
        >>> differs_in(shipped_study("controls").config)["labels"]    # doctest: +SKIP
        'augmentation: labels'
    """
    differences = {}
    for name, arm in study.arms.items():
        own = arm.model_dump(exclude_unset=True)
        differences[name] = ", ".join(f"{key}: {value}" for key, value in own.items()) or "nothing"
    return differences

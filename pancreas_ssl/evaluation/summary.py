"""From rows of single cases to one line per source: mean, spread, median, misses. The mean alone hides failures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pancreas_ssl.errors import require

__all__ = ["METRICS", "as_frame", "summarise"]

METRICS = ("dice", "nsd", "hd95", "msd", "volume_bias_ml")


def as_frame(rows: Iterable[Mapping[str, Any]] | pd.DataFrame, needed: Sequence[str]) -> pd.DataFrame:
    """Rows as a data frame of its own, the needed columns checked."""
    frame = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    missing = [name for name in needed if name not in frame.columns]
    got = f"{', '.join(map(str, frame.columns)) or 'none'}, without {', '.join(missing)}"
    require(not missing, f"rows with the columns {', '.join(needed)}", got, "add the missing ones to every row")
    return frame


def summarise(
    rows: Iterable[Mapping[str, Any]] | pd.DataFrame, by: str | Sequence[str] = "source", unit: str = "case"
) -> pd.DataFrame:
    """One line per group of `evaluate_case` rows.

    Where a patient appears several times in a group (several seeds), the patient's mean counts once: the unit is
    the patient, and the standard deviation is that between patients (divisor n - 1; 0 for a single one).

    Args:
        rows: dictionaries of `evaluate_case` with the columns of `by` and, if patients repeat, `unit` added.
        by: column or columns that make the groups, such as "source" or ["arm", "source"].
        unit: column that names the patient or case; if absent, every row is one.

    Returns:
        Indexed by `by`, with n (patients with a label), predictions (rows with a label), misses (empty
        predictions among them), share_below_half (rows with Dice < 0.5, misses included), empty_labels (rows left
        out of the rest), empty_label_false_positive_ml (their mean, 0 if there are none), and mean, sd and median
        of dice, nsd, hd95, msd and volume_bias_ml as `dice_mean` ... A group without any label has n = 0 and NA.

    Example:
        >>> rows = [dict(source="A", dice=d, nsd=d, hd95=3.0, msd=1.0, volume_bias_ml=0.0, missed=False,
        ...              label_empty=False, false_positive_ml=0.0) for d in (0.4, 0.8)]
        >>> summarise(rows).loc["A", ["n", "dice_mean", "share_below_half"]].tolist()
        [2.0, 0.6000000000000001, 0.5]
    """
    keys = [by] if isinstance(by, str) else list(by)
    frame = as_frame(rows, [*keys, *METRICS, "missed", "label_empty", "false_positive_ml"])
    require(not frame.empty, "at least one evaluated case", "none", "evaluate some cases first")
    if unit not in frame.columns:
        frame[unit] = range(len(frame))
    frame[list(METRICS)] = frame[list(METRICS)].astype(float)
    holes = (frame[list(METRICS)].isna().any(axis=1) & ~frame["label_empty"].astype(bool)).sum()
    expected = "a number for every metric of a case with a label"
    require(holes == 0, expected, f"{holes} rows without", "take the rows as evaluate_case gives them")

    lines = {}
    for key, group in frame.groupby(keys if len(keys) > 1 else keys[0], sort=True):
        without = group["label_empty"].astype(bool)
        labelled = group[~without]
        per_unit = labelled.groupby(unit)[list(METRICS)].mean()
        false_ml = group.loc[without, "false_positive_ml"].mean() if without.any() else 0.0
        line: dict[str, Any] = {
            "n": len(per_unit),
            "predictions": len(labelled),
            "misses": int(labelled["missed"].astype(bool).sum()),
            "share_below_half": float((labelled["dice"] < 0.5).mean()) if len(labelled) else pd.NA,
            "empty_labels": int(without.sum()),
            "empty_label_false_positive_ml": float(false_ml),
        }
        for metric in METRICS:
            values = per_unit[metric]
            sd = values.std(ddof=1) if len(values) > 1 else 0.0
            for name, value in (("mean", values.mean()), ("sd", sd), ("median", values.median())):
                line[f"{metric}_{name}"] = float(value) if len(values) else pd.NA
        lines[key] = line
    table = pd.DataFrame.from_dict(lines, orient="index").convert_dtypes(
        convert_string=False, convert_boolean=False, convert_floating=False, infer_objects=True
    )
    table.index = pd.MultiIndex.from_tuples(table.index, names=keys) if len(keys) > 1 else table.index.rename(keys[0])
    return table

"""From the jobs' rows to the study's tables: rows, summary, comparisons, curves."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pancreas_ssl.data.roles import full_name
from pancreas_ssl.errors import RunError
from pancreas_ssl.evaluation.statistics import OVERALL, holm, paired_bootstrap
from pancreas_ssl.evaluation.summary import METRICS, summarise
from pancreas_ssl.files import atomic_path
from pancreas_ssl.study.config import Study
from pancreas_ssl.study.plan import Job
from pancreas_ssl.study.rows import read_rows

__all__ = ["comparisons_table", "curves_table", "over_folds", "rows_table", "summary_table", "write_table"]

LEVEL = 0.05


def rows_table(jobs: Sequence[Job], out: Path) -> pd.DataFrame:
    """All rows of all jobs, in the order of arms, seeds, folds, sources and the card: arm, seed, fold (where there are
    any), source, case, then the metrics of `evaluate_case`, ece_band (the voxel ECE within 15 mm of the label), those
    of `part_metrics` where a card names parts, and leak, where leaks were allowed."""
    order = list(dict.fromkeys(job.arm for job in jobs))
    rows = []
    for job in sorted(jobs, key=lambda job: (order.index(job.arm), job.seed, job.fold or 0)):
        found = read_rows(out / job.folder / "rows.jsonl")
        if not found:
            raise RunError(f"expected rows of {job.arm}, seed {job.seed} in {out / job.folder}, there are none")
        sources = [full_name(source) for source in job.measure]
        rows += sorted(found, key=lambda row: sources.index(row["source"]))
    table = pd.DataFrame(rows)
    return table.assign(leak=table["leak"].eq(True)) if "leak" in table else table


def summary_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per arm and source: seeds, then the columns of `summarise` (the sd is that between patients, each the
    mean over seeds and folds), dice_sd_seeds (between the seeds' means over patients; empty with one seed),
    ece_band_mean, means of the parts' columns over patients, and leaks, how many rows are of cases that trained."""
    table = summarise(rows, by=["arm", "source"], unit="case").reset_index()
    groups = rows.groupby(["arm", "source"], sort=False)
    by_seed = rows.astype({"dice": float}).groupby(["arm", "source", "seed"])["dice"].mean()
    more = groups.agg(seeds=("seed", "nunique")).join(
        by_seed.groupby(level=["arm", "source"]).std(ddof=1).rename("dice_sd_seeds")
    )
    more = more.join(rows.astype({"ece_band": float}).groupby(["arm", "source"])["ece_band"].mean())
    more = more.rename(columns={"ece_band": "ece_band_mean"})
    for name in [name for name in rows if name.startswith(("dice_without_", "recall_"))]:
        values = rows.astype({name: float}).groupby(["arm", "source", "case"])[name].mean()
        more[f"{name}_mean"] = values.groupby(level=["arm", "source"]).mean()
    if "leak" in rows:
        more["leaks"] = groups["leak"].sum()
    more = more.reset_index()
    table = more.merge(table, on=["arm", "source"], how="left", sort=False)
    first = ["arm", "source", "seeds", "n", "dice_mean", "dice_sd", "dice_sd_seeds", "dice_median", "misses"]
    first.append("share_below_half")
    return table[first + [name for name in table.columns if name not in first]]


def comparisons_table(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """Per comparison, a line for each source and one for the mean of sources; `decides` marks the line whose p goes
    into Holm's correction (the mean, or the only source), and only it has holm_p; met, whether the difference
    reaches its target; and shown, whether besides the corrected p is below 0.05.

    Of cells that are not there yet: a comparison has the seeds that both of its arms have, and no line without any. It
    is open until all seeds of the study are there (neither met nor shown is said), and so counts in Holm's correction
    with a p of 1. With folds, `over_folds` comes first."""
    tables, rows = [], over_folds(rows)
    for comparison in study.comparisons:
        sources = [full_name(source) for source in study.compared(comparison)]
        part = rows[rows["source"].isin(sources)]
        seeds = part.groupby("arm")["seed"].unique()
        both = set(seeds.get(comparison.arm, ())) & set(seeds.get(comparison.against, ()))
        if not both:
            continue
        part = part[part["seed"].isin(both)]
        table = paired_bootstrap(
            part, comparison.arm, comparison.against, metric=comparison.metric, replicates=study.replicates
        )
        names = {"comparison": comparison.name, "arm": comparison.arm, "against": comparison.against}
        table = table.rename(columns={"baseline_mean": "against_mean"})
        table["decides"] = (table["source"] == OVERALL) | (len(table) == 1)
        table = table.assign(**names, metric=comparison.metric, target=comparison.target)
        tables.append(table)
    if not tables:
        return pd.DataFrame(columns=_COMPARED)
    table = pd.concat(tables, ignore_index=True)
    deciding = table["decides"]
    whole = deciding & (table["seeds"] >= len(study.seeds))
    missing = len(study.comparisons) - whole.sum()
    table.loc[whole, "holm_p"] = holm([*table.loc[whole, "p"], *[1.0] * missing])[: whole.sum()]
    met = (table["difference"] >= table["target"]) & (table["difference"] > 0)
    table["met"] = met.where(whole)
    table["shown"] = (met & (table["holm_p"] < LEVEL)).where(whole)
    return table[_COMPARED]


def over_folds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per arm, seed, source and case: numbers are means over the folds; rows without folds stay as they are.

    At home a patient is measured once, by the network that held it out. A patient of another source is measured by the
    network of every fold; it is still one patient, so its mean goes into the bootstrap, once. The interval then answers
    for other patients and (with several seeds) other trainings. What it does not answer for is other training
    patients: the networks of the folds share most of theirs, so their spread says little of it; and patients at home
    that share a network are taken as independent. Both make it somewhat too short.
    """
    if "fold" not in rows:
        return rows
    keys = ["arm", "seed", "source", "case"]
    numbers = [name for name in (*METRICS, "ece_band") if name in rows]
    return rows.astype(dict.fromkeys(numbers, float)).groupby(keys, sort=False)[numbers].mean().reset_index()


_COMPARED = [
    "comparison", "arm", "against", "metric", "source", "decides", "patients", "seeds", "arm_mean", "against_mean",
    "difference", "low", "high", "p", "holm_p", "better", "worse", "target", "met", "shown",
]  # fmt: skip


def curves_table(jobs: Sequence[Job], out: Path) -> pd.DataFrame:
    """The trainings' histories, one below the other: arm, seed (fold), step, loss, learning_rate, seconds,
    held_out_dice."""
    histories = []
    for job in jobs:
        history = pd.read_csv(out / job.folder / "history.csv")
        fold = {} if job.fold is None else {"fold": job.fold}
        histories.append(pd.concat([_constant(history, arm=job.arm, seed=job.seed, **fold), history], axis=1))
    return pd.concat(histories, ignore_index=True)


def _constant(like: pd.DataFrame, **values) -> pd.DataFrame:
    return pd.DataFrame({name: [value] * len(like) for name, value in values.items()}, index=like.index)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """A CSV that appears whole; numbers keep every digit."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)

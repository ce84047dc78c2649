"""`report.md`: what was asked, the results, and their limits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pancreas_ssl.data.roles import REVEALS, SIMULATED, full_name, role_of
from pancreas_ssl.evaluation.metrics import EMPTY_DISTANCE_MM
from pancreas_ssl.figures.described import Described
from pancreas_ssl.study.config import Study
from pancreas_ssl.study.verdicts import differs_in, verdicts

__all__ = ["markdown_table", "report"]

_SUMMARY = {
    "arm": "arm", "source": "source", "n": "patients", "seeds": "seeds", "dice_mean": "Dice",
    "dice_sd": "sd of patients", "dice_sd_seeds": "sd of seeds", "dice_median": "median", "misses": "misses",
    "share_below_half": "share < 0.5", "nsd_mean": "NSD", "hd95_mean": "HD95, mm", "ece_band_mean": "ECE in the band",
}  # fmt: skip
_PARTS = ("dice_without_", "recall_")
_COMPARED = {
    "comparison": "comparison", "source": "source", "difference": "difference", "low": "95 % from", "high": "95 % to",
    "p": "p", "holm_p": "Holm p", "target": "target", "met": "met", "shown": "shown", "better": "better",
    "worse": "worse",
}  # fmt: skip


def report(
    study: Study,
    facts: dict[str, Any],
    summary: pd.DataFrame,
    comparisons: pd.DataFrame,
    drawn: Sequence[Described],
    out: Path,
) -> str:
    """The report in Markdown; figures are named relative to the study's folder.

    Args:
        facts: the content of `study.json`.
        drawn: figures, saved under `figures/`.
    """
    lines = [f"# Study: {study.name}", "", *_limits(study, facts), "## Comparisons", ""]
    if comparisons.empty:
        lines += ["None was named beforehand: what follows is description.", ""]
    else:
        lines += [
            "Named before the study ran. The lines with a Holm p decide; the others describe. The interval is a "
            "bootstrap with patients and seeds crossed. A difference is met if it reaches its target and is above 0, "
            "and shown if besides the Holm p is below 0.05.",
            "",
            *(f"- {verdict}" for verdict in verdicts(comparisons)),
            "",
            *markdown_table(comparisons, _COMPARED),
            "",
        ]
    lines += ["What it could show, stated before it ran:", "", *(f"- {line}" for line in facts["power"]), ""]
    more = {name: name.removesuffix("_mean").replace("_", " ") for name in summary if name.startswith(_PARTS)}
    more |= {"leaks": "leaks"} if "leaks" in summary else {}
    lines += ["## Arms and sources", "", *markdown_table(summary, _SUMMARY | more), ""]
    missed = f"A missed pancreas has Dice 0 and HD95 {EMPTY_DISTANCE_MM:g} mm."
    lines += [f"Misses count predictions (patients x seeds{' x folds' * bool(study.folds)}). {missed}", ""]
    lines += ["## Figures", ""]
    for figure in drawn:
        lines += [f"![{figure.alt}](figures/{figure.name}.png)", "", f"Numbers: `figures/{figure.name}.csv`", ""]
    lines += ["## How it was made", "", *_made(study, facts, out)]
    return "\n".join(lines) + "\n"


def _limits(study: Study, facts: dict[str, Any]) -> list[str]:
    sentences = []
    if all(full_name(source).startswith(SIMULATED) for source in (study.train, *study.measure)):
        sentences.append("On synthetic phantoms every result is a check of mechanism, never a clinical one.")
    roles = ", ".join(f"{full_name(source)} ({role_of(source)})" for source in study.measure)
    sentences.append(f"Trained on {full_name(study.train)}; measured on {roles}.")
    if study.folds:
        sentences.append(
            "Patients of the training source are measured by the network of the fold that held them out; those of "
            "other sources by the networks of all folds, and their mean counts once."
        )
    lines = [" ".join(sentences), ""]
    if missing := facts.get("missing"):
        lines += [f"**Unfinished: {facts['cells']} of {facts['cells'] + missing} cells are here.**", ""]
    if leaks := facts.get("leaks"):
        lines += [f"**Leak: {leaks} rows are of scans that trained the network they measure (column `leak`), as "
                  f"--allow-leak was given. They say nothing of new patients.**", ""]  # fmt: skip
    return lines


def _made(study: Study, facts: dict[str, Any], out: Path) -> list[str]:
    folds = f", folds {', '.join(map(str, study.folds))}" if study.folds else ""
    lines = [
        f"- {facts['cells']} cells, {facts['trainings']} of them trainings: {len(study.arms)} arms, "
        f"seeds {', '.join(map(str, study.seeds))}{folds}; "
        f"{facts['training_seconds']:.0f} s of training in all",
        f"- device {facts['device']}, precision {facts['precision']}, one thread per training",
        f"- pancreas-ssl {facts['version']}, torch {facts['versions'].get('torch', 'unknown')}, phantom "
        f"`{facts['phantom']}`, configuration `{facts['config_digest'][:16]}`",
        f"- `{facts['command']}`",
    ]
    if facts["commit"]:
        lines.append(f"- commit {facts['commit']}")
    if (out / REVEALS).exists():
        looks = len((out / REVEALS).read_text(encoding="utf-8").splitlines())
        lines.append(f"- test sources were revealed {looks} time{'s' * (looks > 1)}: `{REVEALS}`")
    lines += ["", "| arm | differs in |", "|---|---|"]
    lines += [f"| {name} | {fields} |" for name, fields in differs_in(study).items()]
    shared = study.recipe.model_dump(exclude_unset=True)
    lines += ["", "All arms: " + (", ".join(f"{k}: {v}" for k, v in shared.items()) or "the default recipe") + "."]
    return lines


def markdown_table(table: pd.DataFrame, columns: dict[str, str]) -> list[str]:
    """Lines of a Markdown table with these columns under these headings; numbers with three decimals, none as `-`."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in table[list(columns)].itertuples(index=False):
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    return lines


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float):
        return "< 0.001" if 0 < value < 0.0005 else f"{value:.3f}"
    return str(value)

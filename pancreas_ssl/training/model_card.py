"""The model card: what a file of weights is for, what made it, and how well it did at home."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pancreas_ssl.data.roles import SIMULATED

__all__ = ["model_card", "with_ranges"]

RANGES = "## What it was trained on, in numbers"
RECIPE = "## Recipe"
NAMES = {
    "hu_5": "soft tissue, darkest 5 % (HU)", "hu_50": "soft tissue, median (HU)",
    "hu_95": "soft tissue, brightest 5 % (HU)", "noise": "noise (HU)", "height_mm": "height of the scan (mm)",
    "width_mm": "width of the scan (mm)", "slice_mm": "distance of slices (mm)", "volume_ml": "volume marked (mL)",
    "expected_dice": "expected Dice, by the network itself", "dice": "true Dice",
    "doubt": "doubt at the mask's surface (bits)",
    "apart": "share of what was marked that lay apart",
}  # fmt: skip


def model_card(name: str, facts: dict, size: int) -> str:
    """The card in Markdown: purpose and limits, data, recipe, result, and the command that made it.

    Args:
        name: of the weights.
        facts: what `run.json` says.
        size: of the file of weights, in bytes.
    """
    recipe, held_out = facts["recipe"], facts["held_out"]
    lines = [
        f"# {name}",
        "",
        "Segments the pancreas in abdominal CT. **For teaching and research only, not for clinical use.**",
        _limits(facts["source"]),
        "",
        "| | |",
        "|---|---|",
        f"| architecture | SegmentationNetwork, channels {recipe['channels']}, {recipe['n_classes']} classes, "
        f"{facts['parameters']:,} parameters, {size / 2**20:.1f} MiB |",
        f"| input | {recipe['spacing']:g} mm, window {recipe['window'][0]:g} to {recipe['window'][1]:g} HU, "
        f"sliding windows of {' x '.join(map(str, recipe['patch']))} voxels |",
        f"| trained on | {facts['source']}, {len(facts['train']['ids'])} cases, "
        f"digest `{facts['train']['digest'][:16]}` |",
        *_sides(facts),
        f"| arm, seed, steps | {facts['arm']}, {recipe['seed']}, {facts['step']} of {recipe['steps']} |",
        f"| precision, device | {facts['precision']}, {facts['device']} |",
        f"| time, peak memory | {facts['seconds']:.0f} s, {facts['peak_memory'] / 2**30:.1f} GiB |",
        f"| made with | pancreas-ssl {facts['version']}, torch {facts['torch']}, {facts['date']} |",
        "| licence | Apache-2.0 |",
        "",
        "Made by:",
        "",
        f"    {facts['command']}",
        "",
        "## Held-out patients of the same source",
        "",
    ]
    if held_out["ids"]:
        dice = held_out["dice"]
        lines += [
            f"Dice after keeping the largest component, windows overlapping by half: mean {np.mean(dice):.3f}, "
            f"lowest {min(dice):.3f}, highest {max(dice):.3f} ({len(dice)} patients, digest "
            f"`{held_out['digest'][:16]}`). They chose nothing: the weights are the last moving average.",
            "",
            "| case | Dice |",
            "|---|---|",
            *(f"| {i} | {d:.3f} |" for i, d in zip(held_out["ids"], dice, strict=True)),
        ]
    else:
        lines += ["There were none."]
    lines += ["", RECIPE, "", "| field | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in recipe.items()]
    card = "\n".join(lines) + "\n"
    return with_ranges(card, facts["ranges"]) if "ranges" in facts else card


def with_ranges(card: str, ranges: Mapping[str, Any]) -> str:
    """The card with a table of these ranges (`inference.ranges`) before its recipe, in the place of an earlier one.

    Example:
        >>> ranges = {"trained": {"n": 24, "noise": [14.2, 21.5]}}
        >>> with_ranges("# net\\n\\n## Recipe\\n", ranges).splitlines()[-3]
        '| training, 24 patients | noise (HU) | 14.2 | 21.5 |'
    """
    before, _, after = card.partition(f"{RECIPE}\n")
    before = before.partition(f"{RANGES}\n")[0]
    lines = [RANGES, "", "`predict` warns where a scan, or the answer about it, lies outside.", "",
             "| of | | lowest | highest |", "|---|---|---|---|"]  # fmt: skip
    for part, words in (("trained", "training"), ("home", "held out")):
        found = ranges.get(part, {})
        about = f"{words}, {found.get('n')} patients"
        lines += [
            f"| {about} | {NAMES[name]} | {found[name][0]:g} | {found[name][1]:g} |" for name in NAMES if name in found
        ]
    return before + "\n".join(lines) + f"\n\n{RECIPE}\n{after}"


def _sides(facts: dict) -> list[str]:
    """Rows about the fold that was held out, and about scans that stood on both sides, where there were any."""
    rows = []
    if facts.get("fold") is not None:
        rows.append(f"| held out | fold {facts['fold']} of {facts['folds']['k']}, seed {facts['folds']['seed']} |")
    if leaks := facts.get("leaks"):
        rows.append(f"| **leaks** | **{leaks} held-out scans trained, too: their Dice says nothing of new patients** |")
    return rows


def _limits(source: str) -> str:
    if source.startswith(SIMULATED):
        return (
            "It was trained on synthetic phantoms alone: on real CT it misses much of the pancreas and marks other "
            "organs. Its figures below are a check of mechanism, never a clinical result."
        )
    return "It was trained on synthetic images or on few patients; expect it to fail on scans of other hospitals."

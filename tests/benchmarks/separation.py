"""How much a contrast acts: `python -m tests.benchmarks.separation CONFIG FOLDER [--most 8] [--out FILE.csv]`.

For every measured training in a study's folder: the contrast's gradient beside the segmentation's (norms' ratio and
cosine, means over thirds of the steps with a contrast, from the history), and what is left to separate on held-out
patients of the source that trained and on the other sources measured (`lessons.inspected_features.separability`),
beside the mean Dice there. One row per training, source and space. It is no part of `make bench`: it needs trainings.
"""

import argparse
from pathlib import Path

import pandas as pd

from pancreas_ssl.data.preprocessing import prepare_cases
from pancreas_ssl.data.roles import full_name
from pancreas_ssl.files import atomic_path
from pancreas_ssl.inference.weights import load_weights
from pancreas_ssl.lessons.inspected_features import separability
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.study.config import load_study
from pancreas_ssl.study.opened import cases_for

THIRDS = ("first", "second", "last")


def gradients(history: pd.DataFrame) -> dict[str, float]:
    """Mean share and cosine in each third of the steps with a contrast.

    Example:
        >>> rows = pd.DataFrame({"contrast_share": [None, 1.0, 2.0, 3.0], "contrast_cosine": [None, 0.0, 0.1, 0.2]})
        >>> gradients(rows)["share, last third"], gradients(rows)["cosine, first third"]
        (3.0, 0.0)
    """
    if "contrast_share" not in history:
        return {}
    seen, found = history.dropna(subset=["contrast_share"]).reset_index(drop=True), {}
    for k, third in enumerate(THIRDS):
        part = seen[3 * seen.index // len(seen) == k] if len(seen) else seen
        found |= {f"{name}, {third} third": part[f"contrast_{name}"].mean() for name in ("share", "cosine")}
    return found


def measure(file: Path, study: Path, most: int) -> pd.DataFrame:
    """The table of a study's folder; its trainings are read as they are, those that are not done are left out."""
    config = load_study(file)
    home, *others = dict.fromkeys(map(full_name, (config.train, *config.measure)))
    recipe = Recipe.from_dict(config.recipe_of(next(iter(config.arms))))

    def opened(source: str, use: str) -> list:
        found = cases_for(source, use, train=config.train, fold=None, reveal=False, most=most)
        return prepare_cases(found, spacing=recipe.spacing, window=recipe.window)

    at_home = opened(home, "select")
    away = [case for source in others for case in opened(source, "measure")]
    rows = []
    for weights in sorted(study.glob("cells/*/weights.safetensors")):
        if not (weights.parent / "done.json").exists():
            continue
        table = separability(load_weights(weights), at_home, away).groupby(["source", "space"], sort=False)
        history = pd.read_csv(weights.parent / "history.csv")
        measured = pd.read_json(weights.parent / "rows.jsonl", lines=True).groupby("source")["dice"].mean()
        means = table[["rim", "lookalikes"]].mean().reset_index()
        means["dice"] = means["source"].map({home: history["held_out_dice"].iloc[-1], **measured})
        rows += [{"training": weights.parent.name} | row | gradients(history) for row in means.to_dict("records")]
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.separation", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=8, help="patients per source")
    parser.add_argument("--out", type=Path, default=None, help="by default FOLDER/separation.csv")
    chosen = parser.parse_args()
    table = measure(chosen.config, chosen.folder, chosen.most).round(4)
    with atomic_path(out := chosen.out or chosen.folder / "separation.csv") as temporary:
        table.to_csv(temporary, index=False)
    print(table.to_string(index=False))
    print(f"written to {out}")


if __name__ == "__main__":
    main()

"""How good each candidate network becomes on A's held-out patients: `python -m tests.benchmarks.plateau [NAME ...]`.

Same patches, loss, optimiser, schedule and moving average for all; only the network differs. It is no part of
`make bench`, as it takes hours on a processor: the table that it makes comes with the package (`assets/networks`), and
the part `quality` reads it. The shipped table was made on one H200 (float32 with TF32 convolutions), three seeds beside
each other.
"""

import csv
import json
import sys
from pathlib import Path
from statistics import mean

import torch
from torch.optim.swa_utils import AveragedModel

from pancreas_ssl.data.access import cases
from pancreas_ssl.data.preprocessing import prepare_cases
from pancreas_ssl.files import atomic_path
from pancreas_ssl.inference.sliding import slide
from pancreas_ssl.method.recipe import Recipe
from tests.benchmarks.networks import CANDIDATES

TABLE = Path(__file__).resolve().parents[2] / "pancreas_ssl" / "assets" / "networks" / "curves.csv"
COLUMNS = ("network", "steps", "seed", "step", "held_out_dice")
SEEDS, LOOKS = (0, 1, 2), 16


def train(name: str, recipe: Recipe, patients, held_out, device: torch.device) -> list[dict]:
    """One training; rows of the table."""
    from monai.losses import DiceCELoss

    from pancreas_ssl.training.patches import Patches
    from pancreas_ssl.training.step import moving_average

    network = CANDIDATES[name](seed=recipe.seed).to(device)
    ema = AveragedModel(network, multi_avg_fn=moving_average(recipe.ema_decay))
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    weights = {"lambda_dice": recipe.dice_weight, "lambda_ce": recipe.cross_entropy_weight}
    criterion = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True, **weights)
    patches, rows = Patches(patients, recipe, device), []
    for step in range(recipe.steps):
        batch = patches(step)
        optimiser.param_groups[0]["lr"] = recipe.learning_rate_at(step)
        optimiser.zero_grad()
        criterion(network(batch.views[0]), batch.labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        ema.update_parameters(network)
        if (step + 1) % (recipe.steps // LOOKS) == 0:
            dice = mean(look(ema.module, case, recipe, device) for case in held_out)
            values = name, recipe.steps, recipe.seed, step + 1, round(dice, 4)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
            print(*values, flush=True)
    return rows


def look(network, case, recipe: Recipe, device: torch.device) -> float:
    """Dice of one patient: logits blended over windows, most probable class, largest component."""
    from pancreas_ssl.evaluation.components import largest_component

    image = torch.from_numpy(case.image)[None]
    how = {"device": device, "precision": "fp32", "batch": 8}
    logits = slide(network, network, lambda x: x.new_zeros(len(x), 2, *x.shape[2:]), image, recipe.patch, **how)
    mask, label = largest_component((logits[0].argmax(0) == 1).numpy()), case.label[0] == 1
    return 2 * float((mask.astype(bool) & label).sum()) / float(mask.sum() + label.sum())


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    patients, held_out = (prepare_cases(cases("phantom", source="A", split=s)) for s in ("train", "held_out"))
    rows = []
    for name in sys.argv[1:] or CANDIDATES:
        for seed in SEEDS:
            rows += train(name, Recipe(seed=seed), patients, held_out, device)
            out = Path("runs/networks/curves.csv")
            out.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(out) as temporary, open(temporary, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
    print(json.dumps({"written": str(out)}))


if __name__ == "__main__":
    main()

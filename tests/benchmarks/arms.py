"""Seconds of a training step per arm beside plain supervised training, patches and their appearances included."""

from statistics import median
from time import perf_counter

import torch

ROUNDS, STEPS = 4, 5  # rounds over all arms, so that a busy moment hits all alike; steps a round


def run() -> list[dict]:
    from accelerate import Accelerator

    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.devices import plan
    from pancreas_ssl.training.arms import ARMS, with_arm
    from pancreas_ssl.training.learner import Learner
    from pancreas_ssl.training.patches import Patches
    from pancreas_ssl.training.recipe import Recipe
    from pancreas_ssl.training.step import optimise, segmentation_loss

    chosen = plan()
    device = torch.device(chosen.device)
    layout = torch.channels_last_3d if chosen.channels_last else torch.contiguous_format
    accelerator = Accelerator(
        cpu=device.type == "cpu", mixed_precision="bf16" if chosen.precision == "bf16" else "no"
    )
    patients = prepare_cases(cases("phantom/A", split="train")[:4], organs=True)
    sizes, seconds, drawing = {}, {name: [] for name in ARMS}, {name: [] for name in ARMS}
    prepared = {}
    for name in ARMS:
        recipe = with_arm(Recipe(), name)
        learner = Learner(recipe).to(device, memory_format=layout).train()
        optimiser = torch.optim.AdamW(learner.parameters(), recipe.learning_rate)
        model, optimiser = accelerator.prepare(learner, optimiser)
        others = Patches(patients, recipe, device, labelled=False) if recipe.unlabelled_weight else None
        prepared[name] = recipe, model, optimiser, Patches(patients, recipe, device), others
        sizes[name] = recipe.views * recipe.batch * (2 if others else 1)
    step = 0
    for turn in range(ROUNDS + 1):  # the first warms up
        for name, (recipe, model, optimiser, patches, others) in prepared.items():
            for _ in range(STEPS if turn else 2):
                start = perf_counter()
                batch, more = patches(step), others(step) if others else None
                drawn = perf_counter()
                terms = optimise(
                    accelerator, model, optimiser, segmentation_loss(recipe), batch, recipe, step, more
                )
                sum(terms.values()).item()
                if turn:
                    seconds[name].append(perf_counter() - start)
                    drawing[name].append(drawn - start)
                step += 1
    plain = median(seconds["supervised"])
    return [
        {
            "arm": name,
            "patches in a pass": sizes[name],
            "ms a step": 1000 * median(seconds[name]),
            "of it patches": 1000 * median(drawing[name]),
            "times supervised": median(seconds[name]) / plain,
            "steps timed": len(seconds[name]),
            "precision": chosen.precision,
        }
        for name in ARMS
    ]

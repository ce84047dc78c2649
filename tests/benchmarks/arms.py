"""Seconds of a training step per arm beside plain supervised training, patches and their appearances included."""

from statistics import median
from time import perf_counter

import torch

ROUNDS, STEPS = 4, 5  # rounds over all arms, so that a busy moment hits all alike; steps a round


def run() -> list[dict]:
    from dataclasses import replace

    from accelerate import Accelerator

    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.devices import plan
    from pancreas_ssl.method.dual import corrupt_patches, patch_maps
    from pancreas_ssl.method.recipe import Recipe
    from pancreas_ssl.training.arms import ARMS, with_arm
    from pancreas_ssl.training.extra_terms import ArmModel
    from pancreas_ssl.training.patches import Patches
    from pancreas_ssl.training.step import optimise
    from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps

    chosen = plan()
    device = torch.device(chosen.device)
    layout = torch.channels_last_3d if chosen.channels_last else torch.contiguous_format
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if chosen.precision == "bf16" else "no")
    patients = prepare_cases(cases("phantom/A", split="train")[:4], organs=True)
    guides = TeacherMaps(patients, Recipe(), device)
    looked = perf_counter()
    guides.refresh(ArmModel(Recipe()).network, device, chosen.precision)
    looked = (perf_counter() - looked) / len(patients)  # a patient
    sizes, prepared = {}, {}
    seconds, drawing, guiding = ({name: [] for name in ARMS} for _ in range(3))
    for name in ARMS:
        recipe = replace(with_arm(Recipe(), name), module_start=0.0, module_ramp=0.0)  # the modules at full weight
        learner = ArmModel(recipe).to(device, memory_format=layout).train()
        optimiser = torch.optim.AdamW(learner.parameters(), recipe.learning_rate)
        model, optimiser = accelerator.prepare(learner, optimiser)
        others = Patches(patients, recipe, device, labelled=False) if recipe.unlabelled_weight else None
        how = model, optimiser, Patches(patients, recipe, device), others
        prepared[name] = recipe, *how
        sizes[name] = recipe.views * recipe.batch * (2 if others else 1)
    step = 0
    for turn in range(ROUNDS + 1):  # the first warms up
        for name, (recipe, model, optimiser, patches, others) in prepared.items():
            for _ in range(STEPS if turn else 2):
                start = perf_counter()
                maps = (guides.maps, OUTSIDE) if recipe.guided else ()
                batch, more = patches(step, 0, *maps), others(step) if others else None
                drawn = perf_counter()
                terms = optimise(accelerator, model, optimiser, batch, recipe, step, more)
                sum(terms.values()).item()
                if turn:
                    seconds[name].append(perf_counter() - start)
                    drawing[name].append(drawn - start)
                    if recipe.guided:
                        start = perf_counter()
                        guide = patch_maps(batch, recipe, step)
                        if recipe.corrupts:
                            corrupt_patches(batch, guide, recipe, step)
                        guiding[name].append(perf_counter() - start)
                step += 1
    plain = median(seconds["supervised"])
    return [
        {
            "arm": name,
            "patches in a pass": sizes[name],
            "ms a step": 1000 * median(seconds[name]),
            "of it patches": 1000 * median(drawing[name]),
            "of it regions, corruptions": 1000 * median(guiding[name]) if guiding[name] else 0.0,
            "teacher, ms a step with 24 patients": 24000 * looked / Recipe().teacher_every if guiding[name] else 0.0,
            "times supervised": median(seconds[name]) / plain,
            "steps timed": len(seconds[name]),
            "precision": chosen.precision,
        }
        for name in ARMS
    ]

"""Training seconds to 95 % of the own best Dice on A's held-out patients; evaluation is not counted.

Three ways on the same cases: ours; MONAI's UNet with our patches, loss, optimiser and schedule; the recipe of MONAI's
spleen tutorial. The two others are stopped at five times our time. Whoever was stopped before the end of its schedule
may still have been improving, so its time is written as ">".
"""

from time import perf_counter

import torch

LOOKS = 14  # evaluations in the course of a schedule
TARGET, LIMIT, BUDGET = 0.95, 5.0, 180.0  # share of the best, times our time, the three minutes of the target


class Clock:
    """Seconds of training: stands still while held-out cases are looked at."""

    def __init__(self):
        self.start, self.paused = perf_counter(), 0.0

    def __call__(self) -> float:
        return perf_counter() - self.start - self.paused


def ours(train, held_out, recipe) -> list[tuple[float, float]]:
    from dataclasses import replace

    from pancreas_ssl.training.fit import fit

    points, origin, looking = [], perf_counter(), 0.0

    def note(row):
        nonlocal origin, looking
        now, dice = perf_counter(), row.get("held_out_dice")
        if dice is None:
            origin = now - row["seconds"]  # the loop's own zero
            return
        points.append((row["seconds"] - looking, dice))
        looking += now - origin - row["seconds"]

    fit(replace(recipe, evaluate_every=max(1, recipe.steps // LOOKS)), train, held_out, callback=note)
    return points


def unet_with_our_schedule(train, held_out, recipe, limit) -> tuple[list[tuple[float, float]], bool]:
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from pancreas_ssl.training.fit import segmentation_loss
    from pancreas_ssl.training.held_out import held_out_dice
    from pancreas_ssl.training.patches import Patches
    from tests.benchmarks.networks import unet

    torch.manual_seed(recipe.seed)
    network = unet()
    ema = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay))
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    patches, criterion = Patches(train, recipe, torch.device("cpu")), segmentation_loss(recipe)
    every, points, clock = max(1, recipe.steps // LOOKS), [], Clock()
    for step in range(recipe.steps):
        batch = patches(step)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        loss = criterion(network(batch.views[0]), batch.labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        ema.update_parameters(network)
        stopped = clock() > limit
        if stopped or (step + 1) % every == 0 or step + 1 == recipe.steps:
            points.append(_look(clock, lambda: held_out_dice(ema.module, held_out, recipe.patch)))
        if stopped:
            return points, True
    return points, False


def spleen_tutorial(train, held_out, limit) -> tuple[list[tuple[float, float]], bool]:
    """As in the tutorial: eight 96-voxel patches a step, half of them centred on the organ, Dice loss, Adam 1e-4."""
    from monai.losses import DiceLoss
    from monai.transforms import RandCropByPosNegLabeld, SpatialPad

    from pancreas_ssl.training.held_out import held_out_dice
    from tests.benchmarks.networks import spleen_unet

    torch.manual_seed(0)
    network, criterion = spleen_unet(), DiceLoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    size = (96, 96, 96)
    crop = RandCropByPosNegLabeld(
        ("image", "label"), "label", size, pos=1, neg=1, num_samples=4, image_key="image", allow_smaller=False
    ).set_random_state(0)
    air, nothing = (
        SpatialPad(size, value=-1.0),
        SpatialPad(size, value=0),
    )  # some scans are shorter than a patch
    padded = [{"image": air(case.image), "label": nothing(case.label)} for case in train]
    order, points, clock, looked, step = torch.Generator().manual_seed(0), [], Clock(), 0.0, 0
    while True:
        patches = []
        for index in torch.randint(len(train), (2,), generator=order).tolist():
            patches += crop(padded[index])
        images = torch.stack([patch["image"].as_tensor() for patch in patches])
        labels = torch.stack([patch["label"].as_tensor() for patch in patches])
        loss = criterion(network(images), labels.long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        stopped = clock() > limit
        if stopped or clock() - looked > limit / LOOKS:
            looked = clock()
            points.append(_look(clock, lambda: held_out_dice(network, held_out, size)))
        if stopped:
            return points, True


def _look(clock: Clock, measure) -> tuple[float, float]:
    at, start = clock(), perf_counter()
    dice = sum(scores := measure()) / len(scores)
    clock.paused += perf_counter() - start
    print(f"  {at:6.1f} s  Dice {dice:.3f}", flush=True)
    return at, dice


def _row(way: str, points, stopped: bool, bar: float) -> dict:
    best = max(dice for _, dice in points)
    own = next(at for at, dice in points if dice >= TARGET * best)
    ours_too = [at for at, dice in points if dice >= bar]
    within = [dice for at, dice in points if at <= BUDGET]
    end = points[-1][0]
    return {
        "way": way,
        "s to 95 % of own best": f"> {end:.0f}" if stopped else f"{own:.0f}",
        "s to 95 % of our best": f"{ours_too[0]:.0f}" if ours_too else f"> {end:.0f}",
        "best Dice": best,
        "best Dice within 180 s": max(within, default=0.0),
        "seconds trained": end,
        "curve": " ".join(f"{at:.0f}:{dice:.2f}" for at, dice in points),
    }


def run() -> list[dict]:
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.training.recipe import Recipe

    recipe = Recipe()
    train, held_out = (
        prepare_cases(cases("phantom", source="A", split=split), spacing=recipe.spacing, window=recipe.window)
        for split in ("train", "held_out")
    )
    points = ours(train, held_out, recipe)
    bar = TARGET * max(dice for _, dice in points)
    limit = LIMIT * next(at for at, dice in points if dice >= bar)
    rows = [_row("ours", points, False, bar)]
    rows.append(
        _row("MONAI UNet, our schedule", *unet_with_our_schedule(train, held_out, recipe, limit), bar)
    )
    rows.append(_row("MONAI spleen tutorial", *spleen_tutorial(train, held_out, limit), bar))
    return rows

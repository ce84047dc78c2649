"""Training seconds to a Dice on A's held-out patients: steps by the shipped table, seconds a step by this machine.

`assets/networks` holds the curves of every candidate network: same patches, loss, schedule and seeds (made again by
`python -m tests.benchmarks.plateau`). Each network's plateau is the mean of its seeds at the end; 95 % of MONAI UNet's
and of the best plateau are the bars. A step is timed here in float32, with its
optimiser and without its patches, which are the same for all.
"""

from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd
import torch

SHARE, STEPS = 0.95, 9  # share of a plateau; steps timed of each network
RIVAL = "MONAI UNet"


def curves() -> pd.DataFrame:
    """Mean of the seeds: step x network, trainings of the usual length."""
    from pancreas_ssl.method.recipe import Recipe
    from tests.benchmarks.plateau import TABLE

    table = pd.read_csv(TABLE)
    table = table[table["steps"] == Recipe().steps]
    return table.groupby(["network", "step"])["held_out_dice"].mean().unstack(0)


def steps_to(bar: float, curve: pd.Series) -> float:
    """Steps after which a curve first reaches the bar, linear between its points; infinite if never."""
    curve = curve.dropna()
    reached = np.flatnonzero(curve >= bar)
    if not len(reached):
        return float("inf")
    upto = curve.iloc[: reached[0] + 1]
    return float(np.interp(bar, upto.iloc[-2:], upto.index[-2:]))


def seconds_a_step(networks: dict, patches) -> dict[str, float]:
    """Median of each, timed in turn so that a busy moment hits all alike."""
    from pancreas_ssl.method.segmentation import dice_cross_entropy

    made = {name: make().to(memory_format=torch.channels_last_3d).train() for name, make in networks.items()}
    optimisers = {name: torch.optim.AdamW(network.parameters()) for name, network in made.items()}
    times = {name: [] for name in networks}
    for step in range(1 + STEPS):  # the first warms up
        batch = patches(step)
        for name, network in made.items():
            start = perf_counter()
            optimisers[name].zero_grad()
            dice_cross_entropy(network(batch.views[0]), batch.labels, 1.0, 2.0).backward()
            optimisers[name].step()
            times[name].append(perf_counter() - start)
    return {name: median(spent[1:]) for name, spent in times.items()}


def run() -> list[dict]:
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.method.recipe import Recipe
    from pancreas_ssl.training.patches import Patches
    from tests.benchmarks.networks import CANDIDATES

    table = curves()
    plateaus = table.ffill().iloc[-1]
    bars = {f"s to 95 % of {RIVAL}'s": SHARE * plateaus[RIVAL], "s to 95 % of the best": SHARE * plateaus.max()}
    patches = Patches(prepare_cases(cases("phantom/A", split="train")[:4]), Recipe())
    rows = []
    for name, spent in seconds_a_step(CANDIDATES, patches).items():
        seconds = {what: spent * steps_to(bar, table[name]) for what, bar in bars.items()}
        row = {"network": name, "plateau (Dice)": plateaus[name], "ms a step": 1000 * spent}
        rows.append(row | {what: f"{s:.0f}" if np.isfinite(s) else "never" for what, s in seconds.items()})
    return rows

"""Training steps and voxels per second, same patch, batch, loss and optimiser; bfloat16 where it has units."""

from math import prod
from statistics import median
from time import perf_counter

import torch
from monai.losses import DiceCELoss

from pancreas_ssl.devices import has_bfloat16
from tests.benchmarks.networks import BATCH, NETWORKS, PATCH

ROUNDS, STEPS, BUDGET = 3, 5, 12.0  # rounds over all networks, steps a round, seconds a round at most


def seconds_per_step(network: torch.nn.Module, optimiser, bfloat16: bool, channels_last: bool) -> list[float]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(BATCH, 1, *PATCH, generator=generator)
    label = (torch.rand(BATCH, 1, *PATCH, generator=generator) < 0.05).long()
    device = next(network.parameters()).device
    image, label = image.to(device), label.to(device)
    if channels_last:
        image = image.to(memory_format=torch.channels_last_3d)
    criterion = DiceCELoss(softmax=True, to_onehot_y=True)
    times, begin = [], perf_counter()
    for _ in range(STEPS):
        start = perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = criterion(network(image).float(), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        times.append(perf_counter() - start)
        if perf_counter() - begin > BUDGET:
            break
    return times[1:] or times  # the first step warms up


def run() -> list[dict]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    variants = {}
    for name, make in NETWORKS.items():
        for precision in ("float32", "bfloat16")[: 1 + has_bfloat16(device)]:
            for layout in ("contiguous", "channels last"):
                torch.manual_seed(0)
                network = make().to(device)
                if layout == "channels last":
                    network = network.to(memory_format=torch.channels_last_3d)
                variants[name, precision, layout] = (network, torch.optim.AdamW(network.parameters()), [])
    for turn in range(ROUNDS):
        for (_, precision, layout), (network, optimiser, times) in variants.items():
            if turn and median(times) > 3:  # hopelessly slow: one round tells
                continue
            times += seconds_per_step(network, optimiser, precision == "bfloat16", layout == "channels last")
    return [
        {
            "network": name,
            "precision": precision,
            "layout": layout,
            "steps/s": 1 / median(times),
            "voxels/s (M)": BATCH * prod(PATCH) / median(times) / 1e6,
            "steps timed": len(times),
            "parameters (M)": sum(p.numel() for p in network.parameters()) / 1e6,
        }
        for (name, precision, layout), (network, _, times) in variants.items()
    ]

"""The contrastive losses beside pytorch-metric-learning's SupCon and NT-Xent on the same embeddings: ms and memory."""

from statistics import median
from time import perf_counter

import torch

SIZES, WIDTH, ROUNDS = (448, 2048), 32, 40  # voxels of a training step and more; dimensions; timed passes


def run() -> list[dict]:
    from torch.nn import functional as F

    from pancreas_ssl.method.contrast import contrast_loss, pixel_contrast_loss
    from pancreas_ssl.method.prototypes import Prototypes
    from pancreas_ssl.method.sampling import COUNTS, VoxelSample

    try:
        from pytorch_metric_learning.losses import NTXentLoss, SupConLoss
    except ImportError:
        SupConLoss = NTXentLoss = None
        print("pytorch-metric-learning is not installed (pip install 'pancreas-ssl[bench]'): ours alone")
    rows = []
    for n in SIZES:
        generator = torch.Generator().manual_seed(0)
        shares = torch.tensor([float(count) for count in COUNTS.values()])
        regions = torch.tensor([int(r) for r in COUNTS])[torch.multinomial(shares, n, True, generator=generator)]
        draw = VoxelSample(
            torch.zeros(n, 4, dtype=torch.long), regions, torch.rand(n, generator=generator), torch.full((n,), 0.5)
        )
        z = F.normalize(torch.randn(n, WIDTH, generator=generator), dim=1)
        prototypes = Prototypes(WIDTH)
        prototypes.update(z, draw.regions, draw.uncertainty)
        binary = (regions <= 2).long()
        ways = {
            "ours, guided": lambda v, d=draw, p=prototypes: contrast_loss(v, d.regions, d.uncertainty, *p.known).loss,
            "ours, plain pixel contrast": lambda v, d=draw: pixel_contrast_loss(v, d.regions).loss,
        }
        if SupConLoss is not None:
            alike, paired = SupConLoss(temperature=0.1), NTXentLoss(temperature=0.1)
            ways["pytorch-metric-learning SupCon"] = lambda v, b=binary, loss=alike: loss(v, b)
            if n == min(SIZES):  # it keeps positive times negative pairs: with more voxels, or by region, many GB
                pairs = torch.arange(n) // 2
                ways["pytorch-metric-learning NT-Xent, in pairs"] = lambda v, b=pairs, loss=paired: loss(v, b)
        times = {name: [] for name in ways}
        for turn in range(ROUNDS + 3):
            for name, loss in ways.items():
                if "NT-Xent" in name and turn >= 6:  # seconds a pass
                    continue
                one = z.clone().requires_grad_()
                start = perf_counter()
                loss(one).backward()
                if turn >= 3:
                    times[name].append(perf_counter() - start)
        for name, loss in ways.items():
            rows.append(
                {
                    "voxels": n,
                    "loss": name,
                    "ms forward and backward": 1000 * median(times[name]),
                    "MB kept for the backward pass": _kept(loss, z) / 2**20,
                    "MB at the peak": _peak(loss, z) / 2**20,
                }
            )
    return rows


def _kept(loss, z) -> int:
    """Bytes of all tensors that wait for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss(z.clone().requires_grad_())
    del value
    return sum(kept.values())


def _peak(loss, z) -> int:
    """Largest sum of bytes that the profiler saw allocated at once, forward and backward."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        loss(z.clone().requires_grad_()).backward()
    now = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most

"""The whole real CT, from HU in memory to a mask on the original grid: seconds and peak memory, a process each."""

import json
import subprocess
import sys
from functools import partial
from time import perf_counter

WAYS = {
    "ours": "shipped baseline, 3 mm grid, windows of its patch, overlap 0.5",
    "ours, real": "shipped weights real, the same, and fat left out",
    "MONAI default": "spleen tutorial: UNet, 1.5x1.5x2 mm grid, windows of 160, overlap 0.25",
}
RUNS = 3


def run() -> list[dict]:
    rows = []
    for way, what in WAYS.items():
        worker = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.inference", way], capture_output=True, text=True
        )
        if worker.returncode:
            rows.append({"way": way, "what": what, "failed": worker.stderr.strip().splitlines()[-1]})
            continue
        rows.append({"way": way, "what": what} | json.loads(worker.stdout.strip().splitlines()[-1]))
    return rows


def by_ours(volume, weights="baseline"):
    from pancreas_ssl.inference import load_weights, predict_volume

    model = load_weights(weights)
    return lambda: predict_volume(model, volume, device="cpu").mask


def by_monai(volume):
    import torch
    from monai.data import MetaTensor
    from monai.inferers import sliding_window_inference
    from monai.transforms import AsDiscrete, Compose, Invert, ScaleIntensityRange, Spacing

    from tests.benchmarks.networks import spleen_unet

    network = spleen_unet().eval()
    spacing, scale = (Spacing(pixdim=(1.5, 1.5, 2.0), mode="bilinear"), ScaleIntensityRange(-57, 164, 0, 1, clip=True))
    forward = Compose([spacing, scale])
    affine = torch.as_tensor(volume.affine, dtype=torch.float64)

    @torch.no_grad()
    def predict():
        image = forward(MetaTensor(torch.as_tensor(volume.array)[None], affine=affine))
        logits = sliding_window_inference(image[None], (160, 160, 160), 4, network)[0]
        back = Invert(transform=spacing, nearest_interp=False)(logits)
        return AsDiscrete(argmax=True)(back)

    return predict


def work(way: str) -> None:
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.reading import read_image
    from pancreas_ssl.training.memory import peak_memory

    volume = read_image(cases("lidc_idri_0001")[0].image)
    ways = {"ours": by_ours, "ours, real": partial(by_ours, weights="real"), "MONAI default": by_monai}
    predict = ways[way](volume)
    before = peak_memory("cpu")
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        mask = predict()
        times.append(perf_counter() - start)
        if times[0] > 60:
            break
    peak = peak_memory("cpu")
    shape = "x".join(str(size) for size in mask.shape[-3:])
    print(json.dumps({"seconds": min(times), "first run s": times[0], "peak MB": peak / 1e6,
                      "of it before MB": before / 1e6, "mask": shape, "runs": len(times)}))  # fmt: skip


if __name__ == "__main__":
    work(sys.argv[1])

"""How well a small network tells phantom from real CT: the less well, the more alike they are.

    python -m tests.phantom.tell_apart DIR     # DIR holds example_ct.nii.gz, example_seg.nii.gz; five minutes

Real are the tour's CT (`lidc_idri_0001`) and the 3 mm CT described in `assets/real_ct`. The network sees axial pieces
of 64 x 64 voxels (3 mm, windowed) around the pancreas; it learns with one of the two real scans and 24 phantom patients
and is asked about the other scan and 24 other patients, and the other way round, three seeds each. The figure is the
area under the ROC curve: 0.5, a coin; 1, told apart without a mistake. Two real scans are few, and a network may know
a scan by its noise alone: the column `smoothed` is of pieces that a Gaussian of 3 mm has blurred.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from monai.networks.nets import DenseNet
from scipy.ndimage import gaussian_filter
from scipy.stats import mannwhitneyu
from torch.nn.functional import binary_cross_entropy_with_logits

from pancreas_ssl.data.access import cases
from pancreas_ssl.data.preprocessing import Prepared, prepare, prepare_case
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.figures.realism import PLACES
from pancreas_ssl.phantom.cohort import make_case

TABLE = PLACES.with_name("tell_apart.csv")
SIDE, PIECES, STEPS = 64, 96, 200


def pieces(ready: Prepared, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Axial pieces (PIECES, SIDE, SIDE) centred within 30 mm of random pancreas voxels."""
    image = np.pad(ready.image[0], ((SIDE, SIDE), (SIDE, SIDE), (0, 0)), constant_values=-1.0)
    if sigma:
        image = gaussian_filter(image, (sigma, sigma, 0))
    inside = np.argwhere(ready.label[0] == 1)
    at = inside[rng.integers(len(inside), size=PIECES)] + rng.integers(-10, 11, (PIECES, 3))
    at[:, 2] = np.clip(at[:, 2], 0, image.shape[2] - 1)
    half = SIDE // 2
    return np.stack([image[x + half : x + half + SIDE, y + half : y + half + SIDE, z] for x, y, z in at])


def auc(train: dict[int, list[np.ndarray]], test: dict[int, list[np.ndarray]], seed: int) -> float:
    """Train on pieces of class 0 (phantom) and 1 (real), ask about others."""
    torch.manual_seed(seed)
    network = DenseNet(2, 1, 1, init_features=16, growth_rate=8, block_config=(2, 2, 2), dropout_prob=0.2)
    optimiser, rng = torch.optim.AdamW(network.parameters(), 2e-3), np.random.default_rng(seed)
    pools = {k: np.concatenate(v) for k, v in train.items()}
    for _ in range(STEPS):
        batch = np.concatenate([pools[k][rng.integers(len(pools[k]), size=16)] for k in (0, 1)])
        gain, shift = rng.uniform(0.8, 1.2, (32, 1, 1)), rng.normal(0, 0.1, (32, 1, 1))
        wanted = torch.arange(32)[:, None].ge(16).float()
        asked = torch.from_numpy(np.clip(batch * gain + shift, -1, 1).astype(np.float32))[:, None]
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(network(asked), wanted).backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        said = {k: [network(torch.from_numpy(p.astype(np.float32))[:, None])[:, 0] for p in v] for k, v in test.items()}
    real, phantom = (torch.cat(said[k]).numpy() for k in (1, 0))
    return float(mannwhitneyu(real, phantom).statistic / (len(real) * len(phantom)))


def main(folder: str) -> None:
    card = Path(__file__).resolve().parents[2] / "pancreas_ssl/assets/real_ct/totalseg_3mm.md"
    found = [cases("lidc_idri_0001")[0], cases(str(card), root=folder)[0]]
    real = [prepare_case(case) for case in found]
    rows = []
    for source in ("R", "R2"):
        made = [make_case(source, patient)[0] for patient in range(48)]
        phantom = [
            prepare(Volume(scan.image.astype(np.float32), scan.affine), Volume(scan.label, scan.affine))
            for scan in made
        ]
        for sigma in (0.0, 1.0):
            rng = np.random.default_rng(0)
            told = [pieces(one, rng, sigma) for one in real]
            mine = [pieces(one, rng, sigma) for one in phantom]
            for fold in (0, 1):
                for seed in range(3):
                    train, test = {0: mine[:24], 1: [told[fold]]}, {0: mine[24:], 1: [told[1 - fold]]}
                    rows.append((source, sigma > 0, fold, seed, auc(train, test, seed)))
                    print(rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["phantom", "smoothed", "fold", "seed", "auc"])
    table.round(3).to_csv(TABLE, index=False)
    print(table.groupby(["phantom", "smoothed"])["auc"].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main(sys.argv[1])

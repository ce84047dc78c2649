r"""Train the features of shapes (`method.shape_features`) on random shapes, which no patient lent.

    L = -1/N \sum_i log softmax_j(z_i . z'_j / T)_i,  and the same with z and z' changed

z_i and z'_i are the features of place i in two renderings of the same shapes, each with greys, texture, blur, noise, a
bias field and a gamma curve of its own: what agrees between them is shape. InfoNCE with the other places of the same
volume as negatives (T = 0.1, N = 256, half of the places at an edge of a shape).

    python -m pancreas_ssl.training.shape_pretraining [FOLDER]     default: pancreas_ssl/assets/shapes

One core needs a few minutes. FOLDER gets features.safetensors and its card, features.md, with what was measured on
shapes that were not trained on.

Sources: van den Oord et al. 2018, arXiv 1807.03748 (InfoNCE); Dey et al. 2024, arXiv 2411.02372 (anatomix: a network
for any image, trained by contrast on random shapes in random appearance).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.augmentation.patch import blur, gamma_curve
from pancreas_ssl.devices import one_thread
from pancreas_ssl.files import atomic_path, claim, make_folder, write_text
from pancreas_ssl.method.dual import keyed
from pancreas_ssl.method.segmentation import space_to_depth
from pancreas_ssl.method.shape_features import WEIGHTS, ShapeFeatures

__all__ = ["pretrain", "random_shapes", "rendered", "same_place"]

SIZE = 40  # voxels of a cube
SHAPES = 24  # ellipsoids in it, one over the other
PLACES = 256  # of one volume that are compared
TEMPERATURE = 0.1
STEPS, RATE = 3000, 3e-3
UNSEEN = 2**31  # key of shapes that only measure


def random_shapes(rng: np.random.Generator, size: int = SIZE, number: int = SHAPES) -> Int64[Tensor, "1 x y z"]:
    """A label map of warped ellipsoids of 3 to 16 voxels' radius, later ones over earlier ones; 0 is the background.

    Example:
        >>> shapes = random_shapes(np.random.default_rng(0))
        >>> shapes.shape, len(shapes.unique()) > 5
        (torch.Size([1, 40, 40, 40]), True)
    """
    at = torch.stack(torch.meshgrid(*[torch.arange(size, dtype=torch.float32)] * 3, indexing="ij"))
    at = at + 4 * torch.stack([_smooth_field(rng, size) for _ in range(3)])
    found = torch.zeros(1, size, size, size, dtype=torch.int64)
    for label in range(1, number + 1):
        centre, radii = rng.uniform(0, size, 3), np.exp(rng.uniform(np.log(3), np.log(16), 3))
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] / radii[:, None]
        turned = torch.einsum("ij,jxyz->ixyz", _tensor(turn), at - _tensor(centre)[:, None, None, None])
        found[0][turned.square().sum(0) < 1] = label
    return found


def rendered(shapes: Int64[Tensor, "1 x y z"], rng: np.random.Generator) -> Float32[Tensor, "1 x y z"]:
    """The shapes as some scanner might show them, in [-1, 1].

    Example:
        >>> rng = np.random.default_rng(0)
        >>> image = rendered(random_shapes(rng), rng)
        >>> bool(image.abs().max() <= 1), image.dtype
        (True, torch.float32)
    """
    size, greys = shapes.shape[1:], _tensor(rng.uniform(-0.9, 0.9, int(shapes.max()) + 1))
    grain = blur(_tensor(rng.standard_normal((1, *size))), float(rng.uniform(0.5, 2.0)))
    spreads = _tensor(rng.uniform(0, 0.2, len(greys)))
    image = blur(greys[shapes] + spreads[shapes] * grain / grain.std(), float(rng.uniform(0, 1.2)))
    image = image + rng.uniform(0, 0.3) * _smooth_field(rng, size[0])
    image = image + rng.uniform(0, 0.1) * _tensor(rng.standard_normal((1, *size)))
    return gamma_curve(image, float(np.exp(rng.uniform(-0.5, 0.5)))).clamp(-1, 1)


@one_thread()
def pretrain(steps: int = STEPS, seed: int = 0) -> ShapeFeatures:
    """The trained network; equal steps and seeds give equal weights on one machine.

    Example:
        >>> network = pretrain(steps=2)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ShapeFeatures()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, max(steps, 2), pct_start=0.1)
    for step in range(steps):
        z, other = _pair(network, keyed(seed, step))
        cosines, same = z @ other.T / TEMPERATURE, torch.arange(len(z))
        loss = (F.cross_entropy(cosines, same) + F.cross_entropy(cosines.T, same)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def same_place(network: ShapeFeatures | None, volumes: int = 20, seed: int = 0) -> float:
    """How often, among 256 places, the most similar one in another rendering is the same place; chance is 1 in 256.

    Args:
        network: None compares the folded intensities of 2 x 2 x 2 voxels instead, brought to mean 0 and length 1.
        volumes: of shapes that `pretrain` has not seen.
    """
    hits = []
    for k in range(volumes):
        z, other = _pair(network, keyed(seed, UNSEEN, k))
        hits.append(float(((z @ other.T).argmax(1) == torch.arange(len(z))).float().mean()))
    return float(np.mean(hits))


def _pair(
    network: ShapeFeatures | None, rng: np.random.Generator
) -> tuple[Float[Tensor, "places F"], Float[Tensor, "places F"]]:
    """The features of some places in two renderings of the same shapes, half of the places near an edge."""
    shapes = random_shapes(rng)
    folded = space_to_depth(torch.stack([rendered(shapes, rng) for _ in range(2)]))
    seen = F.normalize(folded - folded.mean(1, keepdim=True), dim=1) if network is None else network(folded)
    labels = space_to_depth(shapes[None].float())[0]
    edge = (labels != labels[:1]).any(0).flatten().numpy()
    chosen = [rng.permutation(np.flatnonzero(where))[: PLACES // 2] for where in (edge, ~edge)]
    return tuple(seen.flatten(2).mT[:, np.concatenate(chosen)])


def _smooth_field(rng: np.random.Generator, size: int) -> Float32[Tensor, "x y z"]:
    """A field that waves over some ten voxels, of standard deviation about 1."""
    coarse = _tensor(rng.standard_normal((1, 1, 5, 5, 5)))
    return F.interpolate(coarse, size=(size,) * 3, mode="trilinear", align_corners=True)[0, 0]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


CARD = """# features

Frozen features of shapes for the arm `shapes` (`pancreas_ssl.method.shape_features`): {weights:,} weights in half
precision. Trained on random shapes in random greys alone: no patient, no phantom, no label of an organ. Apache-2.0.

Made by:

    python -m pancreas_ssl.training.shape_pretraining

{steps:,} steps, seed {seed}. On {volumes} volumes of shapes that it had not seen, rendered twice: how often the most
similar of {places} places in the other rendering is the same place.

| compared by | same place found |
|---|---|
| these features | {found:.1%} |
| the same network before its training | {before:.1%} |
| intensities of 2 x 2 x 2 voxels, without their mean | {plain:.1%} |
| chance | {chance:.1%} |

A check of mechanism: it says how far the features see shape through a change of contrast, not that they help a
segmentation.
"""


def main(folder: Path, steps: int = STEPS, seed: int = 0, volumes: int = 20) -> None:
    """Train, measure, and write the weights and their card into the folder."""
    from safetensors.torch import save_file

    places = [make_folder(folder) / f"features{suffix}" for suffix in (".safetensors", ".md")]
    claim(places, overwrite=True)
    network = pretrain(steps, seed)
    weights = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    facts = {"weights": sum(tensor.numel() for tensor in weights.values()), "steps": steps, "seed": seed}
    facts |= {"volumes": volumes, "places": PLACES, "chance": 1 / PLACES, "plain": same_place(None, volumes, seed)}
    facts |= {"found": same_place(network, volumes, seed), "before": same_place(pretrain(0, seed), volumes, seed)}
    with atomic_path(places[0]) as temporary:
        save_file(weights, temporary)
    write_text(places[1], CARD.format(**facts))
    print(f"written: {places[0]}, {places[1]}; same place found: {facts['found']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS.parent)

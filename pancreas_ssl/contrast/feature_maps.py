"""Features and cosines of a whole scan, from its image alone, as a prediction is made: neither can take a label.

Features are taken window by window: the network's InstanceNorm looks at what it is shown, so a whole abdomen at once
would not give the features that the head learned to read.
"""

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.contrast.module import GlobalContrast
from pancreas_ssl.errors import InputError

if TYPE_CHECKING:
    from pancreas_ssl.inference import Model

__all__ = ["cosine_map", "feature_map"]

SLAB = 16  # voxels along the first axis that a cosine map is made of at once


@torch.no_grad()
def feature_map(
    model: "Model",
    image: Any,
    *,
    overlap: float = 0.25,
    device: str = "auto",
    precision: str = "auto",
) -> Float32[Tensor, "1 F x y z"]:
    """Decoder features of a whole image at stride 2, in main memory, from the image alone.

    Args:
        image: prepared, `(1, X, Y, Z)` in [-1, 1]. What lies beyond counts as air, features of pure air are 0.
        overlap, device, precision: as in `predict_prepared`.

    Raises:
        InputError: not one 3D image.
    """
    from pancreas_ssl.devices import plan, resolve_device
    from pancreas_ssl.inference.sliding import AIR, body_box

    image = torch.as_tensor(image).float()
    if image.ndim != 4 or image.shape[0] != 1:
        raise InputError(
            f"expected a prepared image (1, X, Y, Z), got {tuple(image.shape)}; use prepare() first"
        )
    network, device = model.network, resolve_device(device)
    half = plan(device, precision).precision == "bf16"
    window = model.window_size
    body = [slice(part.start // 2 * 2, part.stop) for part in body_box(image[0].numpy(force=True))]
    inside = image[(slice(None), *body)]
    sizes = [max(w, n + n % 2) for w, n in zip(window, inside.shape[1:], strict=True)]
    pads = [pad for n, to in zip(inside.shape[:0:-1], sizes[::-1], strict=True) for pad in (0, to - n)]
    padded, weight = F.pad(inside[None], pads, value=-1.0), _bell([w // 2 for w in window])
    total = torch.zeros(1, network.channels[0], *[n // 2 for n in sizes])
    weights = torch.zeros(1, 1, *total.shape[2:])
    was_training = network.training
    network.to(device).eval()
    try:
        for corner in product(*(_starts(n, w, overlap) for n, w in zip(sizes, window, strict=True))):
            patch = padded[(..., *(slice(a, a + w) for a, w in zip(corner, window, strict=True)))]
            if not (patch > AIR).any():
                continue
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                found = network.decode(network.encode(patch.to(device))).float().cpu()
            place = (..., *(slice(a // 2, (a + w) // 2) for a, w in zip(corner, window, strict=True)))
            total[place] += weight * found
            weights[place] += weight
    finally:
        network.train(was_training)
    whole = torch.zeros(1, network.channels[0], *[(n + 1) // 2 for n in image.shape[1:]])
    place = (..., *(slice(part.start // 2, (part.stop + 1) // 2) for part in body))
    ends = (..., *(slice(0, n) for n in whole[place].shape[2:]))
    whole[place] = (total / weights.clamp_min(1e-12))[ends]
    return whole


def _starts(size: int, window: int, overlap: float) -> list[int]:
    """Even places at which windows begin, so that all lie on the grid of the features."""
    step = max(int(window * (1 - overlap)) // 2 * 2, 2)
    return [*range(0, size - window, step), size - window]


def _bell(sizes: list[int]) -> Float32[Tensor, "1 1 x y z"]:
    """The weight of a place in its window: a Gaussian of an eighth of the window, never 0."""
    parts = [torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in sizes]
    return torch.einsum("i,j,k->ijk", *parts).clamp_min(1e-3)[None, None]


@torch.no_grad()
def cosine_map(
    model: "Model",
    image: Any,
    towards: Float[Tensor, "P D"],
    contrast: GlobalContrast | None = None,
    *,
    features: Float[Tensor, "1 F x y z"] | None = None,
    overlap: float = 0.25,
    device: str = "auto",
) -> Float32[np.ndarray, "P X Y Z"]:
    """Cosine of every voxel with some directions, from the image alone; it cannot take a label.

    Args:
        towards: unit vectors, one map for each.
        contrast: its projection comes first; None compares the decoder's features themselves.
        features: what `feature_map` gave, if it is at hand.

    Raises:
        InputError: not one 3D image.
    """
    image = torch.as_tensor(image)
    if features is None:
        features = feature_map(model, image, overlap=overlap, device=device)
    shape = image.shape[1:]
    full = F.interpolate(features, scale_factor=2, mode="trilinear", align_corners=False)
    full = full[0, :, : shape[0], : shape[1], : shape[2]].movedim(0, -1)
    maps = []
    for slab in full.split(SLAB):
        z = contrast.projection(slab) if contrast is not None else F.normalize(slab, dim=-1, eps=1e-6)
        maps.append(z @ towards.to(z).T)
    return torch.cat(maps).movedim(-1, 0).contiguous().numpy()

"""Features and cosines of a whole scan, from its image alone, as a prediction is made: neither can take a label.

Features are taken window by window: the network's InstanceNorm looks at what it is shown, so a whole abdomen at once
would not give the features that the head learned to read.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.sliding import body_box, slide
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.contrast import GlobalContrast

__all__ = ["cosine_map", "feature_map"]

SLAB = 16  # voxels along the first axis that a cosine map is made of at once


@torch.no_grad()
def feature_map(
    model: Model, image: Any, *, overlap: float = 0.25, device: str = "auto", precision: str = "auto"
) -> Float32[Tensor, "1 F x y z"]:
    """Decoder features of a whole image at stride 2, in main memory, from the image alone.

    Args:
        image: prepared, `(1, X, Y, Z)` in [-1, 1]. What lies beyond counts as air, features of pure air are 0.
        overlap, device, precision: as in `predict_prepared`.

    Raises:
        InputError: not one 3D image.
    """
    image = torch.as_tensor(image).float()
    if image.ndim != 4 or image.shape[0] != 1:
        raise InputError(f"expected a prepared image (1, X, Y, Z), got {tuple(image.shape)}; use prepare() first")
    network, window = model.network, model.window_size
    body = [slice(part.start // 2 * 2, part.stop) for part in body_box(image[0].numpy(force=True))]
    inside = image[(slice(None), *body)].cpu()[None]
    sizes = inside.shape[2:]  # even from here on, and at least a window's, with the image at an even place
    wholes = [max(size, n + n % 2) for size, n in zip(window, sizes, strict=True)]
    before = [(whole - n) // 4 * 2 for whole, n in zip(wholes, sizes, strict=True)]
    pads = [(b, whole - n - b) for b, whole, n in zip(before, wholes, sizes, strict=True)]
    inside = F.pad(inside, [pad for pair in pads[::-1] for pad in pair], value=-1.0)

    def nothing(windows: Tensor) -> Tensor:
        return windows.new_zeros(len(windows), network.channels[0], *[n // 2 for n in windows.shape[2:]])

    # Windows begin at even places, so that all lie on the grid of the features.
    steps = [max(int(size * (1 - overlap)) // 2 * 2, 2) for size in window]
    found = slide(
        network, lambda x: network.decode(network.encode(x)), nothing, inside, window,
        overlap=[1 - (step + 0.5) / size for step, size in zip(steps, window, strict=True)],
        device=device, precision=precision,
    )  # fmt: skip
    whole = torch.zeros(1, network.channels[0], *[(n + 1) // 2 for n in image.shape[1:]])
    own = (slice(b // 2, b // 2 + (n + 1) // 2) for b, n in zip(before, sizes, strict=True))
    whole[(..., *(slice(part.start // 2, (part.stop + 1) // 2) for part in body))] = found[(..., *own)]
    return whole


@torch.no_grad()
def cosine_map(
    model: Model,
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

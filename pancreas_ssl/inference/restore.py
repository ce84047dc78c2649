"""Restoring an image of any size, window by window, as `inference.predict_prepared` segments it."""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pancreas_ssl.errors import InputError, require
from pancreas_ssl.inference.sliding import BATCH, slide
from pancreas_ssl.inference.weights import Model

__all__ = ["restore_image"]


def restore_image(
    model: Model,
    corrupted: Float[Tensor, "1 X Y Z"],
    *,
    overlap: float = 0.25,
    device: str | torch.device = "auto",
    precision: str = "auto",
    batch: int = BATCH,
) -> Float32[Tensor, "1 X Y Z"]:
    r"""The image as the network's restoration head reconstructs it: r(v) = \sum_w g_w(v) r_w(v) / \sum_w g_w(v).

    Windows w of the size of the training patches overlap, g_w is a Gaussian. What lies beyond the image counts as air;
    windows of nothing but air stay as they are. The head reconstructs every voxel, corrupted or not, although only
    corrupted ones were trained: put its answer into the mask alone, `torch.where(mask, restored, corrupted)`.

    Args:
        model: with a restoration head. Its network is moved to the device; its mode is put back afterwards.
        corrupted: image on the model's grid in [-1, 1], air = -1.
        overlap: share of a window that the next one covers, 0 to below 1.
        device: "auto", "cpu", "cuda" ...
        precision: "auto" (a short probe decides), "fp32" or "bf16".
        batch: windows at once.

    Returns:
        The restored image, clipped to [-1, 1], in main memory.

    Raises:
        InputError: a model without restoration head, not one 3D image, an overlap out of range.

    Example:
        >>> restored = restore_image(load_weights("restoration"), corrupted)    # doctest: +SKIP
    """
    if getattr(model.network, "restorer", None) is None:
        raise InputError(
            "expected a model with a restoration head, got one without; load weights of an arm with restoration, or "
            "train one"
        )
    require(
        corrupted.ndim == 4 and corrupted.shape[0] == 1 and corrupted.is_floating_point(),
        "an image (1, X, Y, Z) of real numbers",
        f"{tuple(corrupted.shape)} in {str(corrupted.dtype).removeprefix('torch.')}",
        "prepare the scan first",
    )
    require(0 <= overlap < 1, "an overlap from 0 to below 1", overlap, "0.25 is the default")
    network, image = model.network, corrupted.detach().float().cpu()[None]
    how = {"overlap": overlap, "device": device, "precision": precision, "batch": batch}
    answer = slide(network, lambda x: network.restore(network.encode(x)), torch.clone, image, model.window_size, **how)
    return answer[0].clamp(-1, 1).clone()

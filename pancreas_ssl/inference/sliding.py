"""A network applied to an image of any size, window by window, with memory that is known beforehand.

The windows have the size of the training patches, overlap, and are blended with a Gaussian weight (MONAI's
`sliding_window_inference`). Only one batch of windows is on the device at a time; the sums stay in main memory.
`slide` serves all: probabilities (`predict_prepared`), decoder features and restored images.
"""

from collections.abc import Callable, Sequence
from itertools import chain, combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import ndimage
from torch import Tensor, nn

from pancreas_ssl.devices import plan, resolve_device
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.structure import bounding_box

__all__ = ["body_box", "body_of", "predict_prepared", "slide"]

AIR = -0.995  # an image value at or below is air (or lung): the lower end of the window
BODY_MARGIN = 3  # voxels of air kept around the body
HALF_ABOVE_BYTES = 1 << 30  # sums larger than 1 GiB are kept in half precision
BATCH = 4  # windows at once; more gain nothing, on a processor or a card


def predict_prepared(
    model: Model,
    image: "Float[np.ndarray, '1 X Y Z'] | Float[Tensor, '1 X Y Z']",
    *,
    overlap: float = 0.5,
    device: str | torch.device = "auto",
    precision: str = "auto",
    flips: Sequence[int] = (),
    crop: bool = True,
    batch: int = BATCH,
) -> Float32[np.ndarray, "C X Y Z"]:
    r"""Class probabilities of an image on the model's grid: p(v) = \sum_w g_w(v) p_w(v) / \sum_w g_w(v).

    Windows w overlap, g_w is a Gaussian with standard deviation patch / 8, p_w the softmax of the network. What lies
    beyond the image counts as air.

    Memory beside the image: (C + 2) numbers per voxel of the body's box (4 bytes each; 2 above 1 GiB), and one
    batch of windows on the device, whatever the size of the image. A sum that cannot fit is refused beforehand.

    Args:
        model: its network is moved to the device; train or evaluation mode is put back afterwards.
        image: prepared image in [-1, 1], air = -1.
        overlap: share of a window that the next one covers, 0 to below 1. 0.25 takes about half the time of 0.5 and
            loses a little where windows meet.
        device: "auto", "cpu", "cuda" ...
        precision: "auto" (a short probe decides), "fp32" or "bf16".
        flips: image axes (0, 1, 2) to mirror; the mean over all combinations is taken, 2 ** len(flips) passes. Not
            a gain by itself: a mirrored abdomen is one that the network may never have seen.
        crop: leave out the air around the body. Outside its box the answer is background with certainty.
        batch: windows at once.

    Returns:
        Probabilities that sum to 1 over C, float32, in main memory.

    Raises:
        InputError: not one 3D image, an overlap out of range, weights that give no finite probabilities.
        RunError: not enough memory.

    Example:
        >>> probabilities = predict_prepared(model, prepared.image)    # doctest: +SKIP
        >>> mask = probabilities.argmax(axis=0) == 1    # doctest: +SKIP
    """
    image = image if isinstance(image, Tensor) else torch.as_tensor(np.asarray(image))
    if image.ndim != 4 or image.shape[0] != 1 or not image.is_floating_point():
        raise InputError(f"expected a prepared image (1, X, Y, Z), got {tuple(image.shape)}; use prepare() first")
    if not 0 <= overlap < 1:
        raise InputError(f"expected an overlap from 0 to below 1, got {overlap}; 0.5 is the default")
    if any(axis not in (0, 1, 2) for axis in flips):
        raise InputError(f"expected image axes among 0, 1, 2 as flips, got {tuple(flips)}; () mirrors nothing")
    box = body_box(image[0].numpy(force=True)) if crop else (slice(None),) * 3
    inside = image[(slice(None), *box)].detach()
    network, classes = model.network, int(model.network.config["n_classes"])
    inside = inside.cpu().to(_storage(inside.shape[1:], model.window_size, classes))[None]

    def background(windows: Tensor) -> Tensor:
        answer = windows.new_zeros((len(windows), classes, *windows.shape[2:]))
        answer[:, 0] = 1
        return answer

    total = None
    views = list(chain.from_iterable(combinations([a + 2 for a in flips], n) for n in range(len(flips) + 1)))
    how = {"overlap": overlap, "device": device, "precision": precision, "batch": batch}
    for axes in views:
        turned = inside.flip(axes) if axes else inside
        seen = slide(network, lambda x: network(x).float().softmax(1), background, turned, model.window_size, **how)
        total = seen[0] if total is None else total + seen.flip(axes)[0]
        del seen
    if not torch.isfinite(total).all():
        which = f"weights {model.name}" if model.name else "weights of this model"
        raise InputError(f"expected finite probabilities, the {which} give NaN; train or download them again")
    probabilities = np.zeros((classes, *image.shape[1:]), np.float32)
    probabilities[0] = 1.0
    for values, sums in zip(probabilities, total, strict=True):  # one class at a time: no second copy of all
        values[box] = (sums.float() / len(views)).numpy()
    return probabilities


def slide(
    network: nn.Module,
    compute: Callable[[Tensor], Tensor],
    empty: Callable[[Tensor], Tensor],
    image: Float[Tensor, "1 C X Y Z"],
    window: Sequence[int],
    *,
    overlap: float | Sequence[float] = 0.5,
    device: str | torch.device = "auto",
    precision: str = "auto",
    batch: int = BATCH,
) -> Float[Tensor, "1 K x y z"]:
    """What `compute` makes of each window, blended: the one way by which images larger than a patch pass a network.

    Args:
        network: moved to the device and into evaluation mode; its mode is put back afterwards.
        compute: windows (B, C, *window) in, answers (B, K, ...) of the windows' size or a fraction of it out.
        empty: the answer for windows of nothing but air, which never pass the network.
        image: in main memory; what lies beyond counts as air. The answer has its type.
        overlap: share of a window that the next one covers, one number or one for each axis.
        batch: windows at once.

    Raises:
        RunError: the windows do not fit into the device's memory.
    """
    from monai.inferers import sliding_window_inference

    device = resolve_device(device)
    chosen = plan(device, precision)
    layout = torch.channels_last_3d if chosen.channels_last else torch.contiguous_format
    was_training = network.training
    network.to(device=device, memory_format=layout).eval()

    def predict(windows: Tensor) -> Tensor:
        if not (windows > AIR).any():
            return empty(windows)
        with torch.autocast(device.type, torch.bfloat16, enabled=chosen.precision == "bf16"):
            answer = compute(windows.float().contiguous(memory_format=layout))
        return answer.to(windows.dtype).contiguous()

    try:
        with torch.inference_mode():
            return sliding_window_inference(
                image, window, batch, predict, overlap=overlap, mode="gaussian", padding_mode="constant", cval=-1.0,
                sw_device=device, device="cpu",
            )  # fmt: skip
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"expected {batch} windows of {'x'.join(map(str, window))} voxels to fit on {device}, it is out of memory; "
            f"use batch=1 or device='cpu'"
        ) from error
    finally:
        network.train(was_training)


def body_box(image: Float[np.ndarray, "X Y Z"], margin: int = BODY_MARGIN) -> tuple[slice, slice, slice]:
    """Box around the patient in a prepared image, `body_of`, with `margin` voxels around it.

    An image without any body gives the whole image.
    """
    box = bounding_box(body_of(image), margin=margin + 1)
    return tuple(slice(0, size) for size in np.shape(image)) if box is None else box


def body_of(image: Float[np.ndarray, "X Y Z"]) -> Bool[np.ndarray, "X Y Z"]:
    """The largest connected body in a prepared image, without table and wires, lungs and gas; nothing without any.

    Whatever is above air is thinned by one voxel, so that sheets and wires fall away, and the largest connected part
    is kept, thinned as it is.
    """
    padded = np.pad(np.asarray(image) > AIR, 1, mode="edge")  # the scan's edge is no surface of the body
    thinned = ndimage.binary_erosion(padded, iterations=1)[1:-1, 1:-1, 1:-1]
    labels, count = ndimage.label(thinned)
    return labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1 if count else thinned


def _storage(shape: Sequence[int], window: Sequence[int], classes: int) -> torch.dtype:
    """float32, or float16 where the sums would need more than 1 GiB; RunError where they cannot fit at all."""
    import psutil

    voxels = int(np.prod([max(pair) for pair in zip(shape, window, strict=True)]))
    needed = voxels * (classes + 2) * 4
    kind = torch.float32
    if needed > HALF_ABOVE_BYTES:
        kind, needed = torch.float16, needed // 2
    needed += voxels * (classes + 1) * 4  # the answer, float32
    available = psutil.virtual_memory().available
    if needed > available:
        raise RunError(
            f"expected {needed / 2**30:.1f} GiB of free memory for an image of {'x'.join(map(str, shape))} voxels, "
            f"{available / 2**30:.1f} GiB are free; crop the scan or use weights for a coarser grid"
        )
    return kind

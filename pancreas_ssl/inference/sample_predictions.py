"""K predictions of one image that differ where the model could have answered otherwise.

    softmax    one pass: K = 1
    tta        test-time augmentation: the image's appearance changed a little and shifted by up to a voxel
    flips      the image mirrored: 2^3 combinations of axes (a mirrored abdomen is one that most networks never saw)
    dropout    Monte Carlo dropout: channels switched off at random while predicting
    ensemble   several models, each trained from a seed of its own

Every pass is `predict_prepared` on the whole image, and the probability of pancreas is brought back to the image's own
grid, so that a voxel means the same place in all members. No function here takes a label.

Sources: Wang et al. 2019, arXiv:1807.07356 (test-time augmentation); Gal and Ghahramani 2016, arXiv:1506.02142
(dropout); Lakshminarayanan et al. 2017, arXiv:1612.01474 (ensembles). The ranges of the draws are this toolkit's own
choice.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from pancreas_ssl.devices import plan, resolve_device
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.sliding import body_box, predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.segmentation import PANCREAS

__all__ = ["HOW", "View", "apply_view", "draw_view", "sample_predictions"]

HOW = ("softmax", "tta", "flips", "dropout", "ensemble")
"""Names of the ways to make members."""

AIR = -1.0  # of a prepared image; it stays air, or the box around the body would become the whole scan
FLIPS = tuple(chain.from_iterable(combinations((0, 1, 2), n) for n in range(4)))  # none, left-right, ...

Predict = Callable[[Model, Float32[np.ndarray, "1 X Y Z"]], Float32[np.ndarray, "X Y Z"]]


@dataclass(frozen=True)
class View:
    """One look of test-time augmentation: x' = 2 ((gain x + offset + noise + 1) / 2)^gamma - 1, then shifted.

    noise is the standard deviation of white noise, whose values come from `seed`; shift is in voxels per axis. The
    defaults change nothing.
    """

    gain: float = 1.0
    offset: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    shift: tuple[int, int, int] = (0, 0, 0)
    seed: int = 0


def draw_view(rng: np.random.Generator) -> View:
    """Draw a look: gain from U(0.9, 1.1), offset from U(-0.05, 0.05), log gamma from U(-0.1, 0.1), noise from
    U(0, 0.05), each shift 0 or 1.

    In the window [-150, 250] HU 0.05 is 10 HU: differences between scanners and kernels, not between diseases.

    Example:
        >>> view = draw_view(np.random.default_rng(0))
        >>> 0.9 <= view.gain <= 1.1 and set(view.shift) <= {0, 1}
        True
    """
    return View(
        gain=float(rng.uniform(0.9, 1.1)),
        offset=float(rng.uniform(-0.05, 0.05)),
        gamma=float(np.exp(rng.uniform(-0.1, 0.1))),
        noise=float(rng.uniform(0, 0.05)),
        shift=tuple(int(step) for step in rng.integers(0, 2, 3)),
        seed=int(rng.integers(2**62)),
    )


def apply_view(image: Float32[np.ndarray, "1 X Y Z"], view: View) -> Float32[np.ndarray, "1 Xs Ys Zs"]:
    """The image as the view sees it, in [-1, 1]; air stays air.

    A shift repeats the first voxels of an axis, so that nothing is lost: the answer for the image is
    `answer[sx:, sy:, sz:]`.

    Example:
        >>> image = np.array([-1, -0.5, 0.5, 1], np.float32).reshape(1, 4, 1, 1)
        >>> apply_view(image, View(offset=0.25, shift=(1, 0, 0))).ravel().tolist()
        [-1.0, -1.0, -0.25, 0.75, 1.0]
    """
    changed = view.gain * image + np.float32(view.offset)
    if view.noise > 0:
        rng = np.random.default_rng(view.seed)
        changed += np.float32(view.noise) * rng.standard_normal(image.shape, np.float32)
    share = np.clip((changed + 1) / 2, 0, 1)
    changed = np.where(image > AIR, 2 * share**view.gamma - 1, np.float32(AIR)).astype(np.float32)
    return np.pad(changed, [(0, 0), *((step, 0) for step in view.shift)], mode="edge")


def sample_predictions(
    model_or_models: Model | Sequence[Model],
    image: Any,
    how: str,
    *,
    n: int = 8,
    seed: int = 0,
    overlap: float = 0.25,
    device: str | torch.device = "auto",
    precision: str = "auto",
    rate: float = 0.2,
) -> Float32[np.ndarray, "K X Y Z"]:
    """Probabilities of pancreas of K predictions, ready for `entropy` and the other maps.

    Args:
        model_or_models: a `Model`; for "ensemble" a sequence of them, made for the same spacing and window.
        image: `(1, X, Y, Z)`, prepared, in [-1, 1].
        how: one of `HOW`. In "tta" and "flips" the first member is the untouched image. In "dropout" all passes
            drop channels, and each window of a pass drops its own.
        n: K for "tta" and "dropout", at most K for "flips" (8 there are; two are none and left-right). The others
            do not look at it. Member k is the same for every n.
        seed: of the random draws.
        overlap, device, precision: as in `predict_prepared`. 0.25 takes about half the time of 0.5.
        rate: share of channels that "dropout" switches off, wherever the network has dropout layers, also where
            they were trained with rate 0. It works on a copy: the model stays as it is.

    Returns:
        `(K, X, Y, Z)`, float32.

    Raises:
        InputError: an unknown way, models that do not suit it, no member, a network without dropout layers.

    Example:
        >>> p = sample_predictions(load_weights("baseline"), prepared.image, "tta", n=4)    # doctest: +SKIP
        >>> uncertainty = entropy(p)    # doctest: +SKIP
    """
    models = _models(model_or_models, how)
    if n < 1:
        raise InputError(f"expected at least one member, got n = {n}; 8 is the default")
    image = image.float().numpy(force=True) if isinstance(image, torch.Tensor) else np.asarray(image)
    image = np.ascontiguousarray(image, np.float32)  # mirrored views too, which torch does not take
    if image.ndim != 4 or image.shape[0] != 1:
        raise InputError(f"expected a prepared image (1, X, Y, Z), got {image.shape}; use prepare() first")
    device = resolve_device(device)
    precision = plan(device, precision).precision  # once: all members alike, and no probe between random draws
    # The box of the untouched image serves all members; beyond it there is air, and no pancreas.
    box = body_box(image[0])

    def predict(model: Model, x: Float32[np.ndarray, "1 x y z"]) -> Float32[np.ndarray, "x y z"]:
        return predict_prepared(model, x, overlap=overlap, device=device, precision=precision, crop=False)[PANCREAS]

    body = image[(slice(None), *box)]
    if how == "tta":
        inside = [_viewed(models[0], body, seed, k, predict) for k in range(n)]
    elif how == "flips":
        inside = [_flipped(models[0], body, axes, predict) for axes in FLIPS[:n]]
    elif how == "dropout":
        inside = _dropped(models[0], body, n, seed, rate, device, predict)
    else:
        inside = [predict(model, body) for model in models]
    answers = np.zeros((len(inside), *image.shape[1:]), np.float32)
    answers[(slice(None), *box)] = np.stack(inside)
    return answers


def _viewed(model: Model, body: np.ndarray, seed: int, k: int, predict: Predict) -> np.ndarray:
    view = draw_view(np.random.default_rng((seed, k))) if k else View()
    x, y, z = view.shift
    return predict(model, apply_view(body, view))[x:, y:, z:]


def _flipped(model: Model, body: np.ndarray, axes: tuple[int, ...], predict: Predict) -> np.ndarray:
    mirrored = np.ascontiguousarray(np.flip(body, [axis + 1 for axis in axes]))
    return np.flip(predict(model, mirrored), axes)


class _Dropping(nn.Module):
    """A network whose dropout layers stay on in evaluation mode, as Monte Carlo dropout wants it."""

    def __init__(self, network: nn.Module, rate: float):
        super().__init__()
        self.network = copy.deepcopy(network)
        kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
        self.layers = [module for module in self.network.modules() if isinstance(module, kinds)]
        if not self.layers or not 0 < rate < 1:
            raise InputError(
                f"expected a network with dropout layers and a rate between 0 and 1, got {len(self.layers)} layers "
                f"and rate {rate}; use how='tta' or a SegmentationNetwork"
            )
        for layer in self.layers:
            layer.p = rate
        self.config, self.stride = network.config, network.stride

    def train(self, mode: bool = True) -> "_Dropping":
        super().train(mode)
        for layer in self.layers:
            layer.training = True
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)


def _dropped(
    model: Model, body: np.ndarray, n: int, seed: int, rate: float, device: torch.device, predict: Predict
) -> list[np.ndarray]:
    dropping = replace(model, network=_Dropping(model.network, rate))
    answers = []
    for k in range(n):
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(int(np.random.SeedSequence((seed, k)).generate_state(1, np.uint64)[0] >> 1))
            answers.append(predict(dropping, body))
    return answers


def _models(given: Any, how: str) -> list[Model]:
    """The models, as many as `how` needs."""
    if how not in HOW:
        raise InputError(f"expected one of {', '.join(HOW)}, got {how!r}; name one of these")
    models = [given] if hasattr(given, "network") else list(given)
    if (how == "ensemble") != (len(models) > 1):
        raise InputError(
            f"expected {'two or more models' if how == 'ensemble' else 'one model'} for {how!r}, got {len(models)}; "
            f"an ensemble is a sequence of models, everything else asks one"
        )
    made = {(tuple(model.spacing), tuple(model.window)) for model in models}
    if len(made) > 1:
        raise InputError(
            f"expected models of one spacing and window, got {sorted(made)}; choose models that see the same image"
        )
    return models

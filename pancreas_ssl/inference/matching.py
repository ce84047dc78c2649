r"""Source matching: before a scan is predicted, its intensities are moved to those of the network's training cases.

    x' = x + w (m(x) - x)        w the recipe's `match_weight`, 0 to 1
    m: q_k(scan) -> mean over the training cases of q_k,   straight lines between, the window's ends stay where they are

q_k are quantiles (5, 25, 50, 75, 95 %) of HU inside the body, of fat (-150 to -30 HU) and of soft tissue (-30 to 250
HU) apart: a lean patient has less fat than the source's mean, and one histogram of both would turn his muscle into fat.
m rises, and air stays air. The scan is all that is looked at, no label and no other scan of its hospital; the quantiles
of the training cases travel with the weights. Nothing is trained.

It answers a shift of tissue as a whole (phase, tube voltage, kernel, calibration). Whatever changes organs against each
other it cannot undo, and where much of a body's soft tissue is rare at home (a tumour, bowel full of contrast, another
field of view) it moves what was right.

Source: the test-time half of SRCSM, Thaler et al. 2025, arXiv 2512.01510, which maps the whole histogram to the
training cases' mean distribution. Few quantiles, fat apart, and the weight w are choices of this toolkit.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.sliding import body_of
from pancreas_ssl.inference.weights import Model

__all__ = ["matched", "source_part", "tissue_quantiles", "with_source"]

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
TISSUES = ((-150.0, -30.0), (-30.0, 250.0))  # HU: fat, soft tissue
FEWEST = 100  # voxels of a tissue; with fewer it says nothing
PART, NAME = "source", "quantiles"  # in a file of weights


def tissue_quantiles(
    image: Float[np.ndarray, "1 X Y Z"], window: tuple[float, float] = (-150.0, 250.0)
) -> Float32[np.ndarray, " 10"]:
    """Quantiles of HU inside the body, five of fat and five of soft tissue; NaN for a tissue of hardly any voxels.

    Args:
        image: prepared, in [-1, 1].
        window: HU that the image's -1 and 1 stand for. What lies at its ends, clipped, is left out.

    Example:
        >>> image = np.full((1, 12, 12, 12), 0.1, np.float32)    # 70 HU
        >>> tissue_quantiles(image).tolist()[4:7]
        [nan, 70.0, 70.0]
    """
    image = np.asarray(image, np.float32)[0]
    inside = _hu(image[body_of(image)], window)
    found = np.full((len(TISSUES), len(SHARES)), np.nan, np.float32)
    for row, (low, high) in zip(found, TISSUES, strict=True):
        values = inside[(inside > max(low, window[0])) & (inside < min(high, window[1]))]
        if len(values) >= FEWEST:
            row[:] = np.quantile(values, SHARES)
    return found.ravel()


def source_part(cases: Iterable[Prepared]) -> dict[str, dict[str, Tensor]]:
    """Mean quantiles (HU) of the training cases, as a part of their weights (`save_weights`, `Model.parts`).

    Raises:
        InputError: no case with both fat and soft tissue.

    Example:
        >>> model = Model(network, parts=source_part(training_cases))    # doctest: +SKIP
    """
    found = [tissue_quantiles(case.image[:], case.window) for case in cases]
    whole = [row for row in found if np.isfinite(row).all()]
    if not whole:
        raise InputError(
            "expected training cases with fat and soft tissue for match_weight above 0, got none; set it to 0"
        )
    return {PART: {NAME: torch.from_numpy(np.mean(whole, axis=0))}}


def with_source(model: Model, cases: Iterable[Prepared]) -> Model:
    """The model that knows how the cases look which trained it: for weights that were trained without `match_weight`.

    Args:
        cases: prepared training cases of the model's source, on its grid and window.

    Example:
        >>> model = with_rules(with_source(load_weights("strong"), cases), match_weight=1.0)    # doctest: +SKIP
    """
    return replace(model, parts=model.parts | source_part(cases))


def matched(image: Float[np.ndarray, "1 X Y Z"], model: Model, weight: float = 1.0) -> Float32[np.ndarray, "1 X Y Z"]:
    """The image with its intensities moved to the source's, still in [-1, 1]; a new array.

    Args:
        image: prepared, in [-1, 1].
        model: with the source's quantiles.
        weight: w above; 0 leaves the image as it is.

    Raises:
        InputError: weights without the source's quantiles.

    Example:
        >>> brighter = np.random.default_rng(0).uniform(0, 0.4, (1, 12, 12, 12)).astype(np.float32)
        >>> home = Model(torch.nn.Identity(), parts={"source": {"quantiles": torch.linspace(-140, 60, 10)}})
        >>> bool(matched(brighter, home).mean() < brighter.mean())
        True
    """
    goal = model.parts.get(PART, {}).get(NAME)
    if goal is None or tuple(goal.shape) != (len(TISSUES) * len(SHARES),):
        raise InputError(
            "expected weights that know the intensities of their training cases, these do not; train with match_weight "
            "above 0, or use with_source()"
        )
    low, high = window = model.window
    image = np.asarray(image, np.float32)
    here, goal = tissue_quantiles(image, window), np.maximum.accumulate(goal.numpy(force=True).clip(low, high))
    known = np.isfinite(here)
    known[1:] &= ~(np.diff(here, prepend=np.nan)[1:] <= 0)  # equal quantiles are one knot
    hu = _hu(image, window)
    moved = np.interp(hu, [low, *here[known], high], [low, *goal[known], high]).astype(np.float32)
    hu += np.float32(weight) * (moved - hu)
    return np.clip(2 * (hu - low) / (high - low) - 1, -1, 1)


def _hu(image: Float32[np.ndarray, "*shape"], window: tuple[float, float]) -> Float32[np.ndarray, "*shape"]:
    """HU of values on the scale of a prepared image."""
    low, high = window
    return low + (image + np.float32(1)) / 2 * np.float32(high - low)

"""MixStyle: mean and standard deviation of feature channels are mixed between the samples of a batch.

    mu, sigma = mean and standard deviation of each channel of each sample, over its voxels
    mu'       = lam mu + (1 - lam) mu[permutation]          and likewise sigma'
    f'        = sigma' (f - mu) / sigma + mu',               lam from Beta(alpha, alpha), one per sample

The channel statistics of early layers carry the "style" of a scanner; each mixture is a style in between. The
statistics are detached, as in the paper.

One departure: the paper draws any permutation; here no sample is its own partner, which in a batch of two would happen
every second time. A batch of one comes back as it is.

MixStyle has no effect where an InstanceNorm follows without a nonlinearity between, since that sets mean and variance
again.

Source: Zhou et al. 2021, Domain Generalization with MixStyle, ICLR, arXiv 2104.02008.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from pancreas_ssl.errors import require

__all__ = ["MixStyleDraw", "apply_mixstyle", "draw_mixstyle"]

EPSILON = 1e-6  # added to the variance, as in the paper's code; a constant channel stays finite


@dataclass(frozen=True)
class MixStyleDraw:
    """Each sample's partner, and the share it keeps of its own statistics (1 = all)."""

    permutation: Int64[np.ndarray, " B"]
    lam: Float32[np.ndarray, " B"]


def draw_mixstyle(rng: np.random.Generator, batch: int, alpha: float = 0.1, probability: float = 0.5) -> MixStyleDraw:
    """Draw partners and shares of one batch.

    Args:
        batch: number of samples.
        alpha: of Beta(alpha, alpha). With the paper's 0.1 a sample mostly keeps its style or takes its partner's; 1
            would be uniform.
        probability: that the batch is mixed at all; the paper's 0.5. Otherwise every `lam` is 1.

    Raises:
        InputError: an empty batch, alpha not above 0, or a probability outside [0, 1].

    Example:
        >>> draw_mixstyle(np.random.default_rng(0), batch=2, probability=1.0).permutation
        array([1, 0])
    """
    require(batch >= 1, "a batch of at least 1", batch, "pass features.shape[0]")
    require(alpha > 0, "an alpha above 0", alpha, "the paper's is 0.1")
    require(0 <= probability <= 1, "a probability between 0 and 1", probability, "the paper's is 0.5")
    mixed = rng.random() < probability
    ring = rng.permutation(batch)  # each takes its successor on a random ring: no one meets itself
    permutation = np.empty(batch, np.int64)
    permutation[ring] = np.roll(ring, -1)
    lam = rng.beta(alpha, alpha, batch).astype(np.float32)
    return MixStyleDraw(permutation, lam if mixed and batch > 1 else np.ones(batch, np.float32))


def apply_mixstyle(features: Float[Tensor, "B C X Y Z"], draw: MixStyleDraw) -> Float[Tensor, "B C X Y Z"]:
    """Features with mixed channel statistics, same shape and type; gradients flow to `features`.

    Args:
        features: of an early layer. In bfloat16 or float16 the statistics are computed in float32.
        draw: from `draw_mixstyle` for this batch size; where it mixes nothing, the input itself comes back.

    Raises:
        InputError: not five dimensions, or another batch size than that of the draw.

    Example:
        >>> features = torch.randn(2, 4, 8, 8, 8)
        >>> swapped = apply_mixstyle(features, MixStyleDraw(np.array([1, 0]), np.zeros(2, np.float32)))
        >>> bool(torch.allclose(swapped[0].mean((1, 2, 3)), features[1].mean((1, 2, 3)), atol=1e-5))
        True
    """
    batch = len(draw.permutation)
    fine, expected = features.ndim == 5 and len(features) == batch, f"features (B, C, X, Y, Z) of a batch of {batch}"
    require(fine, expected, tuple(features.shape), "draw with batch=features.shape[0]")
    if len(draw.lam) == 1 or (draw.lam == 1).all():
        return features
    exact = features.float()
    variance, mean = torch.var_mean(exact.detach(), dim=(2, 3, 4), keepdim=True, correction=0)
    spread = (variance + EPSILON).sqrt()
    lam = torch.from_numpy(draw.lam).to(features.device)[:, None, None, None, None]
    partner = torch.from_numpy(draw.permutation).to(features.device)
    new_mean = lam * mean + (1 - lam) * mean[partner]
    new_spread = lam * spread + (1 - lam) * spread[partner]
    return ((exact - mean) * (new_spread / spread) + new_mean).to(features.dtype)

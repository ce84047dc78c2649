"""Two GIN images of one patch, mixed along a smooth random field: IPA, the second half of the GIN paper.

    b        = a cubic B-spline through few random control points, stretched to span [0, 1]
    (t1, t2) = (b x1 + (1 - b) x2,  (1 - b) x1 + b x2)

x1 and x2 are two GIN images of the same patch. In t1 one tissue has different greys at different places, so that its
grey no longer tells its surroundings apart ("interventional pseudo-correlation augmentation"). The paper trains on both
and asks for equal predictions. Field and images are `(1, x, y, z)`; a convex mix stays in [-1, 1].

Source: Ouyang et al. 2022, Causality-inspired Single-source Domain Generalization for Medical Image Segmentation,
IEEE TMI, doi 10.1109/TMI.2022.3224067, arXiv 2111.12525, section III-C.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from pancreas_ssl.augmentation.patch import check_patch
from pancreas_ssl.errors import require

__all__ = ["BlendDraw", "blend", "blend_field", "draw_blend"]


@dataclass(frozen=True)
class BlendDraw:
    """Control points of one field, and the size in voxels that they are spread over."""

    control: Float32[np.ndarray, "n n n"]
    shape: tuple[int, int, int]


def draw_blend(rng: np.random.Generator, shape: Sequence[int], points: int = 6) -> BlendDraw:
    """Draw the control points of a field, each from U(0, 1).

    Args:
        shape: (x, y, z) of the patch in voxels.
        points: control points per axis, at least 4. The default's `points - 3 = 3` spline intervals make areas of about
            a third of the patch; more points make smaller ones.

    Raises:
        InputError: not three positive sizes, or fewer than 4 points.

    Example:
        >>> draw_blend(np.random.default_rng(0), (64, 64, 48)).control.shape
        (6, 6, 6)
    """
    fine = len(shape) == 3 and min(shape) >= 1
    require(fine, "three positive patch sizes (x, y, z)", tuple(shape), "pass image.shape[1:]")
    require(points >= 4, "at least 4 control points an axis", points, "a cubic spline needs them")
    return BlendDraw(rng.random((points,) * 3, dtype=np.float32), tuple(int(size) for size in shape))


def _spline(size: int, points: int) -> Float32[np.ndarray, "size points"]:
    """Uniform cubic B-spline basis at `size` places from the first interval's start to the last one's end."""
    t = np.linspace(0, points - 3, size) if size > 1 else np.zeros(1)
    first = np.minimum(t.astype(int), points - 4)
    u = t - first
    parts = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    basis = np.zeros((size, points))
    for k, part in enumerate(parts):
        basis[np.arange(size), first + k] = part / 6
    return basis.astype(np.float32)


def blend_field(draw: BlendDraw, device: torch.device | str = "cpu") -> Float32[Tensor, "1 x y z"]:
    """The smooth field b of a draw, stretched to span [0, 1]; equal control points give a constant field.

    Example:
        >>> field = blend_field(draw_blend(np.random.default_rng(0), (8, 8, 8)))
        >>> field.min().item(), field.max().item()
        (0.0, 1.0)
    """
    x, y, z = (torch.from_numpy(_spline(size, len(draw.control))).to(device) for size in draw.shape)
    control = torch.from_numpy(draw.control).to(device)
    field = torch.tensordot(x, y @ (control @ z.T), 1)[None]
    low, high = field.min(), field.max()
    if high - low < 1e-6:
        return field.clamp_(0, 1)
    return (field - low) / (high - low)


@torch.no_grad()
def blend(
    first: Float32[Tensor, "1 x y z"], second: Float32[Tensor, "1 x y z"], draw: BlendDraw
) -> tuple[Float32[Tensor, "1 x y z"], Float32[Tensor, "1 x y z"]]:
    """Both mixtures, `(b first + (1 - b) second, (1 - b) first + b second)`; they add up to `first + second`.

    `first` and `second` are two images of one patch, usually from two calls of `apply_gin`.

    Raises:
        InputError: the two images or the draw differ in size.

    Example:
        >>> draw = draw_blend(np.random.default_rng(0), (8, 8, 8))
        >>> one, two = blend(torch.zeros(1, 8, 8, 8), torch.ones(1, 8, 8, 8), draw)
        >>> bool(torch.allclose(one + two, torch.ones(1, 8, 8, 8)))
        True
    """
    check_patch(first), check_patch(second)
    fine, got = (
        first.shape == second.shape == (1, *draw.shape),
        f"{tuple(first.shape[1:])} and {tuple(second.shape[1:])}",
    )
    require(fine, f"two patches of size {draw.shape}, that of the draw", got, "draw the field with their shape")
    field = blend_field(draw, first.device)
    return torch.lerp(second, first, field), torch.lerp(first, second, field)

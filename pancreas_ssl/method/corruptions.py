r"""Six ways to corrupt the appearance of a small box of the image, each with a strength from 0 to 1.

With s the strength and x the content of the box, everything clipped to [-1, 1] at the end:

    shuffle    a share s of the voxels of each block of 3 x 3 x 3 changes places within the block
    remap      (1 - s) x + s B(x)        B a cubic Bezier curve of grey values, rising or not
    lowpass    G_{s sigma} * x           Gaussian, sigma from U(1, 2) voxels
    noise      x + s q n                 n white and normal, q from U(0.1, 0.4): 20 to 80 HU; air stays air
    randconv   (1 - s) x + s (w * x)     w of 1 or 3 voxels a side from N(0, 1 / k^3), as in `augmentation.randconv`
    inpaint    (1 - s) x + s f           f one grey value for the box, or white noise, uniform in [-1, 1]

Strength 0 changes nothing, and the expected change grows with the strength. `shuffle` keeps the grey values of a
block and loses where they were; `remap` loses the values and keeps the edges; `lowpass` loses what is fine; `noise`
buries it; `randconv` changes values and texture together; `inpaint` at full strength leaves nothing.

In-painting is not among the families drawn by default. It is the hardest to undo: nothing of the content is left, and
where an edge could lie in several places, the least error on average is a blurred one. In earlier measurements for this
toolkit, in-painting the rim of the pancreas blurred its boundary. Milder corruptions leave clues of the content, and
the surroundings then say how to read them: they deserve the first try.

Sources: Bezier remap, local shuffling and in-painting after Zhou et al. 2019, Models Genesis, arXiv:1908.06912; random
convolutions after Xu et al. 2021, arXiv:2007.13003. Blocks, strengths and ranges are choices of this toolkit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from pancreas_ssl.augmentation.patch import blur, check_patch, noisy
from pancreas_ssl.augmentation.randconv import RandConvDraw, apply_randconv, draw_randconv
from pancreas_ssl.errors import require

__all__ = ["DEFAULT_FAMILIES", "FAMILIES", "Box", "Corruption", "Placement", "bezier", "corrupt", "draw_corruption"]

FAMILIES = ("shuffle", "remap", "lowpass", "noise", "randconv", "inpaint")
"""All families, the mildest to undo and the hardest among them."""

DEFAULT_FAMILIES = FAMILIES[:-1]
"""What is drawn unless told otherwise: all but in-painting."""

BLOCK = 3  # voxels a side within which `shuffle` moves voxels: 9 mm on the 3 mm grid
LEVELS = 256  # grey values at which a Bezier curve is tabulated, linear between
STRENGTHS = (0.5, 1.0)  # of draws without a given strength


@dataclass(frozen=True)
class Corruption:
    """One drawn corruption: its family, its strength (0 to 1), and what else was drawn for it.

    parameters: `seed` (shuffle, noise, inpaint), `curve` (remap: 256 values on [-1, 1]), `sigma` (lowpass, voxels at
    full strength), `spread` (noise, on the [-1, 1] scale at full strength), `weight` (randconv), `grey` (inpaint; None
    = noise). The same corruption gives the same result on the same content, always and on every device.
    """

    family: str
    strength: float
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """Voxels `low` to below `high` of a patch, and how they are corrupted.

    piece: which voxels of the box are corrupted by it; None: those that the placement's mask has there.
    """

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    corruption: Corruption
    piece: Bool[np.ndarray, "a b c"] | None = None

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into `(x, y, z)`."""
        return tuple(slice(a, b) for a, b in zip(self.low, self.high, strict=True))


@dataclass(frozen=True)
class Placement:
    """Boxes and the set of corrupted voxels, which is the union of their pieces."""

    boxes: tuple[Box, ...]
    mask: Bool[Tensor, "1 x y z"]


def draw_corruption(
    rng: np.random.Generator, families: Sequence[str] = DEFAULT_FAMILIES, strength: float | None = None
) -> Corruption:
    """Draw one corruption: a family, each equally likely, and its parameters.

    Args:
        rng: numpy generator.
        families: some of `FAMILIES`. The default leaves out in-painting, see above.
        strength: 0 (no change) to 1; None draws it from U(0.5, 1).

    Raises:
        InputError: no family or an unknown one, a strength outside 0 to 1.

    Example:
        >>> draw_corruption(np.random.default_rng(0), ("noise",), strength=0.5).parameters.keys()
        dict_keys(['seed', 'spread'])
    """
    require(
        len(families) > 0 and all(name in FAMILIES for name in families),
        f"families among {', '.join(FAMILIES)}",
        tuple(families),
        "name at least one of these",
    )
    require(
        strength is None or 0 <= strength <= 1, "a strength from 0 to 1", strength, "0 changes nothing, None draws it"
    )
    family = str(families[int(rng.integers(len(families)))])
    drawn = float(rng.uniform(*STRENGTHS)) if strength is None else float(strength)
    return Corruption(family, drawn, _DRAW[family](rng))


@torch.no_grad()
def corrupt(content: Float32[Tensor, "1 a b c"], corruption: Corruption) -> Float32[Tensor, "1 a b c"]:
    """The content of a box, corrupted and clipped to [-1, 1]; a new tensor.

    Args:
        content: part of an image in [-1, 1], of any size, on any device.
        corruption: from `draw_corruption`, or made by hand.

    Raises:
        InputError: not `(1, a, b, c)` in float32, an unknown family, a strength outside 0 to 1.

    Example:
        >>> halfway = Corruption("inpaint", 0.5, {"seed": 0, "grey": 1.0})
        >>> corrupt(torch.zeros(1, 2, 2, 2), halfway).mean()
        tensor(0.5000)
    """
    check_patch(content, "the content of a box")
    require(
        corruption.family in FAMILIES and 0 <= corruption.strength <= 1,
        f"a corruption among {', '.join(FAMILIES)} with a strength from 0 to 1",
        f"{corruption.family} with {corruption.strength}",
        "make it with draw_corruption",
    )
    if corruption.strength == 0:
        return content.clone()
    return _APPLY[corruption.family](content, corruption.strength, **corruption.parameters).clamp_(-1, 1)


def bezier(points: Float[np.ndarray, "4 2"]) -> Float32[np.ndarray, " levels"]:
    r"""A curve of grey values: `p(t) = \sum_k C(3, k) (1 - t)^{3 - k} t^k P_k`, tabulated at 256 values in [-1, 1].

    Args:
        points: P_0 to P_3 as (grey before, grey after). The first column must start at -1, rise and end at 1; that
            makes the curve a function. It rises where the second column does, and never leaves its range.

    Example:
        >>> straight = np.repeat(np.linspace(-1, 1, 4)[:, None], 2, axis=1)
        >>> bool(np.abs(bezier(straight) - np.linspace(-1, 1, 256)).max() < 1e-6)
        True
    """
    t = np.linspace(0, 1, LEVELS)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    before, after = (weights @ points).T
    return np.interp(np.linspace(-1, 1, LEVELS), before, after).astype(np.float32)


def _draw_remap(rng: np.random.Generator) -> dict[str, Any]:
    """Half of the curves rise. The others have free control points, and every second of them falls from end to end."""
    points = np.sort(rng.uniform(-1, 1, (2, 2)), axis=0)
    ends = np.array([[-1.0, -1.0], [1.0, 1.0]])
    if rng.random() < 0.5:
        points[:, 1] = rng.uniform(-1, 1, 2)
        ends[:, 1] *= 1 if rng.random() < 0.5 else -1
    return {"curve": bezier(np.stack([ends[0], *points, ends[1]]))}


def _draw_inpaint(rng: np.random.Generator) -> dict[str, Any]:
    grey, noise = float(rng.uniform(-1, 1)), bool(rng.random() < 0.5)
    return {"seed": _seed(rng), "grey": None if noise else grey}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _shuffle(x: Tensor, strength: float, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    sizes = x.shape[1:]
    moving = np.flatnonzero(rng.random(x.numel(), dtype=np.float32) < strength)
    block = _blocks(sizes)[moving]
    order = rng.permutation(len(moving))
    target = moving[np.argsort(block, kind="stable")]
    source = moving[order[np.argsort(block[order], kind="stable")]]  # the same blocks in the same order, mixed inside
    out = x.clone().view(-1)
    out[_index(target, x)] = x.reshape(-1)[_index(source, x)]
    return out.view_as(x)


def _blocks(sizes: Sequence[int]) -> np.ndarray:
    """Number of the block in which each voxel lies, counted from the box's low corner; flat."""
    a, b, c = (np.arange(size) // BLOCK for size in sizes)
    number = (a[:, None, None] * (b[-1] + 1) + b[:, None]) * (c[-1] + 1) + c
    return number.ravel().astype(np.uint16 if number.max() < 2**16 else np.int64)


def _index(where: np.ndarray, like: Tensor) -> Int64[Tensor, " n"]:
    return torch.from_numpy(where).to(like.device)


def _remap(x: Tensor, strength: float, curve: np.ndarray) -> Tensor:
    table = torch.from_numpy(curve).to(x.device)
    place = (x.clamp(-1, 1) + 1) * ((len(curve) - 1) / 2)
    low = place.long().clamp_(max=len(curve) - 2)
    mapped = torch.lerp(table[low], table[low + 1], place - low)
    return torch.lerp(x, mapped, strength)


def _lowpass(x: Tensor, strength: float, sigma: float) -> Tensor:
    return blur(x, strength * sigma)


def _noise(x: Tensor, strength: float, seed: int, spread: float) -> Tensor:
    return noisy(x, strength * spread, seed)


def _randconv(x: Tensor, strength: float, weight: np.ndarray) -> Tensor:
    return apply_randconv(x, RandConvDraw(weight, 1 - strength))


def _inpaint(x: Tensor, strength: float, seed: int, grey: float | None) -> Tensor:
    if grey is not None:
        return torch.lerp(x, torch.full_like(x, grey), strength)
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)).mul_(2).sub_(1)
    return torch.lerp(x, noise.to(x.device), strength)


_DRAW = {
    "shuffle": lambda rng: {"seed": _seed(rng)},
    "remap": _draw_remap,
    "lowpass": lambda rng: {"sigma": float(rng.uniform(1, 2))},
    "noise": lambda rng: {"seed": _seed(rng), "spread": float(rng.uniform(0.1, 0.4))},
    "randconv": lambda rng: {"weight": draw_randconv(rng, (1, 3)).weight},
    "inpaint": _draw_inpaint,
}
_APPLY = {
    "shuffle": _shuffle,
    "remap": _remap,
    "lowpass": _lowpass,
    "noise": _noise,
    "randconv": _randconv,
    "inpaint": _inpaint,
}

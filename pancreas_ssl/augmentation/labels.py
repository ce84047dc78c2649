"""Label-conditioned random intensities: every organ of a patch gets a grey of its own, and so do fat and muscle.

    x' = m_l + d_l + s_l (x - m_l)      l the class of the voxel, m_l the mean of the class in this patch
    d_l from N(0, shift^2), or such that the class gets a new mean m_l + d_l from U(-0.6, 1)
    s_l = exp(u),  u from U(-spread, spread)

Contrast phases and scanners change organs *against each other*, which no curve over the whole image can do; here the
liver may brighten while the pancreas fades. Classes are the organ labels 1, 2, ..., the content of hollow organs (what
is darker than 50 HU in them), and three classes told apart by their HU: air (below -140 HU, wherever it lies: gas in
the bowel too), fat without a label (-140 to -30 HU) and other tissue without a label. Air stays as it is. The maps of
scale and offset are blurred by one voxel, so that borders keep their partial volume and show no seam. After that, each
perhaps: a blur, a gamma curve, and noise. A share `keep` of the patches gets noise only.

Labels are those of *all organs*, as the phantom has them; with the pancreas alone there are four classes.

Sources: SynthSeg, Billot et al. 2023, Medical Image Analysis, doi 10.1016/j.media.2023.102789, arXiv 2107.09559, draws
the intensities of each label anew (we keep the texture and move it); SLAug, Su et al. 2023, AAAI, arXiv 2211.11347,
has the location-scale form for each class.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from pancreas_ssl.augmentation.patch import blur, check_patch, gamma_curve, kind_of, noisy
from pancreas_ssl.errors import require

__all__ = ["AIR_BELOW", "FAT_BELOW", "LabelDraw", "apply_labels", "classes", "draw_labels"]

AIR_BELOW, FAT_BELOW = -0.95, -0.4
"""Upper bounds of air (-140 HU) and of fat (-30 HU, midway between fat at -100 and water-like tissue at 40)."""

BACKGROUND = 3  # classes 0, 1, 2: air, fat, other soft tissue; label l is class l + 2; then the contents
CONTENT_BELOW = 0.0  # 50 HU: between bowel content (22) and bowel wall (92) of the portal venous phase
HOLLOW = (7, 8, 9)  # the phantom's stomach, duodenum and bowel
NEW_MEANS = (-0.6, 1.0)  # -70 to 250 HU
SOFTENING = 1.0  # voxels: blur of the maps of shift and scale


@dataclass(frozen=True)
class LabelDraw:
    """Shift and scale of each class (air, fat, soft tissue, label 1, label 2, ..., contents), and what follows them.

    Where `mean` is a number and not NaN, the class is moved to that mean instead of being shifted.
    """

    shift: Float32[np.ndarray, " classes"]
    scale: Float32[np.ndarray, " classes"]
    mean: Float32[np.ndarray, " classes"] | None = None
    hollow: tuple[int, ...] = ()  # labels whose content is a class of its own, in the order of the last classes
    blur: float = 0.0  # voxels
    gamma: float = 1.0  # exponent
    noise: float = 0.0  # standard deviation
    noise_seed: int = 0

    @property
    def n_labels(self) -> int:
        """Number of labels that this draw knows, background included."""
        return len(self.shift) - len(self.hollow) - BACKGROUND + 1


def draw_labels(
    rng: np.random.Generator,
    n_labels: int = 15,
    shift: float = 0.25,
    spread: float = 0.5,
    redraw: float = 0.3,
    keep: float = 0.2,
    hollow: tuple[int, ...] | None = None,
    blur: float = 1.0,
    gamma: float = 0.3,
    noise: float = 0.1,
) -> LabelDraw:
    """Draw shift and scale of every class that could occur, so that draws do not depend on the patch.

    Args:
        rng: the number of values taken from it depends on `n_labels` alone.
        n_labels: labels 0 (background) to n_labels - 1; 15 are the phantom's organs.
        shift: standard deviation of a class' offset; 0.25 is 50 HU.
        spread: largest logarithm of a class' contrast inside; 0.5 gives factors of 0.61 to 1.65.
        redraw: share of classes that get a new mean altogether, anywhere between fat and bright (oral) contrast.
        keep: share of patches that are left as they are, apart from noise, so that the network also sees its source.
        hollow: labels of hollow organs; None takes the phantom's, as far as they are below `n_labels`.
        blur, gamma: in half of the patches each: largest blur in voxels (uniform from 0), largest logarithm of the
            exponent (uniform on both sides of 0).
        noise: largest standard deviation of white noise (uniform from 0); 0.1 is 20 HU.

    Raises:
        InputError: fewer than one label, a negative size, or a share outside [0, 1].

    Example:
        >>> draw = draw_labels(np.random.default_rng(0))
        >>> draw.shift.shape, draw.n_labels
        ((20,), 15)
    """
    require(n_labels >= 1, "at least one label (the background)", n_labels, "the phantom has 15")
    require(0 <= keep <= 1, "a share keep between 0 and 1", keep, "0.2 keeps one patch in five")
    require(0 <= redraw <= 1, "a share redraw between 0 and 1", redraw, "0 leaves every class near its own mean")
    hollow = tuple(label for label in HOLLOW if label < n_labels) if hollow is None else tuple(hollow)
    fits = all(0 < label < n_labels for label in hollow)
    require(fits, f"hollow labels between 1 and {n_labels - 1}", hollow, "name organs that have a label")
    sizes = {"shift": shift, "spread": spread, "blur": blur, "gamma": gamma, "noise": noise}
    for name, size in sizes.items():
        require(math.isfinite(size) and size >= 0, f"a {name} of at least 0", size, "0 switches it off")
    kept = rng.random() < keep
    n_classes = n_labels + BACKGROUND - 1 + len(hollow)
    shifts = rng.normal(0, 1, n_classes) * shift
    scales = np.exp(rng.uniform(-1, 1, n_classes) * spread)
    anew, means = rng.random(n_classes) < redraw, rng.uniform(*NEW_MEANS, n_classes)
    anew[: BACKGROUND - 1] = False  # fat stays near fat: it is what shows where organs end
    means[~anew] = np.nan
    happens, drawn = rng.random(2) < 0.5, rng.random(3)
    seed = int(rng.integers(2**62))
    shifts[0], scales[0] = 0, 1
    if kept:
        shifts[:], scales[:], happens[:] = 0, 1, False
    return LabelDraw(
        shifts.astype(np.float32),
        scales.astype(np.float32),
        None if kept else means.astype(np.float32),
        hollow,
        blur=float(blur * drawn[0]) if happens[0] else 0.0,
        gamma=math.exp(gamma * (2 * drawn[1] - 1)) if happens[1] else 1.0,
        noise=float(noise * drawn[2]),
        noise_seed=seed,
    )


def classes(
    image: Float32[Tensor, "1 x y z"],
    organs: UInt8[Tensor, "1 x y z"] | Int64[Tensor, "1 x y z"],
    contents: dict[int, int] | None = None,
) -> Int64[Tensor, "1 x y z"]:
    """Class of each voxel: 0 air, 1 fat and 2 soft tissue without a label, label + 2 with one.

    Args:
        contents: label of a hollow organ -> class of what is dark in it.

    Example:
        >>> image = torch.tensor([-1.0, -0.75, 0.2, 0.3]).reshape(1, 4, 1, 1)
        >>> classes(image, torch.tensor([0, 0, 0, 1]).reshape(1, 4, 1, 1)).flatten()
        tensor([0, 1, 2, 3])
    """
    labelled = organs.long() + (BACKGROUND - 1)
    found = torch.where(organs > 0, labelled, labelled - (image < FAT_BELOW).long())
    dark = image < CONTENT_BELOW
    for label, number in (contents or {}).items():
        found.masked_fill_(dark & (organs == label), number)
    return found.masked_fill_(image < AIR_BELOW, 0)


@torch.no_grad()
def apply_labels(
    image: Float32[Tensor, "1 x y z"], organs: UInt8[Tensor, "1 x y z"] | Int64[Tensor, "1 x y z"], draw: LabelDraw
) -> Float32[Tensor, "1 x y z"]:
    """The patch with each class moved and stretched, then blur, gamma and noise, clipped to [-1, 1]; a new tensor.

    Args:
        image: one patch in [-1, 1], before other changes of intensity: the classes of background are read off it.
        organs: its labels, 0 = background; a patch without any organ is fine.
        draw: from `draw_labels`.

    Raises:
        InputError: unfit patch, labels of another size or kind, or a label that the draw does not know.

    Example:
        >>> image, organs = torch.zeros(1, 4, 4, 4), torch.ones(1, 4, 4, 4, dtype=torch.uint8)
        >>> draw = LabelDraw(np.float32([0, 0, 0, 0.25]), np.ones(4, np.float32))
        >>> apply_labels(image, organs, draw).mean()
        tensor(0.2500)
    """
    check_patch(image)
    fine = organs.shape == image.shape and organs.dtype in (torch.uint8, torch.int64)
    expected = f"organ labels {tuple(image.shape)} in uint8 or int64, like the image"
    require(fine, expected, kind_of(organs), "cut labels and image together")
    low, high = (int(value) for value in organs.aminmax())
    known = low >= 0 and high < draw.n_labels
    require(known, f"labels from 0 to {draw.n_labels - 1}", f"{low} to {high}", "draw with a larger n_labels")
    out = image
    if draw.mean is not None or (draw.shift != 0).any() or (draw.scale != 1).any():
        last = len(draw.shift) - len(draw.hollow)
        contents = {label: last + k for k, label in enumerate(draw.hollow)}
        scale, offset = _maps(image, classes(image, organs, contents), draw)
        out = torch.addcmul(offset, scale, image).clamp_(-1, 1)
    out = gamma_curve(blur(out, draw.blur), draw.gamma)
    return noisy(out, draw.noise, draw.noise_seed).clamp(-1, 1)


def _maps(
    image: Float32[Tensor, "1 x y z"], found: Int64[Tensor, "1 x y z"], draw: LabelDraw
) -> tuple[Float32[Tensor, "1 x y z"], Float32[Tensor, "1 x y z"]]:
    """Soft maps of scale s_l and offset d_l + (1 - s_l) m_l, so that x' = offset + scale x."""
    where, n = found.flatten(), len(draw.shift)
    count = torch.bincount(where, minlength=n).clamp_min_(1)
    mean = torch.bincount(where, weights=image.flatten().double(), minlength=n) / count
    shift, scale = (torch.from_numpy(values).to(image.device) for values in (draw.shift, draw.scale))
    mean = mean.float()
    if draw.mean is not None:
        goal = torch.from_numpy(draw.mean).to(image.device)
        shift = torch.where(goal.isnan(), shift, goal - mean)
    offset = shift + (1 - scale) * mean
    return blur(scale[found], SOFTENING), blur(offset[found], SOFTENING)

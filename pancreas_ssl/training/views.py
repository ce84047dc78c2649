"""How a patch looks: mild scanner differences, or the appearance families of `pancreas_ssl.augmentation` before them.

A view is one appearance of a patch. Several views of one patch differ in appearance alone, so their predictions
should agree: that is what a consistency loss holds them to.
"""

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pancreas_ssl.augmentation.blending import blend, draw_blend
from pancreas_ssl.augmentation.gin import apply_gin, draw_gin
from pancreas_ssl.augmentation.intensity import apply_strong, draw_strong
from pancreas_ssl.augmentation.labelconv import apply_labelconv, draw_labelconv
from pancreas_ssl.augmentation.labels import apply_labels, draw_labels
from pancreas_ssl.augmentation.randconv import apply_randconv, draw_randconv
from pancreas_ssl.method.recipe import Recipe

__all__ = ["appearances", "other_appearance", "vary_intensity"]

OTHER_SIZES = (3, 5, 7)  # kernels of the view that the contrast alone sees: grey values and texture, never shape


def appearances(
    image: Float32[Tensor, "1 x y z"], organs: Int64[Tensor, "1 x y z"] | None, rng: np.random.Generator, recipe: Recipe
) -> list[Float32[Tensor, "1 x y z"]]:
    """`recipe.views` appearances of one patch, drawn from `rng` one after the other.

    `organs` is what the family conditions on: the organ map, for 'labelconv' the label.

    With GIN, views come in pairs that are blended as its authors do: what one view shows of the first random network
    at a place, the other shows of the second.
    """
    looks = [_family(image, organs, rng, recipe.augmentation) for _ in range(recipe.views)]
    if recipe.augmentation == "gin":
        for k in range(0, len(looks) - 1, 2):
            field = draw_blend(rng, image.shape[1:])
            looks[k : k + 2] = blend(*looks[k : k + 2], field)
    return [look if recipe.augmentation == "none" else vary_intensity(look, rng, recipe) for look in looks]


def other_appearance(
    image: Float32[Tensor, "1 x y z"], rng: np.random.Generator, recipe: Recipe
) -> Float32[Tensor, "1 x y z"]:
    """One more appearance, for a contrast between two views: a random convolution mixed with the patch."""
    return vary_intensity(apply_randconv(image, draw_randconv(rng, OTHER_SIZES)), rng, recipe)


def _family(image: Tensor, organs: Tensor | None, rng: np.random.Generator, name: str) -> Tensor:
    if name == "strong":
        return apply_strong(image, draw_strong(rng))
    if name == "randconv":
        return apply_randconv(image, draw_randconv(rng))
    if name == "gin":
        return apply_gin(image, draw_gin(rng))
    if name == "labelconv":
        return apply_labelconv(image, organs, draw_labelconv(rng))
    if name == "labels":
        return apply_labels(image, organs, draw_labels(rng))
    return image


def vary_intensity(
    image: Float32[Tensor, "1 x y z"], rng: np.random.Generator, recipe: Recipe
) -> Float32[Tensor, "1 x y z"]:
    """Mild scanner differences: `clip(gain x + shift + noise, -1, 1)`, drawn for the whole patch.

    White noise comes from a processor's generator on every device, so that draws do not depend on the device.
    """
    gain = 1 + recipe.gain * rng.uniform(-1, 1)
    shift, spread = recipe.shift * rng.normal(), recipe.noise * rng.random()
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    out = image * gain + shift
    if recipe.noise > 0:
        out = out.add_(torch.randn(image.shape, generator=generator).to(image.device), alpha=spread)
    return out.clamp_(-1, 1)

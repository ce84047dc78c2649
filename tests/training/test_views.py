"""Appearances: mild by default, any family on request, always a function of the generator alone."""

from dataclasses import replace

import pytest
import torch

from pancreas_ssl.method.dual import keyed
from pancreas_ssl.method.recipe import AUGMENTATIONS, Recipe
from pancreas_ssl.training.views import appearances, vary_intensity

RECIPE = Recipe(patch=(16, 16, 16), channels=(4, 8), batch=3, steps=4)
RAMP = torch.linspace(-1, 1, 4096).reshape(1, 16, 16, 16)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_family_draws_from_the_generator_alone_and_keeps_shape_and_range(name):
    organs, before = (RAMP > 0.2).long(), RAMP.clone()
    recipe = replace(RECIPE, augmentation=name, views=2)
    first, second = (appearances(RAMP, organs, keyed(5), recipe) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True)) and torch.equal(RAMP, before)
    for view in first:
        assert view.shape == RAMP.shape and view.dtype == RAMP.dtype and view.isfinite().all()
        assert view.min() >= -1 and view.max() <= 1
    same = torch.equal(*first)
    assert same if name == "none" else not same


def test_intensities_vary_mildly_and_no_variation_is_the_identity():
    image = torch.linspace(-1, 1, 4096).reshape(1, 16, 16, 16)
    still = replace(RECIPE, gain=0, shift=0, noise=0)
    assert torch.equal(vary_intensity(image, keyed(1), still), image)
    varied = vary_intensity(image, keyed(1), RECIPE)
    assert 0.001 < (varied - image).abs().mean() < 0.2

"""The training step's entry: region codes in, corrupted patches and masks out."""

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.placement import PLACEMENTS, apply_placement, place, place_guided
from pancreas_ssl.method.regions import Region
from pancreas_ssl.method.restoration import corrupt_batch
from tests.method.images import SHAPE, image, rim


def batch(n: int = 2):
    uncertainty, region, body = rim()
    codes = torch.where(body, int(Region.FAR), int(Region.OUTSIDE))
    codes[6:18, 5:15, 4:12] = int(Region.CORE)
    codes[region] = int(Region.RIM_OUT)
    codes[9][region[9]] = int(Region.RIM_IN)
    images = torch.stack([image(seed) for seed in range(n)])
    return images, uncertainty.expand(n, *SHAPE), codes.expand(n, *SHAPE)


def rngs(n: int = 2, first: int = 0):
    return [np.random.default_rng(first + k) for k in range(n)]


@pytest.mark.parametrize("kind", PLACEMENTS)
def test_masks_lie_where_they_should_and_hold_all_changes(kind):
    images, uncertainty, codes = batch()
    _, region, body = rim()
    before = images.clone()
    corrupted, mask = corrupt_batch(images, uncertainty, codes, rngs(), kind)
    assert corrupted.shape == mask.shape == images.shape and mask.dtype == torch.bool
    assert torch.equal(images, before) and torch.equal(corrupted[~mask], images[~mask])
    assert (corrupted != images).any() and not (mask[:, 0] & ~body).any()
    expected = place_guided(uncertainty[0], region, np.random.default_rng(0)).mask
    if kind == "guided":
        assert torch.equal(mask[0], expected)
    elif kind == "random":
        assert mask[0].sum() == expected.sum()
    else:
        assert torch.equal(mask[0, 0], body)


def test_a_patch_does_not_depend_on_its_neighbours():
    images, uncertainty, codes = batch()
    corrupted, mask = corrupt_batch(images, uncertainty, codes, rngs())
    alone, own = corrupt_batch(images[1:], uncertainty[1:], codes[1:], rngs(1, first=1))
    assert torch.equal(corrupted[1:], alone) and torch.equal(mask[1:], own)


def test_settings_reach_the_placement():
    images, uncertainty, codes = batch(1)
    settings = {"families": ("noise",), "strength": 0.5, "spacing_mm": 2.0, "coverage": (0.2, 0.2)}
    for kind in PLACEMENTS:
        boxes = place(uncertainty[0], codes[0], np.random.default_rng(0), kind, **settings).boxes
        assert {(box.corruption.family, box.corruption.strength) for box in boxes} == {("noise", 0.5)}
    drawn = place(uncertainty[0], codes[0], np.random.default_rng(0), "guided", **settings)
    corrupted, mask = corrupt_batch(images, uncertainty, codes, rngs(1), "guided", **settings)
    assert torch.equal(mask[0], drawn.mask) and torch.equal(corrupted[0], apply_placement(images[0], drawn))


def test_a_patch_without_uncertain_region_stays_as_it_is():
    images, uncertainty, codes = batch()
    for kind in ("guided", "random"):
        corrupted, mask = corrupt_batch(images, uncertainty, torch.full_like(codes, 5), rngs(), kind)
        assert torch.equal(corrupted, images) and not mask.any()


def test_bad_input_gets_a_sentence():
    images, uncertainty, codes = batch()
    with pytest.raises(InputError, match="expected a kind out of guided, random, everywhere, got there"):
        corrupt_batch(images, uncertainty, codes, rngs(), "there")
    with pytest.raises(InputError, match="B generators"):
        corrupt_batch(images, uncertainty, codes, rngs(1))
    with pytest.raises(InputError, match="from the same patches"):
        corrupt_batch(images, uncertainty[:1], codes, rngs())
    with pytest.raises(InputError, match="from the same patches"):
        corrupt_batch(images[:, 0], uncertainty, codes, rngs())

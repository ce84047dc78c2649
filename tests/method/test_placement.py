"""Guided boxes: coverage, proportion to the uncertainty, disjoint pieces, and an untouched outside."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.corruptions import Corruption, corrupt
from pancreas_ssl.method.placement import (
    COVERAGE,
    SIDE_MM,
    Box,
    Placement,
    apply_placement,
    place_everywhere,
    place_guided,
)
from pancreas_ssl.method.recipe import Recipe
from tests.method.images import SHAPE, drawn, image, rim, share

FULL = Corruption("inpaint", 1.0, {"seed": 0, "grey": 1.0})


def guided(seed: int = 0, **settings) -> Placement:
    uncertainty, region, _ = rim()
    return place_guided(uncertainty, region, np.random.default_rng(seed), **settings)


def test_one_box_by_hand():
    x, mask = image(), torch.zeros(1, *SHAPE, dtype=torch.bool)
    mask[0, 4:6, 5:7, 6:8] = True
    out = apply_placement(x, Placement((Box((4, 4, 4), (8, 8, 8), FULL),), mask))
    assert torch.equal(out, torch.where(mask, torch.ones_like(x), x))


def test_coverage_lies_within_its_limits():
    _, region, _ = rim()
    shares = [share(guided(seed).mask, region) for seed in range(60)]
    assert min(shares) >= COVERAGE[0] and max(shares) <= COVERAGE[1]
    assert 0.7 < np.mean(shares) < 0.87  # 0.7 drawn, and what the last box, often a large one, adds
    assert (Recipe().box, Recipe().coverage) == (SIDE_MM, COVERAGE)  # as in training
    tight = [share(guided(seed, coverage=(0.5, 0.5)).mask, region) for seed in range(10)]
    assert max(abs(np.array(tight) - 0.5)) <= 1 / int(region.sum())
    assert share(guided(coverage=(1.0, 1.0), max_boxes=10_000).mask, region) == 1


def test_few_boxes_cover_what_they_can():
    _, region, _ = rim()
    placement = guided(coverage=(0.9, 0.9), max_boxes=2)
    assert len(placement.boxes) == 2 and 0 < share(placement.mask, region) < 0.9


def test_pieces_are_disjoint_fill_the_mask_and_stay_near_the_region():
    _, region, _ = rim()
    for dilate in (0, 1, 2, 5):
        near = F.max_pool3d(region[None, None].float(), 2 * dilate + 1, 1, dilate)[0] > 0
        for seed in range(5):
            placement = guided(seed, dilate=dilate)
            count = torch.zeros(SHAPE, dtype=torch.int)
            for box in placement.boxes:
                assert box.piece.any()
                count[box.slices] += torch.from_numpy(box.piece)
            assert count.max() == 1 and torch.equal(count[None] > 0, placement.mask)
            assert not (placement.mask & ~near).any()


def test_sides_are_drawn_in_millimetres():
    wide = torch.ones(80, 40, 40, dtype=torch.bool)
    sides = []
    for seed in range(30):
        placement = place_guided(
            wide.float(), wide, np.random.default_rng(seed), spacing_mm=(1.5, 3.0, 6.0), side_mm=(9.0, 24.0),
            coverage=(0.05, 0.6),
        )  # fmt: skip
        sides += [np.subtract(box.high, box.low) for box in placement.boxes]
    longest, typical = np.max(sides, 0), np.median(sides, 0)
    assert longest.tolist() == [16, 8, 4] and typical.tolist() == pytest.approx([11, 5.5, 2.5], abs=1)


def test_centres_follow_the_uncertainty():
    """First boxes of one voxel in two halves of a region, one with three times the uncertainty of the other."""
    region = torch.ones(8, 8, 8, dtype=torch.bool)
    uncertainty = torch.full((8, 8, 8), 0.2)
    uncertainty[4:] = 0.6
    settings = {"side_mm": (3.0, 3.0), "max_boxes": 1, "dilate": 0}
    where = [
        place_guided(uncertainty, region, np.random.default_rng(seed), **settings).boxes[0].low for seed in range(600)
    ]
    assert np.mean([low[0] >= 4 for low in where]) == pytest.approx(0.75, abs=0.05)
    assert np.unique(where, axis=0).shape[0] > 200  # and within a half every voxel has its chance
    uncertainty[4:] = 0
    settings |= {"max_boxes": 1000, "coverage": (0.5, 0.5)}
    placement = place_guided(uncertainty, region, np.random.default_rng(0), **settings)
    assert placement.mask[0, :4].all() and not placement.mask[0, 4:].any()


def test_the_same_generator_draws_the_same_placement():
    first, second, other = guided(3), guided(3), guided(4)
    assert torch.equal(first.mask, second.mask) and not torch.equal(first.mask, other.mask)
    x = image()
    np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002  the global state must not matter
    out = apply_placement(x, first)
    np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    assert torch.equal(out, apply_placement(x, second))


def test_only_the_mask_changes_and_every_corruption_sees_the_untouched_image():
    x = image()
    before = x.clone()
    for seed in range(5):
        placement = guided(seed)
        out = apply_placement(x, placement)
        assert torch.equal(x, before) and torch.equal(out[~placement.mask], x[~placement.mask])
        assert (out != x)[placement.mask].float().mean() > 0.5 and out.abs().max() <= 1
        for box in placement.boxes:
            content = corrupt(x[(slice(None), *box.slices)].contiguous(), box.corruption)[0]
            piece = torch.from_numpy(box.piece)
            assert torch.equal(out[0][box.slices][piece], content[piece])
    assert torch.equal(apply_placement(x, guided(strength=0.0)), x)


def test_families_and_strength_are_passed_on():
    boxes = guided(families=("noise", "inpaint"), strength=0.7, side_mm=(9.0, 24.0)).boxes
    assert {box.corruption.family for box in boxes} == {"noise", "inpaint"}
    assert {box.corruption.strength for box in boxes} == {0.7}


def test_an_empty_region_gives_no_boxes():
    placement = place_guided(torch.ones(SHAPE), torch.zeros(SHAPE, dtype=torch.bool), np.random.default_rng(0))
    assert placement.boxes == () and not placement.mask.any() and placement.mask.shape == (1, *SHAPE)
    assert torch.equal(apply_placement(image(), placement), image())


@pytest.mark.parametrize("voxels", [1, 2, 3])
def test_a_tiny_region_gets_one_voxel_of_it(voxels):
    region = torch.zeros(SHAPE, dtype=torch.bool)
    region[0, 0, :voxels] = True
    placement = place_guided(torch.zeros(SHAPE), region, np.random.default_rng(0), dilate=0, coverage=(0.3, 0.6))
    assert placement.mask[0][region].sum() == 1


def test_everywhere_is_the_body():
    _, _, body = rim()
    placement = place_everywhere(body, np.random.default_rng(0), families=("noise",), strength=1.0)
    assert torch.equal(placement.mask[0], body) and len(placement.boxes) == 1
    assert torch.equal(apply_placement(image(), placement)[0][~body], image()[0][~body])
    assert place_everywhere(torch.zeros_like(body), np.random.default_rng(0)).boxes == ()


def test_bad_input_gets_a_sentence():
    uncertainty, region, _ = rim()
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="pass one patch at a time"):
        place_guided(uncertainty[1:], region, rng)
    with pytest.raises(InputError, match="boolean region.*float32"):
        place_guided(uncertainty, region.float(), rng)
    with pytest.raises(InputError, match="two rising shares"):
        place_guided(uncertainty, region, rng, coverage=(0.6, 0.3))
    with pytest.raises(InputError, match="two rising sides and a spacing above 0 mm"):
        place_guided(uncertainty, region, rng, side_mm=(0.0, 3.0))
    with pytest.raises(InputError, match="max_boxes >= 1"):
        place_guided(uncertainty, region, rng, max_boxes=0)
    with pytest.raises(InputError, match="families among"):
        place_guided(uncertainty, region, rng, families=("blur",))
    with pytest.raises(InputError, match="from the regions of this patch"):
        apply_placement(image(shape=(8, 8, 8)), guided())
    with pytest.raises(InputError, match="a body mask"):
        place_everywhere(torch.ones(1, 4, 4, 4, dtype=torch.bool), rng)


def test_one_box_of_a_known_corruption_within_a_strided_image():
    """Images that are views of others, as a batch's patches are."""
    x = torch.stack([image(), image(1)], dim=-1)[..., 0]
    assert not x.is_contiguous()
    box = Box((3, 3, 3), (9, 9, 9), drawn("shuffle", strength=1.0), np.ones((6, 6, 6), bool))
    mask = torch.zeros(1, *SHAPE, dtype=torch.bool)
    mask[(slice(None), *box.slices)] = True
    out = apply_placement(x, Placement((box,), mask))
    assert torch.equal(out, apply_placement(x.contiguous(), Placement((box,), mask)))

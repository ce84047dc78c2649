"""Random boxes of equal volume: the same pieces and corruptions, elsewhere."""

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.control import place_random
from pancreas_ssl.method.placement import Box, Placement, apply_placement, place_guided
from tests.method.images import SHAPE, drawn, image, rim


def both(seed: int, body=None, **settings) -> tuple[Placement, Placement]:
    uncertainty, region, everything = rim()
    placement = place_guided(uncertainty, region, np.random.default_rng(seed), **settings)
    allowed = everything if body is None else body
    return placement, place_random(placement, allowed, np.random.default_rng(100 + seed))


def filled(placement: Placement) -> torch.Tensor:
    """How many pieces corrupt each voxel."""
    count = torch.zeros(placement.mask.shape[1:], dtype=torch.int)
    for box in placement.boxes:
        count[box.slices] += torch.from_numpy(box.piece)
    return count


def test_the_volume_is_equal_to_the_voxel_and_lies_in_the_body():
    _, _, body = rim()
    for seed in range(25):
        guided, control = both(seed)
        assert control.mask.sum() == guided.mask.sum()
        assert not (control.mask[0] & ~body).any() and not torch.equal(control.mask, guided.mask)
        count = filled(control)
        assert count.max() == 1 and torch.equal(count > 0, control.mask[0])


def test_pieces_keep_their_shapes_and_corruptions():
    """Where there is room; the body here is large and few voxels are wanted."""
    region = torch.zeros(40, 40, 32, dtype=torch.bool)
    region[10:20, 10:20, 10:14] = True
    guided = place_guided(region.float(), region, np.random.default_rng(0))
    control = place_random(guided, torch.ones_like(region), np.random.default_rng(1))
    assert len(control.boxes) == len(guided.boxes)
    for old, new in zip(guided.boxes, control.boxes, strict=True):
        assert new.corruption is old.corruption and np.array_equal(new.piece, old.piece)
        assert np.array_equal(np.subtract(new.high, new.low), np.subtract(old.high, old.low))
    assert [box.low for box in guided.boxes] != [box.low for box in control.boxes]


def test_all_places_that_fit_are_equally_likely():
    """A piece of 2 x 1 x 1 voxels in a body of 5: four places."""
    mask = torch.zeros(1, 6, 2, 2, dtype=torch.bool)
    mask[0, :2, 0, 0] = True
    box = Box((0, 0, 0), (2, 1, 1), drawn("noise"), np.ones((2, 1, 1), bool))
    body = torch.zeros(6, 2, 2, dtype=torch.bool)
    body[1:, 1, 1] = True
    lows = [
        place_random(Placement((box,), mask), body, np.random.default_rng(seed)).boxes[0].low[0] for seed in range(400)
    ]
    found, counts = np.unique(lows, return_counts=True)
    assert found.tolist() == [1, 2, 3, 4] and counts.min() > 70


def test_a_piece_without_a_place_is_made_up_for_in_other_voxels():
    """No piece fits whole: the body is a chessboard."""
    chess = torch.from_numpy(np.indices(SHAPE).sum(0) % 2 == 0)
    guided, control = both(0, chess)
    assert control.mask.sum() == guided.mask.sum() and not (control.mask[0] & ~chess).any()
    assert filled(control).max() == 1 and torch.equal(filled(control) > 0, control.mask[0])


def test_a_body_too_small_is_corrupted_whole():
    small = torch.zeros(SHAPE, dtype=torch.bool)
    small[4:8, 4:8, 4:8] = True
    guided, control = both(0, small)
    assert guided.mask.sum() > small.sum() and torch.equal(control.mask[0], small)
    nothing = both(0, torch.zeros_like(small))[1]
    assert nothing.boxes == () and not nothing.mask.any()


def test_nothing_guided_nothing_random():
    empty = Placement((), torch.zeros(1, *SHAPE, dtype=torch.bool))
    control = place_random(empty, rim()[2], np.random.default_rng(0))
    assert control.boxes == () and not control.mask.any()


def test_boxes_without_pieces_take_those_of_the_mask():
    guided, _ = both(0)
    bare = Placement(tuple(Box(b.low, b.high, b.corruption) for b in guided.boxes[:1]), guided.mask)
    control = place_random(bare, rim()[2], np.random.default_rng(0))
    assert control.mask.sum() == guided.mask[0][guided.boxes[0].slices].sum()


def test_the_control_is_applied_as_any_placement_and_can_be_drawn_again():
    x = image()
    _, control = both(2)
    again = both(2)[1]
    out = apply_placement(x, control)
    assert torch.equal(out, apply_placement(x, again)) and torch.equal(out[~control.mask], x[~control.mask])


def test_a_wrong_body_gets_a_sentence():
    guided, _ = both(0)
    with pytest.raises(InputError, match="boolean body mask.*pass the body of the patch"):
        place_random(guided, torch.ones(SHAPE), np.random.default_rng(0))
    with pytest.raises(InputError, match="pass the body of the patch"):
        place_random(guided, torch.ones(4, 4, 4, dtype=torch.bool), np.random.default_rng(0))

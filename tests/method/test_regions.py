"""Regions: by hand, their precedence, disjoint and exhaustive whatever the maps hold."""

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.regions import Region, body_mask, lookalikes, region_counts, regions
from pancreas_ssl.method.structure import medial_skeleton, signed_distance
from pancreas_ssl.method.uncertainty import structural_map
from tests.method.shapes import ellipsoid


def row(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


def test_codes_are_fixed():
    assert [(r.name, int(r)) for r in Region] == [
        ("OUTSIDE", 0), ("CORE", 1), ("RIM_IN", 2), ("RIM_OUT", 3), ("NEAR", 4), ("FAR", 5),
    ]  # fmt: skip


def test_each_region_by_hand():
    #                  core  skeleton rim  doubt predicted near  far  far+doubt  air  label in air  band in air
    label = row(1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0)
    distance = row(-5, -1, -1, 1, 15.0, 15.0, 15.1, 20, 20, -5, 2)
    doubt = row(0.49, 0.9, 0.5, 0.5, 0.0, 0.4, 0.0, 0.9, 0.0, 0.0, 0.9)
    body = row(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0) == 1
    medial = row(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) == 1
    predicted = row(0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1) == 1
    found = regions(label, distance, doubt, body, medial=medial, predicted=predicted)
    assert found.tolist() == [1, 1, 2, 3, 3, 4, 5, 5, 0, 1, 0] and found.dtype == torch.int64
    assert regions(label, distance, doubt, body).tolist() == [1, 2, 2, 3, 4, 4, 5, 5, 0, 1, 0]
    assert regions(label, distance, doubt, body, tau=0.95).tolist() == [1, 1, 1, 4, 4, 4, 5, 5, 0, 1, 0]
    assert regions(label, distance, doubt, body, band_mm=1).tolist() == [1, 2, 2, 3, 5, 5, 5, 5, 0, 1, 0]


def test_disjoint_and_exhaustive_on_random_draws():
    for seed in range(50):
        g = torch.Generator().manual_seed(seed)
        shape = [(5,), (3, 4, 5), (2, 3, 4, 5)][seed % 3]
        label, body, medial, predicted = (torch.rand(shape, generator=g) < 0.5 for _ in range(4))
        distance = 60 * torch.rand(shape, generator=g) - 30  # it need not even fit the label
        doubt = torch.rand(shape, generator=g)
        found = regions(label, distance, doubt, body, medial=medial, predicted=predicted)
        band, high = distance <= 15, doubt >= 0.5
        core = label & (medial | ~high)
        rim_out = ~label & body & band & (high | predicted)
        expected = {
            Region.OUTSIDE: ~body & ~label,
            Region.CORE: core,
            Region.RIM_IN: label & ~core,
            Region.RIM_OUT: rim_out,
            Region.NEAR: ~label & body & band & ~rim_out,
            Region.FAR: ~label & body & ~band,
        }
        assert (sum(mask.int() for mask in expected.values()) == 1).all()
        for code, mask in expected.items():
            assert torch.equal(found == code, mask), (seed, code)
        assert sum(region_counts(found).values()) == label.numel()


def test_inputs_stay_as_they_are_and_precision_does_not_matter():
    label = torch.from_numpy(ellipsoid())
    phi = torch.from_numpy(signed_distance(label, (3, 3, 3)))
    doubt, body = structural_map(phi), torch.ones_like(label)
    before = label.clone()
    found = regions(label, phi, doubt, body)
    assert torch.equal(label, before)
    assert torch.equal(regions(label.long(), phi.half(), doubt, body), found)


@pytest.mark.parametrize("spacing", [(3, 3, 3), (1, 1, 5), (0.8, 0.8, 2.5)])
def test_a_label_has_all_its_regions_and_a_core(spacing):
    label = ellipsoid((40, 30, 24), (9, 5, 4))
    phi = torch.from_numpy(signed_distance(label, spacing))
    found = regions(
        torch.from_numpy(label), phi, structural_map(phi), torch.ones(label.shape, dtype=torch.bool),
        medial=torch.from_numpy(medial_skeleton(label)),
    )  # fmt: skip
    counts = region_counts(found)
    assert counts["core"] and counts["rim_in"] and counts["rim_out"] and counts["near"]
    assert counts["core"] + counts["rim_in"] == label.sum() and counts["outside"] == 0
    flipped = regions(
        torch.from_numpy(label).flip(0), phi.flip(0), structural_map(phi).flip(0),
        torch.ones(label.shape, dtype=torch.bool), medial=torch.from_numpy(medial_skeleton(label)).flip(0),
    )  # fmt: skip
    assert torch.equal(flipped.flip(0), found)


def test_degenerate_labels():
    shape = (6, 5, 4)
    body = torch.ones(shape, dtype=torch.bool)
    for label, expected in [(np.zeros(shape), {"far"}), (np.ones(shape), {"core"})]:
        phi = torch.from_numpy(signed_distance(label, (3, 3, 3)))
        counts = region_counts(regions(torch.from_numpy(label), phi, structural_map(phi), body))
        assert {name for name, n in counts.items() if n} == expected
    single = np.zeros(shape)
    single[2, 2, 2] = 1
    phi = torch.from_numpy(signed_distance(single, (3, 3, 3)))
    medial = torch.from_numpy(medial_skeleton(single))
    counts = region_counts(regions(torch.from_numpy(single), phi, structural_map(phi), body, medial=medial))
    assert counts["core"] == 1 and counts["rim_in"] == 0


def test_wrong_shapes_get_a_sentence():
    good, bad = torch.zeros(2, 3, 4), torch.zeros(2, 3, 5)
    for position in range(1, 4):
        given = [good, good, good, good.bool()]
        given[position] = bad
        with pytest.raises(InputError, match="in the label's shape"):
            regions(*given)
    with pytest.raises(InputError, match="expected medial in"):
        regions(good, good, good, good.bool(), medial=bad.bool())
    with pytest.raises(InputError, match="a band of 0 mm"):
        regions(good, good, good, good.bool(), band_mm=-1)


def test_body_keeps_every_shape_and_follows_the_image():
    image = torch.full((10, 9, 8), -1.0)
    image[3:7, 3:7, 3:7] = -0.5  # fat and some water
    image[4, 4, 4] = -1.0  # one dark voxel in it
    found = body_mask(image)
    assert found[3:7, 3:7, 3:7].all() and not found[:2].any() and found.dtype == torch.bool
    assert torch.equal(body_mask(image[None])[0], found)
    batch = torch.stack([image, image.flip(0), torch.full_like(image, -1)])[:, None]
    several = body_mask(batch)
    assert several.shape == batch.shape and torch.equal(several[0, 0], found)
    assert torch.equal(several[1, 0], found.flip(0)) and not several[2].any()
    assert torch.equal(body_mask(image.bfloat16()), found)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 3), (1, 5, 5, 5)])
def test_body_of_a_constant_image(value, shape):
    assert body_mask(torch.full(shape, value)).unique().tolist() == [value > -1]


def test_body_refuses_what_is_no_image():
    with pytest.raises(InputError, match="expected an image"):
        body_mask(torch.zeros(4, 4))
    with pytest.raises(InputError, match="floating point"):
        body_mask(torch.zeros(4, 4, 4, dtype=torch.int64))


def test_look_alikes_are_as_bright_as_the_core_and_lie_around_it():
    image = torch.full((2, 12, 1, 1), -0.5)
    codes = torch.tensor([1, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 0]).view(1, 12, 1, 1).repeat(2, 1, 1, 1)
    distance = 3.0 * torch.arange(-1.5, 10.5).view(1, 12, 1, 1).repeat(2, 1, 1, 1)
    image[0, :2, 0, 0] = torch.tensor([0.1, 0.2])
    image[:, [4, 6, 8, 11], 0, 0] = 0.15
    found = lookalikes(image, codes, distance, far_mm=18.0)
    assert found[0].flatten().nonzero().flatten().tolist() == [4, 6]  # 8 is too far, 11 is outside the body
    assert not found[1, 4:7:2].any()  # the other patch's core is dark, and judged by itself
    assert not lookalikes(image, torch.full_like(codes, 4), distance).any()  # no core, nothing to look like

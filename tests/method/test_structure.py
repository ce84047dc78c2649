"""Structure: distances by hand and by brute force, the skeleton, the map for training and its ramp."""

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.recipe import ramp
from pancreas_ssl.method.structure import medial_skeleton, signed_distance
from pancreas_ssl.method.uncertainty import structural_map, training_map
from tests.method.shapes import blob, ellipsoid, slow_distance

SPACINGS = [(3, 3, 3), (1, 1, 5), (0.7, 2.0, 1.1)]


def test_one_voxel_by_hand():
    label = np.zeros((5, 5, 5))
    label[2, 2, 2] = 1
    phi = signed_distance(label, (1, 2, 4))
    assert phi[2, 2, 2] == -0.5  # the nearest face is half a voxel away along the shortest side
    assert phi[3, 2, 2] == 0.5 and phi[2, 3, 2] == 1 and phi[2, 2, 3] == 2
    assert phi[4, 2, 2] == 1.5 and phi[3, 3, 2] == pytest.approx(np.hypot(0.5, 1))
    assert phi.dtype == np.float32


@pytest.mark.parametrize("spacing", SPACINGS)
def test_slow_reference(spacing):
    rng = np.random.default_rng(0)
    for _ in range(50):
        label = blob(rng)
        limit = float(rng.choice([2.0, 6.0, 30.0]))
        found = signed_distance(label, spacing, limit_mm=limit)
        np.testing.assert_allclose(found, slow_distance(label, spacing, limit), rtol=0, atol=1e-5)


def test_far_apart_parts_beyond_the_limit():
    label = np.zeros((60, 4, 4))
    label[3], label[57] = 1, 1
    phi = signed_distance(label, (2, 2, 2), limit_mm=30)
    np.testing.assert_allclose(phi, slow_distance(label[:, :1, :1], (2, 2, 2), 30).repeat(4, 1).repeat(4, 2))
    assert phi[30, 0, 0] == 30


@pytest.mark.parametrize("spacing", SPACINGS)
def test_invariances(spacing):
    label = ellipsoid((14, 12, 10), (4, 3, 3))
    phi = signed_distance(label, spacing, limit_mm=9)
    np.testing.assert_array_equal(signed_distance(~label, spacing, limit_mm=9), -phi)
    np.testing.assert_array_equal(signed_distance(label[::-1, :, ::-1], spacing, limit_mm=9), phi[::-1, :, ::-1])
    swapped = signed_distance(label.transpose(2, 0, 1), (spacing[2], spacing[0], spacing[1]), limit_mm=9)
    np.testing.assert_allclose(swapped, phi.transpose(2, 0, 1), atol=1e-6)
    padded = signed_distance(np.pad(label, 6), spacing, limit_mm=9)
    np.testing.assert_array_equal(padded[6:-6, 6:-6, 6:-6], phi)
    np.testing.assert_allclose(signed_distance(label, tuple(2 * s for s in spacing), limit_mm=18), 2 * phi, atol=1e-5)
    assert ((phi < 0) == label).all() and np.abs(phi).min() >= min(spacing) / 2 - 1e-6


def test_steps_between_neighbours_are_at_most_one_voxel():
    phi = signed_distance(ellipsoid(), (1, 2, 5))
    for axis, side in enumerate((1, 2, 5)):
        assert np.abs(np.diff(phi, axis=axis)).max() <= side + 1e-5


def test_empty_full_and_tensor():
    assert (signed_distance(np.zeros((3, 4, 5)), (1, 1, 1), limit_mm=7) == 7).all()
    assert (signed_distance(np.ones((3, 4, 5)), (1, 1, 1), limit_mm=7) == -7).all()
    assert (signed_distance(np.ones((1, 1, 1)), (1, 1, 1)) == -30).all()
    label = ellipsoid()
    np.testing.assert_array_equal(
        signed_distance(torch.from_numpy(label), (3, 3, 3)), signed_distance(label, (3, 3, 3))
    )


@pytest.mark.parametrize("spacing, limit", [((1, 1), 5), ((1, 0, 1), 5), ((1, 1, np.nan), 5), ((1, 1, 1), 0)])
def test_bad_spacing_and_limit(spacing, limit):
    with pytest.raises(InputError, match="three voxel sides"):
        signed_distance(np.zeros((3, 3, 3)), spacing, limit_mm=limit)


def test_channel_axis_is_refused():
    for function in (medial_skeleton, lambda label: signed_distance(label, (1, 1, 1))):
        with pytest.raises(InputError, match="drop the channel axis"):
            function(np.zeros((1, 3, 3, 3)))


def test_structural_map_closed_form_for_both_kinds():
    phi = np.array([[-30.0, -1.5, 0.0, 1.5, 3.0]])
    expected = np.exp(-(phi**2) / (2 * 1.5**2))
    found, tensor = structural_map(phi), structural_map(torch.from_numpy(phi))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-6)
    assert found.dtype == np.float32 and tensor.dtype == torch.float32
    assert structural_map(torch.tensor([3.0]).bfloat16(), 3.0).item() == pytest.approx(np.exp(-0.5))
    np.testing.assert_allclose(structural_map(phi, 3.0), np.exp(-(phi**2) / 18), atol=1e-6)
    with pytest.raises(InputError, match="width s above 0"):
        structural_map(phi, 0.0)


def test_skeleton_lies_in_the_label_and_is_thin():
    rng = np.random.default_rng(1)
    for _ in range(50):
        label = blob(rng)
        line = medial_skeleton(label)
        assert line.dtype == bool and line.shape == label.shape
        assert not (line & ~label).any() and line.any() == label.any()
    organ = ellipsoid((40, 20, 20), (16, 5, 5))
    assert 0 < medial_skeleton(organ).sum() < 0.05 * organ.sum()


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (4, 4, 4), (2, 1, 1), (3, 3, 1)])
def test_skeleton_of_small_and_full_blocks(shape):
    assert medial_skeleton(np.ones(shape)).any()
    inside = np.zeros((8, 8, 8))
    inside[tuple(slice(2, 2 + n) for n in shape)] = 1
    assert medial_skeleton(inside).any()
    assert not medial_skeleton(np.zeros(shape)).any()


def test_where_thinning_leaves_nothing_the_deepest_voxel_stays(monkeypatch):
    monkeypatch.setattr("skimage.morphology.skeletonize", lambda image, method: np.zeros_like(image))
    label = np.zeros((9, 9, 9))
    label[1:8, 2:7, 2:7] = 1
    line = medial_skeleton(label)
    assert line.sum() == 1 and signed_distance(label, (1, 1, 1))[line] == -2.5


def test_training_map_by_hand_and_in_its_bounds():
    g = torch.Generator().manual_seed(0)
    structural, model = torch.rand(2, 5, 5, 5, generator=g)
    for a in (0.0, 0.3, 1.0):
        both = training_map(structural, model, a)
        torch.testing.assert_close(both, structural + a * model - a * structural * model)
        assert (both >= structural - 1e-6).all() and (both >= a * model - 1e-6).all() and both.max() <= 1
        np.testing.assert_allclose(training_map(structural.numpy(), model.numpy(), a), both.numpy(), atol=1e-7)
    torch.testing.assert_close(training_map(structural, model, 0.0), structural)
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="a from 0 to 1"):
            training_map(structural, model, bad)
    with pytest.raises(InputError, match="two maps of one shape"):
        training_map(structural, model[:2], 0.5)


def test_ramp():
    assert [ramp(s, 10, 4) for s in (0, 10, 11, 12, 14, 99)] == [0, 0, 0.25, 0.5, 1, 1]
    assert [ramp(s, 10, 0) for s in (9, 10)] == [0, 1]
    with pytest.raises(InputError, match="ramp of 0 steps"):
        ramp(0, 0, -1)

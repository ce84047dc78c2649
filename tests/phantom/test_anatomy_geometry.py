"""Signed distances, curves and noise against closed forms."""

import numpy as np
import pytest

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.geometry import FAR, Pose, resample, rotation
from pancreas_ssl.phantom.noise import Noise, spline_weights

UPRIGHT = Pose(np.eye(3), np.ones(3), np.zeros(3))


@pytest.fixture
def canvas():
    return Canvas((40, 30, 50), (2.0, 2.0, 2.0), UPRIGHT, 0)


def test_a_straight_tube_is_a_capsule(canvas):
    box, sd = canvas.tube([(-10, 0, 0), (10, 0, 0)], 6.0, margin=4.0)
    x, y, z = box.x, box.y, box.z
    exact = np.hypot(np.hypot(np.clip(np.abs(x) - 10, 0, None), y), z) - 6
    near = exact < 3.9
    assert np.allclose(sd[near], exact[near], atol=1e-3)
    assert (sd[~near] > 3.8).all() and sd.max() <= FAR


def test_radius_changes_along_a_tube(canvas):
    box, sd = canvas.tube([(0, 0, -30), (0, 0, 30)], [4.0, 12.0], margin=4.0)
    inside = (sd < 0).sum((0, 1)) * 4.0
    assert inside[box.z[0, 0] > 20].max() > 4 * inside[(box.z[0, 0] < -20) & (box.z[0, 0] > -30)].max()


def test_flatten_makes_a_tube_taller(canvas):
    _, sd = canvas.tube([(-15, 0, 0), (15, 0, 0)], 8.0, flatten=(1.0, 1.25, 0.8))
    extent = [np.ptp(np.argwhere(sd < 0)[:, axis]) * 2 for axis in (1, 2)]
    assert extent[0] == pytest.approx(2 * 8 / 1.25, abs=3) and extent[1] == pytest.approx(2 * 8 / 0.8, abs=3)


@pytest.mark.parametrize("power", [2.0, 2.4])
def test_ellipsoid_volume_under_a_pose(power):
    pose = Pose(rotation((10, -8, 20)), np.array([1.1, 0.9, 1.0]), np.array([3.0, -2.0, 5.0]))
    canvas = Canvas((60, 60, 60), (2.0, 2.0, 2.0), pose, 0)
    _, sd = canvas.ellipsoid((0, 0, 0), (20, 15, 25), turn=(0, 30, 0), power=power)
    volume = (sd < 0).sum() * 8.0
    sphere = 4 / 3 * np.pi * 20 * 15 * 25 * 0.99
    assert volume == pytest.approx(sphere, rel=0.03) if power == 2.0 else volume > sphere


def test_pose_there_and_back():
    pose = Pose(rotation((5, 10, -20)), np.array([1.1, 0.95, 1.02]), np.array([4.0, 5.0, 6.0]))
    points = np.random.default_rng(0).normal(0, 50, (7, 3))
    matrix, constant = pose.inverse()
    assert np.allclose(pose.to_world(points) @ matrix.T + constant, points)


def test_structures_outside_the_grid_are_none(canvas):
    assert canvas.tube([(500, 0, 0), (520, 0, 0)], 5.0).sd.size == 0
    assert canvas.ellipsoid((0, 0, 900), (5, 5, 5)).sd.size == 0


def test_a_solid_seen_from_another_box(canvas):
    solid = canvas.ellipsoid((0, 0, 0), (10, 10, 10))
    box = canvas.box(np.array([0.0, 0, 0]), np.array([30.0, 28, 40]))
    seen = solid.on(box)
    assert seen.shape == box.shape and (seen < 0).any() and seen.max() == FAR


def test_curves_pass_through_their_points():
    points = np.array([[0, 0, 0], [10, 5, 0], [20, 0, 8], [40, 0, 0]], float)
    curve, radius = resample(points, [1, 2, 3, 4], 0.25)
    gaps = np.linalg.norm(curve[:, None] - points, axis=2).min(0)
    assert gaps.max() < 0.2
    assert radius[0] == 1 and radius[-1] == 4 and (np.diff(radius) >= 0).all()


def test_spline_weights_sum_to_one():
    at = np.linspace(-3, 9, 40)
    assert np.allclose(spline_weights(at, 7, periodic=True).sum(1), 1, atol=1e-6)
    assert np.allclose(spline_weights(at, 7, periodic=False).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["lobule", "fine", "soft"])
def test_noise_has_unit_variance_and_knows_no_grid(name):
    coarse = [(np.arange(n) * 3.0).astype(np.float32) for n in (60, 60, 60)]
    fine = [(np.arange(n) * 1.5).astype(np.float32) for n in (119, 119, 119)]
    field = Noise(coarse, 5)(name)
    assert abs(field.mean()) < 0.25 and 0.8 < field.std() < 1.2
    assert np.allclose(Noise(fine, 5)(name)[::2, ::2, ::2], field, atol=1e-4)

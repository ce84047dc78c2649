"""Sliding windows: any size, any window gives the same answer; memory is bounded or refused."""

import numpy as np
import psutil
import pytest
import torch

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.inference import Model, body_box, predict_prepared, sliding
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.uncertainty import entropy


def image_of(shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (1, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(16, 16, 16), (5, 7, 3), (40, 17, 33), (64, 20, 9)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_windows_do_not_change_a_voxelwise_answer(threshold, shape, overlap):
    image = image_of(shape)
    found = predict_prepared(threshold, image, overlap=overlap, device="cpu", crop=False)
    with torch.no_grad():
        direct = threshold.network(torch.from_numpy(image)[None]).softmax(1)[0].numpy()
    assert found.shape == (2, *shape) and found.dtype == np.float32
    assert np.allclose(found, direct, atol=1e-5) and np.allclose(found.sum(0), 1, atol=1e-5)


def test_windows_have_the_patch_size_as_multiples_of_the_stride(threshold):
    threshold.patch = (13, 16, 18)
    predict_prepared(threshold, image_of((30, 30, 30)), device="cpu", crop=False)
    assert {shape[1:] for shape in threshold.network.windows} == {(1, 16, 16, 20)}


def test_small_overlap_takes_fewer_windows(threshold):
    counts = []
    for overlap in (0.25, 0.5):
        threshold.network.windows.clear()
        predict_prepared(threshold, image_of((48, 48, 48)), overlap=overlap, device="cpu", crop=False)
        counts.append(len(threshold.network.windows))
    assert counts[0] < counts[1]


def test_air_is_left_out_and_is_background(threshold):
    image = np.full((1, 80, 60, 50), -1, np.float32)
    image[0, 30:52, 20:42, 5:45] = 0.3
    image[0, 0:80, 2, :] = 0.2  # a table: one voxel thin
    found = predict_prepared(threshold, image, device="cpu")
    cropped = len(threshold.network.windows)
    predict_prepared(threshold, image, device="cpu", crop=False)
    assert cropped < 0.6 * (len(threshold.network.windows) - cropped)
    assert found[1, 35, 30, 20] > 0.9
    assert found[1, 5, 2, 20] == 0 and found[0, 5, 2, 20] == 1
    box = body_box(image[0])
    assert box == (slice(27, 55), slice(17, 45), slice(2, 48))
    assert body_box(np.full((4, 5, 6), -1.0)) == (slice(0, 4), slice(0, 5), slice(0, 6))


def test_body_at_the_edge_of_the_scan_is_whole():
    image = np.full((20, 20, 20), 0.5)
    assert body_box(image) == (slice(0, 20),) * 3


def test_only_air_costs_nothing(threshold):
    found = predict_prepared(threshold, np.full((1, 20, 20, 20), -1, np.float32), device="cpu")
    assert threshold.network.windows == [] and found[0].min() == 1.0


def test_real_network_and_flips(tiny):
    image = image_of((20, 18, 14))
    tiny.network.train()
    plain = predict_prepared(tiny, image, device="cpu")
    assert tiny.network.training  # put back
    tiny.network.eval()
    mirrored = predict_prepared(tiny, image[:, ::-1].copy(), device="cpu", crop=False)[:, ::-1]
    both = predict_prepared(tiny, image, device="cpu", flips=(0,), crop=False)
    straight = predict_prepared(tiny, image, device="cpu", crop=False)
    assert np.allclose(both, (mirrored + straight) / 2, atol=1e-5)
    assert np.allclose(predict_prepared(tiny, image, device="cpu"), plain)


def test_half_precision_sums_are_close_and_large_ones_use_them(tiny, monkeypatch):
    image = image_of((40, 30, 20))
    exact = predict_prepared(tiny, image, device="cpu")
    monkeypatch.setattr(sliding, "HALF_ABOVE_BYTES", 1000)
    rough = predict_prepared(tiny, image, device="cpu")
    assert rough.dtype == np.float32 and 0 < np.abs(rough - exact).max() < 4e-3


def test_too_large_is_refused_with_numbers(tiny, monkeypatch):
    memory = psutil.virtual_memory()._replace(available=100_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(RunError, match=r"GiB of free memory for an image of 40x30x20 voxels.*crop"):
        predict_prepared(tiny, image_of((40, 30, 20)), device="cpu", crop=False)


def test_bad_arguments(tiny):
    image = image_of((16, 16, 16))
    with pytest.raises(InputError, match="prepared image"):
        predict_prepared(tiny, image[0], device="cpu")
    with pytest.raises(InputError, match="overlap"):
        predict_prepared(tiny, image, overlap=1.0, device="cpu")
    with pytest.raises(InputError, match="flips"):
        predict_prepared(tiny, image, flips=(3,), device="cpu")
    with pytest.raises(InputError, match="device"):
        predict_prepared(tiny, image, device="cuda:99")
    with pytest.raises(InputError, match="patch"):
        Model(SegmentationNetwork(channels=(4, 8)), patch=(16, 16))


def test_entropy_in_bits():
    p = np.array([0.0, 0.11, 0.5, 0.89, 1.0], np.float32)
    assert entropy(p[None]) == pytest.approx([0.0, 0.4999, 1.0, 0.4999, 0.0], abs=1e-3)

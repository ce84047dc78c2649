"""Preprocessing: geometry kept to the sub-voxel, values by hand, labels by majority, a cache that changes nothing."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from pancreas_ssl.data import preprocessing
from pancreas_ssl.data.access import cases
from pancreas_ssl.data.preprocessing import prepare, prepare_case, prepare_cases, to_volume_grid
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.data.resampling import covering_grid, resample
from pancreas_ssl.data.volume import Volume, same_grid
from pancreas_ssl.errors import InputError
from tests.data.conftest import AFFINES, abdomen, save


def _ramp(shape, affine, direction=(1.0, 2.0, -1.5)) -> Volume:
    """HU that grow linearly in mm: linear interpolation must give them back exactly, wherever it samples."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    place = index @ affine[:3, :3].T + affine[:3, 3]
    return Volume((place @ np.array(direction)).astype(np.float32), affine)


def _dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("spacing", [3.0, 1.0, (1.5, 4.0, 2.0)])
def test_a_ramp_in_mm_stays_where_it_is(tmp_path, spacing):
    affine = np.array([[0.8, 0, 0.1, -20], [0, 0.9, 0, 10], [0, -0.1, 2.5, 5], [0, 0, 0, 1]])
    volume = _ramp((40, 36, 14), affine)
    prepared = prepare(volume, spacing=spacing, window=(-400.0, 400.0))
    np.testing.assert_allclose(prepared.spacing, np.broadcast_to(spacing, 3), rtol=1e-3)
    expected = _ramp(prepared.image.shape[1:], prepared.affine).array
    inner = tuple(slice(2, -2) for _ in range(3)) if min(prepared.image.shape[1:]) > 5 else ...
    np.testing.assert_allclose(prepared.image[0][inner] * 400, expected[inner], atol=0.3)


def test_same_spacing_is_left_alone():
    hu, label = abdomen()
    volume = Volume(hu.astype(np.float32), np.diag([3.0, 3, 3, 1]))
    prepared = prepare(volume, Volume(label, volume.affine))
    np.testing.assert_allclose(prepared.image[0], np.clip((hu - 50) / 200, -1, 1), atol=6e-4)
    np.testing.assert_array_equal(prepared.label[0], label)
    np.testing.assert_array_equal(prepared.affine, volume.affine)
    assert prepared.image.dtype == np.float32 and prepared.image.flags.c_contiguous


def test_window_by_hand():
    hu = np.array([-1000, -150, -50, 50, 150, 250, 1000], np.float32)
    prepared = prepare(Volume(np.tile(hu[:, None, None], (1, 3, 3)), np.diag([3.0, 3, 3, 1])))
    np.testing.assert_allclose(prepared.image[0, :, 1, 1], [-1, -1, -0.5, 0, 0.5, 1, 1], atol=1e-3)


def test_coarser_is_an_average_and_noise_falls():
    rng = np.random.default_rng(0)
    noisy = Volume(rng.normal(50, 40, (96, 96, 30)).astype(np.float32), np.diag([0.75, 0.75, 3, 1]))
    prepared = prepare(noisy, window=(-950.0, 1050.0))
    assert prepared.image.shape == (1, 24, 24, 30)
    inner = prepared.image[0, 2:-2, 2:-2] * 1000 + 50
    assert inner.mean() == pytest.approx(50, abs=1)
    assert inner.std() < 40 / 2.5  # a triangle over 4 x 4 voxels leaves sqrt(sum w^2) = 0.34 of the noise in 2D


def test_slow_reference_of_the_triangle():
    rng = np.random.default_rng(1)
    line = rng.normal(size=13)
    start, step, n = 0.7, 2.3, 5
    expected = []
    for k in range(n):
        centre, total, weight = start + k * step, 0.0, 0.0
        for i in range(-20, 40):
            w = max(0.0, 1 - abs(i - centre) / step)
            total, weight = total + w * line[min(max(i, 0), 12)], weight + w
        expected.append(total / weight)
    got = resample(line.reshape(1, 13, 1), (1, n, 1), (0.0, start, 0.0), (1.0, step, 1.0))
    np.testing.assert_allclose(got.ravel(), expected, rtol=1e-5)


def test_overlap_is_the_covered_fraction():
    line = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0.0]).reshape(9, 1, 1)
    got = resample(line, (3, 1, 1), (1.0, 0.0, 0.0), (3.0, 1.0, 1.0), kernel="overlap")
    np.testing.assert_allclose(got.ravel(), [1 / 3, 2 / 3, 0], rtol=1e-6)
    got = resample(line, (4, 1, 1), (0.75, 0.0, 0.0), (2.5, 1.0, 1.0), kernel="overlap")
    np.testing.assert_allclose(got.ravel(), [0.5 / 2.5, 2.5 / 2.5, 0, 0], rtol=1e-6)


def test_the_new_grid_covers_the_scan_and_shares_its_centre():
    shape, spacing = (100, 91, 7), (0.7, 0.7, 5.0)
    sizes, starts, steps = covering_grid(shape, spacing, (3.0, 3.0, 3.0))
    for n, s, m, start, step in zip(shape, spacing, sizes, starts, steps, strict=True):
        assert m * 3.0 >= n * s - 1e-2 and (m - 1) * 3.0 < n * s
        assert start + step * (m - 1) / 2 == pytest.approx((n - 1) / 2)


@pytest.mark.parametrize("codes", AFFINES)
def test_there_and_back(tmp_path, codes):
    hu, label = abdomen((48, 40, 32))
    image = read_image(save(tmp_path / "i.nii.gz", hu, AFFINES[codes]))
    mask = read_label(save(tmp_path / "l.nii.gz", label, AFFINES[codes]), like=image)
    prepared = prepare(image, mask, spacing=3.0)
    back = to_volume_grid(prepared.label[0].astype(np.float32), prepared, image)
    assert back.shape == image.shape and back.dtype == np.float32
    assert _dice(back >= 0.5, mask.array > 0) > 0.93
    nearest = to_volume_grid(prepared.label[0], prepared, image, "nearest")
    assert nearest.dtype == np.uint8 and _dice(nearest > 0, mask.array > 0) > 0.9


def test_a_ramp_comes_back_to_the_scan():
    volume = _ramp((31, 29, 17), np.diag([0.9, 1.1, 2.5, 1.0]))
    prepared = prepare(volume, spacing=2.0, window=(-400.0, 400.0))
    back = to_volume_grid(prepared.image[0] * 400, prepared, volume)[4:-4, 4:-4, 2:-2]
    np.testing.assert_allclose(back, volume.array[4:-4, 4:-4, 2:-2], atol=0.5)


def test_input_errors():
    volume = Volume(np.zeros((6, 6, 6), np.float32), np.eye(4))
    prepared = prepare(volume)
    for words, call in {
        "low < high": lambda: prepare(volume, window=(250.0, -150.0)),
        "spacing above 0": lambda: prepare(volume, spacing=0.0),
        "one shape": lambda: prepare(volume, Volume(np.zeros((6, 6, 5), np.uint8), np.eye(4))),
        "drop its channel": lambda: to_volume_grid(prepared.image[0, 1:], prepared, volume),
        "mode 'linear' or": lambda: to_volume_grid(prepared.image[0], prepared, volume, "cubic"),
        "axes point elsewhere": lambda: to_volume_grid(
            prepared.image[0], prepared, Volume(volume.array, AFFINES["LPS"])
        ),
    }.items():
        with pytest.raises(InputError, match=words):
            call()


@pytest.fixture
def one_case(tmp_path):
    hu, label = abdomen((48, 40, 32))
    save(tmp_path / "set/images/p1.nii.gz", hu)
    save(tmp_path / "set/labels/p1.nii.gz", label)
    return cases("folder", root=tmp_path / "set")[0]


def _equal(a, b):
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.label, b.label)
    np.testing.assert_array_equal(a.affine, b.affine)
    assert (a.id, a.source, a.spacing, a.window) == (b.id, b.source, b.spacing, b.window)


def test_cached_and_fresh_are_the_same_numbers(cache, one_case):
    fresh = prepare_case(one_case, cache=False)
    assert not cache.exists()
    first, second = prepare_cases([one_case, one_case])
    assert len(list((cache / "prepared").glob("*.safetensors"))) == 1
    _equal(fresh, first)
    _equal(fresh, second)


def test_cache_notices_parameters_and_files_and_mends_itself(cache, one_case):
    before = prepare_case(one_case)
    prepare_case(one_case, spacing=2.5)
    prepare_case(one_case, window=(-100.0, 200.0))
    assert len(list((cache / "prepared").glob("*.safetensors"))) == 3
    save(one_case.image, abdomen((48, 40, 32), seed=3)[0])
    os.utime(one_case.image, (time.time() + 5,) * 2)
    changed = prepare_case(one_case)
    assert not np.array_equal(before.image, changed.image)
    for path in (cache / "prepared").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    _equal(prepare_case(one_case), changed)


def test_training_refuses_a_case_without_pancreas(cache, one_case):
    save(one_case.label, abdomen((48, 40, 32))[1] * 0)
    assert not prepare_case(one_case).label.any()
    with pytest.raises(InputError, match="case p1 for training, its label is empty"):
        prepare_cases([one_case], empty_ok=False)
    one_case.label.unlink()
    with pytest.raises(InputError, match="it has no label"):
        prepare_cases([replace(one_case, label=None)], empty_ok=False)


def test_label_must_lie_on_the_image(cache, one_case):
    save(one_case.label, abdomen((48, 40, 31))[1])
    with pytest.raises(InputError, match="expected the label on the image's grid"):
        prepare_case(one_case)


def test_same_grid_tolerates_rounding_only():
    affine = AFFINES["LPS"]
    assert same_grid((9, 9, 9), affine, (9, 9, 9), affine.astype(np.float32))
    assert not same_grid((9, 9, 9), affine, (9, 9, 8), affine)
    assert not same_grid((9, 9, 9), affine, (9, 9, 9), affine * np.array([1.05, 1, 1, 1]))


def test_lidc_keeps_its_volume_and_comes_back(lidc_volumes):
    image, label = lidc_volumes
    prepared = prepare(image, label)
    assert prepared.image.shape == (1, 120, 120, 111) and prepared.spacing == (3.0, 3.0, 3.0)
    volume = label.array.sum() * label.voxel_ml
    assert prepared.label.sum() * 0.027 == pytest.approx(volume, rel=0.01)
    back = to_volume_grid(prepared.label[0].astype(np.float32), prepared, image)
    assert _dice(back >= 0.5, label.array > 0) > 0.93


def test_cache_notices_another_scan_of_the_same_size_and_time(cache, one_case, monkeypatch):
    hu = abdomen((48, 40, 32))[0]
    before, when = save(one_case.image.with_suffix(""), hu), 1_700_000_000  # uncompressed: the size stays
    case = replace(one_case, image=before)
    os.utime(before, (when, when))
    first = prepare_case(case)
    save(before, hu + 20)
    os.utime(before, (when, when))
    second = prepare_case(case)
    assert first.voxels != second.voxels and not np.array_equal(first.image, second.image)
    monkeypatch.setattr(preprocessing, "code_digest", lambda *rooms: "other code")
    monkeypatch.setattr(preprocessing, "_restored", lambda *_: pytest.fail("another code's numbers were taken"))
    _equal(prepare_case(case), second)

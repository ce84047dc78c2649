"""Prepared cases in files: the same numbers mapped or read, damage is mended, the folder stays within its limit."""

import os

import numpy as np
import pytest

from pancreas_ssl.data import prepared_cache
from pancreas_ssl.data.access import cases
from pancreas_ssl.data.preprocessing import case_digest, labelled_voxels, prepare_case
from pancreas_ssl.errors import InputError
from tests.data.conftest import abdomen, save


@pytest.fixture
def listed(tmp_path):
    for k in range(3):
        hu, label = abdomen((48, 40, 32), seed=k)
        save(tmp_path / f"set/images/p{k}.nii.gz", hu)
        save(tmp_path / f"set/labels/p{k}.nii.gz", label)
    return cases("folder", root=tmp_path / "set")


def _files(cache):
    return sorted((cache / "prepared").glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)


def test_mapped_arrays_hold_the_same_numbers(cache, listed):
    fresh, mapped = prepare_case(listed[0]), prepare_case(listed[0], mapped=True)
    for name in ("image", "label"):
        whole, parts = getattr(fresh, name), getattr(mapped, name)
        assert (parts.shape, parts.size, parts.dtype, len(parts)) == (whole.shape, whole.size, whole.dtype, 1)
        np.testing.assert_array_equal(np.asarray(parts), whole)
        np.testing.assert_array_equal(parts[:, 2:7, 3, ::-1], whole[:, 2:7, 3, ::-1])
    np.testing.assert_array_equal(np.asarray(mapped.image, np.float64), fresh.image)
    np.testing.assert_array_equal(labelled_voxels(mapped), np.argwhere(fresh.label[0]))
    assert case_digest(mapped) == case_digest(fresh) != case_digest(prepare_case(listed[1]))
    assert mapped.image.nbytes == fresh.image.nbytes // 2


def test_a_case_that_needs_no_resampling_is_kept_only_to_be_mapped(cache, listed):
    how = {"spacing": 2.0}
    save(listed[0].image, abdomen((30, 30, 30))[0], np.diag([2.0, 2, 2, 1]))
    save(listed[0].label, abdomen((30, 30, 30))[1], np.diag([2.0, 2, 2, 1]))
    assert prepare_case(listed[0], **how).image.shape == (1, 30, 30, 30) and not _files(cache)
    assert case_digest(prepare_case(listed[0], mapped=True, **how)) == case_digest(prepare_case(listed[0], **how))


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "no header"])
def test_a_damaged_file_is_made_again(cache, listed, damage):
    before = prepare_case(listed[0])
    (path,) = _files(cache)
    there = path.read_bytes()
    changed = bytearray(there)
    changed[-1000] ^= 1
    path.write_bytes({"cut": there[:-10], "empty": b"", "changed": changed, "no header": b"x" * len(there)}[damage])
    assert case_digest(prepare_case(listed[0])) == case_digest(before)
    assert path.read_bytes() == there


def test_the_limit_removes_what_was_used_longest_ago(cache, listed, monkeypatch):
    for case in listed[:2]:
        prepare_case(case)
    first, second = _files(cache)
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    prepare_case(listed[0])  # used again: now the newer one
    foreign = cache / "prepared" / "notes.safetensors"
    foreign.write_bytes(b"x" * 10_000_000)
    monkeypatch.setenv("PANCREAS_SSL_CACHE_GB", str(2.5 * first.stat().st_size / 1e9))
    prepare_case(listed[2])
    assert first.exists() and not second.exists() and foreign.exists() and len(_files(cache)) == 3


def test_what_this_process_has_open_stays(cache, listed, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE_GB", "0.000001")
    kept = [prepare_case(case, mapped=True) for case in listed]
    assert len(_files(cache)) == 3
    del kept
    prepared_cache.make_room(cache / "prepared")
    assert not _files(cache)


@pytest.mark.parametrize("value", ["much", "0", "-1", "inf", "nan"])
def test_a_limit_that_is_no_size_is_refused(cache, listed, monkeypatch, value):
    monkeypatch.setenv("PANCREAS_SSL_CACHE_GB", value)
    with pytest.raises(InputError, match="expected a number of GB above 0 in PANCREAS_SSL_CACHE_GB, got"):
        prepare_case(listed[0])


def test_more_cases_than_a_system_opens_at_first(cache, listed):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    prepare_case(listed[0])
    (path,) = _files(cache)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, before[1]))
    try:
        opened = [prepared_cache.restore(path) for _ in range(60)]
        assert all(opened)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

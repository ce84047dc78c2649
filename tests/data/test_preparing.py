"""A whole set prepared or checked: in several processes as in one, to be resumed, and refused where it cannot fit."""

import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pancreas_ssl.data import preflight, preparing
from pancreas_ssl.data.access import cases
from pancreas_ssl.data.preflight import check_sets, examine, table_of
from pancreas_ssl.data.preparing import prepare_set
from pancreas_ssl.data.preprocessing import prepare_case, prepared_folder
from pancreas_ssl.engines import Engine
from pancreas_ssl.errors import InputError, RunError
from tests.data.conftest import abdomen, save

WIDE = np.diag([10.0, 8.0, 7.0, 1.0])
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def listed(tmp_path):
    for k in range(4):
        hu, label = abdomen(seed=k)
        save(tmp_path / f"set/images/p{k}.nii.gz", hu, WIDE)
        save(tmp_path / f"set/labels/p{k}.nii.gz", label, WIDE)
    found = cases("folder", root=tmp_path / "set")
    return [replace(case, limits=case.limits.model_copy(update={"spacing_mm": (0.3, 20)})) for case in found]


def test_a_set_is_prepared_once_and_found_by_what_comes_after(cache, listed, monkeypatch):
    prepare_case(listed[0], spacing=5.0)
    done = prepare_set(listed, spacing=5.0, progress=False)
    assert (done.cases, done.known, done.folder) == (4, 1, prepared_folder())
    files = list(done.folder.glob("*.safetensors"))
    assert len(files) == 4 and done.bytes == sum(path.stat().st_size for path in files)
    monkeypatch.setattr("pancreas_ssl.data.preprocessing.checked_image", lambda *_: pytest.fail("read again"))
    assert prepare_set(listed, spacing=5.0, progress=False).known == 4
    assert prepare_case(listed[3], spacing=5.0).label.any()


def test_two_workers_prepare_and_find_what_one_does(cache, listed, tmp_path, monkeypatch, capsys):
    save(listed[2].image, abdomen(seed=1)[0], WIDE)  # the scan of p1 again
    save(listed[3].label, abdomen()[1][::-1], WIDE)  # mirrored
    alone, together = examine(listed, progress=False), examine(listed, engine=Engine(workers=2), progress=False)
    assert alone == together and table_of(alone).equals(table_of(together))
    errors = table_of(alone).query("level == 'error'")
    assert list(errors["check"]) == ["duplicate", "orientation"]
    fine = listed[:3]
    one = prepare_set(fine, spacing=5.0, progress=False)
    names = {path.name: path.read_bytes() for path in one.folder.glob("*.safetensors")}
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "other"))
    two = prepare_set(fine, spacing=5.0, engine=Engine(workers=2))
    assert {path.name: path.read_bytes() for path in two.folder.glob("*.safetensors")} == names
    assert two.bytes == one.bytes
    assert "more case" in capsys.readouterr().err


def test_an_unfit_case_does_not_stop_the_others(cache, listed):
    save(listed[1].image, abdomen()[0] * 0 + 3, WIDE)
    with pytest.raises(InputError, match="1 of 4 cases cannot be prepared, the first is p1: expected a CT in HU"):
        prepare_set(listed, spacing=5.0, progress=False)
    assert len(list(prepared_folder().glob("*.safetensors"))) == 3


def test_a_disk_or_a_limit_too_small_is_refused_after_the_first_case(cache, listed, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE_GB", "0.00001")
    with pytest.raises(InputError, match="a cache that holds 4 prepared cases, .*set PANCREAS_SSL_CACHE_GB higher"):
        prepare_set(listed, spacing=5.0, progress=False)
    monkeypatch.delenv("PANCREAS_SSL_CACHE_GB")
    usage = namedtuple("usage", "free")(10**9 + 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    monkeypatch.setattr(preparing, "cache_limit", lambda folder: 10**12)
    with pytest.raises(RunError, match="the disk is too small: 3 more prepared cases need about"):
        prepare_set(listed, spacing=4.0, progress=False)


def test_a_check_that_was_interrupted_goes_on(cache, listed, monkeypatch):
    real, seen = preflight._examine, []

    def counted(case, look=None):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(case.id)
        return real(case, look)

    monkeypatch.setattr(preflight, "_examine", counted)
    with pytest.raises(KeyboardInterrupt):
        examine(listed, keep=True, progress=False)
    monkeypatch.setattr(preflight, "_examine", lambda case, look=None: seen.append(case.id) or real(case, look))
    whole = examine(listed, keep=True, progress=False)
    assert seen == ["p0", "p1", "p2", "p3"] and whole == examine(listed, progress=False)
    del seen[:]
    save(listed[1].label, abdomen()[1] * 0, WIDE)
    again = table_of(examine(listed, keep=True, progress=False))
    assert seen == ["p1"] and "holds no pancreas" in " ".join(again["message"])
    seen.clear()
    listed[0].image.write_bytes(b"no scan")
    for _ in range(2):  # what may pass is looked at each time
        assert "error" in set(table_of(examine(listed, keep=True, progress=False))["level"])
    assert seen == ["p0", "p0"]


def test_a_killed_check_leaves_no_worker_and_resumes(cache, listed, tmp_path):
    command = [sys.executable, "-m", "pancreas_ssl", "data", "check", "folder", "--root", str(tmp_path / "set")]
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY))
    child = subprocess.Popen([*command, "--workers", "2"], env=environment, stdout=subprocess.PIPE, text=True)
    kept = cache / "checked"
    limit = time.monotonic() + 60
    while child.poll() is None and not any(kept.glob("[0-9a-f]*")) and time.monotonic() < limit:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in kept.glob("[0-9a-f]*")}
    whole = subprocess.run(command, env=environment, capture_output=True, text=True)
    after = {path.name: path.stat().st_mtime_ns for path in kept.glob("[0-9a-f]*")}
    assert before and before.items() <= after.items() and len(after) == 4
    assert "Traceback" not in whole.stderr and "37 checks, 4 errors" in whole.stdout


def test_twins_are_found_across_cards(cache, listed, tmp_path):
    save(tmp_path / "other/images/q9.nii.gz", abdomen(seed=2)[0], WIDE)
    save(tmp_path / "other/labels/q9.nii.gz", abdomen(seed=2)[1], WIDE)
    second = cases("folder", root=tmp_path / "other")[0]
    second = replace(second, card="second", source="second/x", limits=listed[0].limits)
    table, _ = check_sets([*listed, second], progress=False)
    errors = table.query("level == 'error'")
    assert list(errors["case"]) == ["second/x/q9"]
    assert "has the same voxels as case p2 of folder/mine" in errors["message"].item()

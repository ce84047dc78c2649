"""Files in, files out: grids, folders that go on after failures and interruptions, outputs that cannot be written."""

import errno
import shutil

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch

from pancreas_ssl import devices
from pancreas_ssl.engines import Engine
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import PARTIAL
from pancreas_ssl.inference import paths, predict_path, save_weights
from pancreas_ssl.inference.scans import find_scans
from pancreas_ssl.inference.weights import digest_of
from pancreas_ssl.manifest import MANIFEST

from .helpers import write_scan

LAS = np.array([[-1.5, 0, 0, 40], [0, 1.5, 0, -30], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])
SPI = np.array([[0, 0, -1.5, 40], [0, -1.5, 0, -30], [2.5, 0, 0, 7], [0, 0, 0, 1.0]])


def leftovers(folder):
    return [p.name for p in folder.rglob("*") if p.name.startswith((PARTIAL, "tmp"))]


@pytest.mark.parametrize("affine", [LAS, SPI])
def test_mask_and_uncertainty_on_the_files_own_grid(tmp_path, threshold, affine):
    ct = write_scan(tmp_path / "ct.nii.gz", affine, island=False)
    table = predict_path(
        ct, tmp_path / "new" / "mask.nii.gz", threshold, tmp_path / "entropy.nii", "cpu", progress=False
    )
    image, mask, entropy = (nibabel.load(p) for p in (ct, tmp_path / "new/mask.nii.gz", tmp_path / "entropy.nii"))
    assert mask.shape == entropy.shape == image.shape
    assert np.allclose(mask.affine, image.affine) and np.allclose(entropy.affine, image.affine)
    assert mask.get_data_dtype() == np.uint8 and entropy.get_data_dtype() == np.float32
    truth, found = np.asarray(image.dataobj) == 100, np.asarray(mask.dataobj) == 1
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.8
    row = table.iloc[0]
    assert list(table.columns) == paths.COLUMNS and (row["case"], row["status"]) == ("ct", "done")
    assert row["volume_ml"] == pytest.approx(found.sum() * 1.5 * 1.5 * 2.5 / 1000, rel=1e-3)


def test_scans_of_a_folder_in_order(tmp_path, real_folder):
    series = tmp_path / "b_series" / "study" / "1"
    series.parent.mkdir(parents=True)
    series.symlink_to(real_folder / "totalseg_dicom", target_is_directory=True)
    (tmp_path / "empty").mkdir()
    for name in ("a.nii", "c.nii.gz", ".hidden.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    assert list(find_scans(tmp_path).items()) == [
        ("a", tmp_path / "a.nii"), ("b_series", tmp_path / "b_series"), ("c", tmp_path / "c.nii.gz")
    ]  # fmt: skip


def test_dicom_series(tmp_path, threshold, real_folder):
    table = predict_path(
        real_folder / "totalseg_dicom", tmp_path / "mask.nii.gz", threshold, device="cpu", progress=False
    )
    assert table["status"].tolist() == ["done"]
    reference = nibabel.load(real_folder / "totalseg_dicom_labels.nii.gz")
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert sorted(mask.shape) == sorted(reference.shape)


def test_folder_with_failures_goes_on_and_can_be_resumed(tmp_path, threshold, capsys):
    ct, out = tmp_path / "ct", tmp_path / "out"
    (ct / "c").mkdir(parents=True)
    write_scan(ct / "b.nii.gz")
    write_scan(ct / "a.nii")
    write_scan(ct / "c" / "image.nii.gz", LAS)
    (ct / "broken.nii.gz").write_bytes(b"no image")
    (ct / "notes.txt").write_text("not a scan")
    table = predict_path(ct, out, threshold, out, "cpu")
    assert table["case"].tolist() == ["a", "b", "broken", "c"]
    assert table["status"].tolist() == ["done", "done", "failed", "done"]
    assert "broken.nii.gz" in table["message"][2]
    stored = pd.read_csv(out / "predictions.csv")
    assert stored["status"].tolist() == table["status"].tolist()
    assert sorted(p.name for p in out.iterdir() if p.name != MANIFEST) == sorted(
        ["predictions.csv"] + [f"{c}{s}.nii.gz" for c in "abc" for s in ("", "_uncertainty")]
    )
    assert "device: cpu" in capsys.readouterr().out

    times = {p.name: p.stat().st_mtime_ns for p in out.glob("*.nii.gz")}
    shutil.copy(ct / "b.nii.gz", ct / "broken.nii.gz")
    again = predict_path(ct, out, threshold, out, "cpu", progress=False)
    assert again["status"].tolist() == ["skipped", "skipped", "done", "skipped"]
    assert again["volume_ml"].tolist()[:2] == table["volume_ml"].tolist()[:2]
    assert all((out / name).stat().st_mtime_ns == time for name, time in times.items())


def test_two_workers_write_the_masks_of_one(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # float32 in the workers, too
    weights = save_weights(tmp_path / "tiny.safetensors", tiny.network, {"spacing": 3.0, "window": (-150.0, 250.0),
                           "patch": (16, 16, 12)})  # fmt: skip
    (tmp_path / "scans").mkdir()
    for name in "abc":
        write_scan(tmp_path / f"scans/{name}.nii.gz", island=name == "b")
    (tmp_path / "scans/d.nii.gz").write_bytes(b"no scan")
    tables = {}
    for workers in (1, 2):
        with devices.one_thread():
            tables[workers] = predict_path(tmp_path / "scans", tmp_path / f"{workers}", weights, device="cpu",
                                           engine=Engine(workers=workers), progress=False)  # fmt: skip
    for name in "abc":
        one, two = (nibabel.load(tmp_path / f"{workers}/{name}.nii.gz") for workers in (1, 2))
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(two.dataobj))
    assert tables[1].drop(columns="seconds").equals(tables[2].drop(columns="seconds"))
    assert list(tables[2]["status"]) == ["done"] * 3 + ["failed"]


def test_interrupted_folder_keeps_what_is_done(tmp_path, threshold, monkeypatch):
    ct, out = tmp_path / "ct", tmp_path / "out"
    ct.mkdir()
    for name in "abc":
        write_scan(ct / f"{name}.nii.gz")
    real = paths.predict_volume
    calls = []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(paths, "predict_volume", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_path(ct, out, threshold, device="cpu", progress=False)
    assert pd.read_csv(out / "predictions.csv")["case"].tolist() == ["a"] and not leftovers(out)
    (out / "predictions.csv").unlink()  # even without the table, what is there is not made again
    table = predict_path(ct, out, threshold, device="cpu", progress=False)
    assert table["status"].tolist() == ["skipped", "done", "done"] and table["volume_ml"].notna().all()


def test_a_failed_retry_does_not_pass_an_older_mask_off_as_its_own(tmp_path, threshold, monkeypatch):
    ct, out = tmp_path / "ct", tmp_path / "out"
    ct.mkdir()
    write_scan(ct / "a.nii.gz")
    predict_path(ct, out, threshold, device="cpu", progress=False)

    def broken(*args, **kwargs):
        raise ValueError("numbers ran away")

    with monkeypatch.context() as patch:
        patch.setattr(paths, "predict_volume", broken)
        table = predict_path(ct, out, threshold, device="cpu", largest=False, progress=False)
        assert table["status"].tolist() == ["failed"] and table["message"][0] == "ValueError, see --show-identifiers"
    assert predict_path(ct, out, threshold, device="cpu", largest=False, progress=False)["status"][0] == "done"


def test_other_settings_make_the_masks_again(tmp_path, threshold):
    ct, out = tmp_path / "ct", tmp_path / "out"
    ct.mkdir()
    write_scan(ct / "a.nii.gz")
    predict_path(ct, out, threshold, device="cpu", progress=False)
    table = predict_path(ct, out, threshold, device="cpu", largest=False, progress=False)
    assert table["status"].tolist() == ["done"]
    table = predict_path(ct, out, threshold, out / "maps", device="cpu", largest=False, progress=False)
    assert table["status"].tolist() == ["done"] and (out / "maps" / "a_uncertainty.nii.gz").is_file()


@pytest.fixture
def made(tmp_path, threshold):
    """Makes the masks of the scans `a` and `b`; called again with changes, gives status and message of `a`."""
    (tmp_path / "ct").mkdir()
    for name in "ab":
        write_scan(tmp_path / "ct" / f"{name}.nii.gz")

    def predict(model=threshold, **changes):
        table = predict_path(tmp_path / "ct", tmp_path / "out", model, device="cpu", progress=False, **changes)
        return table.loc[0, "status"], table.loc[0, "message"]

    assert predict() == ("done", "") and predict() == ("skipped", "")
    return predict


def test_a_mask_is_redone_when_the_scan_has_changed(made, tmp_path):
    before = (tmp_path / "out/b.nii.gz").stat().st_mtime_ns
    write_scan(tmp_path / "ct/a.nii.gz", LAS, island=False)
    assert made() == ("done", "redone: the scan has changed") and made() == ("skipped", "")
    assert np.allclose(nibabel.load(tmp_path / "out/a.nii.gz").affine, LAS)
    assert (tmp_path / "out/b.nii.gz").stat().st_mtime_ns == before


def test_a_mask_is_redone_for_other_weights_settings_and_code(made, tmp_path, threshold, monkeypatch):
    assert made(largest=False) == ("done", "redone: other settings")
    assert made(largest=False, overlap=0.25) == ("done", "redone: other settings")
    assert made() == ("done", "redone: other settings")
    with torch.no_grad():
        threshold.network.sharpness.fill_(5.0)  # no file of weights: the tensors count
    assert made() == ("done", "redone: other weights")
    credited = pd.read_csv(tmp_path / "out/predictions.csv")["weights"]
    assert credited.str.startswith(f"model {digest_of(threshold)[:12]}, overlap 0.5").all()
    monkeypatch.setattr(paths, "code_digest", lambda *rooms: "0" * 16)
    assert made() == ("done", "redone: other version of the code") and made() == ("skipped", "")


def test_a_corrected_mask_is_never_replaced_unless_asked_for(made, tmp_path):
    mask = write_scan(tmp_path / "out/a.nii.gz")
    mine = mask.read_bytes()
    for changes in ({}, {"largest": False}):
        with pytest.raises(InputError, match="a.nii.gz was changed since pancreas-ssl wrote it"):
            made(**changes)
        assert mask.read_bytes() == mine
    assert made(overwrite=True) == ("done", "") and mask.read_bytes() != mine
    assert made() == ("skipped", "")


def test_a_map_is_reused_only_with_its_mask(made, tmp_path):
    maps = tmp_path / "maps"
    assert made(uncertainty=maps) == ("done", "")  # none yet
    assert made(uncertainty=maps) == ("skipped", "")
    made(largest=False)  # masks of other settings, and maps of the old ones
    assert made(largest=False, uncertainty=maps) == ("done", "redone: other settings")
    write_scan(maps / "b_uncertainty.nii.gz")
    with pytest.raises(InputError, match="b_uncertainty.nii.gz was changed"):
        made(uncertainty=maps)


def test_a_scan_that_fails_is_credited_to_nobody(made, tmp_path):
    (tmp_path / "ct/a.nii.gz").write_bytes(b"no image")
    assert made()[0] == "failed"
    row = pd.read_csv(tmp_path / "out/predictions.csv", keep_default_na=False).loc[0]
    assert (row["mask"], row["weights"]) == ("", "") and (tmp_path / "out/a.nii.gz").is_file()


def test_a_single_scan_is_resumed_by_the_same_rules(tmp_path, threshold):
    ct, mask = write_scan(tmp_path / "ct.nii.gz"), tmp_path / "mask.nii.gz"

    def row(**changes):
        return predict_path(ct, mask, threshold, device="cpu", progress=False, **changes).loc[0]

    first = row()
    again = row()
    assert (first["status"], again["status"]) == ("done", "skipped") and first["volume_ml"] == again["volume_ml"]
    assert row(largest=False)["message"] == "redone: other settings"
    write_scan(ct, SPI)
    assert row(largest=False)["message"] == "redone: the scan has changed"
    write_scan(mask)
    with pytest.raises(InputError, match="changed since"):
        row()


def test_the_digest_of_slices_sees_names_and_contents(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    digests = [paths.scan_digest(tmp_path)]
    (tmp_path / "b").rename(tmp_path / "c")
    digests.append(paths.scan_digest(tmp_path))
    (tmp_path / "c").write_bytes(b"c")
    digests.append(paths.scan_digest(tmp_path))
    assert len(set(digests)) == 3 and digests[-1] == paths.scan_digest(tmp_path)


def test_outputs_that_cannot_be(tmp_path, threshold):
    ct = write_scan(tmp_path / "ct.nii.gz")
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    for out in (blocker / "mask.nii.gz", blocker / "deep" / "mask.nii.gz"):
        with pytest.raises(InputError, match="file is a file"):
            predict_path(ct, out, threshold, device="cpu", progress=False)
    with pytest.raises(InputError, match=r"\.nii\.gz"):
        predict_path(ct, tmp_path / "mask.png", threshold, device="cpu", progress=False)
    with pytest.raises(InputError, match="another place"):
        predict_path(ct, ct, threshold, device="cpu", progress=False)
    with pytest.raises(InputError, match="two files"):
        predict_path(ct, tmp_path / "m.nii.gz", threshold, tmp_path / "m.nii.gz", "cpu", progress=False)
    folder = tmp_path / "scans"
    folder.mkdir()
    with pytest.raises(InputError, match="no NIfTI file and no DICOM"):
        predict_path(folder, tmp_path / "out", threshold, device="cpu", progress=False)
    write_scan(folder / "a.nii.gz")
    with pytest.raises(InputError, match="is a file"):
        predict_path(folder, blocker, threshold, device="cpu", progress=False)
    with pytest.raises(InputError, match="another place"):
        predict_path(folder, folder, threshold, device="cpu", progress=False)
    write_scan(folder / "a.nii")
    with pytest.raises(InputError, match="both a;"):
        predict_path(folder, tmp_path / "out", threshold, device="cpu", progress=False)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name not in ("out", "cache")) == [
        "ct.nii.gz",
        "file",
        "scans",
    ]


def test_bad_scans(tmp_path, threshold):
    scan = write_scan(tmp_path / "ct.nii.gz")
    out = tmp_path / "out" / "mask.nii.gz"
    bad = tmp_path / "bad.nii.gz"

    def refused(match):
        with pytest.raises(InputError, match=match):
            predict_path(bad, out, threshold, device="cpu", progress=False)

    refused("there is no such file")
    bad.write_bytes(scan.read_bytes()[:2000])
    refused("bad.nii.gz")
    voxels = np.asarray(nibabel.load(scan).dataobj)
    for array in (voxels[:, :, 0], np.stack([voxels] * 2, axis=-1)):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), bad)
        refused("expected a 3D image")
    nibabel.save(nibabel.Nifti1Image(np.where(voxels == 100, np.nan, voxels).astype(np.float32), np.eye(4)), bad)
    refused("NaN")
    nibabel.save(nibabel.Nifti1Image(((voxels + 1000) / 1100).astype(np.float32), np.eye(4)), bad)
    refused("HU")
    assert list(out.parent.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path, threshold, monkeypatch):
    ct = write_scan(tmp_path / "ct.nii.gz")
    out = tmp_path / "out"
    real = nibabel.save

    def full(image, path):
        real(image, path)  # something is written before the disk is full
        if "mask" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nibabel, "save", full)
    with pytest.raises(RunError, match="disk is full.*nothing partial"):
        predict_path(ct, out / "mask.nii.gz", threshold, out / "entropy.nii.gz", "cpu", progress=False)
    assert [p.name for p in out.iterdir()] == [MANIFEST]


def test_unknown_weights_and_device_before_any_work(tmp_path):
    ct = write_scan(tmp_path / "ct.nii.gz")
    with pytest.raises(InputError, match="expected weights by name"):
        predict_path(ct, tmp_path / "mask.nii.gz", "no_such_weights", device="cpu", progress=False)
    with pytest.raises(InputError, match="device"):
        predict_path(ct, tmp_path / "mask.nii.gz", device="cuda:99", progress=False)


def test_other_rules_make_another_mask(tmp_path, threshold):
    (tmp_path / "scans").mkdir()
    ct, out = write_scan(tmp_path / "scans" / "ct.nii.gz", LAS, island=True), tmp_path / "masks"
    how = {"weights": threshold, "device": "cpu", "progress": False}
    plain = predict_path(ct.parent, out, **how)
    ruled = [predict_path(ct.parent, out, rules={"decision": "hysteresis"}, **how) for _ in range(2)]
    assert ruled[0]["message"][0] == "redone: other settings" and ruled[1]["status"][0] == "skipped"
    assert ruled[0]["volume_ml"][0] > plain["volume_ml"][0]  # the island has seeds of its own

"""Folders of DICOM cases in every shape, a card's cases, and DICOM SEG beside the masks."""

import nibabel
import numpy as np
import pytest

from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import predict_path
from tests.data.conftest import card_text
from tests.data.dicom_files import export, report, series

from .helpers import make_hu, write_scan

HU = make_hu((40, 40, 12), island=False)


def scan(folder, **tags):
    return series(folder, HU, spacing=(1.5, 1.5, 2.5), **tags)


def _flat(root):
    scan(root / "a")
    scan(root / "b")


def _nested(root):
    scan(root / "a" / "study" / "series")
    report(root / "a" / "study" / "dose")
    scan(root / "b" / "s1")
    series(root / "b" / "s0", HU[:, :, :2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def _mixed(root):
    scan(root / "a")
    write_scan(root / "b.nii.gz")
    (root / "a" / "notes.txt").write_text("no scan")
    for number in range(9):
        (root / "a" / f"0{number}.jpg").write_bytes(b"thumbnail")
    (root / "._b.nii.gz").write_bytes(b"of macOS")


def _with_index(root):
    _flat(root)
    (root / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM index")
    (root / "readme.txt").write_text("export")
    (root / "empty").mkdir()


def _downloaded(root):
    scan(root / "manifest-1" / "Collection" / "a" / "study", PatientID="A")
    scan(root / "manifest-1" / "Collection" / "b" / "study", PatientID="B")


@pytest.mark.parametrize("shape", [_flat, _nested, _mixed, _with_index, _downloaded])
def test_each_case_of_a_folder_gets_its_mask(tmp_path, threshold, shape):
    shape(tmp_path / "scans")
    table = predict_path(tmp_path / "scans", tmp_path / "out", threshold, device="cpu", progress=False)
    assert table["case"].tolist() == ["a", "b"] and table["status"].tolist() == ["done", "done"], table["message"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == ["a.nii.gz", "b.nii.gz"]
    again = predict_path(tmp_path / "scans", tmp_path / "out", threshold, device="cpu", progress=False)
    assert again["status"].tolist() == ["skipped", "skipped"]


def test_one_nested_series_is_one_scan_where_the_output_is_a_file(tmp_path, threshold):
    scan(tmp_path / "patient" / "study" / "series")
    table = predict_path(tmp_path / "patient", tmp_path / "mask.nii.gz", threshold, device="cpu", progress=False)
    assert table["case"].tolist() == ["patient"] and (tmp_path / "mask.nii.gz").is_file()


def test_a_case_of_several_series_fails_and_the_others_go_on(tmp_path, threshold):
    export(tmp_path / "scans" / "a", HU)
    scan(tmp_path / "scans" / "b")
    table = predict_path(tmp_path / "scans", tmp_path / "out", threshold, device="cpu", progress=False)
    assert table["status"].tolist() == ["failed", "done"] and "holds 3: " in table["message"][0]


def test_loose_files_beside_the_cases_are_told_about(tmp_path, threshold):
    _flat(tmp_path / "scans")
    next(report(tmp_path / "dose").iterdir()).rename(tmp_path / "scans" / "dose.dcm")
    with pytest.warns(UserWarning, match="1 DICOM files lie in"):
        table = predict_path(tmp_path / "scans", tmp_path / "out", threshold, device="cpu", progress=False)
    assert len(table) == 2


def test_several_scans_need_a_folder(tmp_path, threshold):
    write_scan(tmp_path / "a.nii.gz")
    write_scan(tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match="a folder for the masks of several scans"):
        predict_path(tmp_path, tmp_path / "mask.nii.gz", threshold, device="cpu", progress=False)


def test_cases_of_a_card_by_its_series_and_limits(tmp_path, threshold):
    export(tmp_path / "data" / "p1", np.repeat(HU, 2, axis=1))
    series(tmp_path / "data" / "p2", HU, spacing=(9, 9, 9), SeriesDescription="portal")
    card = tmp_path / "mine.md"
    card.write_text(
        card_text(
            layout='layout:\n  image: "{id}/"',
            series="series: {description: portal, prefer: thinnest}",
            sources="sources:\n  mine: {role: any, title: mine}",
        )
    )
    how = {"device": "cpu", "progress": False, "source": f"{card}/mine", "root": tmp_path / "data"}
    table = predict_path(None, tmp_path / "out", threshold, **how)
    assert table["case"].tolist() == ["p1", "p2"] and table["status"].tolist() == ["done", "failed"]
    assert "9 x 9 x 9 mm, outside 0.3 to 8" in table["message"][1]
    assert nibabel.load(tmp_path / "out" / "p1.nii.gz").shape == (40, 80, 24)
    assert predict_path(None, tmp_path / "out", threshold, **how)["status"].tolist() == ["skipped", "failed"]
    card.write_text(card.read_text().replace("thinnest", "most").replace("portal", "arterial"))
    table = predict_path(None, tmp_path / "out", threshold, **how)
    assert table["message"][0].startswith("redone: the scan has changed")
    for both in ({"ct": None}, {"ct": tmp_path, "source": "phantom/A"}):
        with pytest.raises(InputError, match="a CT or a source"):
            predict_path(out=tmp_path / "x", weights=threshold, **both)


def test_dicom_seg_beside_the_masks(tmp_path, threshold):
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    scan(tmp_path / "scans" / "a" / "study", PatientName="Doe^Jane")
    write_scan(tmp_path / "scans" / "b.nii.gz")
    how = {"device": "cpu", "progress": False, "dicom_seg": tmp_path / "seg"}
    table = predict_path(tmp_path / "scans", tmp_path / "out", threshold, **how)
    assert table["status"].tolist() == ["done", "done"] and [p.name for p in (tmp_path / "seg").glob("*.*")] != []
    assert sorted(path.name for path in (tmp_path / "seg").glob("*.dcm")) == ["a.dcm"]
    image = read_image(tmp_path / "scans" / "a")
    mask = read_label(tmp_path / "out" / "a.nii.gz", like=image)
    np.testing.assert_array_equal(read_label(tmp_path / "seg" / "a.dcm", like=image).array, mask.array)
    assert mask.array.any()
    assert predict_path(tmp_path / "scans", tmp_path / "out", threshold, **how)["status"].tolist() == ["skipped"] * 2
    (tmp_path / "seg" / "a.dcm").unlink()
    assert predict_path(tmp_path / "scans", tmp_path / "out", threshold, **how)["status"].tolist() == [
        "done", "skipped"
    ]  # fmt: skip


@pytest.mark.parametrize("places", [("scans", "scans"), ("scans/masks", "scans/seg"), ("scans/all", "scans/all")])
def test_outputs_among_the_scans_are_no_scans_of_the_next_call(tmp_path, threshold, places):
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    for name in "abcdef":
        scan(tmp_path / "scans" / name / "study")
    out, seg = (tmp_path / place for place in places)
    if out.name == "scans":
        out = tmp_path / "out"
    for state in ("done", "skipped"):
        table = predict_path(tmp_path / "scans", out, threshold, device="cpu", progress=False, dicom_seg=seg)
        assert table["case"].tolist() == list("abcdef") and set(table["status"]) == {state}, table["message"]


def test_a_series_that_a_seg_cannot_refer_to_fails_before_the_work(tmp_path, threshold, monkeypatch):
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    scan(tmp_path / "scan", StudyInstanceUID="")
    with pytest.raises(InputError, match="StudyInstanceUID in every slice"):
        predict_path(tmp_path / "scan", tmp_path / "m.nii", threshold, device="cpu", dicom_seg=tmp_path, progress=False)
    assert not (tmp_path / "m.nii").exists()


def test_without_highdicom_a_sentence_with_the_command(tmp_path, threshold, monkeypatch):
    monkeypatch.setattr("pancreas_ssl.data.dicom_seg.find_spec", lambda name: None)
    scan(tmp_path / "scan")
    with pytest.raises(InputError, match=r"pip install -e '.\[dicom\]'"):
        predict_path(tmp_path / "scan", tmp_path / "m.nii", threshold, device="cpu", dicom_seg=tmp_path, progress=False)


def test_dicom_seg_of_a_real_series(tmp_path, threshold, real_folder):
    """Twenty compressed slices; the identifiers that their anonymiser removed are put back."""
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    import pydicom

    (tmp_path / "scan").mkdir()
    for number, path in enumerate(sorted((real_folder / "totalseg_dicom").iterdir())):
        data = pydicom.dcmread(path)
        data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.4"
        data.SOPInstanceUID, data.SOPClassUID = data.file_meta.MediaStorageSOPInstanceUID, "1.2.840.10008.5.1.4.1.1.2"
        data.save_as(tmp_path / "scan" / f"{number}.dcm")
    how = {"device": "cpu", "progress": False, "dicom_seg": tmp_path / "seg"}
    predict_path(tmp_path / "scan", tmp_path / "mask.nii.gz", threshold, **how)
    image = read_image(tmp_path / "scan")
    mask = read_label(tmp_path / "mask.nii.gz", like=image)
    np.testing.assert_array_equal(read_label(tmp_path / "seg" / "scan.dcm", like=image).array, mask.array)
    assert mask.array.any()

"""Which series of a hospital's export is the scan: the choice, its doubts, and the table of what there is."""

import numpy as np
import pydicom
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.cards import Series
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.series_table import series_table
from pancreas_ssl.errors import InputError
from tests.data.conftest import abdomen
from tests.data.dicom_files import export, report, series

HU = abdomen((24, 20, 9))[0]


def _sentence(folder, choice=None) -> str:
    with pytest.raises(InputError) as caught:
        read_image(folder, choice)
    assert "SECRET" not in str(caught.value) and "venous" not in str(caught.value)
    return str(caught.value)


def test_topogram_report_and_other_modalities_are_left_aside(tmp_path):
    series(tmp_path / "scout", HU[:, :, :2])
    series(tmp_path / "topogram", np.repeat(HU, 2, axis=2), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    series(tmp_path / "pet", HU, Modality="PT")
    report(tmp_path / "dose")
    series(tmp_path / "scan", HU)
    np.testing.assert_array_equal(read_image(tmp_path).array, HU[::-1, ::-1])


def test_a_topogram_under_the_same_uid_is_left_aside(tmp_path):
    series(tmp_path / "scan", HU, uid="1.2.9")
    series(tmp_path / "topo", HU[:, :, :2], uid="1.2.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert read_image(tmp_path).shape == HU.shape


def test_a_series_of_three_slices_beside_a_topogram(tmp_path):
    series(tmp_path / "topo", HU[:, :, :2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    series(tmp_path / "scan", HU[:, :, :3])
    assert read_image(tmp_path).shape == (24, 20, 3)


def test_a_multi_frame_file_says_what_to_do(tmp_path):
    report(series(tmp_path / "scan", HU[:, :, :1], NumberOfFrames=20))
    for path in (tmp_path / "scan").iterdir():
        data = pydicom.dcmread(path)
        data.NumberOfFrames = 20
        data.save_as(path)
    assert "multi-frame file" in _sentence(tmp_path)


@pytest.mark.parametrize(
    ("choice", "slices"),
    [
        ({"description": "arterial"}, 9),
        ({"description": "PORTAL", "prefer": "thinnest"}, 18),
        ({"description": "portal", "prefer": "most"}, 18),
        ({"min_slices": 10}, 18),
        ({"prefer": "thinnest"}, 18),
    ],
)
def test_a_choice_finds_its_series(tmp_path, choice, slices):
    volume = read_image(export(tmp_path / "p1", HU), Series(**choice))
    assert volume.shape == (24, 20, slices) and volume.original.frame == "1.2.3.5"


def test_without_a_choice_several_are_an_error_that_names_them_by_slices_and_thickness(tmp_path):
    said = _sentence(export(tmp_path / "p1", HU))
    assert "holds 3: 9 slices in SE000001/ (2.5 mm each), 9 slices" in said and "(1.25 mm each)" in said


def test_a_tie_and_a_choice_that_none_fits(tmp_path):
    folder = export(tmp_path / "p1", HU)
    assert "holds 2: " in _sentence(folder, Series(description="2.5$"))
    assert "holds 2: " in _sentence(folder, Series(description="2.5$", prefer="thinnest"))
    said = _sentence(folder, Series(description="delayed"))
    assert "has none" in said and "another description" in said and "a topogram" in said
    assert "fewer than 40 slices" in _sentence(folder, Series(min_slices=40))


def test_no_choice_among_patients_or_studies(tmp_path):
    series(tmp_path / "a", HU)
    series(tmp_path / "b", HU, PatientID="P2", PatientName="Other", StudyInstanceUID="1.9")
    assert "one patient" in _sentence(tmp_path, Series(prefer="most"))
    series(tmp_path / "c" / "now", HU)
    series(tmp_path / "c" / "then", HU, StudyInstanceUID="1.9")
    assert "one study" in _sentence(tmp_path / "c", Series(prefer="most"))


def test_a_slow_expression_is_refused(tmp_path):
    series(tmp_path / "a", HU, SeriesDescription="a" * 60)
    assert "quick" in _sentence(tmp_path, Series(description="(a|a|a)*(a|a)*(a|aa)*$b|(a+)+(a+)+(a+)+c"))


def test_the_table_says_what_would_be_read_and_hides_what_names_a_patient(tmp_path, capsys, monkeypatch):
    export(tmp_path / "p1", HU)
    series(tmp_path / "p2", HU)
    (next(iter((tmp_path / "p2").glob("004*")))).unlink()
    table = series_table(tmp_path, Series(description="portal", prefer="thinnest"))
    assert table["read"].tolist() == ["no", "no", "no", "yes", "no", "no"]
    assert table["why"].tolist()[:3] == ["a topogram", "another description", "another one is preferred"]
    assert table["slices"].tolist() == [2, 9, 9, 18, 1, 8] and table["why"].tolist()[4].startswith("no position")
    assert main(["data", "series", str(tmp_path), "--prefer", "thinnest"]) == 0
    shown = capsys.readouterr().out
    assert "1.25" in shown and "SECRET" not in shown and "portal" not in shown and "20200102" not in shown
    assert "of 2 cases, 1 would be read" in shown
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["data", "series", str(tmp_path), "--show-identifiers"]) == 0
    assert "portal venous" in capsys.readouterr().out

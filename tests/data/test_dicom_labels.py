"""SEG and RTSTRUCT as labels: voxel by voxel where they fit, a sentence where they do not."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from pancreas_ssl.data.access import cases
from pancreas_ssl.data.dicom import sorted_series
from pancreas_ssl.data.label_checks import holds_pancreas, read_case_label
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import evaluate_files
from tests.data.conftest import abdomen, save
from tests.data.dicom_files import rtstruct, series

SHAPE = (24, 20, 9)
HU, LABEL = abdomen(SHAPE)


@pytest.fixture
def scan(tmp_path):
    return read_image(series(tmp_path / "scan", HU))


def outline(scan, corners, k: float) -> np.ndarray:
    """Corners (column, row) in the slice `k`, in mm of DICOM."""
    voxels = np.array([(*corner, k, 1) for corner in corners], float)
    return (np.diag([-1, -1, 1, 1]) @ scan.original.affine @ voxels.T)[:3].T


def square(low: float, high: float) -> list:
    return [(low, low), (high, low), (high, high), (low, high)]


def stored(volume) -> np.ndarray:
    """The mask as the series has its voxels."""
    return volume.array[::-1, ::-1]


def _sentence(path, scan, **how) -> str:
    with pytest.raises(InputError) as caught:
        read_label(path, like=scan, **how)
    assert "\n" not in str(caught.value) and "SECRET" not in str(caught.value)
    return str(caught.value)


def test_outlines_are_filled_and_an_outline_inside_is_a_hole(tmp_path, scan):
    drawn = [outline(scan, square(3.5, 11.5), k) for k in (3, 4, 5)] + [outline(scan, square(6.5, 8.5), 4)]
    path = rtstruct(tmp_path / "rt.dcm", {"Body": [outline(scan, square(0.5, 18.5), 2)], "Pancreas": drawn})
    expected = np.zeros(SHAPE, np.uint8)
    expected[4:12, 4:12, 3:6] = 1
    expected[7:9, 7:9, 4] = 0
    np.testing.assert_array_equal(stored(read_label(path, like=scan)), expected)


def test_outlines_of_a_turned_image(tmp_path, scan):
    """The scan as NIfTI with its slices along the first axis; the outlines are in mm of the patient."""
    turned = scan.original.affine @ np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    image = read_image(save(tmp_path / "turned.nii.gz", np.transpose(HU, (2, 0, 1)), turned))
    path = rtstruct(tmp_path / "rt.dcm", {"pancreas": [outline(scan, square(3.5, 11.5), k) for k in (3, 4)]})
    one, other = read_label(path, like=scan), read_label(path, like=image)
    np.testing.assert_array_equal(one.array, other.array)
    assert one.array.sum() == 128


@pytest.mark.parametrize(
    ("structures", "frame", "k", "says"),
    [
        (["Liver", "Jane Doe 19500101 SECRET^"], "1.2.3.5", 4, "'pancreas', got Liver, 1 of other names in"),
        (["Pancreas"], "1.9", 4, "frame of reference, got another"),
        (["Pancreas"], "1.2.3.5", 4.4, "slices, got 0.4 slices beside"),
        (["Pancreas"], "1.2.3.5", 11, "inside the image, got slices 11 to 11 of 9"),
    ],
)
def test_outlines_that_do_not_fit(tmp_path, scan, structures, frame, k, says):
    drawn = {name: [outline(scan, square(3.5, 11.5), k)] for name in structures}
    assert says in _sentence(rtstruct(tmp_path / "rt.dcm", drawn, frame), scan)


def test_a_slice_left_out_is_worth_a_look(tmp_path, scan):
    path = rtstruct(tmp_path / "rt.dcm", {"pancreas": [outline(scan, square(3.5, 11.5), k) for k in (3, 5)]})
    with pytest.warns(UserWarning, match="leave out 1 slices"):
        read_label(path, like=scan)


def test_a_card_with_dicom_labels(tmp_path, card_file):
    """Two structures by name, in a folder per case; the gate and its checks see them as any label."""
    scan = read_image(series(tmp_path / "data" / "p1" / "ct", HU))
    voxels = np.argwhere(LABEL.any(axis=2))
    low, high = voxels.min(0) - 0.5, voxels.max(0) + 0.5
    corners = [low, (high[0], low[1]), high, (low[0], high[1])]
    slices = np.flatnonzero(LABEL.any(axis=(0, 1)))
    tumour = [outline(scan, square(low.max(), low.max() + 2), slices[0])]
    drawn = {"Pancreas": [outline(scan, corners, k) for k in slices], "GTV": tumour}
    rtstruct(tmp_path / "data" / "p1" / "rt" / "1-1.dcm", drawn)
    card = card_file(
        layout='layout:\n  image: "{id}/ct/"\n  label: "{id}/rt/"',
        label_values="label_values:\n  pancreas: [1, 2]",
        structures='structures:\n  "1": pancreas\n  "2": gtv.*',
        sources="sources:\n  mine:\n    role: any\n    title: mine",
        limits="limits:\n  pancreas_ml: [0.01, 250]",
    )
    (case,) = cases(card, root=tmp_path / "data")
    label = read_case_label(case, scan)
    assert holds_pancreas(case)
    assert 0 < read_label(case.label, (2,), scan, structures=dict(case.structures)).array.sum() < label.array.sum()


@pytest.fixture
def seg(tmp_path, scan) -> Path:
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    from pancreas_ssl.data.dicom_seg import write_seg

    return write_seg(tmp_path / "out" / "seg.dcm", LABEL, sorted_series(tmp_path / "scan"), {"weights": "0f"})


def test_a_seg_comes_back_voxel_by_voxel(seg, scan, tmp_path):
    np.testing.assert_array_equal(stored(read_label(seg, like=scan)), LABEL)
    found, source = pydicom.dcmread(seg), pydicom.dcmread(next((tmp_path / "scan").iterdir()))
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert found.FrameOfReferenceUID == source.FrameOfReferenceUID and found.PatientID == source.PatientID
    segment = found.SegmentSequence[0]
    kind, group = (segment[f"SegmentedProperty{name}CodeSequence"].value[0] for name in ("Type", "Category"))
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("15776009", "SCT", "Pancreas")
    assert (group.CodeValue, group.CodeMeaning) == ("123037004", "Anatomical Structure")
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "pancreas_ssl" and algorithm.AlgorithmVersion
    assert "not for clinical use" in found.ContentDescription and "not for clinical use" in found.SeriesDescription


def test_a_seg_of_another_frame_and_one_beside_the_voxels(seg, scan, tmp_path):
    found = pydicom.dcmread(seg)
    for group in found.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        place.ImagePositionPatient = [place.ImagePositionPatient[0] + 0.3, *place.ImagePositionPatient[1:]]
    found.save_as(tmp_path / "moved.dcm")
    assert "voxels beside them" in _sentence(tmp_path / "moved.dcm", scan)
    found = pydicom.dcmread(seg)
    for group in found.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        place.ImagePositionPatient = [*place.ImagePositionPatient[:2], place.ImagePositionPatient[2] + 250]
    found.save_as(tmp_path / "away.dcm")
    assert "inside the image" in _sentence(tmp_path / "away.dcm", scan)
    found.FrameOfReferenceUID = "1.9"
    found.save_as(tmp_path / "other.dcm")
    assert "frame of reference" in _sentence(tmp_path / "other.dcm", scan)
    found = pydicom.dcmread(seg)
    found.SegmentSequence[0].SegmentLabel = "Liver"
    found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue = "10200004"
    found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning = "Liver"
    found.save_as(tmp_path / "liver.dcm")
    assert "got Liver in" in _sentence(tmp_path / "liver.dcm", scan)
    assert read_label(tmp_path / "liver.dcm", like=scan, structures={1: "li.er"}).array.sum() == LABEL.sum()


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_seg(kind, scan, tmp_path):
    """Fractions of 255, of which a half counts; a map of segment numbers."""
    highdicom = pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")

    def segment(number: int, name: str):
        code = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
        manual = highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        return highdicom.seg.SegmentDescription(number, name, code, code, manual)

    mask = LABEL.transpose(2, 1, 0)
    many = kind == "LABELMAP"
    seg = highdicom.seg.Segmentation(
        sorted_series(tmp_path / "scan"),
        mask * 2 if many else np.where(mask, 0.8, 0.3),
        kind,
        [segment(1, "Liver"), segment(2, "Pancreas")] if many else [segment(1, "pancreas")],
        "1.2.77",
        1,
        "1.2.78",
        1,
        "maker",
        "model",
        "1",
        "0",
    )
    seg.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(stored(read_label(tmp_path / "seg.dcm", like=scan)), LABEL)


def test_a_seg_without_its_pixels_is_damaged(seg, scan):
    seg.write_bytes(seg.read_bytes()[:-40])
    assert "damaged" in _sentence(seg, scan)


def test_a_dicom_label_needs_its_image(seg, tmp_path):
    assert "the image of the DICOM label" in _sentence(seg, None)


def test_a_mask_is_measured_against_a_seg(seg, scan, tmp_path):
    from pancreas_ssl.data.reading import write_on_original

    mask = write_on_original(tmp_path / "mask.nii.gz", LABEL[::-1, ::-1], scan)
    assert evaluate_files(mask, seg)["dice"] == 1.0


def test_an_empty_mask_and_one_voxel(scan, tmp_path):
    pytest.importorskip("highdicom", reason="highdicom (the extra dicom) is not installed")
    from pancreas_ssl.data.dicom_seg import write_seg

    for name, voxels in (("none", ()), ("one", ((3, 4, 8),))):
        mask = np.zeros(SHAPE, np.uint8)
        for voxel in voxels:
            mask[voxel] = 1
        path = write_seg(tmp_path / f"{name}.dcm", mask, sorted_series(tmp_path / "scan"))
        np.testing.assert_array_equal(stored(read_label(path, like=scan)), mask)

"""DICOM series written here and a real one: geometry to the voxel, and a sentence for what is missing or mixed."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pancreas_ssl.data.reading import read_image, read_label, write_on_original
from pancreas_ssl.errors import InputError
from tests.data.conftest import abdomen


def write_series(folder: Path, hu: np.ndarray, *, spacing=(0.8, 0.7, 2.5), uid=None, **tags) -> Path:
    """One file per slice, named in an order unlike the slices', HU stored with intercept -1024."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    for k in range(hu.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{(k * 7) % hu.shape[2]:03d}.dcm"
        slice_ = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.Modality, slice_.SeriesInstanceUID, slice_.SeriesDescription = "CT", uid, "abdomen"
        slice_.Rows, slice_.Columns = hu.shape[1], hu.shape[0]
        slice_.PixelSpacing = [spacing[1], spacing[0]]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [-100.0, -80.0, 40.0 + k * spacing[2]]
        slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 1
        slice_.PixelData = (hu[:, :, k].T + 1024).astype("<i2").tobytes()
        for name, value in tags.items():
            setattr(slice_, name, value)
        slice_.save_as(path, enforce_file_format=True)
    return folder


def _slices(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda p: float(pydicom.dcmread(p).ImagePositionPatient[2]))


@pytest.fixture
def series(tmp_path) -> Path:
    return write_series(tmp_path / "series", abdomen((24, 20, 9))[0])


def test_series_is_sorted_rescaled_and_placed(series):
    hu = abdomen((24, 20, 9))[0]
    (series / "readme.txt").write_text("not DICOM")
    volume = read_image(series)
    assert volume.original.orientation == ("L", "P", "S")
    np.testing.assert_array_equal(volume.array, hu[::-1, ::-1])
    np.testing.assert_allclose(volume.spacing, (0.8, 0.7, 2.5), atol=1e-6)
    corner = volume.affine @ np.array([23, 19, 0, 1])  # the first voxel of the first slice, now last along x and y
    np.testing.assert_allclose(corner[:3], (100, 80, 40), atol=1e-6)


def test_a_prediction_lands_on_the_series_grid(series, tmp_path):
    volume = read_image(series)
    written = nibabel.load(write_on_original(tmp_path / "mask.nii.gz", volume.array > 50, volume))
    assert written.shape == (24, 20, 9) and nibabel.aff2axcodes(written.affine) == ("L", "P", "S")
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), abdomen((24, 20, 9))[0] > 50)
    read_label(tmp_path / "mask.nii.gz", like=volume)


def _sentence(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_slice_names_the_gap(series):
    files = _slices(series)
    files[4].unlink()
    said = _sentence(series)
    assert "a step of 5 mm" in said and files[3].name in said and "1 missing" in said


def test_two_series(series):
    write_series(series / "other", abdomen((24, 20, 5))[0])
    assert "holds 2: " in _sentence(series) and "5 slices in other/" in _sentence(series)


def test_repeated_slice(series):
    shutil.copy(_slices(series)[2], series / "copy.dcm")
    assert "two at the same position" in _sentence(series)


def test_empty_folder_single_slice_and_other_modality(series, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no DICOM image" in _sentence(tmp_path / "empty")
    for path in _slices(series)[1:]:
        path.unlink()
    assert "a single DICOM slice" in _sentence(series)
    assert "modality MR" in _sentence(write_series(tmp_path / "mr", abdomen()[0], Modality="MR"))


def test_truncated_slice(series):
    path = _slices(series)[3]
    path.write_bytes(path.read_bytes()[:-200])
    assert f"those of {path.name} in {series} cannot be read" in _sentence(series)


def test_mixed_sizes(series):
    uid = pydicom.dcmread(_slices(series)[0]).SeriesInstanceUID
    write_series(series / "scout", abdomen((30, 30, 2))[0], uid=uid)
    assert "mixes several" in _sentence(series)


def test_real_series_agrees_with_its_labels(real_folder):
    volume = read_image(real_folder / "totalseg_dicom")
    label = read_label(real_folder / "totalseg_dicom_labels.nii.gz", (7,), volume)
    assert volume.shape == (512, 512, 20) and label.array.any()
    assert -100 < volume.array[label.array > 0].mean() < 150

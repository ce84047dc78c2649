"""DICOM with true headers, written for the tests: series, a hospital's export, outlines."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from tests.data.test_dicom import write_series

PATIENT = {"PatientID": "P1", "PatientName": "SECRET^Jane", "PatientBirthDate": "19500101", "PatientSex": "F",
           "StudyDate": "20200102", "StudyTime": "101112", "StudyID": "7", "AccessionNumber": "A7",
           "ReferringPhysicianName": "SECRET^Doctor"}  # fmt: skip


def series(folder: Path, hu: np.ndarray, **tags) -> Path:
    """As `write_series`, of patient, study and frame of the tests unless others are named."""
    usual = PATIENT | {"StudyInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.3.5", "SliceThickness": 2.5}
    return write_series(folder, hu, **(usual | tags))


def export(folder: Path, hu: np.ndarray) -> Path:
    """A patient's folder as a hospital exports it: topogram, dose report, two phases, a thin reconstruction."""
    study = folder / "ST000000"
    (folder / "DICOMDIR").parent.mkdir(parents=True, exist_ok=True)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM index")
    series(study / "SE000000", hu[:, :, :2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesDescription="Topo")
    series(study / "SE000001", hu, SeriesDescription="arterial 2.5")
    series(study / "SE000002", hu, SeriesDescription="portal venous 2.5")
    thin = np.repeat(hu, 2, axis=2)
    series(
        study / "SE000003", thin, spacing=(0.8, 0.7, 1.25), SliceThickness=1.25, SeriesDescription="portal venous 1.25"
    )
    report(study / "SE000004")
    return folder


def report(folder: Path) -> Path:
    """A dose report: a screenshot that says CT and has no position."""
    (path,) = series(folder, np.zeros((8, 8, 1), np.int16), SeriesDescription="Dose").iterdir()
    data = pydicom.dcmread(path)
    del data.ImagePositionPatient, data.ImageOrientationPatient
    data.save_as(path)
    return folder


def rtstruct(path: Path, outlines: dict[str, list[np.ndarray]], frame: str = "1.2.3.5") -> Path:
    """Closed outlines in mm (LPS) by name of the structure."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTStructureSetStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = RTStructureSetStorage, generate_uid(), "RTSTRUCT"
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, drawn) in enumerate(outlines.items(), 1):
        roi, contours = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        contours.ReferencedROINumber, contours.ContourSequence = number, []
        for points in drawn:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [round(float(number), 4) for number in np.ravel(points)]
            contours.ContourSequence.append(contour)
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(contours)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path

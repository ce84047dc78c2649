"""Writing the miniatures' files: NIfTI with any axes, DICOM with the headers that an archive gives."""

from pathlib import Path

import nibabel
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.miniatures.phantoms import Small, turned

__all__ = ["write_nifti", "write_series"]


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, codes: str = "RAS") -> Path:
    """A RAS array as a file with axes `codes`, sform and qform in mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array, affine = turned(array, affine, codes)
    image = nibabel.Nifti1Image(array, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def write_series(folder: Path, small: Small, patient: str, first: str = "1-001") -> Path:
    """One axial CT series, a file per slice from the top to the bottom, named as the archive does (`1-001.dcm`)."""
    folder.mkdir(parents=True, exist_ok=True)
    array, affine = turned(small.hu, small.affine, "LPI")
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    sides = np.linalg.norm(lps[:3, :3], axis=0)
    uids = [generate_uid(entropy_srcs=[patient, name]) for name in ("study", folder.name, "frame")]
    stem, number = first.rsplit("-", 1)
    for k in range(array.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[patient, folder.name, str(k)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{stem}-{int(number) + k:0{len(number)}d}.dcm"
        one = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = uids
        one.Modality, one.Manufacturer, one.PatientID, one.PatientName = "CT", "Phantom", patient, patient
        one.StudyDate, one.StudyDescription, one.SeriesDescription = "20151124", "Pancreas", "Pancreas"
        one.ImageType, one.SeriesNumber, one.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 1, k + 1
        one.PatientPosition, one.KVP, one.SliceThickness = "FFS", 120, float(sides[2])
        one.Rows, one.Columns = array.shape[1], array.shape[0]
        one.PixelSpacing = [float(sides[1]), float(sides[0])]
        one.ImageOrientationPatient = [*(lps[:3, 0] / sides[0]), *(lps[:3, 1] / sides[1])]
        one.ImagePositionPatient = list(map(float, lps[:3, 3] + k * lps[:3, 2]))
        one.RescaleSlope, one.RescaleIntercept, one.RescaleType = 1, -1024, "HU"
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelData = (array[:, :, k].T + 1024).astype("<u2").tobytes()
        one.save_as(path, enforce_file_format=True)
    return folder

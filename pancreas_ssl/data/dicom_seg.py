"""A mask as a DICOM segmentation that refers to the slices it was made from, written with highdicom.

Positions, patient and study are those of the source series, so that a viewer lays the mask over it. The file names its
maker and says that it is not for clinical use; like every DICOM file of a patient it holds the patient's data.
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pancreas_ssl import __version__
from pancreas_ssl.data.dicom import affine_of
from pancreas_ssl.errors import InputError, RunError, require
from pancreas_ssl.files import atomic_path

__all__ = ["NOT_CLINICAL", "check_highdicom", "check_source", "write_seg"]

NOT_CLINICAL = "Research and teaching only, not for clinical use"
_EMPTY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
          "StudyTime", "ReferringPhysicianName")  # fmt: skip
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID", "SOPClassUID")


def check_highdicom() -> None:
    """Raise an `InputError` with the remedy where the extra `dicom` is not installed."""
    there = find_spec("highdicom") is not None
    require(there, "the package highdicom to write DICOM SEG", "none", "pip install -e '.[dicom]'")


def check_source(headers: Sequence[Any]) -> None:
    """Raise an `InputError` where a series lacks what a SEG must refer to."""
    folder = Path(headers[0].filename).parent
    lacking = next((tag for tag in _NEEDED if any(not str(h.get(tag) or "") for h in headers)), "")
    require(not lacking, f"{lacking} in every slice for a DICOM SEG", f"{folder} without it", "leave out --dicom-seg")


def write_seg(
    path: str | Path,
    mask: UInt8[np.ndarray, "C R S"],
    headers: Sequence[Any],
    parameters: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write a binary DICOM SEG of one segment, the pancreas.

    Args:
        path: of the file, which appears whole or not at all.
        mask: 1 = pancreas, on the grid of the series: column, row, slice.
        headers: of the series' slices, in this order, as `dicom.sorted_series` gives them.
        parameters: of the algorithm, such as the digest of its weights; at most 64 letters each.
        about: facts for the manifest.

    Raises:
        InputError: highdicom is missing, the mask is on another grid, or the slices lack what a SEG must refer to.

    Example:
        >>> write_seg("seg/p01.dcm", mask, sorted_series("p01"))    # doctest: +SKIP
    """
    check_highdicom()
    import highdicom
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    path, shape = Path(path), (int(headers[0].Columns), int(headers[0].Rows), len(headers))
    require(mask.shape == shape, f"a mask of the series' shape {shape}", mask.shape, "bring it to that grid first")
    folder = Path(headers[0].filename).parent
    step = round(float(np.linalg.norm(affine_of(headers)[:3, 2])), 4)
    check_source(headers)
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="pancreas_ssl",
        family=codes.cid7162.ArtificialIntelligence,
        version=__version__,
        parameters={"purpose": "not for clinical use"} | dict(parameters or {}),
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Pancreas",
        segmented_property_category=highdicom.sr.CodedConcept("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=highdicom.sr.CodedConcept("15776009", "SCT", "Pancreas"),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = highdicom.seg.Segmentation(
                source_images=[_complete(header, step) for header in headers],
                pixel_array=np.ascontiguousarray(mask.transpose(2, 1, 0)).astype(bool),
                segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=[segment],
                series_instance_uid=generate_uid(),
                series_number=9000,
                sop_instance_uid=generate_uid(),
                instance_number=1,
                manufacturer="pancreas_ssl",
                manufacturer_model_name="pancreas_ssl",
                software_versions=__version__,
                device_serial_number="0",
                content_description=NOT_CLINICAL,
                omit_empty_frames=bool(mask.any()),
                series_description="pancreas_ssl, not for clinical use",
            )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        what = f"the headers of {folder} do not allow it ({type(error).__name__})"
        raise InputError(f"expected a series that a DICOM SEG can refer to, {what}; leave out --dicom-seg") from error
    with atomic_path(path, about) as temporary:
        try:
            made.save_as(temporary)
        except (ValueError, TypeError) as error:  # a value of the source that DICOM does not allow
            raise RunError(f"the DICOM SEG {path} could not be written ({type(error).__name__})") from error
    return path


def _complete(header: Any, step: float) -> Any:
    """A slice's header with the texts that DICOM wants, empty where the series has none, and a thickness."""
    whole = copy.copy(header)
    for tag in _EMPTY:
        if tag not in whole:
            setattr(whole, tag, "")
    if not whole.get("SliceThickness"):
        whole.SliceThickness = step
    return whole

"""Labels kept as DICOM: segmentations (SEG) and outlines (RTSTRUCT), brought onto the grid of their image.

Nothing is resampled. A SEG's frames are placed by their positions and must fall on the image's voxels; an RTSTRUCT's
outlines must lie on its slices and are filled by the even-odd rule (voxel centres inside or on the outline), so that
an outline inside another is a hole.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import regex
from jaxtyping import Bool, Float, UInt16

from pancreas_ssl.data.card_fields import in_time
from pancreas_ssl.data.nifti import ENDINGS
from pancreas_ssl.data.series import DEFLATED, has_dicom, is_dicom
from pancreas_ssl.data.volume import Original
from pancreas_ssl.errors import InputError, require, show_identifiers, warn

__all__ = ["PANCREAS", "is_dicom_label", "read_structures"]

PANCREAS = "pancreas"
OFF = 0.1  # voxels that a frame or an outline may lie beside the image's grid
KINDS = ("SEG", "RTSTRUCT")
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS of DICOM to the RAS of affines


def is_dicom_label(path: Path) -> bool:
    """Whether a label is kept as DICOM: such a file, or a folder, which then holds one."""
    return (path.is_dir() and has_dicom(path)) or (
        path.is_file() and not path.name.lower().endswith(ENDINGS) and is_dicom(path)
    )


def read_structures(
    path: str | Path, image: Original, structures: Mapping[int, str] | None = None
) -> UInt16[np.ndarray, "I J K"]:
    """A label array on the stored grid of an image, out of a DICOM SEG or RTSTRUCT.

    Args:
        path: the file, or a folder with one such file.
        image: how the image's file has its voxels (`Volume.original`).
        structures: label value -> regular expression that a structure's whole name fits (case is ignored); later
            values replace earlier ones, and the first must be there. Default: 1 where it is "pancreas"; in a SEG the
            code for pancreas counts, too.

    Raises:
        InputError: no such file, no such structure, another frame of reference, frames or outlines off the grid.

    Example:
        >>> read_structures("p01.dcm", image.original, {1: "pancreas", 2: "tumou?r"})    # doctest: +SKIP
    """
    found = _one_file(Path(path))
    structures = dict(structures or {1: PANCREAS})
    array = np.zeros(image.shape, np.uint16)
    try:
        _check_frame(found, image)
        masks = _segments if found.Modality == "SEG" else _outlines
        for value, mask in masks(found, image, structures):
            array[mask] = value
    except InputError:
        raise
    except Exception as error:  # a damaged file lacks anything, in any form
        damaged = f"{found.filename} is damaged ({type(error).__name__})"
        raise InputError(f"expected a DICOM label that can be read, {damaged}; export it again") from error
    return array


def _one_file(path: Path) -> Any:
    import pydicom

    inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    read = []
    for one in inside:
        with open(one, "rb") as handle:
            bomb = DEFLATED in handle.read(1024)
        require(not bomb, "a label whose size can be known", f"{one}, which is deflated", "convert it (dcmconv) first")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if is_dicom(one) and str((data := pydicom.dcmread(one)).get("Modality", "")) in KINDS:
                    data.filename = str(one)
                    read.append(data)
        except Exception as error:
            raise InputError(f"expected a readable DICOM label, {one} is damaged; export it again") from error
    require(len(read) == 1, "one DICOM SEG or RTSTRUCT as a label", f"{len(read)} in {path}", "name the one file")
    return read[0]


def _check_frame(found: Any, image: Original) -> None:
    """Frame of reference and patient's coordinates are one thing; a label of another is of another scan."""
    there = {str(found.get("FrameOfReferenceUID") or "")}
    there |= {
        str(one.get("FrameOfReferenceUID") or "") for one in found.get("ReferencedFrameOfReferenceSequence") or ()
    }
    there |= {str(one.get("ReferencedFrameOfReferenceUID") or "") for one in found.get("StructureSetROISequence") or ()}
    there.discard("")
    ours = image.frame
    remedy = "take the one of this scan"
    beside = f"another in {Path(found.filename)}"
    require(not (ours and there) or ours in there, "a label in the image's frame of reference", beside, remedy)


def _plain(names: list[str]) -> str:
    """Names of structures for a sentence; what is no plain word may name a patient and is only counted."""
    known = [name for name in names if show_identifiers() or regex.fullmatch(r"[A-Za-z][A-Za-z0-9_ +-]{0,39}", name)]
    odd = len(names) - len(known)
    return ", ".join(known[:12] + ["..."] * (len(known) > 12) + [f"{odd} of other names"] * bool(odd)) or "none"


def _wanted(names: Mapping[int, list[str]], structures: Mapping[int, str], path: Path) -> dict[int, set[int]]:
    """Value -> numbers of the structures one of whose names fits."""
    goals = {}
    for value, pattern in structures.items():
        slow = f"expected a quick regular expression for a structure, got {pattern[:60]}"
        goals[value] = {
            number
            for number, called in names.items()
            if any(in_time(regex.fullmatch, pattern, name, slow, regex.IGNORECASE) for name in called)
        }
    first = next(iter(structures))
    listed = _plain([called[0] for called in names.values()])
    remedy = "name one of these under `structures` in the card"
    require(bool(goals[first]), f"a structure that fits {structures[first]!r}", f"{listed} in {path}", remedy)
    return goals


def _segments(found: Any, image: Original, structures: Mapping[int, str]):
    """(value, mask) of a SEG's segments."""
    path = Path(found.filename)
    names = {}
    for segment in found.get("SegmentSequence") or ():
        label = str(segment.get("SegmentLabel") or "")
        codes = segment.get("SegmentedPropertyTypeCodeSequence") or ()
        meant = ["pancreas" for code in codes if (code.get("CodeValue"), code.get("CodingSchemeDesignator"))
                 in (("15776009", "SCT"), ("T-65000", "SRT"))]  # fmt: skip
        names[int(segment.SegmentNumber)] = [label, *meant, *(str(code.get("CodeMeaning") or "") for code in codes)]
    goals = _wanted(names, structures, path)
    frames = found.pixel_array
    frames = frames[None] if frames.ndim == 2 else frames
    kind, most = str(found.SegmentationType), int(found.get("MaximumFractionalValue") or 1)
    groups, shared = found.PerFrameFunctionalGroupsSequence, found.SharedFunctionalGroupsSequence[0]
    places = [_frame_affine(group, shared) for group in groups]
    number = [0 if kind == "LABELMAP" else _group(group, shared, "SegmentIdentificationSequence")
              .ReferencedSegmentNumber for group in groups]  # fmt: skip
    require(len(frames) == len(groups), "a place for each frame", f"{len(frames)} frames, {len(groups)} places in "
            f"{path}", "export it again")  # fmt: skip
    for value in structures:
        mask = np.zeros(image.shape, bool)
        for frame, place, one in zip(frames, places, number, strict=True):
            if kind == "LABELMAP":
                inside = np.isin(frame, list(goals[value]))
            elif one in goals[value]:
                inside = frame >= most / 2 if kind == "FRACTIONAL" else frame > 0
            else:
                continue
            _put(mask, inside, place, image, path)
        yield value, mask


def _group(group: Any, shared: Any, name: str) -> Any:
    return (group.get(name) or shared.get(name))[0]


def _frame_affine(group: Any, shared: Any) -> Float[np.ndarray, "4 4"]:
    """mm in the RAS world of a frame's (column, row)."""
    row, column = np.split(
        np.array(_group(group, shared, "PlaneOrientationSequence").ImageOrientationPatient, float), 2
    )
    down, across = (float(side) for side in _group(group, shared, "PixelMeasuresSequence").PixelSpacing)
    place = np.eye(4)
    place[:3, 0], place[:3, 1], place[:3, 2] = row * across, column * down, np.cross(row, column)
    place[:3, 3] = _group(group, shared, "PlanePositionSequence").ImagePositionPatient
    return _FLIP @ place


def _put(
    mask: Bool[np.ndarray, "I J K"], inside: Bool[np.ndarray, "R C"], place: Any, image: Original, path: Path
) -> None:
    """Set the voxels of a frame's pixels; both grids must agree."""
    rows, columns = np.nonzero(inside)
    if not len(rows):
        return
    there = np.linalg.solve(image.affine, place @ np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)]))
    voxels = np.rint(there[:3]).astype(int)
    off = float(np.abs(there[:3] - voxels).max())
    remedy = "take the SEG of this series, or resample it to the image"
    require(off <= OFF, "the frames of a SEG on the image's voxels", f"{off:.2g} voxels beside them in {path}", remedy)
    outside = (voxels < 0) | (voxels >= np.array(image.shape)[:, None])
    require(not outside.any(), "the frames of a SEG inside the image", f"some outside in {path}", remedy)
    mask[tuple(voxels)] = True


def _outlines(found: Any, image: Original, structures: Mapping[int, str]):
    """(value, mask) of an RTSTRUCT's outlines."""
    path = Path(found.filename)
    names = {int(roi.ROINumber): [str(roi.get("ROIName") or "")] for roi in found.StructureSetROISequence}
    drawn: dict[int, list] = {}
    for roi in found.get("ROIContourSequence") or ():
        for contour in roi.get("ContourSequence") or ():
            if str(contour.get("ContourGeometricType", "")).startswith("CLOSED_PLANAR"):
                points = np.asarray(contour.ContourData, float).reshape(-1, 3)
                fine = len(points) >= 3 and bool(np.isfinite(points).all())
                require(fine, "outlines of three finite points or more", f"others in {path}", "export it again")
                drawn.setdefault(int(roi.ReferencedROINumber), []).append(points)
    goals = _wanted(names, structures, path)
    for value in structures:
        mask = np.zeros(image.shape, bool)
        for number in goals[value]:
            mask |= filled([_voxels(points, image) for points in drawn.get(number, ())], image.shape, path)
        yield value, mask


def _voxels(points: Float[np.ndarray, "P 3"], image: Original) -> Float[np.ndarray, "P 3"]:
    world = _FLIP @ np.vstack([points.T, np.ones(len(points))])
    return np.linalg.solve(image.affine, world)[:3].T


def filled(
    outlines: list[Float[np.ndarray, "P 3"]], shape: tuple[int, int, int], path: Path
) -> Bool[np.ndarray, "I J K"]:
    """The voxels whose centres lie inside an odd number of outlines of their slice.

    Args:
        outlines: closed, in voxels; each lies in a slice of one axis, the same for all.
        shape: of the grid.
        path: of the file, for the sentence.

    Raises:
        InputError: outlines between the slices, or outside of the grid.
    """
    from skimage.draw import polygon

    mask = np.zeros(shape, bool)
    if not outlines:
        return mask
    axis = int(np.argmin(np.max([np.ptp(points, axis=0) for points in outlines], axis=0)))
    heights = np.array([points[:, axis].mean() for points in outlines])
    off = max(float(np.abs(points[:, axis] - np.rint(h)).max()) for points, h in zip(outlines, heights, strict=True))
    remedy = "take the RTSTRUCT of this series"
    beside = f"{off:.2g} slices beside them in {path}"
    require(off <= 2 * OFF, "outlines on the image's slices", beside, remedy)
    slices = np.rint(heights).astype(int)
    low, high = (int(edge) for edge in (slices.min(), slices.max()))
    span = f"slices {low} to {high} of {shape[axis]} in {path}"
    require(low >= 0 and high < shape[axis], "outlines inside the image", span, remedy)
    if gaps := sorted(set(range(low, high)) - set(slices.tolist())):
        warn(f"the outlines in {path} leave out {len(gaps)} slices between the first and the last; look at the label")
    turned = np.moveaxis(mask, axis, 2)
    for points, k in zip(outlines, slices, strict=True):
        a, b = np.delete(points, axis, axis=1).T
        inside = polygon(a, b, turned.shape[:2])
        turned[(*inside, k)] ^= True
    return mask

"""The DICOM series below a folder, and which of them is the scan.

A hospital's export holds topograms, dose reports, several phases and reconstructions of one patient. Without a choice
only what is no volume is left aside; a card's `series` (or the command line) says more. A doubt is an error that names
the candidates by their numbers of slices and thickness: DICOM texts may name a patient.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import regex

from pancreas_ssl.data.card_fields import SECONDS, in_time
from pancreas_ssl.errors import InputError, require, show_identifiers

__all__ = ["Candidate", "candidates", "choose", "has_dicom", "why_not"]

FEWEST = 5  # slices of a volume; a topogram has one or two
READ = ("SeriesInstanceUID", "SeriesDescription", "Modality", "NumberOfFrames", "SamplesPerPixel",
        "PhotometricInterpretation", "Rows", "Columns", "PixelSpacing", "ImageOrientationPatient",
        "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "PatientID", "PatientName", "PatientBirthDate",
        "StudyInstanceUID", "FrameOfReferenceUID")  # fmt: skip
DEFLATED = b"1.2.840.10008.1.2.1.99"  # a transfer syntax that pydicom unpacks whole, whatever it holds


@dataclass(frozen=True)
class Candidate:
    """One series: the headers of its files, in the order of their names."""

    headers: Sequence[Any]

    @property
    def first(self) -> Any:
        return self.headers[0]

    @property
    def folder(self) -> Path:
        return Path(self.first.filename).parent

    @property
    def slices(self) -> int:
        return len(self.headers)

    @property
    def modality(self) -> str:
        name = str(self.first.get("Modality") or "CT")
        return name if name.isalnum() and len(name) <= 16 else "another one"

    @property
    def placed(self) -> bool:
        """Whether any file says where it lies; reports and screenshots do not."""
        return any("ImagePositionPatient" in header for header in self.headers)

    @property
    def topogram(self) -> bool:
        return _is_topogram(self.first)

    @cached_property
    def step(self) -> float | None:
        """Distance between slices in mm, where the headers tell."""
        with suppress(Exception):
            row, column = np.split(np.array(self.first.ImageOrientationPatient, dtype=float), 2)
            heights = [np.dot(np.array(h.ImagePositionPatient, float), np.cross(row, column)) for h in self.headers]
            steps = np.diff(np.sort(heights))
            return round(float(np.median(steps)), 3) if len(steps) and np.isfinite(steps).all() else None
        return None

    @cached_property
    def thickness(self) -> float | None:
        """Nominal thickness of a slice in mm, else the distance between slices."""
        with suppress(Exception):
            if 0 < (value := float(self.first.SliceThickness)) < 1000:
                return round(value, 3)
        return self.step

    def words(self) -> str:
        """How a sentence calls it; with its description only where identifiers are shown."""
        thick = f" ({self.thickness:g} mm each)" if self.thickness else ""
        text = f" ({self.first.get('SeriesDescription', '')})" if show_identifiers() else ""
        return f"{self.slices} slices in {self.folder.name}/{thick}{text}"


def _is_topogram(header: Any) -> bool:
    with suppress(Exception):  # an optional text, which a damaged file may hold in any form
        return "LOCALIZER" in np.atleast_1d(np.asarray(header.get("ImageType") or [], dtype=str))
    return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _start(path: Path) -> bytes:
    with open(path, "rb") as handle:
        return handle.read(1024)


def is_dicom(path: Path) -> bool:
    """Whether a file's preamble says that it is DICOM; the index of an export, DICOMDIR, does not count."""
    return path.name.upper() != "DICOMDIR" and _start(path)[128:132] == b"DICM"


def has_dicom(folder: Path, most: int = 500) -> bool:
    """True where one of the first files in or below the folder is a DICOM one."""
    return any(is_dicom(path) for path in islice(_files(folder), most))


def candidates(folder: str | Path) -> list[Candidate]:
    """All series of images below a folder, by the names of their first files; topograms are series of their own.

    Raises:
        InputError: a damaged header, or a deflated file.
    """
    import pydicom

    series: dict[tuple[str, bool], list] = {}
    for path in sorted(path for path in _files(Path(folder)) if path.name.upper() != "DICOMDIR"):
        if DEFLATED in _start(path):
            found, remedy = f"{path} is deflated", "convert the series (dcmconv) first"
            raise InputError(f"expected slices whose size can be known before they are read, {found}; {remedy}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's warnings quote values
                header = pydicom.dcmread(path, stop_before_pixels=True)
                for tag in READ:
                    header.get(tag)  # decoded when first asked for
                if "Rows" in header:
                    header.filename = str(path)
                    key = str(header.get("SeriesInstanceUID", "")), _is_topogram(header)
                    series.setdefault(key, []).append(header)
        except Exception as error:
            if is_dicom(path):
                remedy = "remove it or export the series again"
                raise InputError(f"expected a readable DICOM header, that of {path} is damaged; {remedy}") from error
    return [Candidate(headers) for headers in series.values()]


def why_not(one: Candidate, choice: Any = None) -> str:
    """Why a series is left aside, in a few words; empty where it may be the scan.

    Raises:
        InputError: the description's expression takes more than 0.1 s.
    """
    if one.modality != "CT":
        return f"modality {one.modality}"
    if not one.placed:
        return "no position: a report or a multi-frame file"
    if one.topogram:
        return "a topogram"
    least = choice.min_slices if choice and choice.min_slices else FEWEST
    if one.slices < least:
        return f"fewer than {least} slices"
    if choice and choice.description:
        text = " ".join(str(one.first.get("SeriesDescription", "")).split())
        slow = f"expected an expression for the series that is quick, {choice.description[:60]} takes more than "
        slow += f"{SECONDS} s; write it without nested repetitions"
        if not in_time(regex.search, choice.description, text, slow, regex.IGNORECASE):
            return "another description"
    return ""


def choose(found: Sequence[Candidate], folder: Path, choice: Any = None) -> Candidate:
    """The series that is the scan.

    Args:
        found: as `candidates` gives them.
        folder: for the sentence.
        choice: as `cards.Series`; None: the only series, topograms and other modalities left aside.

    Raises:
        InputError: none, or several, or the candidates belong to several patients or studies.
    """
    placed = [one for one in found if one.placed]  # not the reports and screenshots beside it
    if not placed:
        many = any(str(one.first.get("NumberOfFrames") or "1") not in ("1", "0") for one in found)
        remedy = "convert it to NIfTI (dcm2niix) first"
        require(not many, "one slice per DICOM file", f"a multi-frame file in {folder}", remedy)
        remedy = "name the folder with the .dcm files"
        raise InputError(f"expected the slices of a CT series, {folder} holds no DICOM image; {remedy}")
    if choice is None and len(placed) == 1:
        return placed[0]
    fits = [one for one in placed if not why_not(one, choice)]
    if not fits and choice is not None:
        reasons = ", ".join(f"{one.words()}: {why_not(one, choice)}" for one in placed[:6])
        raise InputError(f"expected a series as the choice says, {folder} has none ({reasons}); change the choice")
    fits = fits or [one for one in placed if one.modality == "CT" and not one.topogram] or placed
    best = fits
    if choice is not None and len(fits) > 1:
        for what, tag in (("patient", "PatientID"), ("patient", "PatientName"), ("study", "StudyInstanceUID")):
            count = len({str(one.first.get(tag, "")).strip() for one in fits})
            mixed = f"{folder} holds fitting ones of {count} (their {tag} differs)"
            require(count == 1, f"series of one {what} to choose from", mixed, "name the folder of one")
        best = _preferred(fits, choice.prefer)
    if len(best) > 1:
        listed = ", ".join(one.words() for one in best[:6]) + ", ..." * (len(best) > 6)
        remedy = "put the wanted series in a folder of its own, or choose by `series` in a card"
        raise InputError(f"expected one DICOM series, {folder} holds {len(best)}: {listed}; {remedy}")
    return best[0]


def _preferred(fits: list[Candidate], prefer: str | None) -> list[Candidate]:
    if prefer == "most":
        most = max(one.slices for one in fits)
        return [one for one in fits if one.slices == most]
    if prefer == "thinnest":
        thinnest = min(one.thickness or np.inf for one in fits)
        return [one for one in fits if (one.thickness or np.inf) <= thinnest + 0.01]
    return fits

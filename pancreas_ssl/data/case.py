"""One patient's scan on disk, with what its card says about it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pancreas_ssl.data.cards import Limits, Series
from pancreas_ssl.manifest import files_of, sha256_of

__all__ = ["Case", "data_digest"]


@dataclass(frozen=True)
class Case:
    """One patient's scan on disk. `source` reads `phantom/A`; `image` is a file, or a folder of DICOM slices.

    `label_values` are the values that mean pancreas, `known_values` all that the card names, `limits` what it takes
    for normal. `joined` are the files, one for each structure, that make up the label, with the value that each stands
    for (`label` is then the first). The other fields are the card's: `label_geometry`, `label_axes`, and so on.
    """

    id: str
    card: str
    source: str
    patient: str
    image: Path
    label: Path | None
    organs: Path | None
    label_values: tuple[int, ...]
    known_values: tuple[int, ...] | None = None
    split: str = ""
    limits: Limits = Limits()
    joined: tuple[tuple[int, Path], ...] = ()
    geometry: str = "own"
    axes: str | None = None
    parts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    series: Series | None = None
    structures: tuple[tuple[int, str], ...] = ()
    require_pancreas: bool = False

    @property
    def labels(self) -> tuple[Path, ...]:
        """The files of the label: none, one, or one for each structure."""
        return tuple(path for _, path in self.joined) or ((self.label,) if self.label else ())

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read for the case: image, labels, organ map."""
        return (self.image, *self.labels, *((self.organs,) if self.organs else ()))


def data_digest(cases: Iterable[Case]) -> str:
    """Sixteen hex digits over the ids and files (bytes of the image and label) of cases, for a run report."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(f"{case.source}/{case.id}".encode())
        for path in (case.image, *case.labels):
            for file in files_of(path):
                digest.update(sha256_of(file).encode())
    return digest.hexdigest()[:16]

"""The embedded cohort: patients of every source, each made from its name and number alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.files import atomic_path, claim
from pancreas_ssl.phantom.anatomy import Anatomy, Grid, make_anatomy
from pancreas_ssl.phantom.profiles import SOURCES, WORLD, extreme_source, find_source, random_source
from pancreas_ssl.phantom.scanner import Scan, scan
from pancreas_ssl.phantom.sources import Source

__all__ = ["SOURCES", "WORLD", "make_case", "patient_seeds", "write_case"]


SCANNERS = {"R": random_source, "R2": random_source, "Z": extreme_source}  # drawn for every patient
SHARED = ("coarse_texture", "breathing", "reconstructed", "spare_pancreas")  # of a source with them


def patient_seeds(source: str | Source, patient: int) -> tuple[int, int]:
    """Seeds of one patient, (anatomy, scan), from (version, source, patient): no two cohorts share a patient.

    The version of a source changes whenever a voxel of its cohort does: sources and patients of one version stay.
    """
    fine = isinstance(patient, int | np.integer) and not isinstance(patient, bool) and patient >= 0
    require(fine, "a patient number of 0 or more", repr(patient), "count from 0")
    source = WORLD.get(source, replace(SOURCES["A"], name=source)) if isinstance(source, str) else source
    words = [int.from_bytes(text.encode(), "little") for text in (source.version, source.name)]
    anatomy, scanner = np.random.SeedSequence([*words, int(patient)]).generate_state(2, np.uint64)
    return int(anatomy), int(scanner)


def make_case(
    source: str | Source, patient: int, grid: Grid | None = None, *, patient_of: str | Source | None = None
) -> tuple[Scan, Anatomy]:
    """One patient's scan and anatomy.

    Args:
        source: who scans, a name among `WORLD`, "R", "R2" or "Z" for a scanner of this patient's own, or a `Source`.
        patient: number within the cohort.
        grid: of the anatomy; by default the source's.
        patient_of: whose patient; by default the source's own. With another source's name, its patient is seen by this
            scanner, with the same draws.

    Raises:
        InputError: unknown source, or a patient number below 0.

    Example:
        >>> mine, anatomy = make_case("A", 0)                    # doctest: +SKIP
        >>> other, _ = make_case("D", 0, patient_of="A")         # doctest: +SKIP
    """
    source = find_source(source)
    cohort = source if patient_of is None else find_source(patient_of)
    anatomy_seed, scan_seed = patient_seeds(cohort, patient)
    anatomy = make_anatomy(anatomy_seed, cohort.traits, grid or source.grid)
    if source.name in SCANNERS and source is WORLD[source.name]:
        drawn = SCANNERS[source.name](np.random.default_rng([scan_seed, 1]))
        source = replace(drawn, **{name: getattr(source, name) for name in SHARED})
    return scan(anatomy, source, scan_seed), anatomy


def write_case(source: str | Source, patient: int, folder: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
    """Write a case as NIfTI: image.nii.gz (int16 HU), label.nii.gz (uint8, 1 = pancreas), organs.nii.gz (uint8).

    Affine RAS, scanner coordinates in both forms. The same call gives the same voxels. Returns the paths by name.
    `overwrite` replaces files of these names that this tool did not write, too.

    Raises:
        InputError: unknown source, a folder that is a file, or foreign files. RunError: the disk is full.
    """
    import nibabel as nib

    paths = {name: Path(folder) / f"{name}.nii.gz" for name in ("image", "label", "organs")}
    claim(paths.values(), overwrite=overwrite)
    result = make_case(source, patient)[0]
    for name, array in (("image", result.image), ("label", result.label), ("organs", result.organ)):
        image = nib.Nifti1Image(array, result.affine, dtype=array.dtype)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = f"{find_source(source).version} {result.source} {patient}"
        image.set_sform(result.affine, code="scanner")
        image.set_qform(result.affine, code="scanner")
        with atomic_path(paths[name]) as temporary:
            nib.save(image, temporary)
    return paths

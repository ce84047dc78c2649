"""What a source is (scanner, protocol, population), and how one patient's HU are drawn from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.phantom.anatomy import Grid, Traits
from pancreas_ssl.phantom.optics import kernel_of
from pancreas_ssl.phantom.phases import PATIENT_SD, phase, with_lobules
from pancreas_ssl.phantom.tissues import Tissue

__all__ = ["ROLES", "Source", "draw_profile", "nominal_profile"]

ROLES = ("train", "development", "test")
FIRST_TISSUES = 34  # of `phantom-1`; later ones draw after them, so that its patients keep their draws
_FLUIDS = (Tissue.STOMACH_CONTENT, Tissue.DUODENUM_CONTENT, Tissue.BOWEL_CONTENT)


@dataclass(frozen=True)
class Source:
    """Where scans come from: scanner, protocol and population.

    Args:
        name, role, title: A, B, ...; "train", "development" or "test"; one line for tables.
        hu: mean HU of each tissue, the pancreas free of fat (`phase`, `blend`).
        pancreas_fat: diffuse fat in the parenchyma as a share, (mean, sd over patients), besides the fat lobules that
            the anatomy draws.
        contrast_sd: relative sd of the enhancement over patients (dose, weight, timing), shared by all tissues.
        hu_jitter, texture: factors on the tissues' own `PATIENT_SD` and on their `TEXTURE`.
        coarse_texture: tissues whose coarse texture differs in this phase, sd in HU (a patchy arterial spleen).
        oral_contrast, oral_level: share of patients with positive contrast in stomach and bowel; range of its HU.
        noise_sd, noise_jitter: mean noise in the body, HU, and its relative sd over patients.
        kernel, slice_thickness, spacing: "smooth", "medium" or "sharp"; mm that a slice averages over; mm of the grid.
        streaks, cupping: size of streaks behind 20 mm of cortical bone; how much lower the middle of the body reads
            than its edge; HU.
        calibration, calibration_sd: (gain, offset), image = gain HU + offset; their sd over patients.
        padding: value outside the round field of view, or None for plain air.
        crop, crop_range: probability that the scan starts and ends short; share of its height lost at each end.
        spare_pancreas: whether the crop stays 12 mm clear of the pancreas.
        breathing, breathing_mm: probability that the patient breathed between two slices, and by how much the organs
            jumped along the body: what lies there is skipped or seen twice.
        reconstructed: range of the width of the square field of view in plane, mm, or None for the whole grid.
        traits, grid: the population; the anatomy's grid. version: of the phantom that the source belongs to.

    Example:
        >>> from dataclasses import replace
        >>> from pancreas_ssl.phantom.profiles import SOURCES
        >>> mine = replace(SOURCES["A"], name="mine", title="A, with a sharp kernel", kernel="sharp", noise_sd=18.0)
    """

    name: str
    role: str
    title: str
    hu: Mapping[Tissue, float]
    pancreas_fat: tuple[float, float] = (0.06, 0.03)
    contrast_sd: float = 0.06
    hu_jitter: float = 1.0
    texture: float = 1.0
    coarse_texture: Mapping[Tissue, float] = field(default_factory=dict)
    oral_contrast: float = 0.05
    oral_level: tuple[float, float] = (90.0, 300.0)
    noise_sd: float = 10.0
    noise_jitter: float = 0.2
    kernel: str = "medium"
    slice_thickness: float = 3.0
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)
    streaks: float = 6.0
    cupping: float = 0.0
    calibration: tuple[float, float] = (1.0, 0.0)
    calibration_sd: tuple[float, float] = (0.003, 1.5)
    padding: int | None = None
    crop: float = 0.4
    crop_range: tuple[float, float] = (0.0, 0.2)
    spare_pancreas: bool = True
    breathing: float = 0.0
    breathing_mm: tuple[float, float] = (4.0, 12.0)
    reconstructed: tuple[float, float] | None = None
    traits: Traits = Traits()
    grid: Grid = Grid()
    version: str = "phantom-1"

    def __post_init__(self):
        here = f"in source {self.name!r}"
        for tissue in Tissue:
            fine = tissue in self.hu
            require(fine, f"a HU for every tissue {here}", f"none for {tissue.name}", "start from phase('portal')")
        require(self.role in ROLES, f"a role among {', '.join(ROLES)}", repr(self.role), "choose one of them")
        kernel_of(self.kernel)
        fine = min(self.spacing) > 0 and self.slice_thickness > 0 and self.noise_sd >= 0
        got = f"{self.spacing}, {self.slice_thickness} and {self.noise_sd}"
        expected = f"positive spacing and slice thickness (mm) and noise of 0 HU or more {here}"
        require(fine, expected, got, "correct them")


def nominal_profile(source: Source) -> dict[Tissue, float]:
    """What each tissue measures on average over the source's patients, HU, before calibration.

    The pancreas carries the source's mean diffuse fat: (1 - f) pancreas + f visceral fat. Fluids in stomach and bowel
    are given without oral contrast.
    """
    out = dict(source.hu)
    f = source.pancreas_fat[0]
    out[Tissue.PANCREAS] = (1 - f) * out[Tissue.PANCREAS] + f * out[Tissue.VISCERAL_FAT]
    return with_lobules(out)


def draw_profile(source: Source, rng: np.random.Generator) -> dict[Tissue, float]:
    """One patient's HU per tissue.

    HU = nominal + c (nominal - unenhanced) + e: c ~ N(0, contrast_sd) is shared by all tissues of the patient, e is
    each tissue's own; all normals are cut at 2 sd. Diffuse fat in the pancreas and oral contrast are drawn too.
    The order of draws never changes with the source, so one seed gives one patient in every source.
    """
    normal = np.clip(rng.standard_normal(FIRST_TISSUES + 2), -2, 2)
    uniform = rng.uniform(size=2)
    later = np.clip(rng.standard_normal(len(Tissue) - FIRST_TISSUES), -2, 2)
    unenhanced = phase("noncontrast")
    out = {}
    for t in Tissue:
        own = source.hu_jitter * PATIENT_SD[t] * (normal[t] if t < FIRST_TISSUES else later[t - FIRST_TISSUES])
        enhancement = max(source.hu[t] - unenhanced[t], 0.0) if t not in _FLUIDS else 0.0
        out[t] = float(source.hu[t] + source.contrast_sd * normal[-1] * enhancement + own)
    f = float(np.clip(source.pancreas_fat[0] + source.pancreas_fat[1] * normal[-2], 0, 0.8))
    out[Tissue.PANCREAS] = (1 - f) * out[Tissue.PANCREAS] + f * out[Tissue.VISCERAL_FAT]
    if uniform[0] < source.oral_contrast:
        low, high = source.oral_level
        level = low + (high - low) * uniform[1]
        for t, share in zip(_FLUIDS, (1.0, 0.85, 0.9), strict=True):
            out[t] = float(share * level)
    return with_lobules(out)

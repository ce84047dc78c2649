"""What each tissue measures in Hounsfield units, by contrast phase, and how far patients stray from it."""

from collections.abc import Mapping

from pancreas_ssl.errors import require
from pancreas_ssl.phantom.tissues import Tissue

__all__ = ["COARSE", "FAT_IN_LOBULE", "FINE", "PATIENT_SD", "PHASES", "TEXTURE", "blend", "phase", "with_lobules"]

PHASES = ("noncontrast", "arterial", "portal", "late")

# Mean HU in the order of PHASES (one number: the same in all of them), sd between patients, fine and coarse texture.
# The pancreas stands here without fat: a source's `pancreas_fat` brings it down (6 % of fat turns 106 HU into 93).
# Mesenteric and portal veins, bowel wall and pancreas come close to one another in every phase but the portal one;
# there the bowel wall alone does. PANCREAS_FAT has no HU of its own (`with_lobules`).
_TISSUES: Mapping[Tissue, tuple[float | tuple[float, ...] | None, float, float, float]] = {
    Tissue.AIR: (-1000, 0, 0, 0),
    Tissue.SKIN: ((10, 15, 20, 20), 12, 8, 5),
    Tissue.SUBCUTANEOUS_FAT: (-105, 4, 6, 3),
    Tissue.VISCERAL_FAT: (-100, 4, 10, 5),
    Tissue.MUSCLE: ((54, 58, 62, 60), 5, 10, 4),
    Tissue.CORTICAL_BONE: (420, 50, 60, 60),
    Tissue.MARROW: (145, 30, 35, 25),
    Tissue.DISC: (85, 12, 8, 8),
    Tissue.LIVER: ((56, 75, 112, 98), 9, 4, 2),
    Tissue.SPLEEN: ((48, 125, 120, 102), 8, 4, 3),
    Tissue.KIDNEY_CORTEX: ((34, 195, 176, 155), 11, 5, 3),
    Tissue.KIDNEY_MEDULLA: ((31, 95, 160, 152), 13, 6, 4),
    Tissue.ARTERY: ((41, 320, 155, 125), 11, 2, 2),
    Tissue.VENA_CAVA: ((40, 85, 135, 120), 11, 2, 5),
    Tissue.VEIN: ((40, 122, 166, 128), 10, 2, 3),
    Tissue.STOMACH_WALL: ((40, 95, 90, 80), 8, 8, 7),
    Tissue.STOMACH_CONTENT: (22, 9, 10, 8),
    Tissue.BOWEL_WALL: ((38, 100, 92, 82), 8, 8, 8),
    Tissue.BOWEL_CONTENT: (22, 9, 10, 14),
    Tissue.FAECES: (-5, 25, 55, 40),
    Tissue.GAS: (-960, 15, 0, 0),
    Tissue.DUODENUM_WALL: ((40, 104, 95, 83), 8, 8, 7),
    Tissue.DUODENUM_CONTENT: (20, 9, 10, 12),
    Tissue.PANCREAS: ((44, 124, 106, 90), 8, 8, 4),
    Tissue.PANCREAS_FAT: (None, 0, 12, 5),
    Tissue.GALLBLADDER: (10, 4, 2, 1),
    Tissue.ADRENAL: ((30, 75, 78, 66), 10, 6, 4),
    Tissue.LUNG: (-830, 25, 40, 25),
    Tissue.MASS: ((36, 70, 70, 70), 10, 9, 6),
    Tissue.DUCT: (9, 4, 0, 0),
    Tissue.TABLE: (-120, 60, 30, 30),
    Tissue.HEART: ((40, 280, 150, 120), 11, 5, 8),
    Tissue.BOWEL_CONTRAST: (220, 40, 15, 45),
    Tissue.BLADDER: ((4, 4, 6, 30), 4, 0, 0),
    Tissue.CAVA_BELOW: ((40, 46, 98, 116), 10, 2, 12),
    Tissue.FLUID: (8, 5, 3, 2),
    Tissue.METAL: (2600, 300, 0, 0),
}

FAT_IN_LOBULE = 0.65
"""A voxel of PANCREAS_FAT is no pure fat: this share of it is, the rest is parenchyma."""

PATIENT_SD: Mapping[Tissue, float] = {tissue: float(row[1]) for tissue, row in _TISSUES.items()}
"""Standard deviation between patients in HU, on top of the contrast dose and timing that all share."""

FINE, COARSE = 6.0, 25.0
"""Grain of the two textures, mm."""

TEXTURE: Mapping[Tissue, tuple[float, float]] = {t: (float(row[2]), float(row[3])) for t, row in _TISSUES.items()}
"""Texture inside one patient, standard deviation in HU: (fine grain, coarse grain)."""


def with_lobules(table: Mapping[Tissue, float]) -> dict[Tissue, float]:
    """The same table with PANCREAS_FAT = 0.65 visceral fat + 0.35 pancreas (HU)."""
    out = dict(table)
    fat, parenchyma = out[Tissue.VISCERAL_FAT], out[Tissue.PANCREAS]
    out[Tissue.PANCREAS_FAT] = FAT_IN_LOBULE * fat + (1 - FAT_IN_LOBULE) * parenchyma
    return out


def phase(name: str) -> dict[Tissue, float]:
    """Mean HU of every tissue in one contrast phase; the pancreas free of fat.

    The means follow published ranges for abdominal CT at 120 kVp (portal venous: pancreas 80-110, liver 100-120,
    aorta 140-170, portal vein 150-180 HU).

    Raises:
        InputError: a name that is not among `PHASES`.

    Example:
        >>> phase("portal")[Tissue.LIVER]
        112.0
    """
    require(name in PHASES, f"a contrast phase among {', '.join(PHASES)}", repr(name), "choose one of them")
    column = PHASES.index(name)
    means = {t: row[0] for t, row in _TISSUES.items() if row[0] is not None}
    return with_lobules({t: float(hu[column] if isinstance(hu, tuple) else hu) for t, hu in means.items()})


def blend(first: str, second: str, weight: float, **changes: float) -> dict[Tissue, float]:
    """A phase between two: (1 - weight) first + weight second, HU.

    Args:
        weight: share of the second phase, 0 to 1.
        changes: tissues by name that are set to a HU of their own afterwards, such as `LIVER=45`.

    Example:
        >>> blend("portal", "late", 0.5)[Tissue.LIVER]
        105.0
    """
    require(0 <= weight <= 1, "a phase weight between 0 and 1", weight, "give a share of the second phase")
    a, b = phase(first), phase(second)
    for name in changes:
        require(name in Tissue.__members__, "tissue names in the phase table", repr(name), "see phantom.tissues.Tissue")
    table = {t: (1 - weight) * a[t] + weight * b[t] for t in Tissue}
    return with_lobules(table | {Tissue[name]: float(value) for name, value in changes.items()})

"""What each tissue measures in Hounsfield units, by contrast phase, and how far patients stray from it."""

from collections.abc import Mapping
from types import MappingProxyType

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.tissues import Tissue

__all__ = [
    "COARSE",
    "FAT_IN_LOBULE",
    "FINE",
    "PATIENT_SD",
    "PHASES",
    "TEXTURE",
    "blend",
    "phase",
    "with_lobules",
]

PHASES = ("noncontrast", "arterial", "portal", "late")

# HU in the order of PHASES. The pancreas stands here without fat: a source's `pancreas_fat` brings it down
# (6 % of fat turns 106 HU into 93). Mesenteric and portal veins, bowel wall and pancreas come close to one
# another in every phase but the portal one; there the bowel wall alone does.
_ENHANCING: Mapping[Tissue, tuple[float, float, float, float]] = {
    Tissue.SKIN: (10, 15, 20, 20),
    Tissue.MUSCLE: (54, 58, 62, 60),
    Tissue.LIVER: (56, 75, 112, 98),
    Tissue.SPLEEN: (48, 125, 120, 102),
    Tissue.KIDNEY_CORTEX: (34, 195, 176, 155),
    Tissue.KIDNEY_MEDULLA: (31, 95, 160, 152),
    Tissue.ARTERY: (41, 320, 155, 125),
    Tissue.VENA_CAVA: (40, 85, 135, 120),
    Tissue.VEIN: (40, 122, 166, 128),
    Tissue.STOMACH_WALL: (40, 95, 90, 80),
    Tissue.BOWEL_WALL: (38, 100, 92, 82),
    Tissue.DUODENUM_WALL: (40, 104, 95, 83),
    Tissue.PANCREAS: (44, 124, 106, 90),
    Tissue.ADRENAL: (30, 75, 78, 66),
    Tissue.MASS: (36, 70, 70, 70),
    Tissue.HEART: (40, 280, 150, 120),
    Tissue.BLADDER: (4, 4, 6, 30),
}
_CONSTANT: Mapping[Tissue, float] = {
    Tissue.AIR: -1000,
    Tissue.SUBCUTANEOUS_FAT: -105,
    Tissue.VISCERAL_FAT: -100,
    Tissue.CORTICAL_BONE: 420,
    Tissue.MARROW: 145,
    Tissue.DISC: 85,
    Tissue.STOMACH_CONTENT: 22,
    Tissue.BOWEL_CONTENT: 22,
    Tissue.DUODENUM_CONTENT: 20,
    Tissue.FAECES: -5,
    Tissue.GAS: -960,
    Tissue.GALLBLADDER: 10,
    Tissue.DUCT: 9,
    Tissue.LUNG: -830,
    Tissue.TABLE: -120,
    Tissue.BOWEL_CONTRAST: 220,
}

FAT_IN_LOBULE = 0.65
"""A voxel of PANCREAS_FAT is no pure fat: this share of it is, the rest is parenchyma."""

PATIENT_SD: Mapping[Tissue, float] = MappingProxyType(
    {
        Tissue.SKIN: 12.0,
        Tissue.SUBCUTANEOUS_FAT: 4.0,
        Tissue.VISCERAL_FAT: 4.0,
        Tissue.MUSCLE: 5.0,
        Tissue.CORTICAL_BONE: 50.0,
        Tissue.MARROW: 30.0,
        Tissue.DISC: 12.0,
        Tissue.LIVER: 9.0,
        Tissue.SPLEEN: 8.0,
        Tissue.KIDNEY_CORTEX: 11.0,
        Tissue.KIDNEY_MEDULLA: 13.0,
        Tissue.ARTERY: 11.0,
        Tissue.VENA_CAVA: 11.0,
        Tissue.VEIN: 10.0,
        Tissue.STOMACH_WALL: 8.0,
        Tissue.STOMACH_CONTENT: 9.0,
        Tissue.BOWEL_WALL: 8.0,
        Tissue.BOWEL_CONTENT: 9.0,
        Tissue.FAECES: 25.0,
        Tissue.GAS: 15.0,
        Tissue.DUODENUM_WALL: 8.0,
        Tissue.DUODENUM_CONTENT: 9.0,
        Tissue.PANCREAS: 8.0,
        Tissue.GALLBLADDER: 4.0,
        Tissue.ADRENAL: 10.0,
        Tissue.LUNG: 25.0,
        Tissue.MASS: 10.0,
        Tissue.DUCT: 4.0,
        Tissue.TABLE: 60.0,
        Tissue.HEART: 11.0,
        Tissue.BOWEL_CONTRAST: 40.0,
        Tissue.BLADDER: 4.0,
    }
)
"""Standard deviation between patients in HU, on top of the contrast dose and timing that all share."""

FINE, COARSE = 6.0, 25.0
"""Grain of the two textures, mm."""

TEXTURE: Mapping[Tissue, tuple[float, float]] = MappingProxyType(
    {
        Tissue.SKIN: (8.0, 5.0),
        Tissue.SUBCUTANEOUS_FAT: (6.0, 3.0),
        Tissue.VISCERAL_FAT: (10.0, 5.0),
        Tissue.MUSCLE: (10.0, 4.0),
        Tissue.CORTICAL_BONE: (60.0, 60.0),
        Tissue.MARROW: (35.0, 25.0),
        Tissue.DISC: (8.0, 8.0),
        Tissue.LIVER: (4.0, 2.0),
        Tissue.SPLEEN: (4.0, 3.0),
        Tissue.KIDNEY_CORTEX: (5.0, 3.0),
        Tissue.KIDNEY_MEDULLA: (6.0, 4.0),
        Tissue.ARTERY: (2.0, 2.0),
        Tissue.VENA_CAVA: (2.0, 5.0),
        Tissue.VEIN: (2.0, 3.0),
        Tissue.STOMACH_WALL: (8.0, 7.0),
        Tissue.STOMACH_CONTENT: (10.0, 8.0),
        Tissue.BOWEL_WALL: (8.0, 8.0),
        Tissue.BOWEL_CONTENT: (10.0, 14.0),
        Tissue.FAECES: (55.0, 40.0),
        Tissue.DUODENUM_WALL: (8.0, 7.0),
        Tissue.DUODENUM_CONTENT: (10.0, 12.0),
        Tissue.PANCREAS: (8.0, 4.0),
        Tissue.PANCREAS_FAT: (12.0, 5.0),
        Tissue.GALLBLADDER: (2.0, 1.0),
        Tissue.ADRENAL: (6.0, 4.0),
        Tissue.LUNG: (40.0, 25.0),
        Tissue.MASS: (9.0, 6.0),
        Tissue.TABLE: (30.0, 30.0),
        Tissue.HEART: (5.0, 8.0),
        Tissue.BOWEL_CONTRAST: (15.0, 45.0),
    }
)
"""Texture inside one patient, standard deviation in HU: (fine grain, coarse grain)."""


def with_lobules(table: Mapping[Tissue, float]) -> dict[Tissue, float]:
    """The same table with PANCREAS_FAT = 0.65 visceral fat + 0.35 pancreas (HU)."""
    out = dict(table)
    fat, parenchyma = out[Tissue.VISCERAL_FAT], out[Tissue.PANCREAS]
    out[Tissue.PANCREAS_FAT] = FAT_IN_LOBULE * fat + (1 - FAT_IN_LOBULE) * parenchyma
    return out


def phase(name: str) -> dict[Tissue, float]:
    """Mean HU of every tissue in one contrast phase; the pancreas free of fat.

    Args:
        name: one of `PHASES`.

    Raises:
        InputError: the phase is unknown.

    The means follow published ranges for abdominal CT at 120 kVp (portal venous: pancreas 80-110, liver
    100-120, aorta 140-170, portal vein 150-180 HU).

    Example:
        >>> phase("portal")[Tissue.LIVER]
        112.0
    """
    if name not in PHASES:
        raise InputError(
            f"expected a contrast phase among {', '.join(PHASES)}, got {name!r}; choose one of them"
        )
    column = PHASES.index(name)
    table = {t: float(v) for t, v in _CONSTANT.items()}
    table |= {t: float(row[column]) for t, row in _ENHANCING.items()}
    return with_lobules(table)


def blend(first: str, second: str, weight: float, **changes: float) -> dict[Tissue, float]:
    """A phase between two: (1 - weight) first + weight second, HU.

    Args:
        first: phase at weight 0.
        second: phase at weight 1.
        weight: 0..1.
        changes: tissues by name that are set to a HU of their own afterwards, e.g. `LIVER=45`.

    Example:
        >>> blend("portal", "late", 0.5)[Tissue.LIVER]
        105.0
    """
    if not 0 <= weight <= 1:
        raise InputError(
            f"expected a phase weight between 0 and 1, got {weight}; give a share of the second phase"
        )
    a, b = phase(first), phase(second)
    unknown = [name for name in changes if name not in Tissue.__members__]
    if unknown:
        raise InputError(
            f"expected tissue names in the phase table, got {unknown[0]!r}; see pancreas_ssl.phantom.Tissue"
        )
    table = {t: (1 - weight) * a[t] + weight * b[t] for t in Tissue}
    return with_lobules(table | {Tissue[name]: float(value) for name, value in changes.items()})

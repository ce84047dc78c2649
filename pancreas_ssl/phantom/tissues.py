"""The vocabulary shared by anatomy and scanner: what a voxel is made of (tissue) and what it belongs to (organ)."""

from enum import IntEnum

__all__ = ["Organ", "Tissue"]


class Tissue(IntEnum):
    """What a voxel is made of; the scanner gives each its HU. Stored as uint8."""

    AIR = 0
    SKIN = 1
    SUBCUTANEOUS_FAT = 2
    VISCERAL_FAT = 3
    MUSCLE = 4
    CORTICAL_BONE = 5
    MARROW = 6
    DISC = 7
    LIVER = 8
    SPLEEN = 9
    KIDNEY_CORTEX = 10
    KIDNEY_MEDULLA = 11
    ARTERY = 12
    VENA_CAVA = 13
    VEIN = 14  # portal, splenic, superior mesenteric, renal, mesenteric branches
    STOMACH_WALL = 15
    STOMACH_CONTENT = 16
    BOWEL_WALL = 17
    BOWEL_CONTENT = 18
    FAECES = 19
    GAS = 20
    DUODENUM_WALL = 21
    DUODENUM_CONTENT = 22
    PANCREAS = 23
    PANCREAS_FAT = 24  # fat lobules between the acini, inside the organ
    GALLBLADDER = 25
    ADRENAL = 26
    LUNG = 27
    MASS = 28
    DUCT = 29  # bile and pancreatic duct
    TABLE = 30
    HEART = 31
    BOWEL_CONTRAST = 32  # loops filled with positive oral contrast
    BLADDER = 33
    CAVA_BELOW = 34  # the vena cava below the kidneys, which contrast reaches late
    FLUID = 35  # ascites
    METAL = 36  # stents and clips


class Organ(IntEnum):
    """What a voxel belongs to; 1 is the pancreas (parenchyma, its fat lobules, ducts and masses inside it)."""

    BACKGROUND = 0
    PANCREAS = 1
    LIVER = 2
    SPLEEN = 3
    KIDNEY = 4
    ARTERY = 5
    VENA_CAVA = 6
    STOMACH = 7
    DUODENUM = 8
    BOWEL = 9
    BONE = 10
    VEIN = 11
    GALLBLADDER = 12
    ADRENAL = 13
    BLADDER = 14

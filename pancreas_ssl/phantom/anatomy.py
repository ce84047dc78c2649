"""One patient's anatomy: a tissue map and an organ map on any grid, from a seed. No intensities: see `scanner`."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from pancreas_ssl.errors import require
from pancreas_ssl.phantom import bowel, skeleton, solid_organs, trunk, upper_gut, vessels
from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.conditions import build_conditions
from pancreas_ssl.phantom.pancreas import build_pancreas, plan_pancreas
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import COURSES, Traits, draw_person

__all__ = ["COURSES", "Anatomy", "Grid", "Traits", "make_anatomy"]


@dataclass(frozen=True)
class Grid:
    """A regular RAS grid (spacing in mm) around the world's origin; the default reaches from lung bases to pelvis.

    Example:
        >>> float(Grid((256, 208, 224), (1.5, 1.5, 1.5)).affine[0, 3])
        -191.25
    """

    shape: tuple[int, int, int] = (128, 104, 112)
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)

    def __post_init__(self) -> None:
        fine = len(self.shape) == 3 and min(self.shape) >= 1 and len(self.spacing) == 3 and min(self.spacing) > 0
        got = f"{self.shape} and {self.spacing}"
        require(fine, "three voxel counts and three spacings in mm, all above 0", got, "correct them")

    @property
    def affine(self) -> Float[np.ndarray, "4 4"]:
        """Voxel indices to RAS mm; the grid's middle is the origin."""
        spacing = np.asarray(self.spacing, float)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -(np.asarray(self.shape) - 1) / 2 * spacing
        return affine


@dataclass(frozen=True)
class Anatomy:
    """A patient's maps. `tissue` holds `Tissue` values, `organ` holds `Organ` values, both uint8 (X, Y, Z), RAS.

    `facts`: pancreas_volume_ml, pancreas_fat_fraction, tail_course, has_mass, wide_duct, atrophy, subcutaneous_fat_mm,
    visceral_fat, gallbladder, stomach_filling, ascites, surgery, stent, arms_down, and the kidneys' centres (body mm).
    """

    tissue: UInt8[np.ndarray, "X Y Z"]
    organ: UInt8[np.ndarray, "X Y Z"]
    affine: Float[np.ndarray, "4 4"]
    seed: int
    facts: dict


def make_anatomy(seed: int, traits: Traits | None = None, grid: Grid | None = None) -> Anatomy:
    """Build the patient of a seed from a population (`Traits()` if None), sampled on a grid (`Grid()` if None).

    The same seed and traits give the same patient on every grid, and identical voxels on the same grid.

    Example:
        >>> anatomy = make_anatomy(7)
        >>> anatomy.tissue.shape, anatomy.tissue.dtype
        ((128, 104, 112), dtype('uint8'))
    """
    require(seed >= 0, "a patient seed of 0 or more", seed, "count from 0")
    traits, grid = traits or Traits(), grid or Grid()
    person = draw_person(int(seed), traits)
    canvas = Canvas(grid.shape, grid.spacing, person.pose, person.seed)
    plan = plan_pancreas(person)
    trunk.build_trunk(canvas, person)
    trunk.build_chest(canvas, person)
    trunk.build_muscles(canvas, person)
    skeleton.build_pelvis(canvas, person)
    skeleton.build_ribs(canvas, person)
    skeleton.build_spine(canvas, person)
    solid_organs.build_liver(canvas, person, plan)
    solid_organs.build_spleen(canvas, person, plan)
    solid_organs.build_kidneys(canvas, person)
    solid_organs.build_adrenals(canvas, person)
    solid_organs.build_gallbladder(canvas, person)
    bowel.build_bladder(canvas, person)
    vessels.build_mesentery(canvas, person, plan)
    bowel.build_small_bowel(canvas, person, plan)
    bowel.build_colon(canvas, person, plan)
    upper_gut.build_stomach(canvas, person, plan)
    upper_gut.build_duodenum(canvas, person, plan)
    build_pancreas(canvas, person, plan)
    vessels.build_vena_cava(canvas, person)
    vessels.build_portal_system(canvas, person, plan)
    vessels.build_arteries(canvas, person, plan)
    trunk.build_table(canvas, person)
    build_conditions(canvas, person, plan)
    pancreas = canvas.tissue[canvas.organ == Organ.PANCREAS]
    facts = {
        "pancreas_volume_ml": float(pancreas.size * np.prod(grid.spacing) / 1000),
        "pancreas_fat_fraction": float((pancreas == Tissue.PANCREAS_FAT).mean()) if pancreas.size else 0.0,
        "tail_course": person.course,
        "has_mass": person.mass,
        "wide_duct": person.wide_duct,
        "atrophy": person.atrophy,
        "subcutaneous_fat_mm": person.fat,
        "visceral_fat": person.visceral,
        **person.facts,
    }
    return Anatomy(canvas.tissue, canvas.organ, grid.affine, person.seed, facts)

"""A population (`Traits`) and one member of it (`Person`): the figures drawn before anything is built."""

import zlib
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.phantom.geometry import Pose, rotation
from pancreas_ssl.phantom.template import FIRST, Template

__all__ = ["COURSES", "Person", "Traits", "draw_person"]

# How body and tail run, seen from the front: (height of body, mid body, tail tip) in units of the drawn rise.
COURSES = {
    "oblique": (0.30, 0.60, 1.00),  # climbs steadily to the splenic hilum: the commonest
    "arched": (0.75, 1.05, 0.75),  # climbs early, then levels out or dips
    "sigmoid": (-0.20, 0.25, 1.00),  # sags first, then climbs
    "transverse": (0.10, 0.20, 0.25),  # nearly level
    "horseshoe": (0.85, 0.70, -0.10),  # climbs, and comes down again to the tail
}


SURGERY = ("gallbladder", "gallbladder", "gallbladder", "spleen", "kidney", "tail")
"""What may have been taken out by a previous operation, the commonest three times as often as each other."""


@dataclass(frozen=True)
class Traits:
    """What a population of patients is like. Ranges are (low, high) of a uniform draw; probabilities lie in 0..1.

    Attributes:
        body_scale: linear size against the average adult.
        subcutaneous_fat: mean thickness under the skin, mm. visceral_fat: 0 (slender) .. 1 (abundant).
        pancreas_volume: (mean, sd, smallest, largest) in mL before atrophy and masses.
        atrophy: 0 none .. 1 severe; thins the pancreas and deepens its lobulation.
        fat_infiltration: share of the parenchyma replaced by fat lobules.
        course_weights: weights of the courses of body and tail, in the order of `COURSES`.
        mass_probability: a mass in the pancreas (mass_radius in mm); upstream of it the duct is wide, the tissue thin.
        duct_dilation_probability: a wide duct (2-4 mm radius) without a mass.
        gallbladder_missing, distended_stomach, oral_contrast, table, loaded_colon: probabilities.
        bowel_loops: number of small-bowel loops, (fewest, most).
        ascites, surgery, arms_down: probabilities. stent: that of a stent in the bile duct of those who have a mass
            or a wide duct.
        template: where organs lie and how large they are; one for each version of the phantom.

    Example:
        >>> Traits(mass_probability=0.4, atrophy=(0.2, 0.8)).mass_probability
        0.4
    """

    body_scale: tuple[float, float] = (0.90, 1.10)
    subcutaneous_fat: tuple[float, float] = (6.0, 32.0)
    visceral_fat: tuple[float, float] = (0.0, 1.0)
    pancreas_volume: tuple[float, float, float, float] = (90.0, 19.0, 48.0, 140.0)
    atrophy: tuple[float, float] = (0.0, 0.5)
    fat_infiltration: tuple[float, float] = (0.0, 0.16)
    course_weights: tuple[float, ...] = (0.40, 0.18, 0.16, 0.16, 0.10)
    mass_probability: float = 0.0
    mass_radius: tuple[float, float] = (8.0, 18.0)
    duct_dilation_probability: float = 0.03
    gallbladder_missing: float = 0.12
    distended_stomach: float = 0.25
    oral_contrast: float = 0.12
    loaded_colon: float = 0.5
    table: float = 0.85
    bowel_loops: tuple[int, int] = (26, 44)
    ascites: float = 0.0
    surgery: float = 0.0
    stent: float = 0.0
    arms_down: float = 0.0
    template: Template = FIRST

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            share = not isinstance(value, float) or 0 <= value <= 1
            require(share, f"a probability between 0 and 1 for {item.name}", value, "correct it")
            rising = not isinstance(value, tuple) or len(value) != 2 or value[0] <= value[1]
            require(rising, f"(low, high) for {item.name}", value, "swap the two numbers")
        given, remedy = len(self.course_weights), f"give one for each of {', '.join(COURSES)}"
        require(given == len(COURSES), f"{len(COURSES)} course_weights", given, remedy)


@dataclass(frozen=True)
class Person:
    """One patient's figures: pose, build and the conditions drawn from the traits. Lengths in mm."""

    seed: int
    traits: Traits
    pose: Pose
    fat: float
    visceral: float
    muscle: float
    lordosis: float
    atrophy: float
    infiltration: float
    volume: float
    course: str
    mass: bool
    wide_duct: bool
    facts: dict = field(default_factory=dict)

    def place(self, organ: str) -> np.ndarray:
        """This patient's shift of an organ, body mm; zero where the template has none."""
        return self._shifts.get(organ, np.zeros(3))

    @cached_property
    def _shifts(self) -> dict[str, np.ndarray]:
        return self.traits.template.shifts(self.stream("places"))

    def size(self, organ: str) -> float:
        """This patient's factor on an organ's linear size; 1 where the template has none."""
        return float(self.stream(f"size of {organ}").uniform(*self.traits.template.sizes.get(organ, (1.0, 1.0))))

    def stream(self, name: str) -> np.random.Generator:
        """An own random stream for each structure: a change in one leaves the others as they were."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


def draw_person(seed: int, traits: Traits) -> Person:
    """Draw a patient of a population; the same seed gives the same patient."""
    rng = np.random.default_rng([seed, zlib.crc32(b"person")])
    scale = rng.uniform(*traits.body_scale) * np.exp(rng.normal(0, 0.03, 3))
    turn = rotation(tuple(np.clip(rng.normal(0, (2.5, 2.0, 3.0)), -7, 7)))
    shift = np.array([0.0, 4.0, 42.0]) + np.clip(rng.normal(0, (5, 5, 9)), -16, 16)
    build = rng.uniform()  # stout patients tend to have both kinds of fat
    mix = np.clip(build + rng.normal(0, 0.22, 2), 0, 1)
    low, high = np.array([traits.subcutaneous_fat, traits.visceral_fat]).T
    fat, visceral = low + mix * (high - low)
    mean, sd, smallest, largest = traits.pancreas_volume
    spread = np.sqrt(np.log1p((sd / mean) ** 2))
    volume = np.clip(mean * np.exp(rng.normal(0, spread) - spread**2 / 2), smallest, largest)
    weights = np.asarray(traits.course_weights, float)
    atrophy, infiltration = rng.uniform(*traits.atrophy), rng.uniform(*traits.fat_infiltration)
    person = Person(
        seed=seed,
        traits=traits,
        pose=Pose(turn, scale, shift),
        fat=float(fat),
        visceral=float(visceral),
        muscle=float(rng.uniform(0.75, 1.25)),
        lordosis=float(rng.uniform(0.4, 1.5)),
        atrophy=float(atrophy),
        infiltration=float(infiltration),
        volume=float(volume),
        course=str(rng.choice(list(COURSES), p=weights / weights.sum())),
        mass=bool(rng.uniform() < traits.mass_probability),
        wide_duct=bool(rng.uniform() < traits.duct_dilation_probability),
    )
    later = person.stream("facts").uniform(size=5)
    kind = SURGERY[int(later[4] * len(SURGERY))]
    person.facts.update(
        ascites=bool(later[0] < traits.ascites),
        surgery=kind if later[1] < traits.surgery else "",
        stent=bool(later[2] < traits.stent and (person.mass or person.wide_duct)),
        arms_down=bool(later[3] < traits.arms_down),
    )
    return person

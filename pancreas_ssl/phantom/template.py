"""Where organs lie and how large they are on average, and how far patients scatter: one table for each version.

`FIRST` holds the figures of `phantom-1` and stays as it is. `SECOND` was fitted to the label maps of thirty real CTs
(the test labels of WORD, Luo et al. 2022, arXiv 2111.02403; the figures are facts, the maps are not part of this
project): organs' places from the midpoint of both kidneys, sizes, and what touches the pancreas. `assets/phantom` holds
both versions beside the real figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pancreas_ssl.phantom.tissues import Organ

__all__ = ["FIRST", "SECOND", "Template"]

Pair = tuple[float, float]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Template:
    """Body mm (x to the patient's right, y forward, z up). Places are (mean, sd) triples of a shift.

    Attributes:
        head, neck, upper, body, middle, tail: points of the pancreas as (mean, sd); the last four without z, which
            follows from the neck and the course.
        rise: mean, sd and range (lowest, highest) of how much body and tail climb, mm, times the course's shares.
        radii, radii_sd: thickness along the line before it is scaled to the drawn volume; sd of its logarithm.
        flatten: divides the cross-section's extent along x, y, z.
        places: shift of an organ by name, ((x, y, z), (sd, sd, sd)); `gut` is shared by all but kidneys and adrenals.
        kidney_x, kidney_z, kidney_sd: half the distance between the kidneys; heights (right, left); sd of each one.
        sizes: factors on the linear size of an organ by name, (lowest, highest) of a uniform draw.
        dome: how steeply the diaphragm falls to its edge (exponent), and how far (lowest, highest; mm).
        spleen: factor on its linear size.
        adrenal: mm from the midline; thickness and length of the limbs against `FIRST`.
        low: how far the lower head reaches below the head, mm.
        firm, cava_spares: organs that the pancreas, and the vena cava, lie against and do not enter.
        back: how much deeper the chest is behind than in `FIRST`, mm.
        ragged: how uneven the surface of the pancreas is, against `FIRST`.
        stretch: exponent with which body and tail lengthen with the drawn volume.
        apart: mm of fat between the pancreas and an organ, by its name.
        touching: share of small-bowel loops laid against the pancreas in a slender patient, and how much less in a
            stout one.
        septa: whether fat lies between the lobules of the pancreas at 1-3 mm.
        late_cava: whether the vena cava below the kidneys is a tissue of its own.
    """

    head: tuple[Triple, Triple] = ((33.0, 5.0, -22.0), (5.0, 4.0, 7.0))
    neck: tuple[Triple, Triple] = ((4.0, 31.0, 2.0), (3.0, 4.0, 5.0))
    upper: tuple[Pair, Pair] = ((20.0, 18.0), (3.0, 3.0))
    body: tuple[Pair, Pair] = ((-22.0, 26.0), (3.0, 4.0))
    middle: tuple[Pair, Pair] = ((-52.0, 8.0), (4.0, 5.0))
    tail: tuple[Pair, Pair] = ((-83.0, -27.0), (8.0, 7.0))
    rise: tuple[float, float, float, float] = (25.0, 11.0, 3.0, 48.0)
    radii: tuple[float, ...] = (9.5, 15.0, 13.0, 8.5, 10.0, 10.5, 8.5)
    radii_sd: float = 0.10
    flatten: Triple = (1.0, 1.12, 0.86)
    places: Mapping[str, tuple[Triple, Triple]] = field(default_factory=dict)
    kidney_x: float = 66.0
    kidney_z: tuple[float, float] = (-20.0, -6.0)
    kidney_sd: Triple = (4.0, 4.0, 9.0)
    sizes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dome: tuple[float, float, float] = (2.4, 60.0, 85.0)
    spleen: Pair = (0.9, 1.3)
    adrenal: Triple = (34.0, 1.0, 1.0)
    low: Pair = (10.0, 24.0)
    firm: tuple[Organ, ...] = (Organ.KIDNEY, Organ.SPLEEN, Organ.BONE)
    cava_spares: tuple[Organ, ...] = (Organ.BONE,)
    back: float = 0.0
    ragged: float = 1.0
    stretch: float = 0.0
    apart: Mapping[str, float] = field(default_factory=dict)
    touching: tuple[float, float] = (0.16, 0.11)
    septa: bool = False
    late_cava: bool = False

    def shifts(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """One patient's shift of every organ that has a place of its own."""
        own = {name: np.array(mean) + rng.normal(0, 1, 3) * sd for name, (mean, sd) in self.places.items()}
        common = own.pop("gut", np.zeros(3))
        return {name: shift + common * (name not in ("kidneys", "adrenals")) for name, shift in own.items()}


FIRST = Template()

SECOND = Template(
    head=((33.0, 2.5, -9.0), (2.0, 6.0, 12.0)),
    neck=((-4.0, 22.0, 16.0), (3.0, 4.0, 5.0)),
    upper=((17.0, 16.0), (3.0, 3.0)),
    body=((-28.0, 9.0), (3.0, 4.0)),
    middle=((-50.0, -18.0), (4.0, 6.0)),
    tail=((-82.0, -38.0), (14.0, 13.0)),
    rise=(10.0, 14.0, -25.0, 45.0),
    radii=(9.0, 10.5, 9.9, 9.2, 10.0, 10.2, 9.0),
    radii_sd=0.2,
    flatten=(1.0, 1.44, 0.76),
    places={
        "gut": ((0.0, 0.0, 0.0), (3.0, 5.0, 4.0)),
        "pancreas": ((-2.5, 0.5, 2.5), (3.5, 1.5, 2.0)),
        "kidneys": ((0.0, 0.0, 0.0), (2.0, 3.0, 6.0)),
        "stomach": ((15.0, -11.0, -5.0), (9.0, 8.0, 12.0)),
        "liver": ((3.0, -11.0, 6.0), (7.0, 8.0, 12.5)),
        "gallbladder": ((14.0, -23.0, 16.0), (10.0, 8.0, 14.0)),
        "spleen": ((-10.0, -41.0, 7.0), (2.0, 3.0, 9.0)),
        "adrenals": ((-7.5, 19.0, -4.0), (2.0, 2.0, 4.0)),
        "bowel": ((-14.0, -10.0, -9.0), (5.0, 5.0, 18.0)),
    },
    kidney_x=61.5,
    kidney_z=(-16.0, -9.5),
    kidney_sd=(6.0, 4.5, 9.0),
    sizes={
        "stomach": (0.93, 1.1),
        "gallbladder": (0.6, 1.45),
        "duodenum": (0.82, 1.24),
        "kidney": (0.88, 1.04),
        "liver": (0.88, 1.0),
        "adrenal": (0.65, 1.35),
    },
    dome=(4.5, 55.0, 80.0),
    spleen=(1.75, 1.90),
    adrenal=(40.0, 2.05, 1.4),
    low=(5.0, 17.0),
    ragged=1.36,
    firm=(Organ.KIDNEY, Organ.SPLEEN, Organ.BONE, Organ.ADRENAL),
    cava_spares=(Organ.BONE, Organ.ADRENAL),
    back=16.5,
    stretch=0.5,
    apart={"liver": 4.0, "spleen": 2.5},
    touching=(0.05, 0.03),
    septa=True,
    late_cava=True,
)

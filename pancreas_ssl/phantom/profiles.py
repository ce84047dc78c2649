"""The seven sources of the embedded cohort, and scanners that never existed; another is a few lines of `replace`."""

from dataclasses import replace

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.phantom.anatomy import Grid, Traits
from pancreas_ssl.phantom.optics import KERNELS
from pancreas_ssl.phantom.phases import PHASES, blend, phase, with_lobules
from pancreas_ssl.phantom.second import extreme_patients, second_random, second_sources
from pancreas_ssl.phantom.sources import FIRST_TISSUES, Source, draw_profile, nominal_profile
from pancreas_ssl.phantom.tissues import Tissue

__all__ = [
    "RANDOM",
    "SOURCES",
    "WORLD",
    "Source",
    "draw_profile",
    "extreme_source",
    "find_source",
    "nominal_profile",
    "random_source",
]

_STOUT = dict(subcutaneous_fat=(16.0, 36.0), visceral_fat=(0.4, 1.0))
_BRIGHT = (200.0, 320.0)  # HU of the oral contrast of those who drank it, in stomach and bowel alike

# A trains. Portal venous, standard dose, water to drink, an average population: a strict protocol.
_A = Source(
    "A", "train", "portal venous, no oral contrast",
    hu=phase("portal"), oral_contrast=0.0, traits=Traits(oral_contrast=0.0),
)  # fmt: skip


def _like_a(name: str, role: str, title: str, **changes) -> Source:
    return replace(_A, name=name, role=role, title=title, **changes)


# V, W, X are the development sources: shifted away from A, each in its own direction; design may look at them.
# V: the usual abdominal protocol of many years: contrast by vein and by mouth; smooth, grainy pictures.
_V = _like_a(
    "V", "development", "late venous, oral contrast, smooth kernel",
    hu=blend("portal", "late", 0.5), oral_contrast=1.0, oral_level=_BRIGHT, kernel="smooth", noise_sd=13.0,
    calibration=(1.0, 4.0), padding=-2048, traits=Traits(oral_contrast=0.4),
)  # fmt: skip
# W: old patients: much of the pancreas has turned to fat, bowel walls are thin and enhance little.
_W = _like_a(
    "W", "development", "portal venous, fatty pancreas, smooth kernel",
    hu=blend("portal", "portal", 0.0, DUODENUM_WALL=42, BOWEL_WALL=68), pancreas_fat=(0.42, 0.05), kernel="smooth",
    slice_thickness=4.0, noise_sd=12.0, streaks=10.0, calibration=(1.005, -3.0),
)  # fmt: skip
# X: hardly any contrast by vein, some by mouth, stout patients.
_X = _like_a(
    "X", "development", "barely enhanced, some oral contrast, stout patients",
    hu=blend("noncontrast", "portal", 0.35), oral_contrast=0.35, oral_level=_BRIGHT, noise_sd=10.0, streaks=12.0,
    cupping=5.0, calibration=(1.01, -5.0), padding=-1024, traits=Traits(oral_contrast=0.3, **_STOUT),
)  # fmt: skip

# B, C, D are the test sources: of the same families, never used for a choice.
# B: a clinic for diseases of the pancreas.
_B = _like_a(
    "B", "test", "venous, masses, dilated ducts, atrophy, some oral contrast",
    hu=blend("portal", "late", 0.25), pancreas_fat=(0.10, 0.05), oral_contrast=0.4, oral_level=(180.0, 300.0),
    noise_sd=13.0, calibration=(0.995, 3.0), padding=-1024,
    traits=Traits(mass_probability=0.5, duct_dilation_probability=0.4, atrophy=(0.2, 0.8), oral_contrast=0.3),
)  # fmt: skip
# C: a CT angiography of fasting patients after oral contrast of the day before; crisp and noisy.
_C = _like_a(
    "C", "test", "arterial, some oral contrast, sharp kernel, thin slices",
    hu=blend("arterial", "portal", 0.12), contrast_sd=0.08,
    coarse_texture={Tissue.SPLEEN: 10.0, Tissue.VENA_CAVA: 9.0}, oral_contrast=0.45, oral_level=(160.0, 340.0),
    kernel="sharp", noise_sd=19.0, slice_thickness=2.0, spacing=(2.5, 2.5, 2.5),
    traits=Traits(distended_stomach=0.5, oral_contrast=0.3), grid=Grid((154, 125, 134), (2.5, 2.5, 2.5)),
)  # fmt: skip
# D: an emergency department without contrast by vein.
_D = _like_a(
    "D", "test", "non-contrast, thick slices, fatty patients",
    hu=phase("noncontrast"), pancreas_fat=(0.18, 0.07), oral_contrast=0.3, oral_level=_BRIGHT, noise_sd=13.0,
    kernel="smooth", slice_thickness=4.0, streaks=9.0, calibration=(1.0, -4.0), padding=-2048,
    traits=Traits(fat_infiltration=(0.04, 0.20), atrophy=(0.1, 0.6), **_STOUT),
)  # fmt: skip
SOURCES: dict[str, Source] = {source.name: source for source in (_A, _V, _W, _X, _B, _C, _D)}

# R stands outside the cohort: patients of every kind, and for each of them a scanner of its own (`random_source`).
RANDOM = _like_a(
    "R", "train", "a scanner of its own for every patient",
    traits=Traits(
        body_scale=(0.82, 1.15), pancreas_volume=(72.0, 26.0, 22.0, 140.0), atrophy=(0.0, 0.9),
        fat_infiltration=(0.0, 0.35), mass_probability=0.1, duct_dilation_probability=0.1, oral_contrast=0.25,
    ),
)  # fmt: skip


_RANDOM_2 = second_random(RANDOM)
WORLD: dict[str, Source] = SOURCES | second_sources(SOURCES)
WORLD |= {source.name: source for source in (RANDOM, _RANDOM_2, extreme_patients(_RANDOM_2))}
"""Every source of every version, by name; those of `phantom-1` are `SOURCES` and R."""


def find_source(source: str | Source) -> Source:
    """A source by name (see `WORLD`), or the source itself; an unknown name is an `InputError`."""
    if isinstance(source, Source):
        return source
    require(source in WORLD, f"a source among {', '.join(WORLD)}", repr(source), "choose one of them")
    return WORLD[source]


def random_source(rng: np.random.Generator, wild: float = 0.05) -> Source:
    """A scanner that never existed, for training on appearances drawn anew with each patch.

    A phase between two of the four (or just one of them), any kernel, noise of 3 to 30 HU, slices of 1 to 5 mm, up to
    twice the usual differences between patients, a mean diffuse fat of up to 16 %. In a share `wild` of scanners soft
    tissues have arbitrary HU (0-220), unlike any contrast phase.

    Example:
        >>> random_source(np.random.default_rng(0)).kernel in ("smooth", "medium", "sharp")
        True
    """
    first, second = rng.choice(len(PHASES), 2)
    table = blend(PHASES[first], PHASES[second], float(rng.uniform()) if rng.uniform() < 0.6 else 0.0)
    if rng.uniform() < wild:
        soft = [
            t for t in Tissue if -20 < table[t] < 230 and t < FIRST_TISSUES and t not in (Tissue.MARROW, Tissue.DISC)
        ]
        table = with_lobules(table | dict(zip(soft, rng.uniform(0, 220, len(soft)).tolist(), strict=True)))
    noise = float(np.exp(rng.uniform(np.log(3.0), np.log(30.0))))
    fat = float(rng.uniform(0, 0.16))
    return Source(
        name="random",
        role="train",
        title="a scanner drawn at random",
        hu=table,
        pancreas_fat=(fat, fat),
        contrast_sd=0.1,
        hu_jitter=float(rng.uniform(0.5, 2.0)),
        texture=float(rng.uniform(0.5, 2.0)),
        oral_contrast=0.2,
        noise_sd=noise,
        kernel=str(rng.choice(list(KERNELS))),
        slice_thickness=float(rng.uniform(1.0, 5.0)),
        streaks=float(rng.uniform(0, 15)) if rng.uniform() < 0.5 else 0.0,
        calibration=(float(rng.uniform(0.95, 1.05)), float(rng.normal(0, 6))),
    )


def extreme_source(rng: np.random.Generator) -> Source:
    """A scanner beyond those of `random_source` in most respects: for choosing networks, never for training them.

    A quarter have soft tissues of arbitrary HU; noise of 30 to 45 HU or slices of 5 to 8 mm, and 12 to 25 HU off.

    Example:
        >>> extreme_source(np.random.default_rng(0)).pancreas_fat[0] > 0.16
        True
    """
    drawn, fat = random_source(rng, wild=0.25), float(rng.uniform(0.18, 0.35))
    noisy, off = rng.uniform() < 0.5, float(rng.choice([-1, 1]) * rng.uniform(12, 25))
    noise, thickness = float(rng.uniform(30, 45)), float(rng.uniform(5, 8))
    return replace(
        drawn,
        title="a scanner beyond every training range",
        pancreas_fat=(fat, fat),
        noise_sd=noise if noisy else drawn.noise_sd,
        slice_thickness=drawn.slice_thickness if noisy else thickness,
        calibration=(drawn.calibration[0], off),
    )

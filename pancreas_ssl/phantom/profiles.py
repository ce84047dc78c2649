"""The seven sources of the embedded cohort, and scanners that never existed; another is a few lines of `replace`."""

from dataclasses import replace

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.anatomy import Grid, Traits
from pancreas_ssl.phantom.optics import KERNELS
from pancreas_ssl.phantom.phases import PHASES, blend, phase, with_lobules
from pancreas_ssl.phantom.sources import Source, draw_profile, nominal_profile
from pancreas_ssl.phantom.tissues import Tissue

__all__ = ["SOURCES", "Source", "draw_profile", "find_source", "nominal_profile", "random_source"]

_STOUT = dict(subcutaneous_fat=(16.0, 36.0), visceral_fat=(0.4, 1.0))

# A trains. Portal venous, standard dose, an average population: what most public pancreas sets look like.
_A = Source("A", "train", "portal venous, medium kernel, 3 mm", phase("portal"))

# V, W, X are the development sources: shifted away from A, each in its own direction; design may look at them.
_V = replace(  # late: vessels have faded to the pancreas; smooth and grainy pictures
    _A,
    name="V",
    role="development",
    title="late phase, smooth kernel, more noise",
    hu=blend("portal", "late", 0.85, VEIN=124),
    kernel="smooth",
    noise_sd=15.0,
    calibration=(1.0, 4.0),
    padding=-2048,
)
_W = replace(  # between arterial and portal: veins meet the pancreas; bright bowel; five millimetre slices
    _A,
    name="W",
    role="development",
    title="pancreatic phase, oral contrast, 5 mm slices",
    hu=blend("arterial", "portal", 0.5),
    contrast_sd=0.08,
    coarse_texture={Tissue.SPLEEN: 8.0, Tissue.VENA_CAVA: 7.0},
    oral_contrast=0.6,
    slice_thickness=5.0,
    spacing=(3.0, 3.0, 5.0),
    streaks=10.0,
    traits=Traits(oral_contrast=0.85),
)
_X = replace(  # hardly any contrast, a third of the dose, stout and fatty patients
    _A,
    name="X",
    role="development",
    title="low dose, barely enhanced, fatty patients",
    hu=blend("noncontrast", "portal", 0.3, LIVER=58),
    pancreas_fat=(0.12, 0.06),
    noise_sd=24.0,
    slice_thickness=4.0,
    streaks=14.0,
    cupping=5.0,
    calibration=(1.01, -5.0),
    padding=-1024,
    traits=Traits(fat_infiltration=(0.06, 0.26), **_STOUT),
)

# B, C, D are the test sources: of the same families, never used for a choice.
_B = replace(  # a clinic for diseases of the pancreas
    _A,
    name="B",
    role="test",
    title="venous, masses, dilated ducts, atrophy",
    hu=blend("portal", "late", 0.35),
    pancreas_fat=(0.10, 0.05),
    noise_sd=13.0,
    calibration=(0.995, 3.0),
    padding=-1024,
    traits=Traits(mass_probability=0.5, duct_dilation_probability=0.4, atrophy=(0.3, 0.9)),
)
_C = replace(  # a CT angiography: bright arteries, a patchy spleen, crisp and noisy
    _A,
    name="C",
    role="test",
    title="arterial, sharp kernel, thin slices",
    hu=blend("arterial", "portal", 0.12),
    contrast_sd=0.08,
    coarse_texture={Tissue.SPLEEN: 10.0, Tissue.VENA_CAVA: 9.0},
    kernel="sharp",
    noise_sd=19.0,
    slice_thickness=2.0,
    spacing=(2.5, 2.5, 2.5),
    traits=Traits(distended_stomach=0.5, oral_contrast=0.0),
    grid=Grid((154, 125, 134), (2.5, 2.5, 2.5)),
)
_D = replace(  # an emergency department without contrast
    _A,
    name="D",
    role="test",
    title="non-contrast, 5 mm slices, fatty patients",
    hu=phase("noncontrast"),
    pancreas_fat=(0.14, 0.07),
    oral_contrast=0.2,
    noise_sd=14.0,
    kernel="smooth",
    slice_thickness=5.0,
    spacing=(3.0, 3.0, 5.0),
    streaks=9.0,
    calibration=(1.0, -4.0),
    padding=-2048,
    traits=Traits(fat_infiltration=(0.08, 0.30), atrophy=(0.1, 0.7), **_STOUT),
)
SOURCES: dict[str, Source] = {source.name: source for source in (_A, _V, _W, _X, _B, _C, _D)}


def find_source(source: str | Source) -> Source:
    """A source by name, or the source itself; an unknown name is an `InputError`."""
    if isinstance(source, Source):
        return source
    if source not in SOURCES:
        raise InputError(f"expected a source among {', '.join(SOURCES)}, got {source!r}; choose one of them")
    return SOURCES[source]


def random_source(rng: np.random.Generator, wild: float = 0.05) -> Source:
    """A scanner that never existed, for training on appearances drawn anew with each patch.

    A phase somewhere between two of the four (or just one of them), any kernel, noise of 3 to 30 HU, slices of
    1 to 5 mm, twice the usual differences between patients and from none to a third of diffuse fat.

    Args:
        rng: all draws come from it.
        wild: share of scanners whose soft tissues get arbitrary HU (0-220), unlike any contrast phase.

    Example:
        >>> random_source(np.random.default_rng(0)).kernel in ("smooth", "medium", "sharp")
        True
    """
    first, second = rng.choice(len(PHASES), 2)
    table = blend(PHASES[first], PHASES[second], float(rng.uniform()) if rng.uniform() < 0.6 else 0.0)
    if rng.uniform() < wild:
        soft = [t for t in Tissue if -20 < table[t] < 230 and t not in (Tissue.MARROW, Tissue.DISC)]
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

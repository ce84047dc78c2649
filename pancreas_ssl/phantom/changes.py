"""One thing at a time: the same patient, seen by a scanner that differs from a source in a single respect.

Two sources differ in everything at once. To see what each difference costs, take one respect at a time from the second
source and leave the rest as in the first. Each part of the scanner draws from a stream of its own, so two such scans of
one patient differ in that respect alone. Oral contrast and `patients` also change the anatomy (which loops are filled,
how stout the patient is), by the same draws from another population.
"""

from dataclasses import replace

from pancreas_ssl.errors import require
from pancreas_ssl.phantom.cohort import make_case, patient_seeds
from pancreas_ssl.phantom.phases import PHASES, phase
from pancreas_ssl.phantom.profiles import find_source
from pancreas_ssl.phantom.scanner import Scan, scan
from pancreas_ssl.phantom.sources import Source

__all__ = ["RESPECTS", "changed_scans", "changed_source", "differing", "in_phases"]

RESPECTS: dict[str, tuple[str, ...]] = {
    "tissue HU": ("hu", "contrast_sd", "hu_jitter", "texture", "coarse_texture"),
    "oral contrast": ("oral_contrast", "oral_level", "traits.oral_contrast"),
    "fat": ("pancreas_fat",),
    "noise": ("noise_sd", "noise_jitter"),
    "kernel": ("kernel",),
    "thickness": ("slice_thickness", "spacing"),
    "artefacts": ("streaks", "cupping"),
    "calibration": ("calibration", "calibration_sd"),
    "field of view": ("padding", "crop", "crop_range", "spare_pancreas", "breathing", "breathing_mm", "reconstructed"),
    "patients": ("traits",),
}
"""Respects in which sources differ, and the fields of `Source` that each holds (the anatomy's grid apart). `traits.x`
is one field of the population; `traits` alone is the rest of it."""


def changed_source(base: str | Source, other: str | Source, *respects: str) -> Source:
    """`base` with the given respects taken from `other`; with none of them, `base` itself; with all, nearly `other`.

    Raises:
        InputError: an unknown source, or a respect that is not among `RESPECTS`.

    Example:
        >>> mixed = changed_source("A", "W", "noise")
        >>> mixed.noise_sd, mixed.kernel
        (12.0, 'medium')
    """
    base, other = find_source(base), find_source(other)
    fields, traits = {}, base.traits
    for respect in respects:
        require(respect in RESPECTS, f"a respect out of {', '.join(RESPECTS)}", repr(respect), "name one of these")
        for name in RESPECTS[respect]:
            _, dot, one = name.partition(".")
            if dot:
                traits = replace(traits, **{one: getattr(other.traits, one)})
            elif name == "traits":
                traits = replace(other.traits, oral_contrast=traits.oral_contrast)
            else:
                fields[name] = getattr(other, name)
    return replace(base, traits=traits, **fields)


def differing(base: str | Source, other: str | Source) -> list[str]:
    """The respects in which two sources differ at all.

    Example:
        >>> "kernel" in differing("A", "W"), "oral contrast" in differing("A", "W")
        (True, False)
    """
    base = find_source(base)
    return [respect for respect in RESPECTS if changed_source(base, other, respect) != base]


def changed_scans(base: str | Source, other: str | Source, patient: int) -> dict[str, Scan]:
    """A patient of `base` as its own scanner sees it (`nothing`), with each respect of `other` in which the two differ,
    and with all of them (`everything`). Draws stay the same, and the patient too, where the population does.

    Example:
        >>> list(changed_scans("A", "W", 24))[:3]                  # doctest: +SKIP
        ['nothing', 'tissue HU', 'fat']
    """
    respects = differing(base, other)
    changes = {"nothing": []} | {name: [name] for name in respects} | {"everything": respects}
    scans, known = {}, []  # populations and their anatomies
    for name, changed in changes.items():
        source = changed_source(base, other, *changed)
        anatomy = next((one for traits, one in known if traits == source.traits), None)
        if anatomy is None:
            scans[name], anatomy = make_case(source, patient, patient_of=source)
            known.append((source.traits, anatomy))
        else:
            scans[name] = scan(anatomy, source, patient_seeds(source, patient)[1])
    return scans


def in_phases(base: str | Source, patient: int) -> dict[str, Scan]:
    """A patient of `base`, scanned in each contrast phase; anatomy, scanner and noise stay the same.

    Example:
        >>> list(in_phases("A", 24))                               # doctest: +SKIP
        ['noncontrast', 'arterial', 'portal', 'late']
    """
    source = find_source(base)
    _, anatomy = make_case(source, patient)
    _, seed = patient_seeds(source, patient)
    return {name: scan(anatomy, replace(source, hu=phase(name)), seed) for name in PHASES}

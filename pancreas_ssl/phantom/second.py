"""The sources of `phantom-2`: the scanners of `phantom-1` to train and design with, new ones to be judged by.

A2, V2, W2 and X2 scan as A, V, W and X do (X2 with more contrast by vein), patients whose anatomy is that of real label
maps (`template.SECOND`). E, F and G are the test sources: new scanners and new patients, of the same families of shift,
with what real scans showed missing.
"""

from dataclasses import replace

from pancreas_ssl.phantom.anatomy import Grid
from pancreas_ssl.phantom.phases import blend
from pancreas_ssl.phantom.sources import Source
from pancreas_ssl.phantom.template import SECOND
from pancreas_ssl.phantom.tissues import Tissue
from pancreas_ssl.phantom.traits import Traits

__all__ = ["PATIENTS", "extreme_patients", "second_random", "second_sources"]

PATIENTS = Traits(
    template=SECOND, pancreas_volume=(80.0, 25.0, 34.0, 155.0), distended_stomach=0.4, surgery=0.1, ascites=0.02
)
"""The average population of `phantom-2`."""

_MIXING = {Tissue.VENA_CAVA: 12.0, Tissue.VEIN: 8.0}  # unmixed blood, sd in HU
_WIDE = Grid((160, 104, 112))  # with room for arms beside the trunk


def second_sources(first: dict[str, Source]) -> dict[str, Source]:
    """A2, V2, W2 and X2 from the sources of `phantom-1`; E, F and G."""

    def again(name: str) -> Source:
        old = first[name]
        own = {f: getattr(old.traits, f) for f in ("oral_contrast", "subcutaneous_fat", "visceral_fat")}
        new = replace(PATIENTS, **own)
        return replace(old, name=f"{name}2", version="phantom-2", coarse_texture=_MIXING, traits=new)

    made = [again(name) for name in ("A", "V", "W", "X")]
    # With X's 35 % of the enhancement and its stout patients a network of its own stayed too far below that of A2.
    made[3] = replace(
        made[3], title="weakly enhanced, some oral contrast", hu=blend("noncontrast", "portal", 0.55), noise_sd=8.0,
        traits=replace(PATIENTS, oral_contrast=0.3),
    )  # fmt: skip
    base = made[0]

    def test(name: str, title: str, traits: dict, **changes) -> Source:
        return replace(base, name=name, role="test", title=title, traits=replace(PATIENTS, **traits), **changes)

    # E: a clinic for diseases of the pancreas: masses, stents, ascites, patients who have been operated before.
    made.append(test(
        "E", "venous, masses, stents, ascites, surgery, some oral contrast",
        dict(mass_probability=0.45, duct_dilation_probability=0.35, stent=0.5, atrophy=(0.1, 0.7), ascites=0.25,
             surgery=0.35, oral_contrast=0.3),
        hu=blend("portal", "late", 0.35), pancreas_fat=(0.08, 0.05), oral_contrast=0.45, oral_level=(170.0, 300.0),
        noise_sd=12.0, kernel="smooth", calibration=(0.995, 3.0), padding=-1024,
    ))  # fmt: skip
    # F: a CT angiography, crisp and noisy, on a small field of view; some patients breathe, blood is not mixed yet.
    made.append(test(
        "F", "late arterial, sharp kernel, thin slices, small field of view, breathing",
        dict(oral_contrast=0.25, distended_stomach=0.5),
        hu=blend("arterial", "portal", 0.3), contrast_sd=0.09,
        coarse_texture={Tissue.SPLEEN: 14.0, Tissue.VENA_CAVA: 25.0, Tissue.VEIN: 16.0}, oral_contrast=0.35,
        oral_level=(160.0, 340.0), kernel="sharp", noise_sd=18.0, slice_thickness=2.0, spacing=(2.5, 2.5, 2.5),
        breathing=0.5, reconstructed=(270.0, 380.0), crop=0.7, spare_pancreas=False, crop_range=(0.0, 0.28),
        grid=Grid((154, 125, 134), (2.5, 2.5, 2.5)),
    ))  # fmt: skip
    # G: an emergency department: hardly any contrast by vein, thick slices, arms beside the body, stout patients.
    made.append(test(
        "G", "barely enhanced, thick slices, arms down, fatty patients",
        dict(fat_infiltration=(0.04, 0.22), atrophy=(0.1, 0.6), subcutaneous_fat=(14.0, 34.0), visceral_fat=(0.35, 1.0),
             arms_down=0.6, oral_contrast=0.3),
        hu=blend("noncontrast", "late", 0.4), pancreas_fat=(0.14, 0.07), oral_contrast=0.3,
        oral_level=(200.0, 320.0), noise_sd=12.0, slice_thickness=5.0, streaks=10.0, cupping=4.0, breathing=0.3,
        calibration=(1.005, -4.0), padding=-2048, grid=_WIDE,
    ))  # fmt: skip
    return {source.name: source for source in made}


def second_random(first: Source) -> Source:
    """R2: patients of every kind with this anatomy; each of them gets a scanner of its own (`random_source`)
    that shares blood mixing, field of view and breathing with this one."""
    traits = replace(
        first.traits, template=SECOND, pancreas_volume=(68.0, 28.0, 20.0, 155.0), distended_stomach=0.4, surgery=0.2,
        ascites=0.08, stent=0.3, arms_down=0.1,
    )  # fmt: skip
    return replace(
        first, name="R2", version="phantom-2", coarse_texture=_MIXING, traits=traits, breathing=0.15,
        reconstructed=(270.0, 480.0), spare_pancreas=False,
    )  # fmt: skip


def extreme_patients(random: Source) -> Source:
    """Z: patients beyond those of R and R2 on every side: smaller, fattier, with more atrophy and larger masses.

    For choosing among networks that learned from R or R2, which have seen nothing like them (`extreme_source`).
    """
    traits = replace(
        random.traits, body_scale=(0.70, 0.82), atrophy=(0.85, 1.0), fat_infiltration=(0.30, 0.50),
        pancreas_volume=(62.0, 30.0, 15.0, 155.0), mass_probability=0.35, mass_radius=(14.0, 24.0), stent=0.6,
        ascites=0.3, surgery=0.4, arms_down=0.3, oral_contrast=0.5, visceral_fat=(0.0, 1.2),
    )  # fmt: skip
    return replace(random, name="Z", role="development", title="beyond every training range", traits=traits)

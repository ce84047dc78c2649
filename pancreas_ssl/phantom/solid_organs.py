"""Liver, gallbladder, spleen, kidneys and adrenal glands, in body mm (x to the patient's right)."""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.geometry import Box, Solid
from pancreas_ssl.phantom.pancreas import PancreasPlan
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person

__all__ = ["build_adrenals", "build_gallbladder", "build_kidneys", "build_liver", "build_spleen"]


def _below_diaphragm(canvas: Canvas, box: Box) -> np.ndarray:
    """True in the part of the cavity that lies under the diaphragm, 1.5 mm from either."""
    return (canvas.fields["cavity"][box.slices] < -1.5) & (canvas.fields["diaphragm"][box.slices] < -1.5)


def _room(canvas: Canvas, person: Person, plan: PancreasPlan, organ: str) -> Solid | None:
    """The pancreas and the fat between the two, which an organ leaves free; None where it may touch."""
    on_average = person.traits.template
    if organ not in on_average.apart:
        return None
    return canvas.tube(plan.line, plan.radii + on_average.apart[organ], flatten=on_average.flatten)


def build_liver(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Right lobe filling the space under the right dome, a tapering left lobe, a caudate lobe, veins inside."""
    rng, at = person.stream("liver"), person.place("liver")
    long = rng.normal(0, 10)
    right = canvas.ellipsoid(
        at + (91 + rng.normal(0, 5), -4, 44 + long),
        person.size("liver")
        * np.array([66 * rng.uniform(0.9, 1.1), 84 * rng.uniform(0.92, 1.06), 78 * rng.uniform(0.92, 1.18)]),
        turn=(0, rng.normal(12, 5), rng.normal(-24, 6)),
        power=2.4,
    )
    left = canvas.ellipsoid(
        at + (14 + rng.normal(0, 16), 52, 67 + rng.normal(0, 6)),
        (74 * rng.uniform(0.85, 1.15), 36, 36 * rng.uniform(0.8, 1.15)),
        turn=(0, rng.normal(-12, 5), -8),
    )
    caudate = canvas.ellipsoid(at + (25, -22, 60 + long * 0.3), (21, 22, 30), turn=(0, 0, 20))
    dome = canvas.ellipsoid(at + (74, -4, 92), (60, 74, 52))  # up to the diaphragm, which cuts it
    room = _room(canvas, person, plan, "liver")
    for box, sd in (right, dome, left, caudate):
        surface = sd + canvas.noise("soft", box.slices) * np.float32(2.0)
        free = _below_diaphragm(canvas, box) & (room is None or room.on(box) > 0)
        canvas.paint(box, (surface < 0) & free, Tissue.LIVER, Organ.LIVER)
    fissure = canvas.tube(at + np.array([(30, 90, 70), (26, 62, 44), (24, 40, 34)]), [3.2, 3.4, 4.0])
    canvas.fill(fissure, Tissue.VISCERAL_FAT, Organ.BACKGROUND)
    _liver_veins(canvas, rng, long, at)


def _liver_veins(canvas: Canvas, rng: np.random.Generator, long: float, at: np.ndarray) -> None:
    """Hepatic veins towards the vena cava and branches of the portal vein; vein tissue inside the organ liver."""
    wide = rng.uniform(0.7, 1.2)
    meet = np.array([26, -16, 86 + long * 0.3])
    gate = np.array([52, 6, 44 + long * 0.5])
    paths = [
        ([meet, (60, -24, 76 + long), (104, -30, 50 + long)], (5.5, 4, 2.2)),
        ([meet, (52, 16, 80), (72, 46, 56 + long)], (5.5, 4, 2.2)),
        ([meet, (22, 14, 82), (-6, 44, 68)], (5, 3.6, 2)),
        ([gate, (78, 0, 52 + long), (112, 6, 66 + long)], (6, 4.2, 2)),
        ([gate, (86, 12, 36 + long), (112, 28, 10 + long)], (5.5, 3.6, 2)),
        ([gate, (34, 30, 56), (4, 52, 62)], (5, 3.4, 2)),
    ]
    for points, radii in paths:
        points = [np.asarray(p) + rng.normal(0, 2.5, 3) + at for p in points]
        solid = canvas.tube(points, np.array(radii) * wide, margin=1.0)
        canvas.fill(solid, Tissue.VEIN, Organ.LIVER, canvas.organ[solid.box.slices] == Organ.LIVER)


def build_gallbladder(canvas: Canvas, person: Person) -> None:
    """A pear under the right lobe of the liver, or none."""
    rng = person.stream("gallbladder")
    missing = rng.uniform() < person.traits.gallbladder_missing
    size = rng.uniform(0.65, 1.2) * person.size("gallbladder")
    neck = np.array([52 + rng.normal(0, 4), 22, 18 + rng.normal(0, 5)]) + person.place("gallbladder")
    fundus = neck + np.array([14 + rng.normal(0, 6), 36 + rng.normal(0, 5), -26 + rng.normal(0, 8)])
    missing = missing or person.facts["surgery"] == "gallbladder"
    person.facts["gallbladder"] = not missing
    if missing:
        return
    solid = canvas.tube([neck, neck * 0.5 + fundus * 0.5, fundus], np.array([5, 12.5, 14]) * size)
    canvas.fill(solid, Tissue.GALLBLADDER, Organ.GALLBLADDER, canvas.fields["cavity"][solid.box.slices] < -2)


def build_spleen(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """A lens between the left ribs, the stomach and the kidney, its hollow side turned to the hilum."""
    if person.facts["surgery"] == "spleen":
        return
    rng = person.stream("spleen")
    size = rng.uniform(*person.traits.template.spleen)
    centre = np.array([-90 + rng.normal(0, 4), -54 + rng.normal(0, 6), 46 + rng.normal(0, 9)]) + person.place("spleen")
    turn = (rng.normal(-25, 8), 0, rng.normal(-22, 6))
    box, sd = canvas.ellipsoid(centre, (32 * size, 46 * size, 52 * size), turn=turn)
    hollow = canvas.ellipsoid(centre + [44, 26, -6], (26, 36, 38), margin=6)
    sd = sd + canvas.noise("soft", box.slices) * np.float32(1.5)
    inside = (sd < 0) & _below_diaphragm(canvas, box) & (hollow.on(box) > 0)
    room = _room(canvas, person, plan, "spleen")
    inside &= room is None or room.on(box) > 0
    canvas.paint(box, inside, Tissue.SPLEEN, Organ.SPLEEN)


def build_kidneys(canvas: Canvas, person: Person) -> None:
    """Cortex, pyramids of medulla and a fatty sinus, in perirenal fat; the left one a little higher."""
    rng, on_average, at = person.stream("kidneys"), person.traits.template, person.place("kidneys")
    for side, height in zip((1, -1), on_average.kidney_z, strict=True):
        offset = rng.normal(0, 1, 3) * on_average.kidney_sd
        centre = np.array([side * (on_average.kidney_x + offset[0]), -52 + offset[1], height + offset[2]]) + at
        radii = np.array([27, 28, 53]) * rng.uniform(0.88, 1.1) * np.exp(rng.normal(0, 0.04, 3)) * person.size("kidney")
        lean = (rng.normal(12, 4), side * rng.normal(-11, 4), side * rng.normal(28, 8))
        if person.facts["surgery"] == "kidney" and side == (1 if person.seed % 2 else -1):
            continue
        box, sd = canvas.ellipsoid(centre, radii, turn=lean, power=2.2, margin=9)
        hollow = canvas.ellipsoid(centre + [-side * 17, 9, 0], (14, 9, 22), margin=9).on(box)
        soft, grain = canvas.noise("soft", box.slices), canvas.noise("lobule", box.slices)
        sd = sd + soft * np.float32(1.0)
        near = ((sd < 7) & (canvas.organ[box.slices] == Organ.BACKGROUND)) | (sd < 1.5)
        near &= canvas.fields["cavity"][box.slices] < -1
        canvas.paint(box, near, Tissue.VISCERAL_FAT, Organ.BACKGROUND)
        inside = (sd < 0) & (canvas.fields["cavity"][box.slices] < 2)
        canvas.paint(box, inside, Tissue.KIDNEY_CORTEX, Organ.KIDNEY)
        canvas.paint(box, inside & (sd + grain * 2.2 < -8) & (hollow > 1), Tissue.KIDNEY_MEDULLA, Organ.KIDNEY)
        canvas.paint(box, inside & (hollow + grain * 2.0 < 0), Tissue.VISCERAL_FAT, Organ.BACKGROUND)
        if sd.size:
            person.facts[f"kidney_{'right' if side > 0 else 'left'}"] = centre.tolist()


def build_adrenals(canvas: Canvas, person: Person) -> None:
    """Two limbs and a body above and in front of each kidney, about 5 mm thick."""
    rng, at = person.stream("adrenals"), person.place("kidneys") + person.place("adrenals")
    apart, *build = person.traits.template.adrenal
    thick, long = np.array(build) * person.size("adrenal")
    for side in (-1, 1):
        head = np.array([side * apart, -34, 32 + rng.normal(0, 4)]) + at
        for reach in long * np.array([(side * 12, -16, -6), (side * 4, -20, 2)]):
            limb = canvas.tube([head, head + reach * 0.5 + [0, -1, 2], head + reach], thick * np.array([2.6, 2.8, 2.0]))
            canvas.fill(limb, Tissue.ADRENAL, Organ.ADRENAL)

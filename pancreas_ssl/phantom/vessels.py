"""Aorta, vena cava, portal system, their branches around the pancreas, and small mesenteric vessels, in body mm."""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.pancreas import PancreasPlan
from pancreas_ssl.phantom.skeleton import spine_y
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person

__all__ = ["build_arteries", "build_mesentery", "build_portal_system", "build_vena_cava"]

SPARED = (Organ.BONE, Organ.LIVER, Organ.SPLEEN, Organ.KIDNEY)


def _vessel(canvas: Canvas, points, radii, tissue: Tissue, organ: Organ, spared=SPARED, step: float = 5.0) -> None:
    """A vessel through whatever lies there, except the organs it only reaches."""
    solid = canvas.tube(np.asarray(points, float), np.asarray(radii, float), margin=1.0, step=step)
    part = solid.box.slices
    free = ~np.isin(canvas.organ[part], spared) & (canvas.fields["skin"][part] < -5)
    if "pancreas_core" in canvas.fields:
        free &= canvas.fields["pancreas_core"][part] >= 0
    canvas.fill(solid, tissue, organ, free)


def confluence(plan: PancreasPlan) -> np.ndarray:
    """Where splenic and superior mesenteric veins meet: behind the neck."""
    return plan.line[3] + np.array([3.0, -(plan.radii[3] + 5.0), -3.0])


def build_portal_system(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Superior mesenteric, splenic (in a groove along the back of body and tail) and portal vein."""
    rng = person.stream("portal")
    wide = rng.uniform(0.8, 1.15)
    meet = confluence(plan)
    down = [meet + (0, 1, 0), meet + (2, 1, -22), meet + (0, 6, -52), meet + (4, 14, -110)]
    _vessel(canvas, down, np.array([7, 6.5, 5.6, 3.2]) * wide, Tissue.VEIN, Organ.VEIN)
    up = [meet, meet + (14, -3, 16), (46, 2, 38), (58, 6, 46)]
    _vessel(canvas, up, np.array([7.5, 7.4, 7, 5]) * wide, Tissue.VEIN, Organ.VEIN, (Organ.BONE, Organ.KIDNEY))
    groove = rng.uniform(0.7, 1.2)
    behind = [p + (0, -r * groove - 1.5, r * 0.35 + 2) for p, r in zip(plan.line[4:], plan.radii[4:], strict=True)]
    hilum = np.array([-96, -34, plan.line[6][2] * 0.6 + 18])
    splenic = [meet, *behind, behind[-1] * 0.4 + hilum * 0.6 + (0, 0, 4), hilum]
    _vessel(canvas, splenic, np.array([5, 4.8, 4.5, 4.2, 3.6, 2.8]) * wide, Tissue.VEIN, Organ.VEIN)
    lower = [behind[0] * 0.6 + meet * 0.4, meet + (-26, -4, -30), meet + (-44, 0, -80)]
    _vessel(canvas, lower, [2.6, 2.2, 1.8], Tissue.VEIN, Organ.VEIN)


def build_arteries(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Aorta in front of the spine, iliac, coeliac, hepatic, splenic, superior mesenteric and renal arteries."""
    rng = person.stream("arteries")
    wide = rng.uniform(0.8, 1.25)
    heights = np.array([240, 150, 100, 60, 20, -30, -78])
    front = spine_y(person, heights) + np.array([12, 16, 20, 23, 26, 27, 27])
    sway = rng.normal(-9, 3)
    aorta = np.stack([np.array([-24, -20, -12, -9, -8, -7, -3]) + (sway + 9), front, heights], axis=1)
    _vessel(canvas, aorta, np.array([12.5, 12, 11.5, 11, 10.5, 9.5, 9]) * wide, Tissue.ARTERY, Organ.ARTERY, step=8)
    fork = aorta[-1]
    for side in (-1, 1):
        iliac = [fork, fork + (side * 18, 2, -28), (side * 46, -22, -140), (side * 62, 10, -185), (side * 70, 44, -225)]
        _vessel(canvas, iliac, np.array([6.5, 6, 5, 4.8, 4.5]) * wide, Tissue.ARTERY, Organ.ARTERY, (Organ.BONE,))
        kidney = np.array(person.facts.get(f"kidney_{'right' if side > 0 else 'left'}", (side * 66, -52, -12)))
        gate = kidney + (-side * 16, 10, 2)
        origin = aorta[4] + (side * 4, 0, -26)
        renal = [origin, origin * 0.5 + gate * 0.5 + (0, 4 if side < 0 else -2, 2), gate]
        _vessel(canvas, renal, [3.2, 2.9, 2.4], Tissue.ARTERY, Organ.ARTERY)
    trunk = aorta[4] + (1, 6, 8)
    star = np.array([2, plan.line[3][1] - plan.radii[3] - 14, max(plan.line[3][2] + 18, trunk[2] + 4)])
    _vessel(canvas, [trunk, (trunk + star) / 2 + (0, 1, 3), star], [4.2, 3.8, 3.4], Tissue.ARTERY, Organ.ARTERY)
    liver = [star, star + (18, 8, 2), (36, 14, 30), (50, 12, 44)]
    _vessel(canvas, liver, [3, 2.8, 2.6, 2.2], Tissue.ARTERY, Organ.ARTERY)
    body_and_tail = zip(plan.line[4:], plan.radii[4:], strict=True)
    above = [p + rng.normal(0, 3, 3) + (0, -0.4 * r, r + 2.5) for p, r in body_and_tail]
    spleen = [star, *above, np.array([-94, -32, plan.line[6][2] * 0.6 + 24])]
    _vessel(canvas, spleen, [3.2, 3, 2.9, 2.7, 2.3], Tissue.ARTERY, Organ.ARTERY)
    meet = confluence(plan)
    root = aorta[4] + (1, 7, -8)
    beside = meet + (-17, -3, -26)
    mesenteric = [root, (root + beside) / 2 + (0, 6, 4), beside, meet + (-14, 4, -56), meet + (-4, 14, -112)]
    _vessel(canvas, mesenteric, [4.2, 4, 3.8, 3.4, 2.2], Tissue.ARTERY, Organ.ARTERY)


def build_vena_cava(canvas: Canvas, person: Person) -> None:
    """Vena cava to the right of the aorta, into the heart above; iliac and renal veins."""
    rng = person.stream("vena cava")
    wide, flat = rng.uniform(0.75, 1.15), rng.uniform(1.0, 1.35)
    heights = np.array([150, 110, 84, 40, 0, -50, -86])
    front = spine_y(person, heights) + np.array([48, 44, 40, 32, 28, 27, 27])
    cava = np.stack([np.array([14, 20, 25, 25, 24, 21, 14]), front, heights], axis=1)
    radii = np.array([13, 13, 13, 12, 11.5, 11, 10]) * wide
    solid = canvas.tube(cava, radii, margin=1.0, step=8.0, flatten=(1.0, flat, 1.0))
    free = ~np.isin(canvas.organ[solid.box.slices], (*person.traits.template.cava_spares, Organ.PANCREAS))
    canvas.fill(solid, Tissue.VENA_CAVA, Organ.VENA_CAVA, free)
    if person.traits.template.late_cava:  # below the renal veins blood comes from the legs, which contrast reaches late
        height = canvas.body(solid.box)[2] + canvas.noise("soft", solid.box.slices) * np.float32(5)
        canvas.fill(solid, Tissue.CAVA_BELOW, where=free & (height < -16))
    for side in (-1, 1):
        iliac = [cava[-1], cava[-1] + (side * 18 - 5, -3, -26)]
        iliac += [(side * 44, -30, -142), (side * 58, 4, -186), (side * 64, 40, -225)]
        radii = np.array([7.5, 7, 6, 5.6, 5]) * wide
        _vessel(canvas, iliac, radii, Tissue.VENA_CAVA, Organ.VENA_CAVA, (Organ.BONE, Organ.ARTERY))
        kidney = np.array(person.facts.get(f"kidney_{'right' if side > 0 else 'left'}", (side * 66, -52, -12)))
        gate = kidney + (-side * 16, 12, 4)
        path = [(22, cava[4][1], -12), gate]
        if side < 0:  # the left one crosses in front of the aorta, under the superior mesenteric artery
            path = [(20, cava[4][1] + 4, -10), (-8, cava[4][1] + 15, -12), (-30, cava[4][1] + 2, -12), gate]
        spared = (*SPARED, Organ.VENA_CAVA, Organ.ARTERY, Organ.PANCREAS)
        _vessel(canvas, path, [5.2, 4.6, 4.2][: len(path)], Tissue.VEIN, Organ.VEIN, spared)


def build_mesentery(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Small vessels fanning out from the mesenteric root into the fat; drawn before the bowel."""
    rng = person.stream("mesentery")
    root = confluence(plan) + (-4, 0, -30)
    for _ in range(int(rng.integers(14, 28))):
        goal = np.array([rng.uniform(-80, 80), rng.uniform(5, 60), rng.uniform(-130, -10)])
        start = root + np.array([0, 0.3, -1.0]) * rng.uniform(0, 70)
        middle = (start + goal) / 2 + rng.normal(0, 9, 3)
        tissue = Tissue.VEIN if rng.uniform() < 0.65 else Tissue.ARTERY
        radii = [rng.uniform(1.8, 2.8), 1.8, 1.3]
        _vessel(canvas, [start, middle, goal], radii, tissue, Organ.BACKGROUND, (*SPARED, Organ.PANCREAS), 8)

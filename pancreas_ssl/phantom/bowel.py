"""Colon and rectum, jejunum and ileum, bladder, in body mm."""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.geometry import resample
from pancreas_ssl.phantom.pancreas import PancreasPlan
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person
from pancreas_ssl.phantom.upper_gut import paint_hollow

__all__ = ["build_bladder", "build_colon", "build_small_bowel"]


def build_colon(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Caecum, ascending, transverse (hanging), descending and sigmoid colon, rectum, with haustra and faeces."""
    rng = person.stream("colon")
    wide = rng.uniform(0.75, 1.3)
    front, droop = 58 + 26 * person.visceral + rng.normal(0, 6), rng.normal(-22, 18)
    right = [[84, 0, -135], [98, -10, -100], [104, -24, -45], [98 + rng.normal(0, 5), -8, -18 + rng.normal(0, 8)]]
    at = person.place("bowel")
    across = [[72, front - 22, -16 + droop * 0.4], [14, front, droop], [-46, front - 4, droop * 0.8 + 4]]
    left = [[-98, 4 + rng.normal(0, 9), 30 + rng.normal(0, 10)], [-112, -24, 20], [-108, -32, -40], [-102, -16, -100]]
    sigmoid = [[-88, 10, -140], [-48, 20, -165], [-10 + rng.normal(0, 14), -6, -158]]
    rectum = [[4, -58, -176], [0, -66, -200], [0, -60, -260]]
    path = np.array([*np.add(right, at), *np.add(across, at), *np.add(left, at), *sigmoid, *rectum])
    radii = np.array([27, 25, 22, 20, 18, 16, 16, 17, 15, 14, 13.5, 14, 14, 15, 17, 17, 14]) * wide
    path = plan.settle(path, radii, overlap=rng.uniform(-6.0, 1.5))
    curve, radius = resample(path, radii, 7.0)
    radius = radius * (1 + 0.13 * np.sin(np.arange(len(curve)) * 7.0 * 2 * np.pi / 32))  # haustra, every 32 mm
    tissues = Tissue.BOWEL_WALL, Tissue.FAECES if rng.uniform() < 0.75 else Tissue.BOWEL_CONTENT
    bubbles = rng.uniform(0.4, 1.2) if rng.uniform() < person.traits.loaded_colon else 1.8
    gas = front - 20 + rng.uniform(-4, 14) if rng.uniform() < 0.8 else None
    how = {"ripple": 1.6, "gas_above": gas, "faeces": bubbles, "step": 7.0}
    paint_hollow(canvas, curve, radius, rng.uniform(2.2, 3.2), tissues, Organ.BOWEL, **how)


def build_small_bowel(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Loops of jejunum (upper left, some under body and tail of the pancreas) and ileum (lower, into the pelvis)."""
    rng, at = person.stream("small bowel"), person.place("bowel")
    number = int(rng.integers(person.traits.bowel_loops[0], person.traits.bowel_loops[1] + 1))
    contrast = rng.uniform() < person.traits.oral_contrast
    deep = 24 * person.visceral
    slender, less = person.traits.template.touching
    touching = slender - less * person.visceral
    for _ in range(number):
        kind = rng.uniform()
        if kind < touching:  # against the pancreas
            start = plan.line[rng.integers(3, 7)] + np.array(
                [rng.normal(0, 12), rng.normal(6, 14), -rng.uniform(12, 34)]
            )
        elif kind < touching + 0.1:
            start = np.array([rng.uniform(-90, -15), rng.uniform(10, 55), rng.uniform(-20, 25)]) + at
        else:
            start = np.array([rng.uniform(-85, 85), rng.uniform(-20, 55 + deep), rng.uniform(-165, -25)]) + at
        radius = rng.uniform(7, 13)
        points = plan.settle(_wander(rng, start, 6), radius, overlap=rng.uniform(-5.0, 2.0))
        behind = np.where(np.abs(points[:, 0]) < 84, -16 + radius, -34 + radius)  # great vessels and kidneys lie there
        points[:, 1] = np.maximum(points[:, 1], behind)
        points[:, 2] = np.minimum(points[:, 2], 44)
        draw = rng.uniform()
        content = Tissue.BOWEL_CONTENT if draw < 0.72 else Tissue.BOWEL_WALL
        if contrast and draw < 0.6:
            content = Tissue.BOWEL_CONTRAST
        gas = start[1] + rng.uniform(-2, 6) if rng.uniform() < 0.12 else None
        tissues, how = (Tissue.BOWEL_WALL, content), {"ripple": 0.9, "gas_above": gas, "step": 9.0}
        paint_hollow(canvas, points, radius, rng.uniform(1.8, 3.4), tissues, Organ.BOWEL, **how)


def _wander(rng: np.random.Generator, start: np.ndarray, number: int) -> np.ndarray:
    """A meandering path of `number` steps of 14-24 mm that stays in the front of the cavity."""
    points, way = [start], rng.normal(0, 1, 3)
    for _ in range(number):
        way = way * 0.45 + rng.normal(0, 1, 3) * (1.0, 0.7, 0.7)
        way /= np.linalg.norm(way) + 1e-9
        following = points[-1] + way * rng.uniform(14, 24)
        if following[1] < -12:
            following[1] = -24 - following[1]
        points.append(following)
    return np.array(points)


def build_bladder(canvas: Canvas, person: Person) -> None:
    """The urinary bladder low in the pelvis, more or less full, with soft tissue of womb or prostate behind it."""
    rng = person.stream("bladder")
    size = rng.uniform(0.6, 1.15)
    centres, radii = [(rng.normal(0, sd), 24, -206 + 14 * size) for sd in (4, 1)], np.array([42, 34, 32]) * size
    for centre, axes, tissue, organ in (
        ((0, -14, -204), (26, 20, 20), Tissue.MUSCLE, Organ.BACKGROUND),
        (centres[0], radii, Tissue.MUSCLE, Organ.BLADDER),
        (centres[1], radii - 3, Tissue.BLADDER, Organ.BLADDER),
    ):
        solid = canvas.ellipsoid(centre, axes)
        part = solid.box.slices
        canvas.fill(solid, tissue, organ, (canvas.organ[part] != Organ.BONE) & (canvas.fields["cavity"][part] < -2))

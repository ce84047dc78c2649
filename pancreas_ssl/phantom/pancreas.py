"""The pancreas: uncinate process, head, neck, body and tail; lobulation, fat lobules, duct, and a mass if there is one.

The plan (where it runs, how thick it is) is drawn first, so that bowel, stomach and vessels can be laid against it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.ndimage import label

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.geometry import Solid, resample
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import COURSES, Person

__all__ = ["PancreasPlan", "bile_line", "build_pancreas", "plan_pancreas"]


@dataclass(frozen=True)
class PancreasPlan:
    """Where the pancreas runs, body mm.

    `line` goes from the lower head (0), head (1), upper head (2), neck (3), body (4), mid body (5) to the tail tip (6);
    `radii` belong to it. `uncinate` leaves the lower head to the left, behind the superior mesenteric vein.
    """

    line: Float[np.ndarray, "7 3"]
    radii: Float[np.ndarray, "7"]
    uncinate: Float[np.ndarray, "3 3"]
    uncinate_radii: Float[np.ndarray, "3"]
    mass_at: int
    mass_radius: float

    @cached_property
    def samples(self) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N"]]:
        """Centres and radii of balls that fill the organ, for laying neighbours against it."""
        parts = [resample(self.line, self.radii, 4.0), resample(self.uncinate, self.uncinate_radii, 4.0)]
        return np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def settle(
        self, points: Float[np.ndarray, "K 3"], radii: Float[np.ndarray, " K"], overlap: float = 1.5, pull: float = 0.0
    ) -> Float[np.ndarray, "K 3"]:
        """Lay the points of a tube against the pancreas.

        Points inside are pushed out until the tube presses into the surface by `overlap` mm; points less than `pull`
        mm away from touching are drawn in just as far.
        """
        centres, thick = self.samples
        points = np.array(points, float)
        radii = np.broadcast_to(np.asarray(radii, float), len(points))
        rows = np.arange(len(points))
        for _ in range(3):
            offset = points[:, None] - centres
            distance = np.sqrt((offset * offset).sum(2)) + 1e-6
            depth = thick + radii[:, None] - overlap - distance
            worst = depth.argmax(1)
            step = depth[rows, worst]
            step = np.where(step > -pull, step, 0.0) / distance[rows, worst]
            points += offset[rows, worst] * step[:, None]
        return points


def plan_pancreas(person: Person) -> PancreasPlan:
    """Draw course and thickness; the thickness is scaled so that the organ has the volume drawn for the person."""
    rng, on_average = person.stream("pancreas plan"), person.traits.template

    def drawn(point: str) -> np.ndarray:
        mean, sd = map(np.array, getattr(on_average, point))
        return mean + rng.normal(0, 1, len(mean)) * sd

    head, neck = drawn("head"), drawn("neck")
    mean, sd, lowest, highest = on_average.rise
    rise, kink = np.clip(rng.normal(mean, sd), lowest, highest), rng.normal(0, 5)
    body, middle, tail = COURSES[person.course]
    line = np.array(
        [
            [head[0] - 1, head[1] + 1, head[2] - rng.uniform(*on_average.low)],
            head,
            [*drawn("upper"), 0.55 * neck[2] + 0.45 * head[2] + rng.uniform(0, 4)],
            neck,
            [*(drawn("body") - (0, 0.3 * kink)), neck[2] + rise * body + 0.3 * kink],
            [*drawn("middle"), neck[2] + rise * middle - 0.3 * kink],
            [*drawn("tail"), neck[2] + rise * tail],
        ]
    )
    radii = np.array(on_average.radii) * np.exp(rng.normal(0, on_average.radii_sd, 7))
    tip = [5 + rng.normal(0, 3), head[1] - 6, head[2] - 8]
    uncinate = np.array([line[0] * 0.6 + head * 0.4, [17, head[1] - 7, head[2] - 9], tip])
    uncinate_radii = np.array([9.0, 7.0, 4.0]) * np.exp(rng.normal(0, 0.1))
    if on_average.stretch:  # a large pancreas is a long one, too
        line[4:, 0] += (line[4:, 0] - neck[0]) * (
            (person.volume / person.traits.pancreas_volume[0]) ** on_average.stretch - 1
        )
    if person.facts["surgery"] == "tail":  # what is left ends in the body
        line[5:] = line[4] + (line[5:] - line[4]) * 0.3
    line, uncinate = line + person.place("pancreas"), uncinate + person.place("pancreas")
    goal = person.volume * (1 - 0.35 * person.atrophy) / person.pose.size**3
    goal *= 1.18  # bends, kidneys and vessels take their share
    for _ in range(3):
        factor = np.sqrt(goal / _volume(line, radii, uncinate, uncinate_radii, on_average.flatten))
        radii, uncinate_radii = np.maximum(radii * factor, 5.5), uncinate_radii * factor
    mass_at, mass_radius = int(rng.choice([1, 1, 2, 4, 5])), float(rng.uniform(*person.traits.mass_radius))
    if person.mass:
        upstream = np.arange(7) > mass_at
        radii = np.where(upstream, np.maximum(radii * rng.uniform(0.6, 0.85), 5.0), radii)
    return PancreasPlan(line, radii, uncinate, uncinate_radii, mass_at, mass_radius)


def _volume(line: np.ndarray, radii: np.ndarray, uncinate: np.ndarray, uncinate_radii: np.ndarray, flatten) -> float:
    """Volume (mL) of tube, end caps and uncinate process; the part of the uncinate inside the head is left out."""
    total = 0.0
    for points, thick, share in ((line, radii, 1.0), (uncinate, uncinate_radii, 0.6)):
        curve, radius = resample(points, thick, 3.0)
        steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
        area = np.pi * radius**2
        caps = 2 / 3 * np.pi * (radius[0] ** 3 + radius[-1] ** 3)
        total += share * float((steps * (area[1:] + area[:-1]) / 2).sum() + caps)
    return total / 1000 / (flatten[1] * flatten[2])


def build_pancreas(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Paint the organ over its neighbours (they touch it where they reach it), its fat lobules, mass and duct."""
    rng = person.stream("pancreas")
    box, sd = canvas.tube(plan.line, plan.radii, margin=7.0, step=5.0, flatten=person.traits.template.flatten)
    hook = canvas.tube(plan.uncinate, plan.uncinate_radii, margin=7.0, step=4.0)
    sd = np.minimum(sd, hook.on(box))
    grain, fine, soft = (canvas.noise(name, box.slices) for name in ("lobule", "fine", "soft"))
    ripple = np.float32(person.traits.template.ragged * (0.8 + 1.2 * person.atrophy + 1.2 * person.infiltration))
    sd = sd + grain * ripple + fine * (ripple * np.float32(0.5)) + soft * np.float32(1.0)
    core = canvas.tube(plan.line, np.clip(0.45 * plan.radii, 3.2, 6.0), margin=1.0, step=5.0)
    sd = np.minimum(sd, core.on(box))  # however deep the clefts, the organ holds together
    canvas.fields["pancreas_core"] = field = np.ones(canvas.shape, np.float32)
    field[core.box.slices] = core.sd
    inside = (
        (sd < 0)
        & ~np.isin(canvas.organ[box.slices], person.traits.template.firm)
        & (canvas.fields["cavity"][box.slices] < -2)
    )
    parts, number = label(inside)
    if number > 1:  # crumbs that the surface noise has torn off are dropped
        inside = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    canvas.paint(box, inside, Tissue.PANCREAS, Organ.PANCREAS)
    _fat_lobules(canvas, person, Solid(box, sd), inside)
    if person.mass:
        _mass(canvas, rng, plan, person.traits.template.firm)
    _duct(canvas, person, rng, plan)


def _fat_lobules(canvas: Canvas, person: Person, solid: Solid, inside: np.ndarray) -> None:
    """Fat between the lobules, the more the nearer to the surface: a share `infiltration` of the organ."""
    share = np.clip(person.infiltration, 0.0, 0.95)
    if not inside.any() or share <= 0:
        return
    box, sd = solid
    grain = canvas.noise("fine", box.slices) + np.float32(0.5) * canvas.noise("soft", box.slices)
    grain = grain + np.clip(sd, -6, 0) * np.float32(0.12)
    level = np.quantile(grain[inside], 1 - share)
    canvas.paint(box, inside & (grain > level), Tissue.PANCREAS_FAT)
    if person.traits.template.septa:  # thin sheets between lobules: about 1-3 mm where the noise changes its sign
        sheets = np.abs(canvas.noise("septa", box.slices))
        share = 0.04 + 0.5 * share + 0.05 * person.atrophy
        canvas.paint(box, inside & (sheets < np.quantile(sheets[inside], share)), Tissue.PANCREAS_FAT)


def _mass(canvas: Canvas, rng: np.random.Generator, plan: PancreasPlan, firm: tuple[Organ, ...]) -> None:
    centre = plan.line[plan.mass_at] + rng.normal(0, 3, 3)
    radii = plan.mass_radius * np.array([1.0, rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1)])
    box, sd = canvas.ellipsoid(centre, radii)
    mass = sd + canvas.noise("soft", box.slices) * np.float32(1.8) < 0
    canvas.paint(box, mass & ~np.isin(canvas.organ[box.slices], firm), Tissue.MASS, Organ.PANCREAS)


def bile_line(plan: PancreasPlan) -> Float[np.ndarray, "3 3"]:
    """The bile duct's way through the back of the head, body mm."""
    return np.array([plan.line[0] + [4, -4, 0], plan.line[1] + [3, -7, 2], plan.line[2] + [10, -8, 10]])


def _duct(canvas: Canvas, person: Person, rng: np.random.Generator, plan: PancreasPlan) -> None:
    """The pancreatic duct (wide upstream of a mass) and the bile duct in the back of the head, inside the organ."""
    thin, wide = rng.uniform(0.7, 1.3), rng.uniform(2.0, 4.0)
    start = plan.mass_at if person.mass else 0
    line = plan.line + rng.normal(0, 0.8, plan.line.shape)
    calibre = np.full(7, thin)
    if person.mass:
        calibre[start:] = wide
    elif person.wide_duct:
        calibre[:] = wide * np.linspace(1.1, 0.6, 7)
    bile = bile_line(plan)
    stasis = person.mass and plan.mass_at in (1, 2)
    bile_radius = rng.uniform(4.5, 7.0) if stasis else rng.uniform(1.8, 3.2)
    for points, radii in ((line[1:], calibre[1:]), (bile, bile_radius)):
        solid = canvas.tube(points, radii, margin=1.0, step=4.0)
        part = solid.box.slices
        healthy = (canvas.organ[part] == Organ.PANCREAS) & (canvas.tissue[part] != Tissue.MASS)
        canvas.fill(solid, Tissue.DUCT, where=healthy)
    above = canvas.tube([bile[2], bile[2] + [6, 2, 18], (48, 8, 40)], bile_radius, margin=1.0)
    free = np.isin(canvas.organ[above.box.slices], (Organ.BACKGROUND, Organ.DUODENUM))
    canvas.fill(above, Tissue.DUCT, Organ.BACKGROUND, free)

"""Hollow organs (a wall, contents, gas in front), and the two that lie against the pancreas: stomach and duodenum.

Patients lie on their backs, so gas stands above (towards the belly) and fluid below a level.
"""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.pancreas import PancreasPlan
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person

__all__ = ["build_duodenum", "build_stomach", "paint_hollow"]


def paint_hollow(
    canvas: Canvas,
    points: np.ndarray,
    radii: np.ndarray | float,
    wall: float,
    tissues: tuple[Tissue, Tissue],
    organ: Organ,
    *,
    ripple: float = 1.0,
    gas_above: float | None = None,
    free: tuple[Organ, ...] = (),
    step: float = 6.0,
    faeces: float | None = None,
) -> None:
    """Paint a hollow tube: `wall` mm of tissues[0] around tissues[1]; gas where body y is above `gas_above`.

    `free`: organs it may cover besides background. `faeces`: share of gas bubbles in the content.
    """
    box, sd = canvas.tube(points, radii, margin=4.0, step=step)
    sd = sd + canvas.noise("soft", box.slices) * np.float32(ripple)
    allowed = np.isin(canvas.organ[box.slices], (Organ.BACKGROUND, organ, *free))
    allowed &= canvas.fields["cavity"][box.slices] < -0.5
    allowed &= canvas.fields["diaphragm"][box.slices] < -1.0
    lumen = (sd < -wall) & allowed
    canvas.paint(box, (sd < 0) & allowed, tissues[0], organ)
    canvas.paint(box, lumen, tissues[1], organ)
    if faeces is not None:
        canvas.paint(box, lumen & (canvas.noise("fine", box.slices) > faeces), Tissue.GAS, organ)
    if gas_above is not None:
        matrix, constant = canvas.pose.inverse()
        canvas.paint(box, lumen & (box.linear(matrix[1], constant[1]) > gas_above), Tissue.GAS, organ)


def build_stomach(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Fundus under the left dome, body, antrum across the midline to the pylorus, its back against the pancreas."""
    rng = person.stream("stomach")
    full = rng.uniform(1.0, 1.3) if rng.uniform() < person.traits.distended_stomach else rng.uniform(0.5, 0.92)
    low = rng.normal(0, 10)
    radii = np.array([28, 32, 27, 21, 15, 9]) * full * person.size("stomach")
    radii[-1] = 9.0
    body = [[-58 + rng.normal(0, 6), -22, 80], [-70 + rng.normal(0, 6), 14, 60], [-62 + rng.normal(0, 7), 44, 30 + low]]
    points = np.array([*body, [-28, 62, 8 + 1.2 * low], [8, 60, 2 + 1.2 * low], [34, 42, 6]]) + person.place("stomach")
    points = plan.settle(points, radii, overlap=rng.uniform(0, 3), pull=rng.uniform(0, 22) * (1.1 - person.visceral))
    content = Tissue.BOWEL_CONTRAST if rng.uniform() < person.traits.oral_contrast else Tissue.STOMACH_CONTENT
    level = float(np.average(points[:4, 1])) + rng.uniform(-5, 30)
    gas, free = level if rng.uniform() < 0.85 else None, (Organ.SPLEEN, Organ.LIVER, Organ.BOWEL)
    tissues, how = (Tissue.STOMACH_WALL, content), {"ripple": 1.5, "gas_above": gas, "free": free, "step": 9.0}
    paint_hollow(canvas, points, radii, rng.uniform(3.2, 5.0), tissues, Organ.STOMACH, **how)
    person.facts["stomach_filling"] = float(full)


def build_duodenum(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Bulb, descending part along the head, horizontal part below it, ascending part to the jejunum."""
    rng = person.stream("duodenum")
    head, low = plan.line[1], plan.line[0]
    radii = np.array([9.5, 10.5, 11, 11.5, 11, 9.5, 9, 9.5]) * rng.uniform(0.8, 1.2) * person.size("duodenum")
    beside = head[0] + plan.radii[1] + radii[3] - 3
    bottom = min(low[2] - plan.radii[0] - radii[5] + 4, head[2] - 22)
    bulb = person.place("stomach") + np.array([[34, 42, 6], [50, 28, 8]])
    down = [*bulb, [beside, head[1] + 8, head[2] + 12], [beside, head[1] - 4, head[2] - 14]]
    across = [[head[0] + 12, head[1] - 12, bottom - 2], [head[0] - 18, -8, bottom]]
    up = [[-16, -6, bottom + rng.uniform(0, 10)]]
    up += [[-34 + rng.normal(0, 5), 8, min(plan.line[4][2] - 22, -14) + rng.normal(0, 4)]]
    points = np.array(down + across + up)
    points = plan.settle(points, radii, overlap=rng.uniform(1.5, 3), pull=12.0)
    gas = float(head[1] + rng.uniform(0, 10)) if rng.uniform() < 0.35 else None
    tissues, free = (Tissue.DUODENUM_WALL, Tissue.DUODENUM_CONTENT), (Organ.BOWEL, Organ.LIVER, Organ.GALLBLADDER)
    how = {"ripple": 1.3, "gas_above": gas, "free": free}
    paint_hollow(canvas, points, radii, rng.uniform(2.4, 3.4), tissues, Organ.DUODENUM, **how)

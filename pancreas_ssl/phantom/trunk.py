"""The trunk: skin, fat, muscles, the cavity that holds the organs, diaphragm, lungs, heart; and the table below."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.noise import read_lattice, spline_weights
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person

__all__ = ["CENTRE_Y", "build_chest", "build_muscles", "build_table", "build_trunk", "outline"]

CENTRE_Y = -5.0  # mm: the trunk's axis lies a little behind the body frame's origin
HEIGHTS = np.array([-260, -215, -185, -140, -90, -40, 20, 80, 140, 220], float)  # body z, mm
WIDTH = np.array([156, 160, 158, 150, 137, 128, 129, 136, 135, 120], float)  # half width of the muscle wall
FRONT = np.array([78, 80, 82, 82, 81, 81, 86, 93, 92, 84], float)  # half depth in front of the axis
BACK = np.array([106, 112, 114, 110, 102, 97, 98, 102, 103, 96], float)  # half depth behind it
BELLY = np.array([0.1, 0.25, 0.5, 0.8, 1.0, 1.0, 0.9, 0.5, 0.2, 0.0])  # how much of the visceral fat shows there
POWER = 2.3  # exponent of the superellipse


def outline(person: Person, z: Float[np.ndarray, "..."]) -> tuple[Float[np.ndarray, "..."], ...]:
    """Half width, half depth in front and half depth behind (mm) of the muscle wall at body heights z."""
    belly = np.interp(z, HEIGHTS, BELLY) * person.visceral
    width = np.interp(z, HEIGHTS, WIDTH) + 14 * belly
    behind = np.interp(z, HEIGHTS, BACK) + person.traits.template.back * np.interp(z, [-30, 60], [0, 1])
    return width, np.interp(z, HEIGHTS, FRONT) + 30 * belly, behind


def coarse_field(
    canvas: Canvas, function: Callable[..., tuple[np.ndarray, ...]], cell: float = 9.0
) -> list[Float32[np.ndarray, "X Y Z"]]:
    """Evaluate smooth functions of body coordinates on a world lattice (`cell` mm) and read them on the grid."""
    knots, weights = [], []
    for axis in canvas.axes:
        first, last = int(np.floor(axis[0] / cell)) - 1, int(np.ceil(axis[-1] / cell)) + 1
        knots.append(np.arange(first, last + 1) * cell)
        weights.append(spline_weights(np.asarray(axis, float) / cell - first, last - first + 1, periodic=False))
    matrix, constant = canvas.pose.inverse()
    x, y, z = np.meshgrid(*knots, indexing="ij", sparse=True)
    body = [row[0] * x + row[1] * y + row[2] * z + c for row, c in zip(matrix, constant, strict=True)]
    return [read_lattice(np.asarray(v, np.float32), weights) for v in function(*body)]


def build_trunk(canvas: Canvas, person: Person) -> None:
    """Paint skin, fat, muscle wall and the fat-filled cavity; leaves their distances in `canvas.fields`."""
    skin, wall, cavity = coarse_field(canvas, lambda x, y, z: _layers(person, x, y, z))
    canvas.fields.update(skin=skin, wall=wall, cavity=cavity)
    soft = canvas.noise("soft")
    tissue = canvas.tissue
    tissue[skin < 0] = Tissue.SKIN
    tissue[skin < -2.2] = Tissue.SUBCUTANEOUS_FAT
    tissue[wall + soft * np.float32(0.8) < 0] = Tissue.MUSCLE
    tissue[cavity + soft * np.float32(1.2) < 0] = Tissue.VISCERAL_FAT


def _layers(person: Person, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Radial distances (mm) to skin, outer face of the muscle wall, and cavity, on the lattice."""
    width, front, back = outline(person, z)
    dy = y - CENTRE_Y
    depth = np.where(dy > 0, front, back)
    radius = np.hypot(x, dy) + 1e-6
    side, ahead = np.abs(x) / radius, dy / radius  # cosine to the side, sine to the front
    reach = ((side / width) ** POWER + (np.abs(ahead) / depth) ** POWER) ** (-1 / POWER)
    wall = radius - reach
    forward, behind = np.clip(ahead, 0, 1) ** 2, np.clip(-ahead, 0, 1) ** 2
    in_belly = np.interp(z, [-200, -120, -50, 10, 80], [0.9, 1.2, 1.1, 0.9, 0.55])
    in_back = np.interp(z, [-200, -150, -90, 0, 80], [2.0, 1.7, 1.2, 0.9, 0.7])
    fat = person.fat * (0.72 * side**2 + in_belly * forward + in_back * behind) + 1.5
    groove = 5.0 * np.exp(-((x / 16) ** 2)) * (dy < 0)
    low = np.interp(z, [-170, -110, -60], [1.0, 0.35, 0.0])
    high = np.interp(z, [20, 90], [0.0, 1.0])
    thick = person.muscle * (7.0 * forward + 12.0 * side**2 + 15.0 * behind)
    thick = thick * (1 - high) + 11.0 * high + low * (34.0 * behind + 12.0 * side**2)
    return wall - fat + groove, wall, wall + thick


def build_muscles(canvas: Canvas, person: Person) -> None:
    """Erector spinae, psoas, quadratus lumborum, crura of the diaphragm; fat at the linea alba and between muscles."""
    rng = person.stream("muscles")
    bulk = person.muscle * rng.uniform(0.9, 1.1)
    for side in (-1, 1):
        spindle = [(-88, 230), (-88, 80), (-84, 0), (-80, -60), (-88, -110), (-108, -165)]
        spindle = np.array([(side * (32 if z > -100 else 24), y, z) for y, z in spindle])
        _muscle(canvas, spindle, np.array([18, 21, 24, 24, 20, 10]) * bulk**0.5, flatten=(0.70, 1.05, 1.0))
        psoas = np.array([(24, -46, 30), (33, -44, -30), (43, -36, -90), (55, -20, -150), (72, 8, -215)])
        _muscle(canvas, psoas * (side, 1, 1), np.array([6, 13, 19, 20, 15]) * bulk**0.7)
        square = [(side * 54, -74, 40), (side * 60, -72, -30), (side * 66, -72, -95)]
        _muscle(canvas, square, np.array([7, 10, 10]) * bulk**0.7, flatten=(0.7, 1.2, 1.0))
        crus = [(side * 12, -36, 95), (side * 15, -36, 40), (side * 13, -34, -5), (side * 9, -30, -40)]
        _muscle(canvas, crus, np.array([5, 6, 5, 2.5]))
    white_line = canvas.body_box((-5, 40, -230), (5, 140, 60))
    x, y, _ = canvas.body(white_line)
    here = canvas.tissue[white_line.slices]
    canvas.paint(white_line, (here == Tissue.MUSCLE) & (np.abs(x) < 3.5) & (y > 0), Tissue.SUBCUTANEOUS_FAT)


def _muscle(canvas: Canvas, points: list, radii: np.ndarray, flatten: tuple | None = None) -> None:
    box, sd = canvas.tube(points, radii, flatten=flatten, margin=3.0)
    soft, skin = canvas.noise("soft", box.slices), canvas.fields["skin"][box.slices]
    canvas.paint(box, (sd + soft * np.float32(1.2) < 0) & (skin < -4), Tissue.MUSCLE)


def build_chest(canvas: Canvas, person: Person) -> None:
    """Diaphragm, lungs, heart and gullet; leaves `diaphragm` (height above it, mm, negative below) on the canvas."""
    rng = person.stream("chest")
    steep, least, most = person.traits.template.dome
    top, drop = rng.normal(108, 6), rng.uniform(least, most)
    cavity = canvas.fields["cavity"]

    def dome(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray]:
        width, front, back = outline(person, np.full_like(z, 60.0))
        dy = y - CENTRE_Y
        depth = np.where(dy > 0, front, back) - 12
        edge = np.clip((np.abs(x) / (width - 12)) ** 2.4 + (np.abs(dy) / depth) ** 2.4, 0, 1.5)
        height = top + 7 * np.tanh(x / 40) - drop * edge**steep - 14 * np.exp(-((x / 26) ** 2)) - 12 * (dy < 0) * edge
        return ((z - height),)

    (above,) = coarse_field(canvas, dome)
    canvas.fields["diaphragm"] = above
    box = canvas.body_box((-230, -160, -30), (230, 160, 1000))
    up, inside = above[box.slices], cavity[box.slices]
    x, y, _ = canvas.body(box)
    canvas.paint(box, (np.abs(up) < 1.8) & (inside < 0), Tissue.MUSCLE)
    lung = (up > 1.8) & (inside < -1.5)
    middle = ((x + 2) / 34) ** 2 + ((y + 22) / 40) ** 2 < 1
    canvas.paint(box, lung, Tissue.LUNG)
    canvas.paint(box, lung & middle, Tissue.VISCERAL_FAT)
    centre = (-20 + rng.normal(0, 5), 24 + rng.normal(0, 5), 148)
    for grow, tissue in ((6.0, Tissue.VISCERAL_FAT), (0.0, Tissue.HEART)):
        heart = canvas.ellipsoid(centre, (58, 44, 46), turn=(0, 18, 20), margin=12)
        inner = heart.box.slices
        canvas.paint(heart.box, (heart.sd < grow) & (above[inner] > 1.8) & (cavity[inner] < -1.5), tissue)
    gullet = canvas.tube([(-2, -24, 230), (-3, -22, 130), (-12, -12, 96), (-26, -6, 82)], [8, 8, 8, 9])
    canvas.fill(gullet, Tissue.STOMACH_WALL)


def build_table(canvas: Canvas, person: Person) -> None:
    """A curved couch top, 3 mm thick, a few mm below the back."""
    rng = person.stream("table")
    gap, bow, wide = rng.uniform(2, 8), rng.uniform(0, 45), rng.uniform(190, 300)
    if rng.uniform() >= person.traits.table:
        return
    width, _, back = outline(person, np.array(0.0))
    lowest = canvas.pose.to_world(np.array([[0.0, CENTRE_Y - back - person.fat * 1.2 - 2.0, 0.0]]))[0, 1]
    x, y = canvas.axes[0][:, None], canvas.axes[1][None, :]
    top = np.float32(lowest - gap) + np.float32(bow) * (x / np.float32(wide)) ** 2
    plate = (np.abs(y - top) < 2.0) & (np.abs(x) < 260)
    free = canvas.tissue == Tissue.AIR
    canvas.tissue[plate[:, :, None] & free] = Tissue.TABLE
    canvas.organ[canvas.tissue == Tissue.AIR] = Organ.BACKGROUND

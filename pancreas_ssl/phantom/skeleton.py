"""Spine, sacrum, ribs, pelvis and hips: a cortical shell around marrow, in body mm."""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.geometry import Solid
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person
from pancreas_ssl.phantom.trunk import CENTRE_Y, POWER, outline

__all__ = ["build_pelvis", "build_ribs", "build_spine", "spine_y"]

SHELL = 2.2  # mm of cortical bone
SPINE_Z = np.array([-150, -120, -90, -50, 0, 60, 130, 230], float)
SPINE_Y = np.array([-84, -68, -54, -49, -55, -68, -78, -76], float)
LEVEL = 34.0  # mm from one vertebra to the next


def spine_y(person: Person, z: np.ndarray) -> np.ndarray:
    """Where the middle of the vertebral bodies lies (body y, mm) at body height z: the lumbar lordosis."""
    curve = np.interp(z, SPINE_Z, SPINE_Y)
    return curve + (person.lordosis - 1) * 7 * np.exp(-(((np.asarray(z) + 75) / 55) ** 2))


def _bone(canvas: Canvas, solid: Solid, shell: float = SHELL) -> None:
    canvas.fill(solid, Tissue.CORTICAL_BONE, Organ.BONE)
    canvas.paint(solid.box, solid.sd < -shell, Tissue.MARROW, Organ.BONE)


def build_spine(canvas: Canvas, person: Person) -> None:
    """Vertebral bodies with discs from the lower chest to L5, arches and processes, the canal, and the sacrum."""
    _sacrum(canvas)
    box = canvas.body_box((-62, -150, -128), (62, -20, 1000))
    rng = person.stream("spine")
    x, y, z = canvas.body(box)
    heights = np.linspace(-160, 300, 93)
    middle = np.convolve(np.pad(spine_y(person, heights), 4, mode="edge"), np.ones(9) / 9, mode="valid")
    y = y - np.interp(z, heights, middle).astype(np.float32)
    phase = np.mod(z + np.float32(rng.uniform(0, LEVEL)) + y * np.float32(0.06), np.float32(LEVEL))  # 0..7: disc
    above_sacrum = z > -124
    narrow = np.float32(rng.uniform(0.92, 1.1)) * (1 - np.clip(z, 0, 150) * np.float32(0.0012))
    waist = 1 - np.float32(0.07) * np.sin(np.clip((phase - 7) / (LEVEL - 7), 0, 1) * np.float32(np.pi))
    flat = np.clip(-y - 8, 0, 20) * np.float32(0.05)  # the back of a vertebral body is nearly flat
    body = (np.sqrt((x / 23) ** 2 + (y / 17) ** 2) / (narrow * waist) + flat - 1) * 17
    arch = np.sqrt((x / 17) ** 2 + ((y + 24) / 15) ** 2) - 1
    knuckle = (phase > 2) & (phase < 26)
    blade = (np.abs(x) < 3.5) & (y < -36) & (y > -60 + np.abs(phase - 14) * 0.8) & knuckle
    wing = (np.abs(x) < 44) & (np.abs(y + 22 + np.abs(x) * 0.12) < 3.5) & (phase > 14) & (phase < 24) & (np.abs(x) > 14)
    facet = ((np.abs(x) - 18) ** 2 + (y + 31) ** 2 < 81) & ((phase < 12) | (phase > 30))
    bone = (((arch < 0) & knuckle) | blade | wing | facet) & (canvas.fields["wall"][box.slices] < -1)
    canvas.paint(box, bone & above_sacrum, Tissue.CORTICAL_BONE, Organ.BONE)
    plate = (body < 0) & above_sacrum
    canvas.paint(box, plate, Tissue.CORTICAL_BONE, Organ.BONE)
    canvas.paint(box, plate & (body < -2.0) & (phase > 9) & (phase < LEVEL - 2), Tissue.MARROW, Organ.BONE)
    canvas.paint(box, plate & (phase < 7), Tissue.DISC, Organ.BONE)
    canal = (np.sqrt((x / 11) ** 2 + ((y + 25) / 8.5) ** 2) < 1) & above_sacrum
    canvas.paint(box, canal, Tissue.DISC, Organ.BACKGROUND)


def _sacrum(canvas: Canvas) -> None:
    """A wedge that leans back below L5, its wings reaching for the hips, and the coccyx."""
    middle = [(0, -72, -118), (0, -92, -150), (0, -108, -185), (0, -104, -215), (0, -92, -235)]
    _bone(canvas, canvas.tube(middle, [19, 18, 12, 7, 4], flatten=(0.72, 1.05, 1.0)))
    for side in (-1, 1):
        wing = [(side * 14, -82, -130), (side * 30, -90, -138), (side * 24, -102, -170)]
        _bone(canvas, canvas.tube(wing, [14, 15, 10]))
    canal = canvas.tube([(0, -94, -120), (0, -110, -150), (0, -118, -175)], [8, 6, 3])
    canvas.fill(canal, Tissue.DISC, Organ.BACKGROUND)


def build_ribs(canvas: Canvas, person: Person) -> None:
    """Pairs of ribs in the muscle wall, sloping down to the side; the lowest two end free, the others in cartilage."""
    rng = person.stream("ribs")
    first, slope = rng.uniform(32, 52), rng.uniform(100, 140)
    for level in range(11):
        ends = (75, 105, 132, 138, 140, 142, 145, 145, 145, 145, 145)[level]
        for side in (-1, 1):
            angle = np.deg2rad(np.linspace(24, ends, 9 if level else 6))
            z = first + 31 * level - slope * (angle / 2.4) ** 1.15
            points = _on_wall(person, side, angle, z, 6.5)
            head = [side * 20, float(spine_y(person, z[0] + 12)) - 10, z[0] + 12]
            _bone(canvas, canvas.tube(np.vstack([head, points]), 5.2, flatten=(1.25, 1.25, 0.85), step=14.0), 2.0)
            if level >= 2:
                angle = np.deg2rad(np.linspace(ends, min(ends + 28, 172), 4))
                rise = z[-1] + np.linspace(0, 1, 4) ** 1.5 * 34
                cartilage = canvas.tube(_on_wall(person, side, angle, rise, 6.0), 4.8, step=14.0)
                canvas.fill(cartilage, Tissue.DISC, Organ.BACKGROUND)


def _on_wall(person: Person, side: int, angle: np.ndarray, z: np.ndarray, depth: float) -> np.ndarray:
    """Points `depth` mm inside the muscle wall at angles measured from the spine round to the front."""
    width, front, back = outline(person, z)
    out, ahead = np.sin(angle), -np.cos(angle)
    half = np.where(ahead > 0, front, back)
    reach = ((out / width) ** POWER + (np.abs(ahead) / half) ** POWER) ** (-1 / POWER) - depth
    return np.stack([side * out * reach, CENTRE_Y + ahead * reach, z], axis=1)


def build_pelvis(canvas: Canvas, person: Person) -> None:
    """The iliac wings (a flaring shell), the muscles on both of their faces, hip joints and pubic rami."""
    rng = person.stream("pelvis")
    flare, crest = rng.uniform(0.94, 1.04), rng.uniform(-100, -86)
    box = canvas.body_box((-200, -140, -250), (200, 110, -80))
    x, y, z = canvas.body(box)
    cone = np.float32(flare) * (1 + np.clip(z + 100, -120, 15) * np.float32(0.0031))
    q = np.sqrt((x / 122) ** 2 + ((y - 18) / 100) ** 2) / cone
    depth = (q - 1) * 100  # about mm outside the shell
    rim = np.float32(crest) - ((y + 38) * np.float32(1 / 62)) ** 2 * 45 + canvas.noise("soft", box.slices) * 2
    band = (z < rim) & (np.abs(x) > 30)
    wall = canvas.fields["wall"][box.slices] < -2
    lateral = y < 40
    outer = (depth > 0) & (depth < 34 + (rim - z) * 0.2) & wall & lateral & (z < rim - 4) & (np.abs(x) > 16)
    inner = (depth > -13) & (depth <= 0) & (y < 34) & band & (y > -62)
    canvas.paint(box, outer | inner, Tissue.MUSCLE)
    sheet = np.abs(canvas.noise("soft", box.slices) + np.float32(0.6)) < 0.07 + 0.004 * person.fat
    sheet &= (canvas.tissue[box.slices] == Tissue.MUSCLE) & (depth > 3) & wall
    canvas.paint(box, sheet, Tissue.SUBCUTANEOUS_FAT)
    thick = 3.2 + 3.5 * np.exp(-(((y + 68) / 16) ** 2)) + np.clip(-150 - z, 0, 40) * np.float32(0.12)
    wing = band & (y < 30 - np.clip(-140 - z, 0, 60) * np.float32(0.35)) & (z > -195)
    canvas.paint(box, wing & (np.abs(depth) < thick), Tissue.CORTICAL_BONE, Organ.BONE)
    canvas.paint(box, wing & (np.abs(depth) < thick - 2.0) & (z < rim - 2.5), Tissue.MARROW, Organ.BONE)
    for side in (-1, 1):
        _bone(canvas, canvas.ellipsoid((side * 88, -4, -198), (26, 30, 30)))
        ischium = [(side * 84, -16, -190), (side * 70, -52, -225), (side * 62, -48, -260)]
        _bone(canvas, canvas.tube(ischium, [13, 12, 14]))
        _bone(canvas, canvas.tube([(side * 80, 14, -196), (side * 48, 36, -212), (side * 10, 40, -224)], [10, 8, 10]))
        _bone(canvas, canvas.ellipsoid((side * 93, -4, -202), (22, 22, 22)), 1.6)
        femur = [(side * 96, -4, -206), (side * 128, -12, -222), (side * 132, -8, -330)]
        _bone(canvas, canvas.tube(femur, [15, 17, 14]), 3.0)

"""What real abdomens hold besides healthy organs: ascites, stents, previous surgery, arms beside the trunk.

All of it is drawn from streams of its own, with probabilities that are 0 in the populations of `phantom-1`.
"""

import numpy as np

from pancreas_ssl.phantom.canvas import Canvas
from pancreas_ssl.phantom.pancreas import PancreasPlan, bile_line
from pancreas_ssl.phantom.tissues import Organ, Tissue
from pancreas_ssl.phantom.traits import Person
from pancreas_ssl.phantom.trunk import CENTRE_Y, outline

__all__ = ["build_conditions"]


def build_conditions(canvas: Canvas, person: Person, plan: PancreasPlan) -> None:
    """Paint what `person.facts` says: the last step of an anatomy."""
    rng = person.stream("conditions")
    if person.facts["ascites"]:
        _ascites(canvas, rng)
    if person.facts["stent"]:
        path = bile_line(plan)
        path = [path[0] + (0, -8, -10), *path, path[2] + (9, 4, 26)]
        stent = canvas.tube(np.array(path) + rng.normal(0, 1, 3), rng.uniform(1.8, 2.8), margin=1.0, step=4.0)
        inside = np.isin(canvas.organ[stent.box.slices], (Organ.BACKGROUND, Organ.DUODENUM, Organ.PANCREAS))
        canvas.fill(stent, Tissue.METAL if rng.uniform() < 0.5 else Tissue.BOWEL_CONTRAST, where=inside)
    clips = {"gallbladder": (52, 22, 18), "tail": plan.line[-1], "spleen": (-70, -40, 40)}
    if person.facts["surgery"] in clips:
        for _ in range(int(rng.integers(2, 5))):
            clip = canvas.ellipsoid(clips[person.facts["surgery"]] + rng.normal(0, 5, 3), (2.0, 2.0, 2.6), margin=1.0)
            canvas.fill(clip, Tissue.METAL, where=canvas.organ[clip.box.slices] == Organ.BACKGROUND)
    if person.facts["arms_down"]:
        _arms(canvas, person, rng)


def _ascites(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fluid instead of fat along the wall of the cavity and low in the pelvis, more or less."""
    depth = rng.uniform(5, 16)
    cavity, soft = canvas.fields["cavity"], canvas.noise("soft")
    fluid = (canvas.tissue == Tissue.VISCERAL_FAT) & (canvas.organ == Organ.BACKGROUND)
    fluid &= (cavity + soft * np.float32(4.0) > -depth) & (canvas.fields["diaphragm"] < -1)
    canvas.tissue[fluid] = Tissue.FLUID


def _arms(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Upper arm and forearm beside the trunk, in what was air."""
    for side in (-1, 1):
        z = np.array([230.0, 60.0, -60.0, -170.0])
        beside = outline(person, z)[0] + 0.75 * person.fat + (44, 40, 36, 30) + rng.uniform(0, 8)
        line = np.stack([side * beside, CENTRE_Y + np.array([-14, -20, -2, 22]) + rng.normal(0, 5), z], axis=1)
        for shrink, tissue in ((0, Tissue.SKIN), (2, Tissue.SUBCUTANEOUS_FAT), (4 + 0.25 * person.fat, Tissue.MUSCLE)):
            arm = canvas.tube(line, np.array([46, 40, 36, 28]) - shrink, margin=1.0, step=12.0)
            canvas.fill(arm, tissue, where=canvas.fields["skin"][arm.box.slices] > 0)
        for shrink, tissue in ((0.0, Tissue.CORTICAL_BONE), (4.0, Tissue.MARROW)):
            bone = canvas.tube(line, np.array([12, 13, 10, 9]) - shrink, margin=1.0, step=12.0)
            canvas.fill(bone, tissue, Organ.BONE, canvas.fields["skin"][bone.box.slices] > 0)

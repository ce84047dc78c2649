"""Exercises of notebook 00: what a Dice value says, and what it does not."""

import numpy as np

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.question import Choice, Question
from pancreas_ssl.evaluation import dice_coefficient

__all__ = ["EXERCISES", "QUESTIONS"]


def _block() -> dict[str, np.ndarray]:
    mask = np.zeros((24, 20, 16), np.uint8)
    mask[8:14, 6:14, 5:11] = 1
    return {"mask": mask}


def _moved(mask, steps: int = 5):
    return dice_coefficient(np.roll(mask, steps, axis=0) > 0, mask > 0)


_PROBES = [(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])), (np.array([1, 1, 0, 1]), np.array([0, 1, 1, 1]))]


def _dice(label, prediction):
    return 2 * np.logical_and(label, prediction).sum() / (label.sum() + prediction.sum())


EXERCISES = [
    Exercise(
        id="00-1",
        title="Dice by hand",
        level="easy",
        minutes=5,
        right=lambda: _dice,
        probes=lambda: _PROBES,
        wrong=(
            Wrong(
                "intersection over union",
                lambda: lambda a, b: np.logical_and(a, b).sum() / np.logical_or(a, b).sum(),
                "That is the intersection over the *union* (IoU, Jaccard), another measure. Dice divides twice the "
                "common voxels by the sum of both sizes.",
            ),
            Wrong(
                "counts background",
                lambda: lambda a, b: (a == b).mean(),
                "You counted background voxels that agree, too. In a CT nearly all voxels are background, so this is "
                "close to 1 for any small organ, even an empty mask.",
            ),
            Wrong(
                "forgot the two",
                lambda: lambda a, b: _dice(a, b) / 2,
                "Two equal masks must give 1. What do yours give?",
            ),
        ),
        solution="""
import numpy as np

def dice(label, prediction):
    common = np.logical_and(label, prediction).sum()
    return 2 * common / (label.sum() + prediction.sum())

answer = dice
""",
        teaches=lambda: "Background never enters: only voxels in one of the two masks count.",
        claims=lambda: {
            "background never enters": _dice(*(np.append(one, [0, 0]) for one in _PROBES[0])) == _dice(*_PROBES[0])
        },
    ),
    Exercise(
        id="00-2",
        title="The right volume, a low Dice",
        level="easy",
        minutes=3,
        right=_moved,
        wrong=(
            Wrong(
                "moved by one voxel",
                lambda mask: _moved(mask, 1),
                "That is the Dice after a move of one voxel; the exercise moves the mask by five.",
            ),
            Wrong(
                "same volume, same Dice",
                lambda mask: 1.0,
                "The volume stays the same, but Dice asks *which* voxels: move the mask and count.",
            ),
        ),
        solution="""
import numpy as np

from pancreas_ssl.evaluation import dice_coefficient

moved = np.roll(mask, 5, axis=0)
answer = dice_coefficient(moved > 0, mask > 0)
""",
        teaches=lambda mask: (
            f"The volume has not changed by a voxel, and the Dice has fallen to {_moved(mask):.2f}. "
            "One number never tells the whole story."
        ),
        example=_block,
        claims=lambda mask: {
            "the volume has not changed": bool(np.roll(mask, 5, axis=0).sum() == mask.sum()),
            "the Dice has fallen": _moved(mask) < 1,
        },
    ),
    Exercise(
        id="00-3",
        title="Why thin organs score low",
        level="medium",
        minutes=6,
        right=lambda: lambda t: (t - 1) / t,
        probes=lambda: [(2,), (4,), (20,)],
        wrong=(
            Wrong(
                "intersection over union",
                lambda: lambda t: (t - 1) / (t + 1),
                "You divided by the voxels that lie in *either* mask. Dice divides twice the common ones by the sum "
                "of both sizes, which is 2 t here.",
            ),
            Wrong(
                "lost on both sides",
                lambda: lambda t: (t - 2) / t,
                (
                    "One layer is lost on one side only: the common part of a plate and its moved copy is t - 1 voxels "
                    "thick."
                ),
            ),
            Wrong(
                "the share that is wrong", lambda: lambda t: 1 / t, "That is what is lost. The Dice is what is left."
            ),
        ),
        solution="""
def dice_of_moved_plate(t):
    common = t - 1
    return 2 * common / (t + t)

answer = dice_of_moved_plate
""",
        teaches=lambda: (
            "The same error of one voxel leaves 0.95 of a plate of 20 voxels and 0.75 of one of 4. A pancreas is "
            "thin: compare Dice values of two groups of patients only if their organs are of one size."
        ),
        claims=lambda: {"0.95 and 0.75": (20 - 1) / 20 == 0.95 and (4 - 1) / 4 == 0.75},
    ),
]

QUESTIONS = [
    Question(
        "00-q1",
        "A network was trained on scans of one hospital. What does its Dice on new patients of the same hospital say?",
        (
            Choice("how well it will do in the next hospital", "Scanner, protocol and patients change there."),
            Choice("how well it does at home", "Nothing about other sources follows from it.", right=True),
            Choice("nothing at all", "It says how well it does on patients of its own source."),
        ),
    ),
    Question(
        "00-q2",
        "In an axial slice, the liver is on the left side of the picture. What is wrong?",
        (
            Choice(
                "nothing",
                "You look from the feet, so the patient's right, with the liver, is on your left.",
                right=True,
            ),
            Choice("the scan is mirrored", "The liver lies on the patient's right, and that is your left."),
            Choice("the patient lies face down", "Then the spine would be at the top of the picture."),
        ),
    ),
    Question(
        "00-q3",
        "The network reaches 0.8 on one real scan. May you say that it works in hospitals?",
        (
            Choice("yes, it was a real scan", "One patient of one hospital is an example."),
            Choice(
                "no: one patient is a hint, and a measurement needs many, from sources nobody looked at",
                "That is what the rest of the course is about.",
                right=True,
            ),
            Choice("no: real scans cannot be measured", "They can, where somebody drew labels."),
        ),
    ),
]

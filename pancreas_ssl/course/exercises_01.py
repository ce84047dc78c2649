"""Exercises of notebook 01: thresholds, windows, volumes, affines, and values that are no HU."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.question import Choice, Question
from pancreas_ssl.evaluation import dice_coefficient

__all__ = ["EXERCISES", "QUESTIONS"]

_HU = np.array([-1000.0, -150.0, 0.0, 50.0, 250.0, 1200.0])
_AFFINE = np.array([[0.8, 0, 0, -150.0], [0, 0.8, 0, -120.0], [0, 0, 2.5, 40.0], [0, 0, 0, 1.0]])
_TURNED = np.array([[0, 0.7, 0, 10.0], [0.7, 0, 0, -20.0], [0, 0, 5.0, 300.0], [0, 0, 0, 1.0]])
_LABEL = np.zeros((8, 8, 6), np.uint8)
_LABEL[2:6, 3:7, 1:5] = 1


def _soft() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    image = rng.normal(60, 25, (24, 20, 16))
    label = np.zeros(image.shape, np.uint8)
    label[8:14, 6:12, 5:11] = 1
    image[label > 0] += 30
    image[:, :4] = -100
    return {"scan": SimpleNamespace(image=image, label=label)}


def _between(scan, of=None) -> np.ndarray:
    low, high = np.percentile(scan.image[scan.label > 0] if of is None else of, [5, 95])
    return (scan.image > low) & (scan.image < high)


def _threshold(scan, of=None) -> float:
    return float(dice_coefficient(_between(scan, of), scan.label > 0))


def _window(hu, low, high):
    return np.clip((hu - low) / (high - low), 0, 1)


def _millilitres(label, affine):
    return (label > 0).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000


def _place(affine, voxel):
    return affine[:3, :3] @ voxel + affine[:3, 3]


EXERCISES = [
    Exercise(
        id="01-1",
        title="How far does a threshold get?",
        level="easy",
        minutes=6,
        right=_threshold,
        example=_soft,
        wrong=(
            Wrong(
                "share of the pancreas",
                lambda scan: float(_between(scan)[scan.label > 0].mean()),
                "That is the share of the pancreas that lies between the two values: nine in ten, by construction. "
                "It forgets all the rest of the body that lies there, too.",
            ),
            Wrong(
                "share of the marked",
                lambda scan: float((scan.label > 0)[_between(scan)].mean()),
                "That is the share of the marked voxels that are pancreas (the precision). Dice also asks how much "
                "of the pancreas was found.",
            ),
            Wrong(
                "values of the whole scan",
                lambda scan: _threshold(scan, scan.image),
                "Your two values come from the whole scan. Take the percentiles of the HU *under the label*.",
            ),
        ),
        solution="""
import numpy as np

from pancreas_ssl.evaluation import dice_coefficient

low, high = np.percentile(scan.image[scan.label > 0], [5, 95])
mask = (scan.image > low) & (scan.image < high)
answer = dice_coefficient(mask, scan.label > 0)
""",
        teaches=lambda scan: (
            f"Of the voxels between the two values, {(scan.label > 0)[_between(scan)].mean():.0%} are pancreas: "
            f"other soft tissue has the same HU. Shape, place and neighbours must decide, and that is why we need a "
            f"network."
        ),
        claims=lambda scan: {"most is other tissue": (scan.label > 0)[_between(scan)].mean() < 0.5},
    ),
    Exercise(
        id="01-2",
        title="A window by hand",
        level="easy",
        minutes=4,
        right=lambda: _window,
        probes=lambda: [(_HU, -150.0, 250.0), (_HU, -1000.0, 200.0)],
        wrong=(
            Wrong(
                "not clipped",
                lambda: lambda hu, low, high: (hu - low) / (high - low),
                "Air and bone leave the range from 0 to 1. What should a screen show for values outside the window?",
            ),
            Wrong(
                "starts at zero HU",
                lambda: lambda hu, low, high: np.clip(hu / high, 0, 1),
                "Black has to be at `low`, not at 0 HU: shift first, then scale.",
            ),
            Wrong(
                "scaled too far",
                lambda: lambda hu, low, high: np.clip((hu - low) / high, 0, 1),
                "`high` should become exactly 1. Divide by the width of the window.",
            ),
        ),
        solution="""
import numpy as np

def window(hu, low, high):
    return np.clip((hu - low) / (high - low), 0, 1)

answer = window
""",
        teaches=lambda: (
            "All that lies outside the window becomes plain black or white and is lost, to you and to the network, "
            "whose input is such a window, scaled to -1 to 1."
        ),
        claims=lambda: {"outside is lost": _window(-1000.0, -150, 250) == _window(-200.0, -150, 250)},
    ),
    Exercise(
        id="01-3",
        title="From voxels to millilitres",
        level="easy",
        minutes=5,
        right=lambda: _millilitres,
        probes=lambda: [(_LABEL, _AFFINE), (_LABEL, _TURNED)],
        wrong=(
            Wrong(
                "cubic millimetres",
                lambda: lambda label, affine: 1000 * _millilitres(label, affine),
                "That is in mm³. How many of them make a millilitre?",
            ),
            Wrong(
                "only counted",
                lambda: lambda label, affine: (label > 0).sum(),
                "That is a number of voxels. Two scanners store the same organ in different numbers of them.",
            ),
            Wrong(
                "cubes",
                lambda: lambda label, affine: (label > 0).sum() * np.linalg.norm(affine[:3, 0]) ** 3 / 1000,
                "Your voxels are cubes. In most CT the slices lie further apart than the pixels.",
            ),
            Wrong(
                "diagonal only",
                lambda: lambda label, affine: (label > 0).sum() * abs(np.prod(np.diag(affine)[:3])) / 1000,
                "You read the diagonal. Where a file stores its axes in another order, the spacing stands elsewhere: "
                "take the lengths of the columns, or the determinant.",
            ),
        ),
        solution="""
import numpy as np

def millilitres(label, affine):
    voxel = abs(np.linalg.det(affine[:3, :3]))    # mm³
    return (label > 0).sum() * voxel / 1000

answer = millilitres
""",
        teaches=lambda: (
            "The determinant of the affine's 3 x 3 part is the volume of a voxel, whatever the order of the axes. "
            "The product of the columns' lengths gives the same for any CT whose axes are at right angles."
        ),
        claims=lambda: {
            "determinant and lengths agree": bool(
                np.isclose(abs(np.linalg.det(_TURNED[:3, :3])), np.prod(np.linalg.norm(_TURNED[:3, :3], axis=0)))
            )
        },
    ),
    Exercise(
        id="01-4",
        title="Which of these are no HU?",
        level="medium",
        minutes=5,
        right=lambda: {"b", "c", "d"},
        accepts=lambda answer: {str(x).strip().lower() for x in answer} == {"b", "c", "d"} and len(answer) == 3,
        wrong=(
            Wrong(
                "only the raised one",
                lambda: {"b"},
                "b is raised by 1024, well seen. But look at the *distance* of fat and muscle in c, and at the "
                "whole range of d.",
            ),
            Wrong(
                "missed the scale",
                lambda: {"b", "d"},
                "In HU, fat and muscle lie about 155 apart, wherever zero is. One of those you accepted has "
                "another distance.",
            ),
            Wrong(
                "missed the picture",
                lambda: {"b", "c"},
                "One of those you accepted has values from 0 to 255 only: that is a picture, made with a window.",
            ),
            Wrong(
                "suspects the right one",
                lambda: {"a", "b", "c", "d"},
                "a is what a CT should look like: air near -1000, fat near -100, muscle near 55.",
            ),
        ),
        solution="""
answer = {"b", "c", "d"}    # raised by 1024; halved; a windowed picture
""",
        teaches=lambda: (
            "b is stored without its offset, c with a wrong slope, d is an export for a screen: in d the rest cannot "
            "be recovered. A network would not complain about any of them, it would only be wrong; the preflight does."
        ),
    ),
    Exercise(
        id="01-5",
        title="Where is this voxel?",
        level="medium",
        minutes=5,
        right=lambda: _place,
        probes=lambda: [(_AFFINE, np.array([100.0, 90.0, 20.0])), (_TURNED, np.array([3.0, 5.0, 7.0]))],
        wrong=(
            Wrong(
                "no origin",
                lambda: lambda affine, voxel: affine[:3, :3] @ voxel,
                "Voxel (0, 0, 0) is not at 0 mm: the last column of the affine says where it is.",
            ),
            Wrong(
                "spacing only",
                lambda: lambda affine, voxel: np.linalg.norm(affine[:3, :3], axis=0) * voxel + affine[:3, 3],
                "You used the spacing and lost the directions: in the second example the first index runs along "
                "another axis.",
            ),
            Wrong(
                "turned around",
                lambda: lambda affine, voxel: affine[:3, :3].T @ voxel - affine[:3, 3],
                "That goes towards voxels rather than towards millimetres. Multiply by the matrix and add the last "
                "column.",
            ),
        ),
        solution="""
def place(affine, voxel):
    return affine[:3, :3] @ voxel + affine[:3, 3]

answer = place
""",
        teaches=lambda: (
            "Image and label belong together if the same voxel lies at the same place in both, so equal shapes are "
            "not enough: the preflight compares affines as well."
        ),
        claims=lambda: {"the origin counts": bool((_place(_AFFINE, np.zeros(3)) == _AFFINE[:3, 3]).all())},
    ),
]

QUESTIONS = [
    Question(
        "01-q1",
        "Bowel wall and pancreas have the same HU in a scan. What can a network still use?",
        (
            Choice("nothing, it has to fail", "HU are not all: shape, place and neighbours remain."),
            Choice("shape, place and neighbours", "That is also how a radiologist follows the organ.", right=True),
            Choice("a finer threshold", "Equal values cannot be told apart by any threshold."),
        ),
    ),
    Question(
        "01-q2",
        "A scan was made 30 seconds after the injection: the aorta has 320 HU, the liver hardly enhances. Which phase?",
        (
            Choice("unenhanced", "Without contrast medium the aorta would have about 40 HU."),
            Choice("arterial", "Arteries are bright, and liver and veins not yet.", right=True),
            Choice("portal venous", "At 60 to 80 seconds the liver and the portal vein are bright."),
        ),
    ),
    Question(
        "01-q3",
        "The label's file has the same shape as the image's. Do they belong together?",
        (
            Choice("yes, the arrays fit", "The label may be mirrored, or lie on another grid of the same size."),
            Choice("not before affines were compared", "Equal shapes say nothing about places.", right=True),
            Choice("no, labels are always smaller", "A label has a value for each voxel of the image."),
        ),
    ),
    Question(
        "01-q4",
        "Which difference between two sources can one *not* see in a single slice?",
        (
            Choice("noise", "It is visible in any homogeneous organ."),
            Choice("contrast phase", "Aorta, veins and kidneys show it."),
            Choice("how often patients carry a mass", "That belongs to the population; it takes many.", right=True),
        ),
    ),
]

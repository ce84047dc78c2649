"""Exercises of notebook 04: InfoNCE, hinge and prototype by hand, the tissue taken for pancreas, directions in use."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.questions_04 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]


def _unit(degrees) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


_INFONCE = [(_unit(80), _unit(90), _unit([20, -40, -150]), 0.1), (_unit(60), _unit(90), _unit([40, -90]), 0.5)]
_COSINES = np.array([-0.6, 0.1, 0.5, 0.9])
_Z, _CERTAIN = _unit([90, 70, 20]), np.array([1.0, 0.8, 0.1])
_VALUES = np.array([8.0, 3.0, 1.0, 0.5])


def _infonce(anchor, positive, negatives, temperature):
    pulled = np.exp(anchor @ positive / temperature)
    pushed = np.exp(negatives @ anchor / temperature).sum()
    return -np.log(pulled / (pulled + pushed))


def _hinge(cosines, margin):
    return np.maximum(0, cosines - margin).mean()


def _prototype(z, certainty):
    mean = (certainty[:, None] * z).sum(axis=0)
    return mean / np.linalg.norm(mean)


def _rank(values):
    share = values / values.sum()
    return np.exp(-(share * np.log(share)).sum())


def _space() -> dict[str, Any]:
    regions = np.array([1, 1, 2, 3, 3, 4, 4, 5, 5, 5])
    cosines = np.array([0.97, 0.9, 0.8, 0.6, 0.2, 0.35, -0.1, 0.44, -0.5, -0.7])
    return {"space": SimpleNamespace(regions=regions, cosines=cosines)}


def _other(space) -> np.ndarray:
    return np.asarray(space.cosines)[np.isin(np.asarray(space.regions), (4, 5))]


EXERCISES = [
    Exercise(
        id="04-1",
        title="InfoNCE by hand",
        level="medium",
        minutes=10,
        right=lambda: _infonce,
        probes=lambda: _INFONCE,
        wrong=(
            Wrong(
                "no temperature",
                lambda: lambda a, p, n, temperature: _infonce(a, p, n, 1.0),
                "The temperature does nothing in yours. Every cosine is divided by it before the exponential.",
            ),
            Wrong(
                "positive left out below",
                lambda: lambda a, p, n, t: -np.log(np.exp(a @ p / t) / np.exp(n @ a / t).sum()),
                "The denominator sums over *all* candidates, the positive included. Without it, this is no "
                "probability, and the loss can become negative.",
            ),
            Wrong(
                "mean of the negatives",
                lambda: lambda a, p, n, t: -np.log(np.exp(a @ p / t) / (np.exp(a @ p / t) + np.exp(n @ a / t).mean())),
                "You averaged over the negatives. In InfoNCE each of them is a rival of its own: they are summed.",
            ),
            Wrong(
                "wrong sign",
                lambda: lambda a, p, n, t: -_infonce(a, p, n, t),
                "A step of the training makes the loss smaller. Yours would drive the anchor away from its positive.",
            ),
        ),
        solution="""
import numpy as np

def infonce(anchor, positive, negatives, temperature):
    pulled = np.exp(anchor @ positive / temperature)
    pushed = np.exp(negatives @ anchor / temperature).sum()
    return -np.log(pulled / (pulled + pushed))

answer = infonce
""",
        teaches=lambda: (
            "It is a cross-entropy: which of the candidates is the partner? The loss is 0 only if the positive's "
            "share is 1, and a negative counts the more, the closer it is to the anchor."
        ),
        claims=lambda: {
            "a closer negative costs more": _infonce(_unit(80), _unit(90), _unit([70]), 0.1)
            > _infonce(_unit(80), _unit(90), _unit([-90]), 0.1)
        },
    ),
    Exercise(
        id="04-2",
        title="What the hinge adds",
        level="easy",
        minutes=6,
        right=lambda: _hinge,
        probes=lambda: [(_COSINES, 0.3), (_COSINES, 1.0)],
        wrong=(
            Wrong(
                "no zero",
                lambda: lambda cosines, margin: (cosines - margin).mean(),
                "Voxels that are far enough away lower your loss further, so the training would go on pushing them. "
                "A hinge leaves them alone: what is the least that a voxel may add?",
            ),
            Wrong(
                "turned around",
                lambda: lambda cosines, margin: np.maximum(0, margin - cosines).mean(),
                "Yours is large for voxels that are already far from the prototype. Which ones are to be pushed away?",
            ),
            Wrong(
                "sum",
                lambda: lambda cosines, margin: np.maximum(0, cosines - margin).sum(),
                "That is a sum: a patient with a larger rim would push harder. The bar in the formula is a mean.",
            ),
        ),
        solution="""
import numpy as np

def hinge(cosines, margin):
    return np.maximum(0, cosines - margin).mean()

answer = hinge
""",
        teaches=lambda: (
            "InfoNCE pushes a voxel of rim_out away from each *anchor*, and inside a cloud of anchors these pushes "
            "cancel. The hinge pushes away from the prototype itself, until the margin is kept; with a margin of 1 "
            "it is off."
        ),
        claims=lambda: {"off at a margin of 1": _hinge(_COSINES, 1.0) == 0},
    ),
    Exercise(
        id="04-3",
        title="A typical pancreas voxel",
        level="medium",
        minutes=6,
        right=lambda: _prototype,
        probes=lambda: [(_Z, _CERTAIN)],
        wrong=(
            Wrong(
                "not on the circle",
                lambda: lambda z, certainty: (certainty[:, None] * z).sum(axis=0) / certainty.sum(),
                "The mean of unit vectors is shorter than 1. A cosine compares directions: bring it back to length 1.",
            ),
            Wrong(
                "every voxel alike",
                lambda: lambda z, certainty: _prototype(z, np.ones_like(certainty)),
                "A doubtful voxel counted as much as a certain one. Weigh each by its certainty.",
            ),
            Wrong(
                "doubt as weight",
                lambda: lambda z, certainty: _prototype(z, 1 - certainty),
                "Your prototype is made of the most doubtful voxels: the weights are turned around.",
            ),
        ),
        solution="""
import numpy as np

def prototype(z, certainty):
    mean = (certainty[:, None] * z).sum(axis=0)
    return mean / np.linalg.norm(mean)

answer = prototype
""",
        teaches=lambda: (
            "Certain core voxels decide what a typical pancreas is. Over a training the library also averages over "
            "the steps (an exponential moving average), so that one batch cannot turn the prototype."
        ),
        claims=lambda: {"length 1": bool(np.isclose(np.linalg.norm(_prototype(_Z, _CERTAIN)), 1))},
    ),
    Exercise(
        id="04-4",
        title="The tissue taken for pancreas",
        level="medium",
        minutes=8,
        right=lambda space: float(_other(space).max()),
        example=_space,
        wrong=(
            Wrong(
                "the pancreas itself",
                lambda space: float(np.asarray(space.cosines).max()),
                (
                    "The voxel you found belongs to the pancreas or to its rim. Keep only the regions *near* (4) and "
                    "*far* (5)."
                ),
            ),
            Wrong(
                "a mean",
                lambda space: float(_other(space).mean()),
                (
                    "That is the mean over near and far. Most of these voxels are harmless; the one that comes closest "
                    "is asked for."
                ),
            ),
            Wrong(
                "the farthest",
                lambda space: float(_other(space).min()),
                "That is the voxel least like pancreas. A cosine of 1 is the same direction, -1 the opposite one.",
            ),
        ),
        solution="""
import numpy as np

elsewhere = np.isin(space.regions, (4, 5))
answer = space.cosines[elsewhere].max()
""",
        teaches=lambda space: (
            f"The closest voxel outside the rims has a cosine of {_other(space).max():.2f} with the prototype. "
            + (
                "To the network it looks like pancreas: its place is worth a look in the explorer, and bowel or a "
                "vessel is a good guess."
                if _other(space).max() > 0.5
                else "In this patient no tissue beyond the rims comes close to it."
            )
        ),
        claims=lambda space: {"a cosine": -1.001 <= _other(space).min() <= _other(space).max() <= 1.001},
    ),
    Exercise(
        id="04-5",
        title="How many directions are in use?",
        level="hard",
        minutes=8,
        right=lambda: _rank,
        probes=lambda: [(_VALUES,), (np.ones(5),)],
        wrong=(
            Wrong(
                "stopped at the entropy",
                lambda: lambda values: np.log(_rank(values)),
                (
                    "That is the entropy of the shares. Five equal values should give 5 directions: what undoes the "
                    "logarithm?"
                ),
            ),
            Wrong(
                "counts what is not zero",
                lambda: lambda values: float((values > 0).sum()),
                "That is the ordinary rank. A direction with a thousandth of the share counts fully there, and noise "
                "alone makes the rank full.",
            ),
            Wrong(
                "squared",
                lambda: lambda values: _rank(values**2),
                "You took the shares of the squared values (the variances). The effective rank uses the singular "
                "values themselves.",
            ),
            Wrong(
                "bits, then e",
                lambda: lambda values: np.exp(np.log(_rank(values)) / np.log(2)),
                "The entropy was in bits and the exponential to base e: the two must match.",
            ),
        ),
        solution="""
import numpy as np

def effective_rank(values):
    share = values / values.sum()
    return np.exp(-(share * np.log(share)).sum())

answer = effective_rank
""",
        teaches=lambda: (
            "Equal values give their number, one large value gives nearly 1: a collapse shows as an effective rank "
            "near 1, whatever the loss says."
        ),
        claims=lambda: {
            "equal values give their number": bool(np.isclose(_rank(np.ones(5)), 5)),
            "one large value gives nearly 1": _rank(np.array([1e6, 1.0])) < 1.01,
        },
    ),
]

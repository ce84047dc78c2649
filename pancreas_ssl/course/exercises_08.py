"""Exercises of notebook 08: is a doubt worth anything, how sure is a volume, which mistakes are silent."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.question import Choice, Question

__all__ = ["EXERCISES", "QUESTIONS"]

_DOUBT, _DICE = np.array([0.05, 0.1, 0.2, 0.9]), np.array([0.8, 0.9, 0.6, 0.1])
LIMITS = (0.3, 0.5, 0.7)


def _spearman(a, b):
    return np.corrcoef(rankdata(a), rankdata(b))[0, 1]


def _blurred() -> dict[str, Any]:
    x = np.linspace(-2, 2, 16)
    distance = np.sqrt(x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2)
    return {
        "prediction": SimpleNamespace(probability=1 / (1 + np.exp(4 * (distance - 1.2)))),
        "image": SimpleNamespace(voxel_ml=0.027),
    }


def _volumes(prediction, image) -> list[float]:
    return [float((prediction.probability > limit).sum() * image.voxel_ml) for limit in LIMITS]


EXERCISES = [
    Exercise(
        id="08-1",
        title="Is the doubt worth anything?",
        level="medium",
        minutes=8,
        right=lambda: _spearman,
        probes=lambda: [(_DOUBT, _DICE), (_DICE, _DICE)],
        wrong=(
            Wrong(
                "values instead of ranks",
                lambda: lambda a, b: np.corrcoef(a, b)[0, 1],
                "That is Pearson's correlation of the values: one extreme case can decide it. Compare the *orders*: "
                "replace each value by its rank first.",
            ),
            Wrong(
                "only one side ranked",
                lambda: lambda a, b: np.corrcoef(rankdata(a), b)[0, 1],
                "Only the first of the two was ranked.",
            ),
            Wrong(
                "a distance",
                lambda: lambda a, b: np.abs(rankdata(a) - rankdata(b)).mean(),
                (
                    "That is a mean difference of ranks. A correlation lies between -1 and 1, and its sign tells the "
                    "direction."
                ),
            ),
        ),
        solution="""
import numpy as np
from scipy.stats import rankdata

def rank_correlation(doubt, dice):
    return np.corrcoef(rankdata(doubt), rankdata(dice))[0, 1]

answer = rank_correlation
""",
        teaches=lambda: (
            'Try it on your own cases: `known[["uncertainty", "dice"]].corr("spearman")`. Near -1 the uncertain cases '
            "are the bad ones, and the ranking is worth your time. Near 0 only a look at every mask helps; it takes "
            "more than a handful of cases to tell the two apart."
        ),
        claims=lambda: {"an order against itself": bool(np.isclose(_spearman(_DICE, _DICE), 1))},
    ),
    Exercise(
        id="08-2",
        title="How sure is a volume?",
        level="easy",
        minutes=5,
        right=_volumes,
        example=_blurred,
        wrong=(
            Wrong(
                "voxels",
                lambda prediction, image: [v / image.voxel_ml for v in _volumes(prediction, image)],
                "These are numbers of voxels. `image.voxel_ml` is the volume of one, in mL.",
            ),
            Wrong(
                "other way round",
                lambda prediction, image: _volumes(prediction, image)[::-1],
                (
                    "The order is turned around: a higher limit leaves fewer voxels. Give the volumes for 0.3, 0.5 and "
                    "0.7."
                ),
            ),
            Wrong(
                "sums of probability",
                lambda prediction, image: [
                    float(prediction.probability[prediction.probability > limit].sum() * image.voxel_ml)
                    for limit in LIMITS
                ],
                "You added up probabilities. That is an expected volume; here voxels above a limit are counted.",
            ),
        ),
        solution="""
answer = [(prediction.probability > limit).sum() * image.voxel_ml for limit in (0.3, 0.5, 0.7)]
""",
        teaches=lambda prediction, image: (
            f"Between the limits 0.3 and 0.7 the volume goes from {_volumes(prediction, image)[0]:.1f} to "
            f"{_volumes(prediction, image)[2]:.1f} mL. If these are far apart, the border is not known, and a "
            f"decimal place would be a lie. (The probabilities are the network's own opinion, and they count every "
            f"part, the mask only the largest.)"
        ),
        claims=lambda prediction, image: {
            "a higher limit leaves less": _volumes(prediction, image)[0] >= _volumes(prediction, image)[2]
        },
    ),
    Exercise(
        id="08-3",
        title="Mistakes that nobody reports",
        level="hard",
        minutes=10,
        right=lambda: {"b", "d"},
        wrong=(
            Wrong(
                "one of two",
                lambda: {"b"},
                "A pattern that fits no label is silent, that is right. There is another mistake for which every "
                "single file looks fine: which of them concerns who is who?",
            ),
            Wrong(
                "who is who",
                lambda: {"d"},
                "Patients who are not recognised are silent, that is right. But what does the preflight say of a "
                "scan without a label? Nothing: nothing is wrong with it.",
            ),
            Wrong(
                "a value that is not there",
                lambda: {"a"},
                (
                    "The preflight compares the values in the files with those of the card, and names those that it "
                    "does not know."
                ),
            ),
            Wrong(
                "no scans",
                lambda: {"c"},
                "Where no image fits, there is no case, and the card is refused with a sentence.",
            ),
        ),
        solution="""
answer = {"b", "d"}
""",
        teaches=lambda: (
            "Nothing is wrong with a scan that nobody labelled, so read the line below the card: how many cases, how "
            "many with a label? And no file tells that two scans are of one patient: only the card's `patients` "
            "does. Without it, a patient may stand on both sides of a fold."
        ),
    ),
]

QUESTIONS = [
    Question(
        "08-q1",
        "A case has a low uncertainty and no reason in the table. May its mask go unread?",
        (
            Choice("yes, the network is sure", "It is sure of much that it never saw."),
            Choice(
                "no: it comes last, but a network can be wrong and certain",
                "A ranking saves time, not care.",
                right=True,
            ),
            Choice("no: all masks are equally doubtful", "The order is worth something where it was checked."),
        ),
    ),
    Question(
        "08-q2",
        "You corrected a mask by hand and ran the notebook again with the same `OUT`. What happens to your correction?",
        (
            Choice("it is overwritten", "A file that was changed since it was written is never replaced."),
            Choice(
                "the run stops with a sentence", "Save corrections under another name: they are labels now.", right=True
            ),
            Choice("it is merged with the new mask", "Masks are never merged."),
        ),
    ),
    Question(
        "08-q3",
        "A network was trained on your fold 1 to 4. On which patients does its Dice say something?",
        (
            Choice("on all of them", "It learned from four fifths of them by heart."),
            Choice("on those of the fold that was held out", "They did not train it.", right=True),
            Choice("on those with the largest pancreas", "Size has nothing to do with it."),
        ),
    ),
]

"""Exercises of notebook 02b: costs that do not add up, what an interval shows, and a change of appearance by hand."""

import numpy as np
import pandas as pd

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.question import Choice, Question

__all__ = ["EXERCISES", "QUESTIONS"]


def _costs(dice):
    """What each single change costs, and what all of them together cost."""
    costs = dice["nothing"] - dice.drop("nothing")
    return costs.drop("everything"), costs["everything"]


def _surplus(dice):
    single, together = _costs(dice)
    return single.sum() - together


def _added_up(dice) -> str:
    single, together = _costs(dice)
    how = "more than" if single.sum() > together else "less than"
    why = (
        "some changes do the same harm, or make up for each other"
        if single.sum() > together
        else "some changes harm only together"
    )
    return (
        f"The single costs add up to {single.sum():.2f}, {how} the {together:.2f} of everything together: {why}. "
        "With so few patients, take the direction as a hint."
    )


def _compared() -> dict:
    rows = [
        ("remedy: V", 0.21, 0.12, 0.30, 14, 2),
        ("remedy: W", 0.02, -0.05, 0.09, 9, 7),
        ("remedy: X", -0.01, -0.08, 0.06, 8, 8),
        ("remedy: mean", 0.07, 0.01, 0.13, 31, 17),
        ("control: V", 0.01, -0.09, 0.10, 7, 9),
    ]
    return {"comparisons": pd.DataFrame(rows, columns=["what", "difference", "low", "high", "better", "worse"])}


def _which(comparisons, rule) -> set[str]:
    return set(comparisons.loc[rule, "what"])


def _shown(comparisons) -> set[str]:
    return _which(comparisons, (comparisons["low"] > 0) | (comparisons["high"] < 0))


def _gamma(image, exponent):
    return 2 * ((image + 1) / 2) ** exponent - 1


_IMAGES = [(np.linspace(-0.9, 0.9, 7), 1.4), (np.array([-1.0, -0.5, 0.25, 1.0]), 0.7)]

EXERCISES = [
    Exercise(
        id="02b-1",
        title="Do the costs add up?",
        level="easy",
        minutes=5,
        right=_surplus,
        wrong=(
            Wrong(
                "the other sign",
                lambda dice: -_surplus(dice),
                "Your difference has the other direction: take the sum of the single costs first, then subtract.",
            ),
            Wrong(
                "the mean of the costs",
                lambda dice: _costs(dice)[0].mean() - _costs(dice)[1],
                "You took the mean of the single costs. If they were independent, it is their *sum* that would equal "
                "the cost of everything together.",
            ),
            Wrong(
                "everything among the single ones",
                lambda dice: _costs(dice)[0].sum(),
                "Your sum holds `everything` as one more single change, and then subtracts it again. Leave it out.",
            ),
            Wrong(
                "Dice in place of costs",
                lambda dice: dice.drop(["nothing", "everything"]).sum() - dice["everything"],
                "You added Dice values. A cost is what is *lost*: the Dice with nothing changed minus the Dice with "
                "the change.",
            ),
        ),
        solution="""
costs = dice["nothing"] - dice.drop("nothing")
answer = costs.drop("everything").sum() - costs["everything"]
""",
        teaches=_added_up,
        example=lambda: {
            "dice": pd.Series({"nothing": 0.82, "fat": 0.70, "noise": 0.81, "kernel": 0.78, "everything": 0.60})
        },
        claims=lambda dice: {"they do not add up exactly": _surplus(dice) != 0},
    ),
    Exercise(
        id="02b-2",
        title="What has been shown?",
        level="easy",
        minutes=4,
        right=_shown,
        wrong=(
            Wrong(
                "the sign of the difference",
                lambda comparisons: _which(comparisons, comparisons["difference"] > 0),
                "A difference above zero is not yet shown: look at where its interval ends.",
            ),
            Wrong(
                "more patients better than worse",
                lambda comparisons: _which(comparisons, comparisons["better"] > comparisons["worse"]),
                "You counted patients. A small majority is easily chance; the interval says whether this one is.",
            ),
            Wrong(
                "intervals that hold zero",
                lambda comparisons: set(comparisons["what"]) - _shown(comparisons),
                "These are the ones that leave the question open: zero is among the values that fit the data.",
            ),
            Wrong(
                "the whole table",
                lambda comparisons: set(comparisons["what"]),
                "That a comparison stands in the table only says that it was made.",
            ),
        ),
        solution="""
clear = (comparisons["low"] > 0) | (comparisons["high"] < 0)
answer = set(comparisons.loc[clear, "what"])
""",
        teaches=lambda comparisons: (
            f"{len(_shown(comparisons))} of {len(comparisons)} comparisons leave zero outside. The others are not "
            "shown to be nothing: their intervals say how large an effect could still hide in them."
        ),
        example=_compared,
        claims=lambda comparisons: {"some are shown, some are not": 0 < len(_shown(comparisons)) < len(comparisons)},
    ),
    Exercise(
        id="02b-3",
        title="Change the gamma",
        level="medium",
        minutes=6,
        right=lambda: _gamma,
        probes=lambda: _IMAGES,
        wrong=(
            Wrong(
                "a power of negative values",
                lambda: lambda image, exponent: np.sign(image) * np.abs(image) ** exponent,
                "You raised values between -1 and 1 to a power, keeping their sign. That changes the dark half in the "
                "opposite way to the bright half: move the values to 0 to 1 first.",
            ),
            Wrong(
                "not moved back",
                lambda: lambda image, exponent: ((image + 1) / 2) ** exponent,
                "Your result lies between 0 and 1. The network expects -1 to 1: move it back.",
            ),
            Wrong(
                "the inverse exponent",
                lambda: lambda image, exponent: _gamma(image, 1 / exponent),
                "You used one over the exponent. Here an exponent above 1 makes the picture *darker*.",
            ),
            Wrong(
                "a factor",
                lambda: lambda image, exponent: image * exponent,
                "Multiplying is a change of *contrast*: it stretches all values alike, and may leave the window.",
            ),
        ),
        solution="""
def gamma(image, exponent):
    share = (image + 1) / 2             # 0 to 1
    return 2 * share**exponent - 1      # and back to -1 to 1

answer = gamma
""",
        teaches=lambda: (
            "Black and white stay where they are, everything between becomes darker or brighter: no tissue keeps its "
            "HU, but their order stays. What strong augmentation cannot do is change one tissue alone."
        ),
        claims=lambda: {
            "black and white stay": np.allclose(_gamma(np.array([-1.0, 1.0]), 1.4), [-1, 1]),
            "the order stays": bool((np.diff(_gamma(_IMAGES[0][0], 1.4)) > 0).all()),
        },
    ),
]

QUESTIONS = [
    Question(
        "02b-q1",
        "A change can hardly be seen in the picture. What does that say about its cost?",
        (
            Choice("It costs little.", "Networks use what readers do not notice, such as texture and fine edges."),
            Choice("Nothing: measure it.", "Striking changes can be harmless, and invisible ones costly.", right=True),
            Choice("It costs more than a visible one.", "That is no rule either."),
        ),
    ),
    Question(
        "02b-q2",
        "Why does strong augmentation not help against every shift?",
        (
            Choice(
                "It changes the whole picture at once, so no tissue changes alone.",
                "Bowel that enhances less, or fat in the pancreas, is outside what it can imitate.",
                right=True,
            ),
            Choice("It was trained on too few sources.", "It was trained on one on purpose; more variety is the idea."),
            Choice(
                "It only works on the source at home.",
                "It is made for sources elsewhere; at home it rarely helps, and may cost a little.",
            ),
        ),
    ),
    Question(
        "02b-q3",
        "The nonsense loss has an interval of several points of Dice on both sides of zero. What follows?",
        (
            Choice(
                "Nonsense may help a little, so it is worth a try.", "Chance between trainings is all that it shows."
            ),
            Choice("The control failed.", "It fails only if the nonsense is shown to change something."),
            Choice(
                "With so few seeds, effects of that size cannot be seen here.",
                "A method that gains less than this width needs more seeds or patients to be judged.",
                right=True,
            ),
        ),
    ),
]

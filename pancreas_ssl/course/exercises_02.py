"""Exercises of notebook 02: weights of a layer, the loss, the price of leaving home, an interval."""

import numpy as np
import pandas as pd

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.question import Choice, Question

__all__ = ["EXERCISES", "QUESTIONS"]

_LAYERS = [(8, 16), (16, 16), (64, 32)]


def _softmax(logits):
    e = np.exp(logits - logits.max(axis=0))
    return e / e.sum(axis=0)


def _cross_entropy(logits, label):
    return -np.log(_softmax(logits)[label, np.arange(len(label))]).mean()


def _voxels() -> list[tuple]:
    logits = np.array([[2.0, 0.5, 1.0, 3.0], [1.0, 1.5, 2.0, 0.2]])  # background, pancreas
    return [(logits, np.array([0, 1, 1, 0])), (logits, np.array([1, 1, 0, 0])), (logits[:, :1], np.array([1]))]


def _table() -> dict:
    dice = {"A": [0.84, 0.80, 0.79], "V": [0.55, 0.41, 0.30], "W": [0.72, 0.60, 0.51]}
    rows = [{"source": f"phantom/{s}", "case": f"{s}_{k}", "dice": d} for s, v in dice.items() for k, d in enumerate(v)]
    return {"rows": pd.DataFrame(rows), "home": "phantom/A"}


def _means(rows, home):
    """The mean at home, and the mean of the other sources' means."""
    means = rows.groupby("source")["dice"].mean()
    return means[home], means.drop(home).mean()


def _price(rows, home):
    at_home, away = _means(rows, home)
    return at_home - away


def _priced(rows, home) -> str:
    at_home, away = _means(rows, home)
    direction = "lost" if at_home > away else "gained"
    said = (
        f"{at_home:.2f} at home, {away:.2f} away: {abs(at_home - away):.2f} {direction} by nothing but another source."
    )
    return said + " Whoever reports the first number alone has measured the easy half."


def _picks(n: int) -> tuple:
    rng = np.random.default_rng(n)
    return rng.normal(0.03, 0.08, n), rng.integers(0, n, (400, n))


def _interval(values, picks):
    return np.percentile(values[picks].mean(axis=1), [2.5, 97.5])


EXERCISES = [
    Exercise(
        id="02-1",
        title="The weights of a layer",
        level="easy",
        minutes=4,
        right=lambda: lambda inputs, outputs: 27 * inputs * outputs,
        probes=lambda: _LAYERS,
        wrong=(
            Wrong(
                "a flat kernel",
                lambda: lambda inputs, outputs: 9 * inputs * outputs,
                "A 3 × 3 kernel belongs to a flat picture. A scan is a volume: the kernel has a third side.",
            ),
            Wrong(
                "one kernel for all input channels",
                lambda: lambda inputs, outputs: 27 * outputs,
                "An output channel looks at *every* input channel, and has a kernel of its own for each of them.",
            ),
            Wrong(
                "adds a bias",
                lambda: lambda inputs, outputs: 27 * inputs * outputs + outputs,
                "Many convolutions add a number to each output channel, the bias. These do without: the normalisation "
                "that follows would remove it.",
            ),
            Wrong(
                "adds the channels",
                lambda: lambda inputs, outputs: 27 * (inputs + outputs),
                "Each pair of an input and an output channel has a kernel. How many pairs are there?",
            ),
        ),
        solution="""
def weights(inputs, outputs):
    return 3 * 3 * 3 * inputs * outputs

answer = weights
""",
        teaches=lambda: (
            "The size of the grid does not enter: the same kernel is used at every voxel. So the coarse levels, with "
            "many channels, hold most of the weights, and the fine levels take most of the time."
        ),
        claims=lambda: {"a coarse level has more weights": 64 * 96 > 8 * 16},
    ),
    Exercise(
        id="02-2",
        title="Cross-entropy by hand",
        level="medium",
        minutes=8,
        right=lambda: _cross_entropy,
        probes=_voxels,
        wrong=(
            Wrong(
                "always the pancreas",
                lambda: lambda logits, label: -np.log(_softmax(logits)[1]).mean(),
                "You took the probability of pancreas at every voxel. Where the label says background, the probability "
                "of *background* counts.",
            ),
            Wrong(
                "one logit at a time",
                lambda: lambda logits, label: np.log1p(np.exp(-logits[label, np.arange(len(label))])).mean(),
                "You turned the true class's logit into a probability by itself (a sigmoid). Softmax compares the "
                "logits of *both* classes: a logit means nothing without the other.",
            ),
            Wrong(
                "logits taken for probabilities",
                lambda: lambda logits, label: -np.log(logits[label, np.arange(len(label))]).mean(),
                "Logits are no probabilities: they may be negative or above 1. Put them through softmax first.",
            ),
            Wrong(
                "a sum",
                lambda: lambda logits, label: _cross_entropy(logits, label) * len(label),
                "That is the sum over voxels. As a mean, the loss does not grow with the size of the patch.",
            ),
        ),
        solution="""
import numpy as np

def cross_entropy(logits, label):
    e = np.exp(logits)
    probability = e / e.sum(axis=0)                       # softmax over the classes
    true = probability[label, np.arange(len(label))]      # of the class that the label names
    return -np.log(true).mean()

answer = cross_entropy
""",
        teaches=lambda: (
            f"A voxel that gets 0.9 for its true class costs {-np.log(0.9):.2f}, one that gets 0.1 costs "
            f"{-np.log(0.1):.2f}: confident mistakes dominate this loss. Dice looks at the mask as a whole; the recipe "
            "adds both."
        ),
        claims=lambda: {"confident mistakes dominate": -np.log(0.1) > 10 * -np.log(0.9)},
    ),
    Exercise(
        id="02-3",
        title="The price of leaving home",
        level="easy",
        minutes=5,
        right=_price,
        wrong=(
            Wrong(
                "away minus home",
                lambda rows, home: -_price(rows, home),
                "The size is right, the direction is not: a loss is what home has *more*.",
            ),
            Wrong(
                "home counted as away",
                lambda rows, home: _means(rows, home)[0] - rows.groupby("source")["dice"].mean().mean(),
                "Your mean over the sources includes home. That makes the loss look smaller than it is.",
            ),
            Wrong(
                "a share of the Dice at home",
                lambda rows, home: _price(rows, home) / _means(rows, home)[0],
                "That is the relative loss. Asked for is the difference of two Dice values.",
            ),
            Wrong(
                "the Dice away",
                lambda rows, home: _means(rows, home)[1],
                "That is the Dice elsewhere, not yet the difference from home.",
            ),
        ),
        solution="""
means = rows.groupby("source")["dice"].mean()
answer = means[home] - means.drop(home).mean()
""",
        teaches=_priced,
        example=_table,
        claims=lambda rows, home: {"home and away differ": abs(_price(rows, home)) > 0},
    ),
    Exercise(
        id="02-4",
        title="An interval by bootstrap",
        level="medium",
        minutes=10,
        right=lambda: _interval,
        probes=lambda: [_picks(8), _picks(20)],
        wrong=(
            Wrong(
                "the spread of the patients",
                lambda: lambda values, picks: np.percentile(values, [2.5, 97.5]),
                "These percentiles hold most *patients*. How sure one is of the *mean* is another question: draw, take "
                "each draw's mean, and look at how these means spread.",
            ),
            Wrong(
                "no mean of each draw",
                lambda: lambda values, picks: np.percentile(values[picks], [2.5, 97.5]),
                "`values[picks]` has a row for each draw. Take the mean of each row before the percentiles, or you "
                "only get the patients back.",
            ),
            Wrong(
                "5 % at each end",
                lambda: lambda values, picks: np.percentile(values[picks].mean(axis=1), [5, 95]),
                "5 % cut off at *each* end leave 90 %. For a 95 % interval, 5 % are left out in total.",
            ),
            Wrong(
                "mean over the draws",
                lambda: lambda values, picks: np.percentile(values[picks].mean(axis=0), [2.5, 97.5]),
                "You averaged over the draws (axis 0): that gives one number per position. Each *row* is one draw of "
                "patients.",
            ),
        ),
        solution="""
import numpy as np

def interval(values, picks):
    means = values[picks].mean(axis=1)       # one mean for each draw of patients
    return np.percentile(means, [2.5, 97.5])

answer = interval
""",
        teaches=lambda: (
            "The interval of a mean narrows with the number of patients, the spread of the patients does not. "
            "It knows of these patients and of this one training: of another seed it knows nothing."
        ),
        claims=lambda: {
            "more patients, a narrower interval": np.ptp(_interval(*_picks(200))) < np.ptp(_interval(*_picks(8)))
        },
    ),
]

QUESTIONS = [
    Question(
        "02-q1",
        "What do the skips of a U-Net carry?",
        (
            Choice("the label, so that the decoder knows the outline", "No label enters a network when it predicts."),
            Choice(
                "what the encoder saw on the same level",
                "The coarse levels know where the organ is, the fine ones where its edge runs; a skip joins the two.",
                right=True,
            ),
            Choice("the gradient only", "Gradients do flow back through them, but first they carry features forward."),
        ),
    ),
    Question(
        "02-q2",
        "An interval of the difference runs from just below zero to far above it. What may you write?",
        (
            Choice("The two networks are equally good.", "Not seeing a difference is not the same as seeing none."),
            Choice("The new network is better.", "Zero lies inside: with these patients it could also be no better."),
            Choice(
                "With these patients the two cannot be told apart.",
                "And more patients, or more seeds, might tell them apart.",
                right=True,
            ),
        ),
    ),
    Question(
        "02-q3",
        "You try ten recipes and keep the one with the highest Dice on source V. Does that Dice hold elsewhere?",
        (
            Choice(
                "It is an honest estimate: V never trained.", "V chose the recipe, and so it took part in the work."
            ),
            Choice(
                "It is too good: V took part in the choice.",
                "So V is a development source, and the final statement needs sources that chose nothing.",
                right=True,
            ),
            Choice("Nothing can be said without real patients.", "Something can: the estimate leans to the good side."),
        ),
    ),
    Question(
        "02-q4",
        "Two networks have the same mean Dice away from home. May they differ for patients?",
        (
            Choice(
                "No, the mean decides.", "One may be mediocre everywhere, the other good with a few complete failures."
            ),
            Choice(
                "Yes: one may fail on more patients.",
                "That is why failures are counted beside the mean, and looked at.",
                right=True,
            ),
            Choice("Only if the numbers of patients differ.", "The same patients can share out one mean in many ways."),
        ),
    ),
]

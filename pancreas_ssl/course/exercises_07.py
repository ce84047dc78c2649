"""Exercises of notebook 07: what an interval allows one to say, pairing, a bootstrap, and the best of several."""

import numpy as np
import pandas as pd

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.questions_07 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]


def _zero_inside(unsure) -> bool:
    return unsure["low"] <= 0 <= unsure["high"]


def _allowed(unsure):
    """The letter of the sentence that the numbers allow."""
    return "A" if unsure["shown"] else "B" if _zero_inside(unsure) else "C"


_SAID = {
    "A": "It is shown, even with all other comparisons allowed for. How large it is, only the interval says.",
    "B": "The interval holds zero and much else: an effect that would matter and none at all are both compatible with "
    "these patients and trainings. *Not shown* is not *shown not to be*.",
    "C": "The interval alone leaves zero out, but among several comparisons one such interval is no surprise; Holm's "
    "correction allows for that, and after it the difference is not shown.",
}


def _allowed_said(unsure) -> str:
    told = f"{unsure['difference']:+.3f} ({unsure['low']:+.3f} to {unsure['high']:+.3f})"
    return f"The difference is {told}. {_SAID[_allowed(unsure)]}"


def _paired(a, b):
    return np.std(np.subtract(a, b), ddof=1) / np.sqrt(len(a))


def _unpaired(a, b):
    return np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))


def _patients(count=12, seed=3, effect=0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    b = rng.uniform(0.3, 0.9, count)
    return b + effect + rng.normal(0, 0.03, count), b


def _pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return [_patients(), _patients(20, 4, 0.1), _patients(8, 5, -0.02)]


def _paired_said(one, other) -> str:
    paired, unpaired = _paired(one, other), _unpaired(one, other)
    r = np.corrcoef(one, other)[0, 1]
    gain = "smaller" if paired < unpaired else "no smaller"
    return (
        f"Here the paired error is {paired:.4f}, and the unpaired one {unpaired:.4f}: pairing makes it {gain}. The two "
        f"arms' values have a correlation of {r:.2f}; the more patients are hard for both, the more pairing removes. "
        "The mean difference itself is the same either way."
    )


def _replicate(differences, rng):
    seeds, patients = differences.shape
    return differences[rng.integers(0, seeds, seeds)][:, rng.integers(0, patients, patients)].mean()


def _patients_only(differences, rng):
    return differences[:, rng.integers(0, differences.shape[1], differences.shape[1])].mean()


DRAWS = 150
_SEEDS = np.tile(np.array([[0.1], [0.3], [0.5], [0.9]]), (1, 16))  # trainings differ, patients do not
_CASES = np.tile(np.linspace(0, 1, 16) ** 2, (4, 1))  # patients differ, trainings do not


def _draws(**given) -> list[tuple]:
    return [(table, np.random.default_rng(k)) for table in (_SEEDS, _CASES) for k in range(DRAWS)]


def _spreads(seen) -> np.ndarray:
    """Of replicates by a function: how much they vary, over the spread expected of both draws."""
    found = np.array([float(one) for one in seen]).reshape(2, DRAWS)
    if not np.allclose(found.mean(axis=1), [_SEEDS.mean(), _CASES.mean()], atol=0.1):
        return np.full(2, np.nan)
    expected = [_SEEDS.std() / np.sqrt(4), _CASES.std() / np.sqrt(16)]
    return found.std(axis=1) / expected


def _like(seeds, patients):
    """Whether each of the two spreads is there (1), missing (0) or too small (0.5)."""
    ends = {0: (-0.01, 0.02), 0.5: (0.02, 0.75), 1: (0.75, 1.3)}
    return lambda seen, **given: all(
        ends[kind][0] < spread < ends[kind][1] for kind, spread in zip((seeds, patients), _spreads(seen), strict=True)
    )


def _effects() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    return {"differences": 0.1 + rng.normal(0, 0.04, (3, 1)) + rng.normal(0, 0.1, (1, 24))}


def _width(replicate, differences):
    rng = np.random.default_rng(0)
    return float(np.subtract(*np.percentile([replicate(differences, rng) for _ in range(400)], [97.5, 2.5])))


def _replicate_said(differences) -> str:
    both, patients = _width(_replicate, differences), _width(_patients_only, differences)
    return (
        f"With patients and trainings drawn, the middle 95 % of such means are {both:.3f} wide; with patients alone, "
        f"{patients:.3f}. An interval over patients speaks of these {len(differences)} trainings and no others. From "
        "so few, even the other one is too narrow: the study draws trainings with the spread of Student's t."
    )


def _flattered(by_seed):
    return float((by_seed.max(axis=1) - by_seed.mean(axis=1)).mean())


def _table() -> dict[str, pd.DataFrame]:
    values = {"seed 0": [0.50, 0.62, 0.57], "seed 1": [0.55, 0.65, 0.61], "seed 2": [0.48, 0.63, 0.60]}
    return {"by_seed": pd.DataFrame(values, index=["supervised", "dual", "random"])}


def _flattered_said(by_seed) -> str:
    best = by_seed.max(axis=1) - by_seed.mean(axis=1)
    return (
        f"Reporting the best of {by_seed.shape[1]} trainings adds {best.mean():.3f} Dice on average, and "
        f"{best.max():.3f} for {best.idxmax()}, without anything having become better. Against an arm that is reported "
        "by its mean, that would look like a gain. The same happens when the best of many arms is picked on the "
        "patients that judge it."
    )


EXERCISES = [
    Exercise(
        id="07-1",
        title="What may be said?",
        level="easy",
        minutes=5,
        right=_allowed,
        wrong=(
            Wrong(
                "no evidence means no effect",
                lambda unsure: "D",
                "D claims that there is no effect. Look at the far end of the interval: could a difference as large as "
                "that be ruled out?",
            ),
            Wrong(
                "an interval of patients",
                lambda unsure: "E",
                "The interval is one of the *mean* difference. How many patients gain is another question, which the "
                "columns better and worse answer.",
            ),
            Wrong(
                "met is shown",
                lambda unsure: "B" if unsure["shown"] else "A",
                "*Met* asks for the size of the difference, *shown* for what chance would rarely give. Look at `shown` "
                "and not at the sign of the difference.",
            ),
            Wrong(
                "zero inside or outside",
                lambda unsure: "C" if _zero_inside(unsure) or unsure["shown"] else "B",
                "First look at `shown`: where it is true, neither B nor C fits. Else they differ in one thing, on "
                "which side of zero the two ends of the interval lie.",
            ),
        ),
        solution="""
if unsure["shown"]:
    answer = "A"
elif unsure["low"] <= 0 <= unsure["high"]:
    answer = "B"
else:
    answer = "C"
""",
        teaches=_allowed_said,
        example=lambda: {"unsure": {"difference": 0.06, "low": -0.01, "high": 0.12, "shown": False}},
    ),
    Exercise(
        id="07-2",
        title="The error of a paired difference",
        level="medium",
        minutes=8,
        right=lambda **given: _paired,
        probes=lambda **given: _pairs(),
        wrong=(
            Wrong(
                "two separate means",
                lambda **given: _unpaired,
                "You added the errors of two separate means, as if other patients had met the second arm. Take the "
                "difference of each patient first.",
            ),
            Wrong(
                "the spread of patients",
                lambda **given: lambda a, b: np.std(np.subtract(a, b), ddof=1),
                "That is how much *patients* differ. The error of a mean is smaller, and shrinks with their number.",
            ),
            Wrong(
                "divided by the number",
                lambda **given: lambda a, b: np.std(np.subtract(a, b), ddof=1) / len(a),
                "Four times as many patients halve the error; with yours they would quarter it.",
            ),
        ),
        solution="""
import numpy as np

def paired_error(one, other):
    difference = one - other
    return difference.std(ddof=1) / np.sqrt(len(difference))

answer = paired_error
""",
        teaches=_paired_said,
        example=lambda: dict(zip(("one", "other"), _patients(), strict=True)),
        claims=lambda one, other: {"the mean is the same": np.isclose((one - other).mean(), one.mean() - other.mean())},
    ),
    Exercise(
        id="07-3",
        title="One draw of the bootstrap",
        level="hard",
        minutes=12,
        right=lambda differences: _replicate,
        probes=_draws,
        accepts=_like(1, 1),
        wrong=(
            Wrong(
                "patients only",
                lambda differences: _patients_only,
                "You drew patients and kept the trainings. Your interval would say nothing about a further training.",
                when=_like(0, 1),
            ),
            Wrong(
                "trainings only",
                lambda differences: lambda table, rng: table[rng.integers(0, len(table), len(table))].mean(),
                "You drew trainings and kept the patients. Your interval would say nothing about further patients.",
                when=_like(1, 0),
            ),
            Wrong(
                "each value by itself",
                lambda differences: lambda table, rng: rng.choice(table.ravel(), table.size).mean(),
                "You drew single values, as if each came from a patient and a training of its own. Values of one "
                "training share its luck: draw whole rows and whole columns.",
                when=_like(0.5, 0.5),
            ),
            Wrong(
                "nothing is drawn twice",
                lambda differences: lambda table, rng: rng.permuted(table, axis=1).mean(),
                "Your mean never changes: drawn *without* replacement, all come back, in another order.",
                when=_like(0, 0),
            ),
        ),
        solution="""
def replicate(differences, rng):
    seeds, patients = differences.shape
    rows = rng.integers(0, seeds, seeds)
    columns = rng.integers(0, patients, patients)
    return differences[rows][:, columns].mean()

answer = replicate
""",
        teaches=_replicate_said,
        example=_effects,
    ),
    Exercise(
        id="07-4",
        title="The best of several trainings",
        level="medium",
        minutes=6,
        right=_flattered,
        tolerance=5e-4,
        wrong=(
            Wrong(
                "best minus worst",
                lambda by_seed: float((by_seed.max(axis=1) - by_seed.min(axis=1)).mean()),
                "That is the whole spread. Nobody reports the worst training; the honest report is the mean.",
            ),
            Wrong(
                "the best arm",
                lambda by_seed: float(by_seed.to_numpy().max() - by_seed.to_numpy().mean()),
                "You took the best of all arms. Each arm has its own best training and its own mean.",
            ),
            Wrong(
                "best minus median",
                lambda by_seed: float((by_seed.max(axis=1) - by_seed.median(axis=1)).mean()),
                "You took the middle training for the honest report. The study reports the *mean* of all.",
            ),
        ),
        solution="""
best = by_seed.max(axis=1)
answer = (best - by_seed.mean(axis=1)).mean()
""",
        teaches=_flattered_said,
        example=_table,
    ),
]

"""Exercises of notebook 03: entropy, contradiction, the depth of the core, honest probabilities, dark errors."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.questions_03 import QUESTIONS
from pancreas_ssl.method.structure import label_regions, signed_distance

__all__ = ["EXERCISES", "QUESTIONS"]

_P = np.array([0.02, 0.25, 0.5, 0.9])
_ANSWERS = np.array([[0.02, 0.5, 0.1, 0.9], [0.98, 0.5, 0.2, 0.8], [0.5, 0.5, 0.3, 0.1]])
_SAID, _FOUND = np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.5, 0.8])
_VOXELS = np.array([800, 100, 100])


def _entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def _information(answers):
    return _entropy(answers.mean(axis=0)) - _entropy(answers).mean(axis=0)


def _ece(said, found, voxels):
    return float((np.abs(said - found) * voxels).sum() / voxels.sum())


def _thin() -> dict[str, Any]:
    """A block 24 mm thick, and a threshold."""
    label = np.zeros((1, 24, 24, 20), np.uint8)
    label[0, 8:16, 6:18, 6:14] = 1
    return {
        "patient": SimpleNamespace(label=label, image=np.zeros(label.shape, np.float32), spacing=(3.0, 3.0, 3.0)),
        "tau": 0.5,
    }


def _depth(patient) -> float:
    return float(-signed_distance(patient.label[0] != 0, patient.spacing).min())


def _width(patient, tau: float) -> float:
    return _depth(patient) / np.sqrt(2 * np.log(1 / tau))


def _core(patient, tau: float, s_mm: float, medial: bool) -> int:
    codes, _ = label_regions(patient.label[0], patient.image[0], patient.spacing, tau=tau, s_mm=s_mm, medial=medial)
    return int((codes == 1).sum())


def _errors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    doubt = rng.random((12, 12, 12)) ** 2
    wrong = rng.random(doubt.shape) < 0.02 + 0.5 * doubt
    near = np.zeros(doubt.shape, bool)
    near[2:10, 2:10, 2:10] = True
    return {"doubt": doubt, "wrong": wrong, "near": near}


def _dark(doubt, wrong, near) -> float:
    return float((doubt[wrong & near] < 0.1).mean())


EXERCISES = [
    Exercise(
        id="03-1",
        title="Entropy by hand",
        level="easy",
        minutes=5,
        right=lambda: _entropy,
        probes=lambda: [(_P,), (np.array([0.5, 0.75]),)],
        wrong=(
            Wrong(
                "natural logarithm",
                lambda: lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p),
                "The shape is right, the unit is not: a coin (p = 0.5) should have an entropy of 1 bit. Which "
                "logarithm counts in bits?",
            ),
            Wrong(
                "only pancreas",
                lambda: lambda p: -p * np.log2(p),
                "There are two outcomes, pancreas and not pancreas; you counted one. With yours, p = 0.02 and p = 0.98 "
                "differ, though both are equally sure.",
            ),
            Wrong(
                "wrong sign",
                lambda: lambda p: -_entropy(p),
                "The logarithm of a probability is never positive. What must stand before it, so that uncertainty is "
                "not negative?",
            ),
        ),
        solution="""
import numpy as np

def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

answer = entropy
""",
        teaches=lambda: (
            "A coin has 1 bit, and p and 1 - p have the same entropy: it measures doubt, not pancreas. At exactly 0 "
            "or 1 the formula needs care (0 times infinity); the library clips p."
        ),
        claims=lambda: {
            "a coin has 1 bit": _entropy(0.5) == 1,
            "p and 1 - p are alike": bool(np.isclose(_entropy(0.02), _entropy(0.98))),
        },
    ),
    Exercise(
        id="03-2",
        title="Do the answers contradict each other?",
        level="medium",
        minutes=8,
        right=lambda: _information,
        probes=lambda: [(_ANSWERS,), (_ANSWERS[:2],)],
        wrong=(
            Wrong(
                "entropy of the mean",
                lambda: lambda answers: _entropy(answers.mean(axis=0)),
                "That is the whole uncertainty. Three answers of 0.5 agree that they do not know: their mutual "
                "information should be 0. What has to be subtracted?",
            ),
            Wrong(
                "mean of the entropies",
                lambda: lambda answers: _entropy(answers).mean(axis=0),
                "That is the part on which the answers agree, the plain blur. Contradiction is what is left when it is "
                "taken from the entropy of the mean.",
            ),
            Wrong(
                "other way round",
                lambda: lambda answers: -_information(answers),
                "Yours is never positive. The entropy of a mean is at least the mean of the entropies; which one comes "
                "first?",
            ),
            Wrong(
                "variance",
                lambda: lambda answers: answers.var(axis=0),
                "Variance also grows with contradiction, but it is in squared probability, not in bits.",
            ),
        ),
        solution="""
import numpy as np

def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

def mutual_information(answers):
    return entropy(answers.mean(axis=0)) - entropy(answers).mean(axis=0)

answer = mutual_information
""",
        teaches=lambda: (
            "Three answers of 0.5 give 0 bits here and 1 bit of entropy. Mutual information asks whether the answers "
            "differ, entropy whether the mean is unsure; a border that blurs for everyone is seen by the second alone."
        ),
        claims=lambda: {
            "answers of one half give 0": bool(np.isclose(_information(np.full((3, 1), 0.5))[0], 0)),
            "never negative": bool((_information(_ANSWERS) > -1e-9).all()),
        },
    ),
    Exercise(
        id="03-3",
        title="When is the core empty?",
        level="hard",
        minutes=10,
        right=_width,
        example=_thin,
        wrong=(
            Wrong(
                "decadic logarithm",
                lambda patient, tau: _depth(patient) / np.sqrt(2 * np.log10(1 / tau)),
                "The exponential in $U_s$ has base e. Which logarithm undoes it? In numpy, `np.log` is not `np.log10`.",
            ),
            Wrong(
                "lost the two",
                lambda patient, tau: _depth(patient) / np.sqrt(np.log(1 / tau)),
                "Look at the denominator in the exponent of $U_s$: it is 2 s², not s².",
            ),
            Wrong(
                "turned around",
                lambda patient, tau: _depth(patient) * np.sqrt(2 * np.log(1 / tau)),
                "You solved for the depth of the core, given s. Here the depth is given, by the thickest place of the "
                "organ, and s is asked for.",
            ),
            Wrong(
                "twice the depth",
                lambda patient, tau: 2 * _width(patient, tau),
                "The thickness is twice the depth. A voxel's depth is its distance to the surface, and the deepest "
                "voxel decides.",
            ),
        ),
        solution="""
import numpy as np

from pancreas_ssl.method.structure import signed_distance

depth = -signed_distance(patient.label[0] != 0, patient.spacing).min()
answer = depth / np.sqrt(2 * np.log(1 / tau))
""",
        teaches=lambda patient, tau: (
            f"The deepest voxel lies {_depth(patient):.1f} mm below the surface. From s = {_width(patient, tau):.1f} "
            f"mm on, $U_s$ reaches τ = {tau:g} even there, and nothing certain is left. With the medial line "
            f"{_core(patient, tau, 1.1 * _width(patient, tau), True)} voxels remain core: that is why it is there."
        ),
        claims=lambda patient, tau: {
            "empty above": _core(patient, tau, 1.02 * _width(patient, tau), False) == 0,
            "not empty below": _core(patient, tau, 0.98 * _width(patient, tau), False) > 0,
            "never empty with the medial line": _core(patient, tau, 1.1 * _width(patient, tau), True) > 0,
        },
    ),
    Exercise(
        id="03-4",
        title="How honest is a probability?",
        level="medium",
        minutes=8,
        right=lambda: _ece,
        probes=lambda: [(_SAID, _FOUND, _VOXELS), (_SAID, _SAID, _VOXELS)],
        wrong=(
            Wrong(
                "every bin counts alike",
                lambda: lambda said, found, voxels: float(np.abs(said - found).mean()),
                "A bin with ten voxels counted as much as one with thousands. Weigh each gap by its bin's voxels.",
            ),
            Wrong(
                "gaps cancel",
                lambda: lambda said, found, voxels: float(((said - found) * voxels).sum() / voxels.sum()),
                "Too sure in one bin and not sure enough in another cancel in your sum. Which operation keeps a gap a "
                "gap?",
            ),
            Wrong(
                "largest gap",
                lambda: lambda said, found, voxels: float(np.abs(said - found).max()),
                "That is the maximum calibration error (MCE); the *expected* error is a mean over voxels.",
            ),
        ),
        solution="""
import numpy as np

def calibration_error(said, found, voxels):
    return (np.abs(said - found) * voxels).sum() / voxels.sum()

answer = calibration_error
""",
        teaches=lambda: (
            "The ECE is a mean gap over *voxels*, so the fullest bins decide: nearly all voxels of a CT are sure "
            "background. That is why this notebook computes it in the band around the organ."
        ),
        claims=lambda: {"the fullest bin decides": abs(_ece(_SAID, _FOUND, np.array([10**6, 1, 1])) - 0.1) < 1e-3},
    ),
    Exercise(
        id="03-5",
        title="Errors in the dark",
        level="medium",
        minutes=6,
        right=_dark,
        example=_errors,
        wrong=(
            Wrong(
                "share of the dark voxels",
                lambda doubt, wrong, near: float(wrong[near & (doubt < 0.1)].mean()),
                "You computed how many *dark* voxels are wrong. The question is the other way round: of the *wrong* "
                "voxels, how many are dark? Errors are few, so the two differ greatly.",
            ),
            Wrong(
                "bright ones",
                lambda doubt, wrong, near: 1 - _dark(doubt, wrong, near),
                "That is the share that the map would have warned of. Asked for are those of which it says nothing.",
            ),
            Wrong(
                "a count",
                lambda doubt, wrong, near: int((wrong & near & (doubt < 0.1)).sum()),
                "That is a number of voxels; a share is between 0 and 1. Divide by all wrong voxels in the band.",
            ),
        ),
        solution="""
answer = (doubt[wrong & near] < 0.1).mean()
""",
        teaches=lambda doubt, wrong, near: (
            f"Of the errors in the band, {_dark(doubt, wrong, near):.0%} are dark. "
            + (
                "The network is wrong there and certain of it: no threshold on this map finds these errors."
                if _dark(doubt, wrong, near) > 0.05
                else "Few, in this patient: here the network's doubt is where its errors are."
            )
        ),
        claims=lambda doubt, wrong, near: {"a share": 0 <= _dark(doubt, wrong, near) <= 1},
    ),
]

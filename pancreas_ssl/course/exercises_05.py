"""Exercises of notebook 05: how a restoration is judged, and what a judgement does not say."""

import numpy as np
import torch
from scipy.ndimage import median_filter, uniform_filter

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.questions_05 import QUESTIONS
from pancreas_ssl.evaluation.restoration_quality import local_mean, psnr

__all__ = ["EXERCISES", "QUESTIONS"]

CEILING, RESTORED = "repainted original", "restored"


def _psnr(restored, original, mask, power=2, peak=2.0, log=np.log10):
    return 10 * log(peak**power / ((restored - original)[mask] ** 2).mean())


def _pictures() -> list[tuple]:
    """Three small images with what is restored in a box, and the box."""
    rng, made = np.random.default_rng(5), []
    for error in (0.05, 0.2, 0.6):
        original = rng.uniform(-1, 1, (6, 5, 4))
        mask = np.zeros(original.shape, bool)
        mask[1:4, 1:4, 1:3] = True
        made.append((np.where(mask, original + rng.normal(0, error, mask.shape), original), original, mask))
    return made


def _median(corrupted, mask, size=5):
    return np.where(mask, median_filter(corrupted, size), corrupted)


def _images() -> list[tuple]:
    rng = np.random.default_rng(6)
    mask = np.zeros((9, 8, 7), bool)
    mask[2:7, 2:6, 2:5] = True
    return [(rng.exponential(1.0, mask.shape), mask), (rng.normal(0, 1, mask.shape) ** 3, mask.copy())]


def _patch() -> dict[str, torch.Tensor]:
    """The first of these as a corrupted patch of nothing."""
    corrupted, mask = (torch.from_numpy(one)[None] for one in _images()[0])
    return {"corrupted": corrupted.float(), "original": torch.zeros(mask.shape), "mask": mask}


def _dB(corrupted, original, mask) -> dict[str, float]:
    middle = torch.from_numpy(_median(corrupted[0].numpy(), mask[0].numpy()))[None]
    images = {"median": middle, "local mean": local_mean(corrupted, mask), "corrupted copy": corrupted}
    return {name: psnr(image, original, mask) for name, image in images.items()}


def _median_said(corrupted, original, mask) -> str:
    value = _dB(corrupted, original, mask)
    ahead = "beats" if value["median"] > value["local mean"] else "does not beat"
    left = "beats" if value["median"] > value["corrupted copy"] else "does not beat"
    return (
        f"On this patch the median ({value['median']:.2f} dB) {ahead} the local mean ({value['local mean']:.2f} dB), "
        f"and {left} the corrupted copy ({value['corrupted copy']:.2f} dB). A median keeps edges that a mean blurs, "
        "and ignores single wild voxels. Neither knows what a pancreas is, and either is written in a few lines: "
        "whoever proposes a learned method should write them first."
    )


def _pays_from(strengths, left, restored):
    behind = [k for k, (one, other) in enumerate(zip(left, restored, strict=True)) if other <= one]
    first = behind[-1] + 1 if behind else 0
    return strengths[first] if first < len(strengths) else None


_PARTS = ("strength", "left", "restored")
_STEPS = [0.1, 0.3, 0.5, 0.7, 0.9]
_CURVES = [
    (_STEPS, [30.0, 25.0, 21.0, 18.0, 16.0], [20.0, 19.8, 19.5, 19.0, 18.0]),
    (_STEPS, [30.0, 18.0, 22.0, 18.0, 16.0], [20.0, 19.8, 19.5, 19.0, 18.0]),
    (_STEPS, [30.0, 28.0, 26.0, 24.0, 22.0], [20.0, 19.8, 19.5, 19.0, 18.0]),
    (_STEPS, [19.0, 18.0, 17.0, 16.0, 15.0], [20.0, 19.8, 19.5, 19.0, 18.0]),
]


def _curves() -> dict[str, dict[str, dict[str, list[float]]]]:
    return {
        "curves": {
            "noise": dict(zip(_PARTS, _CURVES[2], strict=True)),
            "randconv": dict(zip(_PARTS, _CURVES[0], strict=True)),
        }
    }


def _pays_said(curves) -> str:
    starts = {family: _pays_from(*(one[part] for part in _PARTS)) for family, one in curves.items()}
    said = [
        f"for {family}, " + (f"from strength {s:g} on" if s else "at no strength tried") for family, s in starts.items()
    ]
    return (
        f"On the curves above restoring pays {'; '.join(said)}. A corrupted copy is close to the truth as long as the "
        "corruption is mild, and any repainting loses some detail: so a network that repaints whatever it is given "
        "does harm to images that were nearly good."
    )


def _follows(psnr) -> set[str]:
    best = max(value for one, value in psnr.items() if one not in (RESTORED, CEILING))
    asked = {"A": psnr[RESTORED] > best, "B": psnr[CEILING] < best, "C": psnr[RESTORED] < psnr[CEILING]}
    return {letter for letter, holds in asked.items() if holds}


def _means() -> dict[str, dict[str, float]]:
    rivals = {"corrupted copy": 18.6, "local mean": 17.1, "mean of the uncorrupted": 15.0}
    return {"psnr": {RESTORED: 18.1, **rivals, CEILING: 20.1}}


def _follows_said(psnr) -> str:
    best = max((one for one in psnr if one not in (RESTORED, CEILING)), key=psnr.get)
    a, b, c = ("holds" if letter in _follows(psnr) else "does not hold" for letter in "ABC")
    return (
        f"A {a}: {psnr[RESTORED]:.2f} dB, and the best rival ({best}) has {psnr[best]:.2f} dB. B {b}: the repainted "
        f"original has {psnr[CEILING]:.2f} dB. C {c}. D never follows: the table is about pictures, and the task was "
        "there to shape features. Those are judged by what they segment."
    )


def _misread(letter):
    return lambda answer, psnr: set(answer) ^ _follows(psnr) == {letter}


EXERCISES = [
    Exercise(
        id="05-1",
        title="PSNR by hand",
        level="easy",
        minutes=5,
        right=lambda: _psnr,
        probes=_pictures,
        wrong=(
            Wrong(
                "whole image instead of the mask",
                lambda: lambda a, b, m: _psnr(a, b, m | True),
                "You averaged over the whole image. Outside the mask nothing was changed, so the error there is 0, and "
                "the smaller the box, the better your value becomes.",
            ),
            Wrong(
                "range not squared",
                lambda: lambda a, b, m: _psnr(a, b, m, power=1),
                "The mean error is a *squared* one, so what it is compared with must be squared, too.",
            ),
            Wrong(
                "natural logarithm",
                lambda: lambda a, b, m: _psnr(a, b, m, log=np.log),
                "A decibel is defined by the logarithm to base 10; `np.log` has base e.",
            ),
            Wrong(
                "a range of 1",
                lambda: lambda a, b, m: _psnr(a, b, m, peak=1.0),
                "The grey values run from -1 to 1. How long is that range?",
            ),
        ),
        solution="""
import numpy as np

def psnr_by_hand(restored, original, mask):
    error = ((restored - original)[mask] ** 2).mean()
    return 10 * np.log10(2**2 / error)

answer = psnr_by_hand
""",
        teaches=lambda: (
            "Ten decibels are a tenth of the squared error, and three are about half of it. A value without the place "
            "in which it was measured says nothing: over the whole image any restoration of a small box looks good."
        ),
        claims=lambda: {
            "the whole image looks better": all(_psnr(a, b, m | True) > _psnr(a, b, m) for a, b, m in _pictures())
        },
    ),
    Exercise(
        id="05-2",
        title="A fourth rival: the median",
        level="medium",
        minutes=8,
        right=lambda **given: _median,
        probes=lambda **given: _images(),
        wrong=(
            Wrong(
                "filtered outside the mask as well",
                lambda **given: lambda image, mask: median_filter(image, 5),
                "Your filter changed voxels outside the mask. Those were never corrupted: a rival keeps them.",
            ),
            Wrong(
                "a mean instead of a median",
                lambda **given: lambda image, mask: np.where(mask, uniform_filter(image, 5), image),
                "That is a local mean, which the notebook has already. One wild voxel moves a mean; the value in the "
                "middle of the sorted ones hardly moves.",
            ),
            Wrong(
                "another size",
                lambda **given: lambda image, mask: _median(image, mask, 3),
                "Your neighbourhood has 3 x 3 x 3 voxels. A fair rival of the local mean sees as much as it does.",
            ),
        ),
        solution="""
import numpy as np
from scipy.ndimage import median_filter

def median_rival(image, mask):
    return np.where(mask, median_filter(image, 5), image)

answer = median_rival
""",
        teaches=_median_said,
        example=_patch,
    ),
    Exercise(
        id="05-3",
        title="From which strength on does it pay?",
        level="medium",
        minutes=8,
        right=lambda curves: _pays_from,
        probes=lambda curves: _CURVES,
        wrong=(
            Wrong(
                "the first strength ahead",
                lambda curves: lambda s, left, ours: next((x for x, a, b in zip(s, left, ours) if b > a), None),  # noqa: B905
                "Where you say, the restoration is ahead, but at a stronger corruption it is behind again: *from there "
                "on* means that it stays ahead.",
            ),
            Wrong(
                "the other way round",
                lambda curves: lambda s, left, ours: _pays_from(s, ours, left),
                "PSNR is higher where a picture is *closer* to the truth. You found where leaving the image is better.",
            ),
            Wrong(
                "the largest lead",
                lambda curves: lambda s, left, ours: s[int(np.argmax(np.subtract(ours, left)))],
                "That is the strength with the largest lead. The question is where the lead begins, and it may never.",
            ),
        ),
        solution="""
def pays_from(strengths, left, restored):
    found = None
    for s, one, other in zip(strengths, left, restored):
        if other <= one:
            found = None      # behind again: whatever was found before does not count
        elif found is None:
            found = s
    return found

answer = pays_from
""",
        teaches=_pays_said,
        example=_curves,
    ),
    Exercise(
        id="05-4",
        title="What follows from the table?",
        level="easy",
        minutes=5,
        right=_follows,
        wrong=(
            Wrong(
                "pictures prove the segmentation",
                lambda psnr: _follows(psnr) | {"D"},
                "D speaks of segmentation, and nothing in this table was segmented. A poor painter may have learned "
                "useful features, and a good one useless ones.",
                when=lambda answer, psnr: "D" in answer,
            ),
            Wrong(
                "A misread",
                lambda psnr: _follows(psnr) ^ {"A"},
                "Look at A again: compare the row *restored* with each of the three rivals, and with nothing else. The "
                "repainted original is no rival, since it saw the answer.",
                when=_misread("A"),
            ),
            Wrong(
                "B misread",
                lambda psnr: _follows(psnr) ^ {"B"},
                "Look at B again: it is about the *repainted original* and the best rival, not about *restored*.",
                when=_misread("B"),
            ),
            Wrong(
                "C misread",
                lambda psnr: _follows(psnr) ^ {"C"},
                "Look at C again: both rows come from one head. One saw the intact patch, the other a corrupted one.",
                when=_misread("C"),
            ),
        ),
        solution="""
rivals = [value for name, value in psnr.items() if name not in ("restored", "repainted original")]
answer = set()
if psnr["restored"] > max(rivals):
    answer.add("A")
if psnr["repainted original"] < max(rivals):
    answer.add("B")
if psnr["restored"] < psnr["repainted original"]:
    answer.add("C")
""",
        teaches=_follows_said,
        example=_means,
    ),
]

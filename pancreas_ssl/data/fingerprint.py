"""How data sets differ before any network sees them: spacing, HU in the body and in the pancreas, volumes.

A difference means something only beside what chance makes: the distance between two random halves of the first set
stands beside the distance of every other set to it.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from pancreas_ssl.data.access import Case, Root, cases, parse_source
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.image_checks import checked_image
from pancreas_ssl.data.label_checks import read_case_label
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import DataWarning, InputError, require, warn
from pancreas_ssl.progress import tracked

if TYPE_CHECKING:
    import pandas

__all__ = ["Fingerprint", "describe", "fingerprints", "halves", "phase_of", "pooled"]

SAMPLE = 2000  # voxels kept of a pancreas
SPLITS = 20  # into random halves, of which the mean distance is taken
BODY = -200.0  # HU; above: no air


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a case. `body` and `inside` are the 5th, 50th and 95th percentile of HU in the body and in the
    pancreas; `inside`, `volume_ml`, `sample` (HU) and `liver` (median HU) are None where nothing is labelled."""

    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    body: Float[np.ndarray, "3"]
    inside: Float[np.ndarray, "3"] | None = None
    volume_ml: float | None = None
    sample: Float[np.ndarray, " N"] | None = None
    liver: float | None = None


def phase_of(pancreas: float, liver: float) -> str:
    """A guess at the contrast phase from median HU: before contrast both are plain tissue, then the pancreas leads,
    then the liver.

    Example:
        >>> phase_of(40, 55), phase_of(115, 75), phase_of(95, 110)
        ('plain', 'arterial', 'portal venous')
    """
    if pancreas < 60 and liver < 75:
        return "plain"
    return "arterial" if pancreas > liver + 10 else "portal venous"


def _of_case(case: Case, liver: tuple[int, ...], rng: np.random.Generator) -> Fingerprint:
    image, _ = checked_image(case.image, case.limits, case.series)
    seen = image.array[::2, ::2, ::2]
    body = _percentiles(seen[seen > BODY])
    if case.label is None:
        return Fingerprint(image.spacing, image.shape, body)
    label = read_case_label(case, image)
    hu = image.array[label.array > 0]
    if not hu.size:
        return Fingerprint(image.spacing, image.shape, body)
    sample = rng.choice(hu, min(SAMPLE, hu.size), replace=False)
    volume = float(hu.size * label.voxel_ml)
    beside = _median(image, read_case_label(case, image, liver)) if liver else None
    return Fingerprint(image.spacing, image.shape, body, _percentiles(hu), volume, sample, beside)


def _percentiles(hu: Float[np.ndarray, " N"]) -> Float[np.ndarray, "3"]:
    return np.percentile(hu, (5, 50, 95)) if hu.size else np.full(3, np.nan)


def _median(image: Volume, label: Volume) -> float | None:
    hu = image.array[label.array > 0]
    return float(np.median(hu)) if hu.size else None


def fingerprints(source: str, root: Root = None, most: int | None = 30, seed: int = 0) -> list[Fingerprint]:
    """Fingerprints of a card's or source's cases, one case in memory at a time; what cannot be read is told about.

    Args:
        source: card, or card/source.
        most: at most so many cases, drawn at random. None: all.

    Raises:
        InputError: as `access.cases`, or no case can be read.
    """
    listed, rng = cases(source, root=root), np.random.default_rng(seed)
    if most is not None and len(listed) > most:
        listed = [listed[i] for i in sorted(rng.choice(len(listed), most, replace=False))]
    named = load_card(parse_source(source)[0]).label_values.items()
    liver = next((tuple(values) for name, values in named if name.lower() == "liver"), ())
    found, failed = [], []
    show = len(listed) > 3 and sys.stderr.isatty()
    for case in tracked(listed, f"describe {source}", "case", show=show, stream=sys.stderr):
        try:
            with warnings.catch_warnings():  # what deserves a look is told by `data check`
                warnings.simplefilter("ignore", DataWarning)
                found.append(_of_case(case, () if case.joined else liver, rng))
        except InputError as error:
            failed.append(str(error))
    require(
        bool(found), f"cases of {source} that can be read", f"none: {failed[0] if failed else ''}", "see data check"
    )
    if failed:
        warn(f"{len(failed)} of {len(listed)} cases of {source} are left out, the first since {failed[0]}")
    return found


def pooled(found: Sequence[Fingerprint]) -> Float[np.ndarray, " N"]:
    """HU inside the pancreas of all labelled cases, each with the same weight where it has `SAMPLE` voxels or more."""
    samples = [one.sample for one in found if one.sample is not None]
    return np.concatenate(samples) if samples else np.zeros(0)


def halves(found: Sequence[Fingerprint], seed: int = 0) -> tuple[list[Fingerprint], list[Fingerprint]]:
    """The labelled cases in two random halves."""
    labelled = [one for one in found if one.sample is not None]
    order = np.random.default_rng(seed).permutation(len(labelled))
    middle = len(labelled) // 2
    return [labelled[i] for i in order[:middle]], [labelled[i] for i in order[middle:]]


def _distances(first: Sequence[Fingerprint], other: Sequence[Fingerprint]) -> tuple[float, float]:
    """Wasserstein distance of HU inside the pancreas (HU) and of its volumes (mL); NaN where nothing is labelled."""
    from scipy.stats import wasserstein_distance

    pairs = [(pooled(first), pooled(other)), tuple([one.volume_ml for one in found if one.volume_ml is not None]
                                                   for found in (first, other))]  # fmt: skip
    return tuple(float(wasserstein_distance(a, b)) if len(a) and len(b) else float("nan") for a, b in pairs)


def describe(sets: dict[str, Sequence[Fingerprint]]) -> "pandas.DataFrame":
    """A row per set: what it is like, how far it is from the first, and how far halves of the first are apart.

    Args:
        sets: name -> its fingerprints.

    Returns:
        Columns set, cases, labelled, spacing_mm, slice_mm, size, body_hu, pancreas_hu (5th, 50th, 95th percentile,
        median over cases), pancreas_ml (median and quartiles), phase (a guess, where a liver is labelled),
        hu_distance and hu_chance (HU), ml_distance and ml_chance (mL): Wasserstein distances.
    """
    import pandas

    first = next(iter(sets.values()))
    many = sum(one.sample is not None for one in first) >= 4
    chance = [_distances(*halves(first, seed)) for seed in range(SPLITS)] if many else [(np.nan, np.nan)]
    hu_chance, ml_chance = np.mean(chance, axis=0)
    rows = []
    for name, found in sets.items():
        hu, ml = (0.0, 0.0) if found is first else _distances(first, found)
        chances = {"hu_chance": round(hu_chance, 1), "ml_chance": round(ml_chance, 1)}
        distances = {"hu_distance": round(hu, 1), "ml_distance": round(ml, 1)}
        rows.append({"set": name} | _summary(found) | distances | chances)
    return pandas.DataFrame(rows)


def _summary(found: Sequence[Fingerprint]) -> dict[str, Any]:
    spacings, shapes = (np.array([getattr(one, what) for one in found]) for what in ("spacing", "shape"))
    labelled = [one for one in found if one.sample is not None]
    phases = [phase_of(one.inside[1], one.liver) for one in labelled if one.liver is not None]
    volumes = [one.volume_ml for one in labelled]
    quartiles = np.percentile(volumes, (50, 25, 75)) if volumes else ()
    return {
        "cases": len(found),
        "labelled": len(labelled),
        "spacing_mm": " x ".join(f"{side:.3g}" for side in np.median(spacings, axis=0)),
        "slice_mm": f"{spacings.max(axis=1).min():.3g} to {spacings.max(axis=1).max():.3g}",
        "size": " x ".join(f"{side:.0f}" for side in np.median(shapes, axis=0)),
        "body_hu": " / ".join(f"{hu:.0f}" for hu in np.median([one.body for one in found], axis=0)),
        "pancreas_hu": " / ".join(f"{hu:.0f}" for hu in np.median([o.inside for o in labelled], 0)) if labelled else "",
        "pancreas_ml": "{:.0f} ({:.0f} to {:.0f})".format(*quartiles) if volumes else "",
        "phase": max(sorted(set(phases)), key=phases.count) if phases else "",
    }

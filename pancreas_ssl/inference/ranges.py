"""How sure a prediction is, and what about a scan lies outside what trained its network. No label is needed.

`scan_facts` describes a scan as the network sees it, `answer_facts` the network's answer. `ranges_of` keeps their
lowest and highest values over the patients that trained, and over held-out patients of the same source ("home"), in the
header of the weights; `warnings_about` compares a new scan with them. A warning never changes a mask, and its absence
proves nothing: the network's probabilities are its own opinion. How well they order scans by their true Dice was
measured on the phantom's development sources: `assets/doubt` has the rows and the command that made them,
`evaluation.rank_agreement` sums them up, and notebook 08 draws them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from scipy import ndimage

from pancreas_ssl.data.cards import Limits
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.inference.tissue import TISSUE_ABOVE, is_tissue
from pancreas_ssl.method.segmentation import PANCREAS
from pancreas_ssl.method.structure import bounding_box, signed_distance
from pancreas_ssl.method.uncertainty import entropy

__all__ = ["answer_facts", "ends_of", "how_sure", "ranges_of", "scan_facts", "warnings_about"]

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
WATCHED = (5, 50, 95)  # the percentiles that are compared with those of the training
PLANES = 32
FEWEST = 1000  # voxels of soft tissue by which it is known
BAND_MM = 6.0
SPILL = 0.1  # share of what was marked
LEAST = {"hu": 5.0, "noise": 1.0, "height_mm": 15.0, "width_mm": 30.0, "slice_mm": 0.5, "volume_ml": 5.0,
         "expected_dice": 0.02, "doubt": 0.02}  # fmt: skip


def scan_facts(prepared: Prepared) -> dict[str, float]:
    """Percentiles of soft tissue (HU; voxels above fat and below the window's end), its noise (HU), height and width of
    the scan, and the distance of its slices (mm); all on the network's grid but the last.

    Tissue is read in some sagittal planes, so that a scan in a file need not be read whole. The noise is the spread of
    differences between a voxel and the mean of its six neighbours.

    Example:
        >>> image = np.zeros((1, 12, 12, 12), np.float32)    # 50 HU everywhere
        >>> case = Prepared("1", "demo", image, None, (3.0,) * 3, np.eye(4), (-150.0, 250.0), scan_spacing=(1, 1, 5))
        >>> facts = scan_facts(case)
        >>> facts["hu_50"], facts["noise"], facts["height_mm"], facts["slice_mm"]
        (50.0, 0.0, 36.0, 5.0)
    """
    low, high = prepared.window
    _, wide, deep, tall = prepared.image.shape
    sides = [float(n * side) for n, side in zip((wide, deep, tall), prepared.spacing, strict=True)]
    facts = {"height_mm": round(sides[2], 1), "width_mm": round(max(sides[:2]), 1)}
    facts |= {"slice_mm": float(prepared.scan_spacing[2])} if prepared.scan_spacing else {}
    values, noise = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for k in np.unique(np.linspace(1, wide - 2, min(PLANES, max(wide - 2, 0))).round().astype(int)):
        hu = prepared.image[0, k - 1 : k + 2] * np.float32((high - low) / 2) + np.float32((high + low) / 2)
        middle = hu[1, 1:-1, 1:-1]
        around = hu[0, 1:-1, 1:-1] + hu[2, 1:-1, 1:-1] + hu[1, :-2, 1:-1] + hu[1, 2:, 1:-1] + hu[1, 1:-1, :-2]
        soft = (middle > max(TISSUE_ABOVE, low)) & (middle < high)
        values.append(middle[soft])
        noise.append((middle - (around + hu[1, 1:-1, 2:]) / 6)[soft])
    values, noise = np.concatenate(values), np.concatenate(noise)
    if len(values) < FEWEST:
        return facts
    found = np.percentile(values, PERCENTILES)
    facts |= {f"hu_{q}": round(float(value), 1) for q, value in zip(PERCENTILES, found, strict=True)}
    spread = 1.4826 * np.median(np.abs(noise - np.median(noise))) / np.sqrt(7 / 6)
    return facts | {"noise": round(float(spread), 2)}


def answer_facts(
    probabilities: Float32[np.ndarray, "C X Y Z"],
    prepared: Prepared,
    tissue_above: float = -1000.0,
    largest: bool = True,
    kept: Bool[np.ndarray, "X Y Z"] | None = None,
) -> dict[str, float]:
    r"""What a network says about its own mask M, with p the probability of pancreas, on the network's grid:

    volume_ml       of M
    expected_dice   2 \sum_{v in M} p(v) / (|M| + \sum_v p(v)): the Dice if p were true; 0 where nothing is marked
    confidence      mean of p in M
    doubt           mean entropy (bits) within 6 mm of M's surface; 1 where nothing is marked
    pieces, apart   connected parts that were marked, and the share of them outside the largest one

    Args:
        probabilities: of `predict_prepared`.
        tissue_above, largest: how the mask was made, as in `predict_volume`.
        kept: what was chosen by another rule than the most probable class, before fat was left out.

    Example:
        >>> p = np.zeros((2, 8, 8, 8), np.float32); p[1, 2:6, 2:6, 2:6] = 0.8; p[0] = 1 - p[1]
        >>> case = Prepared("1", "demo", p[:1], None, (3.0,) * 3, np.eye(4), (-150.0, 250.0))
        >>> facts = answer_facts(p, case)
        >>> facts["expected_dice"], facts["confidence"], facts["pieces"], facts["volume_ml"]
        (0.889, 0.8, 1, 1.728)
    """
    probability, marked = probabilities[PANCREAS], probabilities.argmax(axis=0) == PANCREAS
    pieces = int(ndimage.label(marked, np.ones((3, 3, 3)))[1])
    main = (largest_component(marked) > 0) if largest else marked
    apart = 1 - int(main.sum()) / int(marked.sum()) if pieces else 0.0
    kept = main if kept is None else kept
    mask = kept & is_tissue(prepared, tissue_above)
    inside = int(np.count_nonzero(mask))
    facts = {"volume_ml": round(inside * float(np.prod(prepared.spacing)) / 1000, 3), "expected_dice": 0.0,
             "confidence": 0.0, "doubt": 1.0, "pieces": pieces, "apart": round(apart, 3)}  # fmt: skip
    if inside:
        sure, all_of_it = float(probability[mask].sum(dtype=float)), float(probability.sum(dtype=float))
        facts |= {"expected_dice": round(2 * sure / (inside + all_of_it), 3), "confidence": round(sure / inside, 3)}
        box = bounding_box(mask, margin=int(np.ceil(BAND_MM / min(prepared.spacing))) + 1)
        near = np.abs(signed_distance(mask[box], prepared.spacing)) <= BAND_MM
        facts["doubt"] = round(float(np.asarray(entropy(probability[box][None]))[near].mean()), 3)
    return facts


def ranges_of(rows: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """The lowest and the highest of each fact over patients, and their number `n`, for the header of weights.

    Example:
        >>> ranges_of([{"noise": 8.0}, {"noise": 12.0}])
        {'n': 2, 'noise': [8.0, 12.0]}
    """
    rows = list(rows)
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if all(name in row for row in rows)]
    return {"n": len(rows)} | {name: [min(r[name] for r in rows), max(r[name] for r in rows)] for name in names}


def how_sure(facts: Mapping[str, Any], ranges: Mapping[str, Any]) -> str:
    """One line: expected Dice and doubt, and what they and the true Dice are on patients of the training's source.

    Example:
        >>> home = {"n": 8, "expected_dice": [0.8, 0.9], "dice": [0.7, 0.8], "doubt": [0.1, 0.2]}
        >>> how_sure({"expected_dice": 0.61, "doubt": 0.42}, {"home": home})
        'expected Dice 0.61 (at home 0.80 to 0.90, true 0.70 to 0.80), doubt 0.42 bits (at home 0.10 to 0.20)'
    """
    said, home = [], ranges.get("home", {})
    for name, words, unit in (("expected_dice", "expected Dice", ""), ("doubt", "doubt", " bits")):
        if name not in facts:
            continue
        usual = [f"at home {home[name][0]:.2f} to {home[name][1]:.2f}"] if name in home else []
        if usual and name == "expected_dice" and "dice" in home:
            usual.append(f"true {home['dice'][0]:.2f} to {home['dice'][1]:.2f}")
        said.append(f"{words} {facts[name]:.2f}{unit}" + (f" ({', '.join(usual)})" if usual else ""))
    return ", ".join(said)


def ends_of(mask: Shaped[np.ndarray, "X Y Z"]) -> str:
    """Which ends of a scan its mask reaches, last axis towards the head: "", "lowest", "highest" or both.

    Example:
        >>> mask = np.zeros((4, 4, 4)); mask[1, 1, :2] = 1
        >>> ends_of(mask)
        'lowest'
    """
    along = np.asarray(mask).any(axis=(0, 1))
    return " and ".join(name for name, end in (("lowest", 0), ("highest", -1)) if along[end])


def warnings_about(
    facts: Mapping[str, Any], ranges: Mapping[str, Any], usual_ml: tuple[float, float] = Limits().pancreas_ml
) -> list[str]:
    """A sentence for each range that a scan, or the answer about it, leaves; none is no promise.

    A range is widened before by a quarter of its width and, as few patients show little of it, by twice the width over
    their number; by 5 HU, 15 mm of height and the like at least.

    Args:
        facts: of `scan_facts` and `answer_facts`, and `ends` (`ends_of`).
        ranges: of the weights' header, `{"trained": ..., "home": ...}`; empty: only what needs no range is checked.
        usual_ml: volumes of a pancreas, as a card's limits have them.

    Example:
        >>> trained = {"n": 24, "hu_50": [55.0, 65.0]}
        >>> warnings_about({"volume_ml": 70.0, "hu_50": 30.0}, {"trained": trained})[0]
        'expected soft tissue (median) of 50 to 70 HU as in training, got 30 HU: the mask may be wrong'
    """
    trained, home = ranges.get("trained", {}), ranges.get("home", {})
    told = [_intensity(facts, trained)]
    told.append(_left(facts, trained, "noise", "noise", "HU", "high", "the mask may be wrong"))
    told.append(_left(facts, trained, "slice_mm", "slices", "mm", "high", "thin parts may be lost"))
    said = "organs by which the network finds its way may be missing"
    told.append(_left(facts, trained, "height_mm", "a height", "mm", "low", said))
    said = "it shows what no training scan did, look for marks outside the abdomen"
    told.append(_left(facts, trained, "height_mm", "a height", "mm", "high", said))
    told.append(_left(facts, trained, "width_mm", "a width", "mm", "low", "the patient may be cut off"))
    ml = facts.get("volume_ml", 0.0)
    if not ml:
        return [*filter(None, told), "no pancreas found"]
    if facts.get("ends"):
        told.append(f"expected the whole pancreas within the scan, the mask reaches its {facts['ends']} slice: a part "
                    "may lie outside")  # fmt: skip
    if not usual_ml[0] <= ml <= usual_ml[1]:
        told.append(f"{ml:.1f} mL is outside the usual {usual_ml[0]:g} to {usual_ml[1]:g} mL: look at the mask")
    else:
        told.append(_left(facts, home, "volume_ml", "a volume", "mL", "both", "look at the mask"))
    said = "the network is unsure where the pancreas ends, look at the mask"
    told.append(_left(facts, home, "doubt", "doubt", "bits", "high", said))
    said = "by the network's own probabilities much may be wrong or missing"
    told.append(_left(facts, home, "expected_dice", "a Dice estimate", "", "low", said))
    if facts.get("apart", 0) > max(SPILL, _widened(home, "apart", (0, 0))[1]):
        told.append(f"{facts['apart']:.0%} of what was marked lay apart from the mask and was left out: parts of the "
                    "pancreas may be among it")  # fmt: skip
    return list(filter(None, told))


def _intensity(facts: Mapping[str, float], trained: Mapping[str, Any]) -> str:
    """About the one percentile that lies farthest outside, in widths of its range."""
    watched = [f"hu_{q}" for q in WATCHED if f"hu_{q}" in trained]
    if not watched:
        return ""
    if watched[0] not in facts:
        low, high = (f"{trained[watched[i]][i]:.0f}" for i in (0, -1))
        return f"expected soft tissue of {low} to {high} HU as in training, got next to none: are these HU?"
    names = {"hu_5": "darkest 5 %", "hu_50": "median", "hu_95": "brightest 5 %"}

    def beyond(name: str) -> float:
        low, high = _widened(trained, name)
        return max(low - facts[name], facts[name] - high)

    name = max(watched, key=beyond)
    return _left(facts, trained, name, f"soft tissue ({names[name]})", "HU", "both", "the mask may be wrong")


def _widened(ranges: Mapping[str, Any], name: str, default: Sequence[float] = (-np.inf, np.inf)) -> tuple[float, float]:
    low, high = ranges.get(name, default)
    slack = LEAST.get("hu" if name.startswith("hu_") else name, 0.0)
    if np.isfinite([low, high]).all():
        slack = max(slack, (high - low) * (0.25 + 2 / max(ranges.get("n", 1), 1)))
    return low - slack, high + slack


def _left(
    facts: Mapping[str, float], ranges: Mapping[str, Any], name: str, what: str, unit: str, side: str, said: str
) -> str:
    """The sentence about a fact that leaves its range on this side ("low", "high" or "both"); else nothing."""
    if name not in facts or name not in ranges:
        return ""
    (low, high), value = _widened(ranges, name), facts[name]
    if not ((value < low and side != "high") or (value > high and side != "low")):
        return ""
    digits = {"bits": 2, "": 2, "mm": 1 if name == "slice_mm" else 0}.get(unit, 0)
    low, value, high = (f"{number:.{digits}f}" for number in (max(low, 0) if unit != "HU" else low, value, high))
    usual = {"low": f"of at least {low}", "high": f"of at most {high}", "both": f"of {low} to {high}"}[side]
    usual, got = (f"{text} {unit}".rstrip() for text in (usual, value))
    where = "as at home" if name in ("volume_ml", "doubt", "expected_dice") else "as in training"
    return f"expected {what} {usual} {where}, got {got}: {said}"

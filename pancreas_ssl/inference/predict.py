"""One scan in memory to one prediction: prepare, slide, bring back to the scan's own grid."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from pancreas_ssl.data.preprocessing import Prepared, prepare, to_volume_grid
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.inference.asking import ask, decide
from pancreas_ssl.inference.ranges import answer_facts, ends_of, how_sure, scan_facts, warnings_about
from pancreas_ssl.inference.tissue import without_fat
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.segmentation import PANCREAS
from pancreas_ssl.method.structure import bounding_box
from pancreas_ssl.method.uncertainty import entropy

__all__ = ["Prediction", "predict_volume"]


@dataclass(frozen=True)
class Prediction:
    """What the network says about a scan.

    mask: 1 = pancreas, on the volume's grid. probabilities: of all classes, on the grid of `prepared`, where the
    network computed them. seconds: from the volume to the mask. facts: of `ranges.scan_facts` and
    `ranges.answer_facts`, without a label. ranges: those of the weights. `probability` and `entropy` are brought to
    the volume's grid when first asked for.
    """

    mask: UInt8[np.ndarray, "X Y Z"]
    probabilities: Float32[np.ndarray, "C x y z"] = field(repr=False)
    prepared: Prepared = field(repr=False)
    volume: Volume = field(repr=False)
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    ranges: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def how_sure(self) -> str:
        """Expected Dice and doubt in one line, beside those of patients of the training's source."""
        return how_sure(self.facts, self.ranges)

    @property
    def warnings(self) -> list[str]:
        """A sentence for each range of the training, or of its source's patients, that scan or answer leave."""
        return warnings_about(self.facts, self.ranges)

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in mL."""
        return int(np.count_nonzero(self.mask)) * self.volume.voxel_ml

    @cached_property
    def probability(self) -> Float32[np.ndarray, "X Y Z"]:
        """Probability of pancreas on the volume's grid."""
        return to_volume_grid(self.probabilities[PANCREAS], self.prepared, self.volume)

    @cached_property
    def entropy(self) -> Float32[np.ndarray, "X Y Z"]:
        """Entropy of pancreas against the rest in bits, 0 (certain) to 1 (a coin), on the volume's grid."""
        return to_volume_grid(entropy(self.probabilities[PANCREAS][None]), self.prepared, self.volume)


def predict_volume(
    model: Model,
    volume: Volume,
    *,
    overlap: float = 0.5,
    device: str = "auto",
    precision: str = "auto",
    largest: bool = True,
    flips: tuple[int, ...] = (),
    tissue_above: float | None = None,
) -> Prediction:
    """Segment a scan on its own grid, by the rules of its weights: by default, the most probable class of each voxel.

    Args:
        model: from `load_weights` or from training; `inference.asking.with_rules` changes its rules.
        volume: HU with RAS+ axes, from `read_image`.
        overlap, device, precision, flips: as in `predict_prepared`.
        largest: keep the largest connected component only (hysteresis chooses for itself).
        tissue_above: HU; what is darker is not marked (see `without_fat`). None: as the weights say, -1000: no limit.

    Example:
        >>> prediction = predict_volume(load_weights(), read_image("scan.nii.gz"))    # doctest: +SKIP
        >>> prediction.volume_ml, prediction.how_sure, prediction.warnings    # doctest: +SKIP
    """
    start = time.perf_counter()
    prepared = prepare(volume, spacing=model.spacing, window=model.window)
    probabilities = ask(model, prepared.image, overlap=overlap, device=device, precision=precision, flips=flips)
    lead = decide(model, probabilities, largest)
    mask = _mask(lead, prepared, volume, largest and model.rule("decision") != "hysteresis")
    above = model.tissue_above if tissue_above is None else tissue_above
    mask = without_fat(mask, prepared, volume, above)
    seconds = time.perf_counter() - start
    facts = (
        scan_facts(prepared) | answer_facts(probabilities, prepared, above, largest, lead > 0) | {"ends": ends_of(mask)}
    )
    facts["volume_ml"] = round(int(np.count_nonzero(mask)) * volume.voxel_ml, 3)  # of the scan's own grid
    return Prediction(mask, probabilities, prepared, volume, seconds, facts, model.metadata.get("ranges", {}))


def _mask(
    lead: Float32[np.ndarray, "x y z"], prepared: Prepared, volume: Volume, largest: bool
) -> UInt8[np.ndarray, "X Y Z"]:
    """Where the lead is above 0, interpolated before the decision so that outlines are smooth."""
    out = np.zeros(volume.shape, np.uint8)
    if not (lead > 0).any():
        return out
    box = _around(lead > 0, prepared, volume)  # beyond it no neighbour is pancreas
    mask = to_volume_grid(lead, prepared, volume.part(box)) > 0
    # Components were chosen on the coarse grid, where it is quick; here interpolation may break thin bridges again.
    out[box] = largest_component(mask) if largest else mask
    return out


def _around(mask: Bool[np.ndarray, "x y z"], prepared: Prepared, volume: Volume) -> tuple[slice, slice, slice]:
    """The box of the volume in which a voxel may have a neighbour in `mask`, which lies on the prepared grid."""
    ends = [(side.start - 1, side.stop) for side in bounding_box(mask)]
    link = np.linalg.inv(volume.affine) @ prepared.affine
    ends = link[:3, :3] @ np.array(ends) + link[:3, 3:]
    low, high = np.floor(ends.min(axis=1)).astype(int), np.ceil(ends.max(axis=1)).astype(int) + 1
    return tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, volume.shape, strict=True))

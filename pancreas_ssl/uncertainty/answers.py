"""Every map of one image, in one call: from the ways in `members`, and the two floors. It cannot take a label."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from pancreas_ssl.uncertainty.checks import edge_distance, random_map
from pancreas_ssl.uncertainty.maps import entropy, mutual_information
from pancreas_ssl.uncertainty.members import members

if TYPE_CHECKING:
    from pancreas_ssl.inference import Model

__all__ = ["Doubt", "answer_all"]

FIRST = "one pass: entropy"  # the map of the prediction whose errors are looked for


@dataclass(frozen=True)
class Doubt:
    """One map of one image.

    values: the map. probability: mean of the members it was made of; None for a floor. seconds: of all its passes.
    passes: how often the network was asked.
    """

    values: Float32[np.ndarray, "X Y Z"]
    probability: Float32[np.ndarray, "X Y Z"] | None
    seconds: float
    passes: int


def answer_all(
    model: "Model",
    image: Float32[np.ndarray, "1 X Y Z"],
    spacing: tuple[float, float, float],
    *,
    others: Sequence["Model"] = (),
    n: int = 4,
    seed: int = 0,
    overlap: float = 0.25,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, Doubt]:
    """Every map of one image by name, the map of a single pass first, the floors last.

    Args:
        model: the network whose errors are to be found.
        image: prepared, in [-1, 1].
        spacing: voxel sides in mm.
        others: further members of the ensemble; without any there is no ensemble.
        n: passes of test-time augmentation and of dropout.
        seed: of all draws.
        overlap, device, precision: as in `members`.

    Raises:
        InputError: see `members`.

    Example:
        >>> maps = answer_all(load_weights("baseline"), case.image, case.spacing)    # doctest: +SKIP
        >>> maps["TTA: entropy"].values.max()    # doctest: +SKIP
    """
    how = {"seed": seed, "overlap": overlap, "device": device, "precision": precision}

    def asked(one: "Model", way: str) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        answers = members(one, image, way, n=n, **how)
        return answers, time.perf_counter() - start

    tta, tta_cost = asked(model, "tta")
    single, cost = tta[:1], tta_cost / n  # the first view is the untouched image
    dropped, dropped_cost = asked(model, "dropout")
    found = {
        FIRST: Doubt(entropy(single), single[0], cost, 1),
        "TTA: entropy": Doubt(entropy(tta), tta.mean(0), tta_cost, n),
        "dropout: entropy": Doubt(entropy(dropped), dropped.mean(0), dropped_cost, n),
        "dropout: mutual info": Doubt(mutual_information(dropped), dropped.mean(0), dropped_cost, n),
    }
    if others:
        more = [asked(one, "softmax") for one in others]
        joint = np.concatenate([single, *(answers for answers, _ in more)])
        joint_cost = cost + sum(seconds for _, seconds in more)
        found["ensemble: entropy"] = Doubt(entropy(joint), joint.mean(0), joint_cost, len(joint))
    found["edge distance"] = Doubt(edge_distance(single[0], spacing), None, cost, 1)
    found["random"] = Doubt(random_map(single[0].shape, np.random.default_rng(seed)), None, 0.0, 0)
    return found

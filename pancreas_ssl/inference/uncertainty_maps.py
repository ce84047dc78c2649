"""Every uncertainty map of one image in one call, and the two floors that a map must beat. It cannot take a label."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.sample_predictions import sample_predictions
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.structure import signed_distance
from pancreas_ssl.method.uncertainty import entropy, mutual_information

__all__ = ["UncertaintyMap", "edge_distance", "random_map", "uncertainty_maps"]

FIRST = "one pass: entropy"  # the map of the prediction whose errors are looked for


@dataclass(frozen=True)
class UncertaintyMap:
    """One map of one image.

    values: the map. probability: mean of the members it was made of; None for a floor. seconds: of all its passes.
    passes: how often the network was asked.
    """

    values: Float32[np.ndarray, "X Y Z"]
    probability: Float32[np.ndarray, "X Y Z"] | None
    seconds: float
    passes: int


def uncertainty_maps(
    model: Model,
    image: Float32[np.ndarray, "1 X Y Z"],
    spacing: tuple[float, float, float],
    *,
    others: Sequence[Model] = (),
    n: int = 4,
    seed: int = 0,
    overlap: float = 0.25,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, UncertaintyMap]:
    """Every map of one image by name, the map of a single pass first, the floors last.

    Args:
        model: the network whose errors are to be found.
        image: prepared, in [-1, 1].
        spacing: voxel sides in mm.
        others: further members of the ensemble; without any there is no ensemble.
        n: passes of test-time augmentation and of dropout.
        seed: of all draws.
        overlap, device, precision: as in `sample_predictions`.

    Raises:
        InputError: see `sample_predictions`.

    Example:
        >>> maps = uncertainty_maps(load_weights("baseline"), case.image, case.spacing)    # doctest: +SKIP
        >>> maps["TTA: entropy"].values.max()    # doctest: +SKIP
    """
    how = {"seed": seed, "overlap": overlap, "device": device, "precision": precision}

    def asked(one: Model, way: str) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        answers = sample_predictions(one, image, way, n=n, **how)
        return answers, time.perf_counter() - start

    tta, tta_cost = asked(model, "tta")
    single, cost = tta[:1], tta_cost / n  # the first view is the untouched image
    dropped, dropped_cost = asked(model, "dropout")
    found = {
        FIRST: UncertaintyMap(entropy(single), single[0], cost, 1),
        "TTA: entropy": UncertaintyMap(entropy(tta), tta.mean(0), tta_cost, n),
        "dropout: entropy": UncertaintyMap(entropy(dropped), dropped.mean(0), dropped_cost, n),
        "dropout: mutual info": UncertaintyMap(mutual_information(dropped), dropped.mean(0), dropped_cost, n),
    }
    if others:
        more = [asked(one, "softmax") for one in others]
        joint = np.concatenate([single, *(answers for answers, _ in more)])
        joint_cost = cost + sum(seconds for _, seconds in more)
        found["ensemble: entropy"] = UncertaintyMap(entropy(joint), joint.mean(0), joint_cost, len(joint))
    found["edge distance"] = UncertaintyMap(edge_distance(single[0], spacing), None, cost, 1)
    found["random"] = UncertaintyMap(random_map(single[0].shape, np.random.default_rng(seed)), None, 0.0, 0)
    return found


def edge_distance(
    probability: Any, spacing: tuple[float, float, float], scale_mm: float = 3.0
) -> Float32[np.ndarray, "X Y Z"]:
    """exp(-|d| / scale): high at the edge of the predicted mask (probability above 1/2), however certain the model is.

    Errors sit at edges, so this floor is strong: a map that does not beat it adds nothing. d is the distance to the
    predicted surface in mm, cut off at 30; only the order matters for an AUROC, not the scale.

    Example:
        >>> p = np.array([0.9, 0.8, 0.2, 0.1]).reshape(4, 1, 1)
        >>> edge_distance(p, (3, 3, 3)).ravel().round(2).tolist() == [np.float32(v) for v in (0.22, 0.61, 0.61, 0.22)]
        True
    """
    if not scale_mm > 0:
        raise InputError(f"expected a scale above 0 mm, got {scale_mm}; 3 is the default")
    distance = signed_distance(np.asarray(probability) > 0.5, spacing)
    return np.exp(-np.abs(distance) / np.float32(scale_mm))


def random_map(shape: Sequence[int], rng: np.random.Generator) -> Float32[np.ndarray, "..."]:
    """Independent numbers from U(0, 1): the floor of all floors, AUROC 0.5.

    Example:
        >>> random_map((2, 3, 4), np.random.default_rng(0)).shape
        (2, 3, 4)
    """
    return rng.random(tuple(shape), np.float32)

"""Held-out cases: what a network says of them, and their Dice, which the history shows beside the loss."""

from collections.abc import Sequence
from typing import Any

import torch

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.inference import Model, predict_prepared
from pancreas_ssl.inference.ranges import answer_facts, ranges_of, scan_facts

__all__ = ["held_out_answers", "measured_ranges"]


def held_out_answers(
    model: Model,
    cases: Sequence[Prepared],
    *,
    facts: bool = True,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> list[dict[str, float]]:
    """`dice` and `answer_facts`, case by case: predicted as any scan is, most probable class, largest component.

    Dice = 2 |P and L| / (|P| + |L|), 1 when both are empty. Label 1 is the pancreas whatever the number of classes.

    Args:
        model: its window is the patch of the training (InstanceNorm's statistics depend on it).
        cases: prepared cases with labels.
        facts: False gives the Dice alone, which is all that a training's history takes.

    Example:
        >>> held_out_answers(model, held_out)[0]["dice"]    # doctest: +SKIP
    """
    answers = []
    for case in cases:
        probabilities = predict_prepared(model, case.image, device=device, precision=precision)
        mask, label = largest_component(probabilities.argmax(0) == 1).astype(bool), case.label[0] == 1
        total = int(mask.sum()) + int(label.sum())
        dice = 2 * int((mask & label).sum()) / total if total else 1.0
        said = answer_facts(probabilities, case, model.tissue_above) if facts else {}
        answers.append(said | {"dice": dice})
    return answers


def measured_ranges(train: Sequence[Prepared], answers: Sequence[dict[str, float]] = ()) -> dict[str, Any]:
    """The ranges that the header of the weights keeps (`inference.ranges`): `trained`, of the scans that trained, and
    `home`, of the network's answers on held-out patients, where there are any, and of their true Dice.

    Example:
        >>> measured_ranges(train, held_out_answers(model, held_out))["home"]["expected_dice"]    # doctest: +SKIP
    """
    found = {"trained": ranges_of(map(scan_facts, train))}
    return found | ({"home": ranges_of(one | {"dice": round(one["dice"], 4)} for one in answers)} if answers else {})

"""Held-out cases: their Dice while training, which the history shows beside the loss; what a network says of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.inference import Model, predict_prepared
from pancreas_ssl.inference.ranges import answer_facts, ranges_of, scan_facts
from pancreas_ssl.method.processes import rank, summed, world

__all__ = ["held_out_dice", "measured_ranges", "shared_held_out_dice"]

MOST = 24  # held-out patients whose answers are kept


def held_out_dice(
    network: nn.Module,
    cases: Sequence[Prepared],
    patch: Sequence[int],
    *,
    overlap: float = 0.5,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> list[float]:
    """Dice of the pancreas, case by case: predicted as any scan is, most probable class, largest component.

    Dice = 2 |P and L| / (|P| + |L|), 1 when both are empty. Label 1 is the pancreas whatever the number of classes.

    Args:
        cases: prepared cases with labels.
        patch: window in voxels, the one of the training (InstanceNorm's statistics depend on it).
        overlap: share of a window that it has in common with the next one.
    """
    scores = []
    for case in cases:
        model = Model(network, case.spacing, case.window, patch)
        how = {"overlap": overlap, "device": device, "precision": precision}
        mask = largest_component(predict_prepared(model, case.image, **how).argmax(0) == 1)
        label = case.label[0] == 1
        total = int(mask.sum()) + int(label.sum())
        scores.append(2 * int((mask.astype(bool) & label).sum()) / total if total else 1.0)
    return scores


def shared_held_out_dice(
    network: nn.Module,
    cases: Sequence[Prepared],
    patch: Sequence[int],
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> list[float]:
    """`held_out_dice` of all cases, which the processes of a training share out; all of them must call it."""
    mine = slice(rank(), None, world())
    dice = torch.zeros(len(cases), dtype=torch.float64)
    found = held_out_dice(network, cases[mine], patch, device=device, precision=precision)
    dice[mine] = torch.tensor(found, dtype=dice.dtype)
    return summed(dice.to(device)).tolist() if world() > 1 else dice.tolist()


def measured_ranges(
    model: Model,
    train: Sequence[Prepared],
    held_out: Sequence[Prepared] = (),
    dice: Sequence[float] = (),
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> dict[str, Any]:
    """The ranges that the header of the weights keeps (`inference.ranges`): `trained`, of the scans that trained, and
    `home`, of the network's answers on the first held-out patients, where there are any, and of their true Dice.

    Example:
        >>> measured_ranges(model, train, held_out)["home"]["expected_dice"]    # doctest: +SKIP
    """
    found = {"trained": ranges_of(scan_facts(case) for case in train)}
    how = {"device": device, "precision": precision}
    answers = [
        answer_facts(predict_prepared(model, case.image, **how), case, model.tissue_above) for case in held_out[:MOST]
    ]
    answers = [one | ({"dice": dice[k]} if k < len(dice) else {}) for k, one in enumerate(answers)]
    return found | ({"home": ranges_of(answers)} if answers else {})

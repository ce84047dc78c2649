"""Ranges of what trained them, for weights whose header tells of none: read from their cases, without training.

    pancreas-ssl ranges pancreas_ssl/assets/baseline.safetensors --overwrite

`run_training` puts them into new weights by itself.
"""

from pathlib import Path
from typing import Any

from pancreas_ssl.data.access import Root
from pancreas_ssl.data.image_checks import find_scan
from pancreas_ssl.data.preprocessing import prepare_cases
from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.errors import InputError, require
from pancreas_ssl.files import claim, write_text
from pancreas_ssl.inference import load_weights
from pancreas_ssl.inference.weights import add_to_header
from pancreas_ssl.training.held_out import held_out_answers, measured_ranges
from pancreas_ssl.training.model_card import with_ranges

__all__ = ["add_ranges"]


def add_ranges(
    weights: str | Path, *, source: str | None = None, root: Root = None, device: str = "auto", overwrite: bool = False
) -> dict[str, Any]:
    """Put the ranges of what trained some weights (`inference.ranges`) into their header, and into their model card.

    No tensor changes, so the digest stays. The cases must be those that the header knows, by their voxels or, in older
    weights, by their ids.

    Args:
        weights: a file of weights.
        source: `card/source` that trained them, where the header's name leads to no card.
        root: where the card's files lie.
        overwrite: change a file that this tool did not write, too.

    Returns:
        The ranges.

    Raises:
        InputError: no such weights, or other cases than those that trained them.

    Example:
        >>> add_ranges("runs/first/weights.safetensors")["trained"]["n"]    # doctest: +SKIP
    """
    path = Path(weights)
    require(path.is_file(), "a file of weights", f"nothing at {path}", "name the file")
    model, cards = load_weights(path), [card for card in [path.with_suffix(".md")] if card.is_file()]
    claim([path, *cards], overwrite=overwrite)
    source = source or model.metadata.get("source", "")
    require(source, "the source that trained the weights", "none in their header", "name it by --source")
    require(len(set(model.spacing)) == 1, "weights for one spacing", model.spacing, "train them anew")
    sides: dict[str, list] = {"train": [], "held_out": []}
    for side, use in (("train", "train"), ("held_out", "select")):
        about = model.metadata.get(side, {})
        if not (ids := about.get("ids") or about.get("voxels", [])):
            continue
        found = open_cases(source, use, root=root, fold=model.metadata.get("fold"))
        voxels = about.get("voxels")
        for case in prepare_cases(found, spacing=model.spacing[0], window=model.window, mapped=True):
            known = case.id in ids if voxels is None else find_scan(case.voxels, voxels)
            if known:  # a training may have taken a part of them (--labelled)
                sides[side].append(case)
        if len(sides[side]) != len(ids):
            raise InputError(
                f"expected the {len(ids)} scans ({side}) that {path.name} names, {source} has {len(sides[side])} of "
                f"them among {len(found)}; name the right --source and --root"
            )
    require(sides["train"], "weights that know the scans that trained them", "none in their header", "train them anew")
    answers = held_out_answers(model, sides["held_out"], device=device, precision="auto")
    ranges = measured_ranges(sides["train"], answers)
    add_to_header(path, {"ranges": ranges})
    for card in cards:
        write_text(card, with_ranges(card.read_text(encoding="utf-8"), ranges))
    return ranges

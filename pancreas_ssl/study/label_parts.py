"""Parts of the pancreas that a card names, such as a tumour: what a network finds of them, and of the rest."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.data.access import Case
from pancreas_ssl.data.image_checks import checked_image
from pancreas_ssl.data.label_checks import read_case_label
from pancreas_ssl.data.prepared_cache import restore, save
from pancreas_ssl.data.preprocessing import Prepared, prepared_file
from pancreas_ssl.data.resampling import covering_grid, resample
from pancreas_ssl.evaluation import dice_coefficient
from pancreas_ssl.versions import code_digest

__all__ = ["part_masks", "part_metrics"]

Mask = Bool[np.ndarray, "X Y Z"]


def part_masks(case: Case, prepared: Prepared) -> dict[str, Mask]:
    """Each of the card's `parts` on the grid of the prepared case: voxels of which at least half belongs to the part.

    They are kept beside the prepared case, as a study asks for them once for each network.

    Raises:
        InputError: as `checked_image` and `read_case_label`.
    """
    if not case.parts or case.label is None:
        return {}
    what = "parts", case.parts, code_digest("study/label_parts.py")
    stored = prepared_file(case, prepared.spacing, prepared.window, what=what)
    if (file := restore(stored)) is not None:
        return {name: file.arrays[str(k)] > 0 for k, (name, _) in enumerate(case.parts)}
    image, _ = checked_image(case.image, case.limits, case.series)
    grid = covering_grid(image.shape, image.spacing, tuple(round(size, 6) for size in prepared.spacing))
    labels = (read_case_label(case, image, values) for _, values in case.parts)
    masks = [resample(label.array, *grid, kernel="overlap") >= 0.5 for label in labels]
    save(stored, {str(k): mask.view(np.uint8) for k, mask in enumerate(masks)}, {})
    return {name: mask for (name, _), mask in zip(case.parts, masks, strict=True)}


def part_metrics(mask: Mask, label: Mask, parts: Mapping[str, Mask]) -> dict[str, Any]:
    """For each part, `dice_without_NAME` (its voxels left out of prediction and label) and `recall_NAME` (the share of
    its voxels that the prediction covers); None where nothing is left, or where the case has none of it.

    Example:
        >>> label = np.zeros((4, 4, 4), bool)
        >>> label[:2] = True
        >>> tumour = label & (np.arange(4) == 0)
        >>> part_metrics(label & ~tumour, label, {"tumour": tumour})
        {'dice_without_tumour': 1.0, 'recall_tumour': 0.0}
    """
    found = {}
    for name, part in parts.items():
        found[f"dice_without_{name}"] = dice_coefficient(mask & ~part, label & ~part)
        found[f"recall_{name}"] = float((mask & part).sum() / part.sum()) if part.any() else None
    return found

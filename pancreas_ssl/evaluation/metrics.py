"""The metrics of one case, in mm and mL, with one rule for empty masks.

Dice and surface distances come from MONAI. What is ours is the rule for empties, because MONAI returns NaN for a
missed pancreas and leaves it out of its mean, so that misses would *improve* the mean distance:

- label empty: the case has no Dice and no distance (None); what was predicted counts as false-positive volume;
- prediction empty, label not: Dice 0, NSD 0, HD95 and mean surface distance 150 mm, `missed` is True.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.components import bounding_box
from pancreas_ssl.evaluation.surfaces import surface_dice

__all__ = ["EMPTY_DISTANCE_MM", "evaluate_case", "evaluate_files", "tolerance_for"]

EMPTY_DISTANCE_MM = 150.0
"""HD95 and mean surface distance of a missed pancreas: about the length of the organ."""


def tolerance_for(spacing: Sequence[float]) -> float:
    """Tolerance of the surface Dice in mm: 2, or 3 when a voxel side is 3 mm or more (2.95, for rounding).

    A tolerance well below the voxel would measure the grid and not the outline.
    """
    return 3.0 if max(spacing) >= 2.95 else 2.0


def evaluate_case(
    prediction: Any, label: Any, spacing: Sequence[float], tolerance_mm: float | None = None
) -> dict[str, Any]:
    r"""Compare a predicted mask with a label on the same grid.

    With P and L the voxel sets, S their surfaces and d the distance in mm to the other surface:
    Dice = 2|P n L| / (|P| + |L|); NSD = share of both surfaces' area with d <= tolerance (sub-voxel surface
    elements, weighted by area); HD95 = the larger of the two directed 95th percentiles of d; mean surface
    distance (`msd`) = mean of d over both surfaces' voxels.

    Args:
        prediction: (X, Y, Z) or (1, X, Y, Z) with the values 0 and 1; NumPy or torch, any type (bool, uint8,
            bfloat16 ...).
        label: the same, on the same grid.
        spacing: voxel sides in mm, in the order of the axes; anisotropic is fine.
        tolerance_mm: of the NSD; None takes `tolerance_for(spacing)`.

    Returns:
        Ready for JSON: dice, nsd, hd95, msd (mm), tolerance_mm, volume_ml, label_volume_ml, volume_bias_ml
        (prediction - label), false_positive_ml (predicted outside the label), missed, label_empty. See the
        module for empty masks. Distances of masks that do not overlap are as measured, even above 150 mm.

    Raises:
        InputError: shapes differ, values other than 0 and 1, or an impossible spacing.

    Source: Nikolov et al. 2018, arXiv:1809.04430 (NSD); Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.

    Example:
        >>> box = np.zeros((10, 10, 10), np.uint8); box[2:6, 2:6, 2:6] = 1
        >>> evaluate_case(box, box, (1, 1, 1))["dice"]
        1.0
    """
    predicted, labelled = _binary(prediction, "prediction"), _binary(label, "label")
    if predicted.shape != labelled.shape:
        raise InputError(
            f"expected prediction and label on one grid, got shapes {predicted.shape} and {labelled.shape}; "
            f"bring the prediction onto the label's grid first"
        )
    spacing = tuple(float(side) for side in spacing)
    if len(spacing) != 3 or not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise InputError(
            f"expected three positive voxel sides in mm, got {spacing}; read them from the affine"
        )
    tolerance = tolerance_for(spacing) if tolerance_mm is None else float(tolerance_mm)

    box = bounding_box(predicted | labelled, margin=1) or (slice(0, 1),) * 3
    predicted, labelled = predicted[box], labelled[box]
    ml = float(np.prod(spacing)) / 1000.0
    sizes = int(predicted.sum()), int(labelled.sum())
    row: dict[str, Any] = {
        "dice": None,
        "nsd": None,
        "hd95": None,
        "msd": None,
        "tolerance_mm": tolerance,
        "volume_ml": sizes[0] * ml,
        "label_volume_ml": sizes[1] * ml,
        "volume_bias_ml": (sizes[0] - sizes[1]) * ml,
        "false_positive_ml": int((predicted & ~labelled).sum()) * ml,
        "missed": sizes[1] > 0 and sizes[0] == 0,
        "label_empty": sizes[1] == 0,
    }
    if row["missed"]:
        row |= {"dice": 0.0, "nsd": 0.0, "hd95": EMPTY_DISTANCE_MM, "msd": EMPTY_DISTANCE_MM}
    elif sizes[1] > 0:
        row |= _overlap_and_distances(predicted, labelled, spacing, tolerance)
    return row


def dice_coefficient(prediction: Any, label: Any) -> float | None:
    """2 |P L| / (|P| + |L|) alone, without the distances that `evaluate_case` takes its time for; None where the label
    is empty.

    Example:
        >>> box = np.zeros((8, 8, 8), bool)
        >>> box[2:6, 2:6, 2:6] = True
        >>> dice_coefficient(box, box), dice_coefficient(box, box & False)
        (1.0, None)
    """
    from monai.metrics import compute_dice

    predicted, labelled = _binary(prediction, "prediction"), _binary(label, "label")
    if not labelled.any():
        return None
    return float(compute_dice(*_batches(predicted, labelled), include_background=True))


def _batches(*masks: Bool[np.ndarray, "X Y Z"]) -> list:
    """Masks as MONAI takes them: (1, 1, X, Y, Z)."""
    import torch

    return [torch.from_numpy(np.ascontiguousarray(mask))[None, None] for mask in masks]


def _overlap_and_distances(
    predicted: Bool[np.ndarray, "X Y Z"],
    labelled: Bool[np.ndarray, "X Y Z"],
    spacing: tuple,
    tolerance: float,
) -> dict[str, float]:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    pair = _batches(predicted, labelled)
    common = {"include_background": True, "spacing": spacing}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI warns of an argument that it passes to itself
        return {
            "dice": dice_coefficient(predicted, labelled),
            "nsd": surface_dice(predicted, labelled, spacing, tolerance),
            "hd95": float(compute_hausdorff_distance(*pair, percentile=95, **common)),
            "msd": float(compute_average_surface_distance(*pair, symmetric=True, **common)),
        }


def _binary(mask: Any, name: str) -> Bool[np.ndarray, "X Y Z"]:
    """A mask of any kind as a boolean (X, Y, Z) array; InputError for other shapes or values."""
    if hasattr(mask, "detach"):  # a torch tensor; NumPy has no bfloat16
        mask = mask.detach().cpu()
        mask = (mask.float() if mask.is_floating_point() else mask).numpy()
    mask = np.asarray(mask)
    if mask.ndim == 4 and mask.shape[0] == 1:
        mask = mask[0]
    if mask.ndim != 3:
        raise InputError(
            f"expected a 3D mask as {name}, got the shape {mask.shape}; pass one volume (X, Y, Z)"
        )
    if mask.dtype != bool:
        binary = mask == 1
        if not np.array_equal(binary, mask):
            raise InputError(
                f"expected only 0 and 1 in the {name}, got values between {np.min(mask):g} and {np.max(mask):g}; "
                f"threshold it or choose one label value first"
            )
        mask = binary
    return mask


def evaluate_files(
    prediction: str | Path,
    label: str | Path,
    label_values: Sequence[int] = (1,),
    tolerance_mm: float | None = None,
) -> dict[str, Any]:
    """Compare two NIfTI files on one grid; see `evaluate_case` for the metrics.

    Args:
        prediction: mask with 1 = pancreas, as `pancreas-ssl predict` writes it.
        label: reference; the voxels whose value is among `label_values` are pancreas (masses may be merged in).
        label_values: values of the label file that mean pancreas.
        tolerance_mm: of the NSD; None takes `tolerance_for`.

    Returns:
        The dictionary of `evaluate_case`, with both paths, the label values and the spacing added.

    Raises:
        InputError: a file cannot be read, the shapes or affines differ, or the label file has other values only.

    Example:
        >>> evaluate_files("mask.nii.gz", "label.nii.gz", label_values=(7,))["dice"]    # doctest: +SKIP
    """
    from pancreas_ssl.data.reading import read_label

    values = tuple(int(value) for value in label_values)
    reference = read_label(label, values=values)
    predicted = read_label(prediction, values=(1,), like=reference)
    if others := _values_beside(prediction, {0, 1}):
        raise InputError(
            f"expected a mask of 0 and 1 as prediction, {prediction} also holds {others}; set pancreas to 1, all "
            f"else to 0"
        )
    if not reference.array.any() and (others := _values_beside(label, {0})):
        raise InputError(
            f"expected the label value {' or '.join(map(str, values))}, {label} holds only {others}; choose one of "
            f"these with label_values (--label-value)"
        )
    row = evaluate_case(predicted.array, reference.array, reference.spacing, tolerance_mm)
    files = {"prediction": str(prediction), "label": str(label), "label_values": list(values)}
    return files | {"spacing_mm": [round(float(s), 6) for s in reference.spacing]} | row


def _values_beside(path: str | Path, usual: set[int]) -> str:
    """The file's other values in words (cut after 60 characters); empty if there are none."""
    import nibabel

    array = np.asarray(nibabel.load(path).dataobj)
    if array.dtype == np.uint8:  # counting bytes is far quicker than sorting them
        found = np.flatnonzero(np.bincount(array.ravel(order="K"), minlength=1))
    else:
        found = np.unique(array)
    return ", ".join(f"{value:g}" for value in found if value not in usual)[:60]

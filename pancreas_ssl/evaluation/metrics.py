"""The metrics of one case, in mm and mL, with one rule for empty masks.

Dice and surface distances come from MONAI; the rule for empty masks is ours, because MONAI returns NaN for a missed
pancreas and leaves it out of its mean, so that misses would *improve* the mean distance:

- label empty: the case has no Dice and no distance (None); what was predicted counts as false-positive volume;
- prediction empty, label not: Dice 0, NSD 0, HD95 and mean surface distance 150 mm, `missed` is True.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from jaxtyping import Bool

from pancreas_ssl.data.cards import Limits
from pancreas_ssl.data.dicom_labels import is_dicom_label
from pancreas_ssl.data.image_checks import geometry_checks, passed
from pancreas_ssl.data.reading import distinct_values, read_label
from pancreas_ssl.errors import InputError, require
from pancreas_ssl.evaluation.surfaces import surface_dice
from pancreas_ssl.method.structure import bounding_box

__all__ = ["EMPTY_DISTANCE_MM", "evaluate_case", "evaluate_files", "tolerance_for"]

EMPTY_DISTANCE_MM = 150.0
"""HD95 and mean surface distance of a missed pancreas: about the length of the organ."""


def tolerance_for(spacing: Sequence[float]) -> float:
    """Tolerance of the surface Dice in mm: 2, or 3 when a voxel side is 3 mm or more (2.95, for rounding), since one
    well below the voxel would measure the grid and not the outline."""
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
        prediction, label: (X, Y, Z) or (1, X, Y, Z) on one grid, values 0 and 1; NumPy or torch, any type.
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
    same, shapes = predicted.shape == labelled.shape, f"shapes {predicted.shape} and {labelled.shape}"
    require(same, "prediction and label on one grid", shapes, "bring the prediction onto the label's grid first")
    spacing = tuple(float(side) for side in spacing)
    fine = len(spacing) == 3 and all(np.isfinite(spacing)) and min(spacing) > 0
    require(fine, "three positive voxel sides in mm", spacing, "read them from the affine")
    tolerance = tolerance_for(spacing) if tolerance_mm is None else float(tolerance_mm)

    box = bounding_box(predicted | labelled, margin=1) or (slice(0, 1),) * 3
    predicted, labelled = predicted[box], labelled[box]
    ml = float(np.prod(spacing)) / 1000.0
    found, true = int(predicted.sum()), int(labelled.sum())
    if true == 0:
        measures = dict.fromkeys(("dice", "nsd", "hd95", "msd"))
    elif found == 0:
        measures = {"dice": 0.0, "nsd": 0.0, "hd95": EMPTY_DISTANCE_MM, "msd": EMPTY_DISTANCE_MM}
    else:
        measures = _overlap_and_distances(predicted, labelled, spacing, tolerance)
    return measures | {
        "tolerance_mm": tolerance,
        "volume_ml": found * ml,
        "label_volume_ml": true * ml,
        "volume_bias_ml": (found - true) * ml,
        "false_positive_ml": int((predicted & ~labelled).sum()) * ml,
        "missed": true > 0 and found == 0,
        "label_empty": true == 0,
    }


def dice_coefficient(prediction: Any, label: Any) -> float | None:
    """2 |P L| / (|P| + |L|) alone, without the slower distances of `evaluate_case`; None where the label is empty.

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
    return [torch.from_numpy(np.ascontiguousarray(mask))[None, None] for mask in masks]


def _overlap_and_distances(
    predicted: Bool[np.ndarray, "X Y Z"], labelled: Bool[np.ndarray, "X Y Z"], spacing: tuple, tolerance: float
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
    require(mask.ndim == 3, f"a 3D mask as {name}", f"the shape {mask.shape}", "pass one volume (X, Y, Z)")
    binary = mask == 1
    if not np.array_equal(binary, mask):
        got, remedy = f"{np.min(mask):g} and {np.max(mask):g}", "threshold it or choose one label value first"
        raise InputError(f"expected only 0 and 1 in the {name}, got values between {got}; {remedy}")
    return binary


def evaluate_files(
    prediction: str | Path, label: str | Path, label_values: Sequence[int] = (1,), tolerance_mm: float | None = None
) -> dict[str, Any]:
    """Compare two NIfTI files on one grid; see `evaluate_case` for the metrics.

    Args:
        prediction: mask with 1 = pancreas, as `pancreas-ssl predict` writes it.
        label: reference, NIfTI or a DICOM SEG or RTSTRUCT of the same scan; the voxels whose value is among
            `label_values` are pancreas (masses may be merged in).
        tolerance_mm: of the NSD; None takes `tolerance_for`.

    Returns:
        The dictionary of `evaluate_case`, with both paths, the label values and the spacing added.

    Raises:
        InputError: a file cannot be read, the shapes or affines differ, a spacing that no CT has, a label value of the
            background, or the label file has other values only.

    Example:
        >>> evaluate_files("mask.nii.gz", "label.nii.gz", label_values=(7,))["dice"]    # doctest: +SKIP
    """
    values = tuple(int(value) for value in label_values)
    if not values or min(values) < 1:
        found = ", ".join(map(str, values)) or "none"
        raise InputError(
            f"expected label values of 1 and above (0 is the background), got {found}; name the pancreas's"
        )
    if dicom := is_dicom_label(Path(label)):  # on the grid of the mask, which is the scan's
        predicted = read_label(prediction)
        reference = read_label(label, values=values, like=predicted)
    else:
        reference = read_label(label, values=values)
        predicted = read_label(prediction, values=(1,), like=reference)
    for volume in (reference, predicted):
        passed(geometry_checks(volume, Limits()))
    if others := _values_beside(prediction, {0, 1}):
        remedy = "set pancreas to 1, all else to 0"
        raise InputError(f"expected a mask of 0 and 1 as prediction, {prediction} also holds {others}; {remedy}")
    if not dicom and not reference.array.any() and (others := _values_beside(label, {0})):
        wanted, remedy = " or ".join(map(str, values)), "choose one of these with label_values (--label-value)"
        raise InputError(f"expected the label value {wanted}, {label} holds only {others}; {remedy}")
    row = evaluate_case(predicted.array, reference.array, reference.spacing, tolerance_mm)
    files = {"prediction": str(prediction), "label": str(label), "label_values": list(values)}
    return files | {"spacing_mm": [round(float(s), 6) for s in reference.spacing]} | row


def _values_beside(path: str | Path, usual: set[int]) -> str:
    """The file's other values in words (cut after 60 characters); empty if there are none."""
    found = distinct_values(np.asarray(nibabel.load(path).dataobj))
    return ", ".join(f"{value:g}" for value in found if value not in usual)[:60]

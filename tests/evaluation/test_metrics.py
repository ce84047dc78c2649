"""Metrics of one case: worked by hand, against a slow reference, and for empty masks."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import evaluate_case, evaluate_files, tolerance_for


def box(*bounds, shape=(24, 24, 24)):
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(*b) for b in bounds)] = 1
    return mask


def voxel_surface(mask):
    """Centres of the mask's voxels that have a face neighbour outside."""
    padded = np.pad(mask.astype(bool), 1)
    inner = padded.copy()
    for axis in range(3):
        inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    return np.argwhere((padded & ~inner)[1:-1, 1:-1, 1:-1])


def slow_distances(first, second, spacing):
    table = cdist(voxel_surface(first) * spacing, voxel_surface(second) * spacing)
    return table.min(axis=1), table.min(axis=0)


def test_equal_masks_are_perfect():
    row = evaluate_case(box((4, 12), (5, 11), (6, 10)), box((4, 12), (5, 11), (6, 10)), (1, 2, 3))
    assert (row["dice"], row["nsd"], row["hd95"], row["msd"]) == (1.0, 1.0, 0.0, 0.0)
    assert row["volume_ml"] == row["label_volume_ml"] == pytest.approx(8 * 6 * 4 * 6 / 1000)
    assert row["volume_bias_ml"] == row["false_positive_ml"] == 0.0


def test_shifted_box_by_hand():
    # 8 x 8 x 8 voxels of 1 mm, shifted by 2 along x: overlap 6 of 8.
    row = evaluate_case(box((4, 12), (4, 12), (4, 12)), box((6, 14), (4, 12), (4, 12)), (1, 1, 1))
    assert row["dice"] == pytest.approx(0.75)
    assert row["false_positive_ml"] == pytest.approx(2 * 64 / 1000)
    assert row["hd95"] == pytest.approx(2.0)
    assert row["nsd"] == pytest.approx(1.0)  # no surface is further than 2 mm


def test_nsd_of_two_far_plates_by_hand():
    # Same cross-section, one side longer by 6 mm: all is within the tolerance but the longer end.
    long, short = box((4, 18), (4, 16), (4, 16)), box((4, 12), (4, 16), (4, 16))
    strict = evaluate_case(long, short, (1, 1, 1), tolerance_mm=1.0)
    wide = evaluate_case(long, short, (1, 1, 1), tolerance_mm=6.5)
    assert wide["nsd"] == pytest.approx(1.0)
    assert 0.4 < strict["nsd"] < 0.8
    # The end's area and the side walls beyond 1 mm, out of both surfaces (2 ends + 4 walls each).
    wrong = 144 + 4 * 12 * 5 + 144 * 0.75  # long's end and walls; the middle of short's end
    total = (2 * 144 + 4 * 12 * 14) + (2 * 144 + 4 * 12 * 8)
    assert strict["nsd"] == pytest.approx(1 - wrong / total, abs=0.06)


def test_ball_closed_form():
    grid = np.stack(np.meshgrid(*[np.arange(40) - 19.5] * 3, indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    row = evaluate_case(radius <= 14, radius <= 10, (1, 1, 1))
    assert row["dice"] == pytest.approx(2 * 10**3 / (14**3 + 10**3), abs=0.01)
    assert row["hd95"] == pytest.approx(4.0, abs=0.6)
    assert row["msd"] == pytest.approx(4.0, abs=0.5)
    assert row["volume_ml"] == pytest.approx(4 / 3 * math.pi * 14**3 / 1000, rel=0.02)
    assert row["nsd"] == 0.0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 2.5), (3.0, 2.0, 5.0)])
def test_distances_agree_with_a_slow_reference(spacing):
    generator = np.random.default_rng(3)
    blobs = []
    for _ in range(2):
        centre = 10 + generator.normal(0, 1.5, 3)
        coordinates = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), axis=-1)
        blobs.append(np.abs((coordinates - centre) / generator.uniform(3, 7, 3)).sum(axis=-1) < 1.2)
    row = evaluate_case(*blobs, spacing)
    there, back = slow_distances(*blobs, spacing)
    assert row["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-3)
    assert row["msd"] == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-3)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 2.5), (3.0, 2.0, 5.0)])
@pytest.mark.parametrize("tolerance", [1.0, 2.0, 3.0])
def test_surface_dice_agrees_with_monai(spacing, tolerance):
    from monai.metrics import compute_surface_dice

    generator = np.random.default_rng(4)
    first, second = (generator.random((9, 10, 11)) < share for share in (0.03, 0.04))
    first[2:6, 2:7, 3:8], second[0:5, 3:8, 3:9] = True, True
    pair = [torch.from_numpy(np.pad(m, 2))[None, None].float() for m in (first, second)]
    theirs = compute_surface_dice(*pair, [tolerance], True, spacing=spacing, use_subvoxels=True)
    assert evaluate_case(first, second, spacing, tolerance)["nsd"] == pytest.approx(float(theirs), abs=1e-6)


def test_symmetric_and_blind_to_the_field_of_view():
    first, second = box((4, 12), (5, 13), (6, 10)), box((6, 14), (4, 12), (5, 11))
    row, swapped = evaluate_case(first, second, (1, 2, 3)), evaluate_case(second, first, (1, 2, 3))
    for name in ("dice", "nsd", "hd95", "msd"):
        assert row[name] == pytest.approx(swapped[name])
    assert row["volume_bias_ml"] == -swapped["volume_bias_ml"]
    padded = evaluate_case(np.pad(first, 30), np.pad(second, 30), (1, 2, 3))
    assert padded == pytest.approx(row)


def test_touching_the_border_counts_as_surface():
    assert evaluate_case(box((0, 24), (0, 24), (0, 24)), box((0, 24), (0, 24), (0, 24)), (1, 1, 1))["nsd"] == 1.0


def test_missed_pancreas_gets_the_worst_values_and_no_nan():
    row = evaluate_case(box((0, 0), (0, 0), (0, 0)), box((4, 12), (4, 12), (4, 12)), (1, 1, 1))
    assert row["missed"] and (row["dice"], row["nsd"], row["hd95"], row["msd"]) == (0.0, 0.0, 150.0, 150.0)
    assert row["volume_bias_ml"] == pytest.approx(-0.512)
    json.dumps(row, allow_nan=False)


def test_empty_label_counts_only_false_positives():
    row = evaluate_case(box((4, 12), (4, 12), (4, 12)), box((0, 0), (0, 0), (0, 0)), (1, 1, 1))
    assert row["label_empty"] and not row["missed"] and row["dice"] is None and row["hd95"] is None
    assert row["false_positive_ml"] == pytest.approx(0.512)
    both = evaluate_case(np.zeros((3, 3, 3)), np.zeros((3, 3, 3)), (1, 1, 1))
    assert both["false_positive_ml"] == 0.0 and both["dice"] is None
    json.dumps([row, both], allow_nan=False)


@pytest.mark.parametrize(
    "convert",
    [
        lambda m: m.astype(bool),
        lambda m: m.astype(np.float64),
        lambda m: m[None],
        lambda m: torch.from_numpy(m).to(torch.bfloat16),
        lambda m: torch.from_numpy(m).bool()[None],
        lambda m: torch.from_numpy(m).to(torch.float32).requires_grad_(),
        lambda m: np.asfortranarray(m),
    ],
)
def test_any_binary_type_gives_the_same(convert):
    first, second = box((4, 12), (5, 13), (6, 10)), box((6, 14), (4, 12), (5, 11))
    assert evaluate_case(convert(first), convert(second), (1, 1, 2)) == evaluate_case(first, second, (1, 1, 2))


def test_bad_masks_are_told_in_a_sentence():
    mask = box((4, 12), (4, 12), (4, 12))
    with pytest.raises(InputError, match="one grid.*bring the prediction"):
        evaluate_case(mask, mask[1:], (1, 1, 1))
    with pytest.raises(InputError, match="only 0 and 1 in the prediction.*threshold"):
        evaluate_case(mask * 0.4, mask, (1, 1, 1))
    with pytest.raises(InputError, match="only 0 and 1 in the label"):
        evaluate_case(mask, mask * 7, (1, 1, 1))
    with pytest.raises(InputError, match="only 0 and 1"):
        evaluate_case(np.where(mask, np.nan, 0), mask, (1, 1, 1))
    with pytest.raises(InputError, match="3D mask"):
        evaluate_case(mask[0], mask[0], (1, 1, 1))
    with pytest.raises(InputError, match="three positive voxel sides"):
        evaluate_case(mask, mask, (1, 0, 1))


def test_tolerance_follows_the_voxel():
    assert [tolerance_for(s) for s in ((1, 1, 1), (0.7, 0.7, 2.5), (3, 3, 3), (0.8, 0.8, 5))] == [2, 2, 3, 3]
    mask = box((4, 12), (4, 12), (4, 12))
    assert evaluate_case(mask, mask, (3, 3, 3))["tolerance_mm"] == 3.0
    assert evaluate_case(mask, mask, (3, 3, 3), tolerance_mm=4)["tolerance_mm"] == 4.0


def write(path, array, affine):
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def test_files_in_any_orientation(tmp_path):
    affine = np.diag([-0.7, -0.7, 2.5, 1.0])  # stored (L, P, S)
    label = write(tmp_path / "label.nii.gz", box((4, 12), (4, 12), (4, 12)) * np.uint8(7), affine)
    prediction = write(tmp_path / "mask.nii.gz", box((4, 12), (4, 12), (5, 13)), affine)
    row = evaluate_files(prediction, label, label_values=(7,))
    assert row["dice"] == pytest.approx(7 / 8)
    assert row["hd95"] == pytest.approx(2.5) and row["tolerance_mm"] == 2.0
    assert row["spacing_mm"] == [0.7, 0.7, 2.5] and row["label_values"] == [7]
    json.dumps(row, allow_nan=False)


def test_files_on_other_grids_are_refused(tmp_path):
    mask = box((4, 12), (4, 12), (4, 12))
    label = write(tmp_path / "label.nii.gz", mask, np.eye(4))
    moved = np.eye(4)
    moved[:3, 3] = 20.0
    with pytest.raises(InputError, match="moved.nii.gz has .*20.0"):
        evaluate_files(write(tmp_path / "moved.nii.gz", mask, moved), label)
    with pytest.raises(InputError, match="shape"):
        evaluate_files(write(tmp_path / "small.nii.gz", mask[:20].copy(), np.eye(4)), label)
    with pytest.raises(InputError):
        evaluate_files(tmp_path / "absent.nii.gz", label)
    with pytest.raises(InputError, match="9"):
        evaluate_files(label, label, label_values=(9,))

"""The calibration error in the band: by hand, its limits, and who is left out."""

import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.calibration import band_ece


def cube(size=20):
    label = np.zeros((size, size, size), np.uint8)
    label[8:12, 8:12, 8:12] = 1
    return label


def test_by_hand_in_one_row():
    label = np.zeros((5, 1, 1))
    label[2] = 1
    probability = np.array([0.2, 0.2, 0.9, 0.6, 0.6]).reshape(5, 1, 1)
    # within 1 mm: 0.2 (label 0), 0.9 (1), 0.6 (0), each in a bin of its own
    assert band_ece(probability, label, (1, 1, 1), band_mm=1) == pytest.approx((0.2 + 0.1 + 0.6) / 3)
    # within 2 mm: two of 0.2 and two of 0.6
    assert band_ece(probability, label, (1, 1, 1), band_mm=2) == pytest.approx((0.4 + 0.1 + 1.2) / 5)


def test_a_constant_that_equals_the_share_is_calibrated():
    label = cube()
    everywhere = np.full(label.shape, label.mean())
    assert band_ece(everywhere, label, (1, 1, 1), band_mm=100) == pytest.approx(0, abs=1e-6)


def test_far_voxels_and_millimetres():
    label, probability = cube(), np.zeros((20, 20, 20))
    probability[label == 1] = 1
    probability[0, 0, 0] = 1  # 8 voxels away along each axis: 13.9 mm or 41.6 mm
    assert band_ece(probability, label, (1, 1, 1)) > 0
    assert band_ece(probability, label, (3, 3, 3)) == 0


def test_empty_label_and_other_shapes():
    assert band_ece(np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), (1, 1, 1)) is None
    with pytest.raises(InputError, match="one grid"):
        band_ece(np.zeros((4, 4, 4)), np.zeros((4, 4, 5)), (1, 1, 1))

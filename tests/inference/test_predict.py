"""From a scan in memory to a mask on its grid."""

import numpy as np
import pytest
import torch

from pancreas_ssl.data.volume import Volume
from pancreas_ssl.evaluation import evaluate_case
from pancreas_ssl.inference import predict_volume

from .helpers import Threshold, make_hu


def scan(spacing=(1.5, 1.5, 2.5), **options):
    return Volume(make_hu(**options).astype(np.float32), np.diag([*spacing, 1.0]))


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 2.5), (3.0, 3.0, 3.0), (2.0, 2.0, 5.0)])
def test_mask_probability_and_entropy_on_the_scans_grid(threshold, spacing):
    volume = scan(spacing, island=False)
    prediction = predict_volume(threshold, volume, device="cpu")
    assert prediction.mask.shape == prediction.probability.shape == prediction.entropy.shape == volume.shape
    assert prediction.mask.dtype == np.uint8 and prediction.seconds > 0
    truth = volume.array == 100
    assert evaluate_case(prediction.mask, truth, spacing)["dice"] > (0.999 if spacing[0] == 3 else 0.85)
    assert prediction.volume_ml == pytest.approx(prediction.mask.sum() * np.prod(spacing) / 1000)
    assert prediction.entropy.min() >= 0 and prediction.entropy.max() <= 1 + 1e-6
    assert prediction.entropy[truth].mean() > prediction.entropy[volume.array == -1000].mean()


def test_largest_component_is_kept_unless_told_otherwise(threshold):
    volume = scan((3.0, 3.0, 3.0))
    one, all_parts = (predict_volume(threshold, volume, device="cpu", largest=flag) for flag in (True, False))
    island = (volume.array == 100) & (np.arange(50)[None, :, None] >= 35)
    assert island.sum() == 64 and all_parts.mask[island].all() and not one.mask[island].any()
    assert one.mask.sum() == (volume.array == 100).sum() - 64


def test_nothing_found_is_an_empty_mask(threshold):
    prediction = predict_volume(threshold, Volume(np.full((20, 20, 20), -1000, np.float32), np.eye(4)), device="cpu")
    assert prediction.mask.sum() == 0 and prediction.volume_ml == 0 and prediction.entropy.max() == 0


def test_with_more_classes_the_strongest_wins(threshold):
    class Three(Threshold):
        config = {"n_classes": 3}

        def forward(self, x):  # pancreas 0.4, another organ 0.35, background 0.25: below a half, yet first
            pancreas = (x > 0).float()
            chances = torch.cat([1 - 0.75 * pancreas, 0.4 * pancreas + 1e-6, 0.35 * pancreas + 1e-6], dim=1)
            return chances.log()

    threshold.network = Three()
    volume = scan((3.0, 3.0, 3.0), island=False)
    prediction = predict_volume(threshold, volume, device="cpu")
    assert np.array_equal(prediction.mask == 1, volume.array == 100)
    assert prediction.probability.max() == pytest.approx(0.4, abs=1e-3)

"""No fat in a mask: the rule on both grids, where it comes in, and who is asked for it."""

import numpy as np
import pytest
import torch
from torch import nn

from pancreas_ssl.data.preprocessing import prepare
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.inference import Model, is_tissue, predict_volume, without_fat
from pancreas_ssl.training import Recipe
from pancreas_ssl.training.arms import with_arm
from tests.inference.helpers import make_hu


class Body(nn.Module):
    """Everything but air is pancreas, fat too."""

    stride = 4
    config = {"n_classes": 2}

    def forward(self, x):
        inside = 20 * (x + 0.95)
        return torch.cat([-inside, inside], dim=1)


@pytest.fixture
def volume():
    return Volume(make_hu(island=False).astype(np.float32), np.diag([1.5, 1.5, 2.5, 1.0]))


def model(**recipe):
    return Model(Body(), patch=(32, 32, 16), metadata={"recipe": Recipe(**recipe).to_dict()} if recipe else {})


def test_fat_is_marked_unless_the_weights_or_the_caller_say_otherwise(volume):
    tissue = int((volume.array > 0).sum())
    everything = predict_volume(model(), volume, device="cpu").mask
    assert everything.sum() > 4 * tissue and model().tissue_above == -1000
    for lean in (
        predict_volume(model(tissue_above=-30.0), volume, device="cpu").mask,
        predict_volume(model(), volume, device="cpu", tissue_above=-30.0).mask,
    ):
        # its border is half fat: 1.13 times the tissue, which has 100 HU and not 40
        assert lean.dtype == np.uint8 and 0.9 * tissue < lean.sum() < 1.2 * tissue
        assert not lean[volume.array < -500].any()
    again = predict_volume(model(tissue_above=-30.0), volume, device="cpu", tissue_above=-1000.0).mask
    assert np.array_equal(again, everything)


def test_the_rule_of_both_grids_is_one(volume):
    prepared = prepare(volume, spacing=volume.spacing)
    mask = np.ones(volume.shape, np.uint8)
    assert np.array_equal(without_fat(mask, prepared, volume, -30.0) > 0, is_tissue(prepared, -30.0))
    assert is_tissue(prepared, -151.0).all() and without_fat(mask, prepared, volume, -1000.0).all()
    assert not without_fat(0 * mask, prepared, volume, -30.0).any()


def test_fat_that_parts_an_organ_takes_neither_part_away(volume):
    hu = volume.array.copy()
    cx = hu.shape[0] // 2
    hu[cx - 2 : cx + 2] = np.where(hu[cx - 2 : cx + 2] > 0, -100, hu[cx - 2 : cx + 2])
    parted = Volume(hu, volume.affine)
    mask = predict_volume(model(), parted, device="cpu", tissue_above=-30.0).mask
    assert mask[: cx - 4].any() and mask[cx + 4 :].any() and not mask[cx - 1 : cx + 1].any()


def test_the_arm_for_real_scans_asks_for_it():
    assert with_arm(Recipe(), "real").tissue_above == -30

"""PSNR and SSIM against scikit-image, and the two solutions that need no learning."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.restoration_quality import (
    against_trivial,
    beats_trivial,
    hu_per_unit,
    local_mean,
    psnr,
    ssim,
)
from tests.method.images import image

TARGET = image(0)
WORSE = (TARGET + 0.1 * torch.randn(TARGET.shape, generator=torch.Generator().manual_seed(2))).clamp(-1, 1)
FULL = torch.ones_like(TARGET, dtype=torch.bool)
PART = torch.zeros_like(FULL)
PART[:, 8:16, 6:14, 5:11] = True
NONE = torch.zeros_like(FULL)


def test_agreement_with_scikit_image_on_the_whole_patch():
    first, second = TARGET[0].numpy(), WORSE[0].numpy()
    expected = peak_signal_noise_ratio(first, second, data_range=2)
    assert psnr(WORSE, TARGET, FULL) == pytest.approx(expected, abs=1e-4)
    whole = structural_similarity(first, second, data_range=2, full=True)[1].mean(dtype=float)
    assert ssim(WORSE, TARGET, FULL) == pytest.approx(whole, abs=1e-5)


def test_by_hand():
    offset = torch.where(PART, TARGET + 0.2, 5.0)
    assert psnr(offset, TARGET, PART) == pytest.approx(10 * math.log10(4 / 0.04), abs=1e-4)
    assert psnr(offset, TARGET, PART, data_range=0.2) == pytest.approx(0, abs=1e-4)


def test_outside_the_mask_nothing_matters():
    other = torch.where(PART, WORSE, torch.rand(TARGET.shape))
    for measure in (psnr, ssim):
        assert measure(other, TARGET, PART) == measure(WORSE, TARGET, PART)
        assert measure(torch.where(PART, TARGET, 0.0), TARGET, PART) == measure(TARGET, TARGET, PART)


def test_perfect_and_empty():
    assert psnr(TARGET, TARGET, PART) == math.inf and ssim(TARGET, TARGET, PART) == pytest.approx(1, abs=1e-6)
    assert math.isnan(psnr(WORSE, TARGET, NONE)) and math.isnan(ssim(WORSE, TARGET, NONE))
    table = against_trivial(TARGET, WORSE, TARGET, NONE)
    assert table.isna().all(axis=None) and not beats_trivial(table)


def test_the_local_mean_is_the_filter_in_the_mask_and_the_image_outside():
    mean = local_mean(WORSE, PART, 3)
    slow = ndimage.uniform_filter(WORSE[0].numpy().astype(float), 3)
    inside = PART[0].numpy()
    np.testing.assert_allclose(mean[0].numpy()[inside], slow[inside], atol=1e-5)
    assert torch.equal(mean[~PART], WORSE[~PART])
    constant = torch.full_like(TARGET, 0.3)
    torch.testing.assert_close(local_mean(constant, FULL), constant)  # also at the patch's edge
    torch.testing.assert_close(local_mean(WORSE, FULL, 1), WORSE)


def test_the_mean_of_what_is_known_ignores_the_corrupted_and_fills_inwards():
    spoilt = torch.where(PART, 0.9, torch.full_like(TARGET, 0.3))
    filled = local_mean(spoilt, PART, 3, inside_out=True)
    torch.testing.assert_close(filled, torch.full_like(TARGET, 0.3))
    one = torch.zeros_like(FULL)
    one[:, 10, 10, 8] = True
    around = WORSE[0, 9:12, 9:12, 7:10]
    expected = (around.sum() - around[1, 1, 1]) / 26
    assert local_mean(WORSE, one, 3, inside_out=True)[one].item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(local_mean(WORSE, FULL, 3, inside_out=True), local_mean(WORSE, FULL, 3))
    assert torch.equal(local_mean(WORSE, NONE, inside_out=True), WORSE)


def test_the_table_and_its_verdict():
    corrupted = torch.where(PART, WORSE, TARGET)
    good = torch.lerp(corrupted, TARGET, 0.9)
    table = against_trivial(good, corrupted, TARGET, PART, surroundings=True)
    assert table.index.tolist() == ["restored", "corrupted copy", "local mean", "mean of the uncorrupted"]
    assert table.columns.tolist() == ["PSNR (dB)", "SSIM", "MAE (HU)"]
    error = (WORSE - TARGET)[PART].abs().mean().item()
    assert table.loc["corrupted copy", "MAE (HU)"] == pytest.approx(200 * error, rel=1e-5)
    assert table.loc["restored", "MAE (HU)"] == pytest.approx(20 * error, rel=1e-3)
    assert table.loc["corrupted copy", "PSNR (dB)"] == psnr(WORSE, TARGET, PART)
    assert beats_trivial(table) and beats_trivial(against_trivial(TARGET, corrupted, TARGET, PART))
    for trivial in (corrupted.clone(), local_mean(corrupted, PART), corrupted - 0.5):
        assert not beats_trivial(against_trivial(trivial, corrupted, TARGET, PART))
    assert not beats_trivial(against_trivial(TARGET, TARGET, TARGET, PART))  # nothing was corrupted: a tie


def test_hu_follow_the_window():
    assert hu_per_unit() == 200 and hu_per_unit((-100.0, 240.0)) == 170
    narrow = against_trivial(WORSE, WORSE, TARGET, PART, window=(-50.0, 150.0))
    usual = against_trivial(WORSE, WORSE, TARGET, PART)
    np.testing.assert_allclose(narrow["MAE (HU)"] * 2, usual["MAE (HU)"])


def test_bad_input_gets_a_sentence():
    with pytest.raises(InputError, match="judge one patch at a time"):
        psnr(WORSE[None], TARGET[None], PART[None])
    with pytest.raises(InputError, match="boolean mask"):
        ssim(WORSE, TARGET, PART.float())
    with pytest.raises(InputError, match="sides of at least 7 voxels"):
        ssim(WORSE[..., :5], TARGET[..., :5], PART[..., :5])
    with pytest.raises(InputError, match="expected an odd size"):
        local_mean(WORSE, PART, 4)
    with pytest.raises(InputError, match="expected a rising window"):
        hu_per_unit((250.0, -150.0))

"""What the augmentations share: a blur against MONAI's, a convolution against torch's, air that stays."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.augmentation.patch import air_fade, blur, check_patch, convolve, gamma_curve, noisy
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import patch


def test_blur_of_a_point_is_a_gaussian():
    image = torch.zeros(1, 15, 15, 15)
    image[0, 7, 7, 7] = 1
    line = torch.exp(-0.5 * ((torch.arange(15) - 7.0) / 1.2) ** 2)
    line = line / line.sum()
    expected = line[:, None, None] * line[None, :, None] * line[None, None, :]
    torch.testing.assert_close(blur(image, 1.2)[0], expected, rtol=0, atol=2e-4)


def test_blur_agrees_with_monai_away_from_the_edges():
    from monai.transforms import GaussianSmooth

    image = torch.rand(1, 24, 20, 22, generator=torch.Generator().manual_seed(0))
    inner = (slice(None), *[slice(6, -6)] * 3)
    other = GaussianSmooth(1.0, approx="sampled")(image)
    torch.testing.assert_close(blur(image, 1.0)[inner], torch.as_tensor(other)[inner], rtol=0, atol=2e-3)


def test_blur_keeps_constants_ranges_and_thin_patches():
    torch.testing.assert_close(blur(torch.full((1, 5, 4, 1), 0.3), 2.0), torch.full((1, 5, 4, 1), 0.3))
    image, _ = patch()
    assert blur(image, 0.0) is image
    assert blur(image, 1.5).max() <= image.max() + 1e-6 and blur(image, 1.5).min() >= -1 - 1e-6


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("shape", [(9, 8, 11), (2, 1, 4)])
def test_convolution_is_that_of_torch_with_repeated_edges(size, shape):
    rng = np.random.default_rng(size)
    weight = rng.normal(0, size**-1.5, (3, 2, size, size, size)).astype(np.float32)
    image = torch.from_numpy(rng.standard_normal((2, *shape), dtype=np.float32))
    padded = F.pad(image[None], (size // 2,) * 6, mode="replicate")
    expected = F.conv3d(padded, torch.from_numpy(weight))[0]
    torch.testing.assert_close(convolve(image, weight), expected, rtol=0, atol=1e-5)


def test_noise_has_the_asked_spread_and_leaves_air():
    image = torch.zeros(1, 20, 20, 20)
    image[:, :2] = -1
    out = noisy(image, 0.1, seed=3)
    assert torch.equal(out[:, :2], image[:, :2])
    assert out[:, 2:].std() == pytest.approx(0.1, rel=0.05)
    assert torch.equal(out, noisy(image, 0.1, seed=3)) and not torch.equal(out, noisy(image, 0.1, seed=4))
    assert noisy(image, 0.0, seed=3) is image
    torch.testing.assert_close(air_fade(torch.tensor([-1.0, -0.875, 1.0])), torch.tensor([0.0, 1.0, 1.0]))


def test_gamma_keeps_both_ends_and_the_order():
    values = torch.linspace(-1, 1, 11)
    curve = gamma_curve(values, 1.5)
    assert curve[0] == -1 and curve[-1] == 1 and (curve.diff() > 0).all() and (curve[1:-1] < values[1:-1]).all()
    torch.testing.assert_close(gamma_curve(curve, 1 / 1.5), values, rtol=0, atol=1e-6)
    assert gamma_curve(values, 1.0) is values


@pytest.mark.parametrize(
    "image", [torch.zeros(2, 1, 4, 4, 4), torch.zeros(2, 4, 4, 4), torch.zeros(1, 4, 4, 4).double()]
)
def test_an_unfit_patch_gets_a_sentence(image):
    with pytest.raises(InputError, match=r"expected an image patch .* got .*; pass one patch"):
        check_patch(image)

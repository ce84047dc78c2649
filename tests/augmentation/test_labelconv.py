"""Label-wise convolution: regions by hand, the soft border, and RandConv where there is no label."""

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.labelconv import apply_labelconv, draw_labelconv
from pancreas_ssl.augmentation.randconv import RandConvDraw, apply_randconv
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import patch

ONE = np.ones((1, 1, 1), np.float32)
SAME, DARK = RandConvDraw(ONE, 1.0), RandConvDraw(-ONE, 0.0)


def test_each_region_takes_its_own_convolution_and_the_border_is_soft():
    image, label = torch.full((1, 24, 12, 12), 0.5), torch.zeros(1, 24, 12, 12, dtype=torch.uint8)
    label[:, 12:] = 1
    before = image.clone()
    line = apply_labelconv(image, label, (SAME, DARK))[0, :, 6, 6]
    torch.testing.assert_close(line[[0, 23]], torch.tensor([0.5, -0.5]), atol=1e-4, rtol=0)
    assert (line.diff() <= 1e-5).all() and line.diff().min() > -0.6 and torch.equal(image, before)
    torch.testing.assert_close(line + line.flip(0), torch.zeros(24), atol=1e-5, rtol=0)  # the shares sum to 1


def test_without_a_label_it_is_randconv_and_draws_come_from_the_generator_alone():
    image, organs = patch()
    first, second = (draw_labelconv(np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(a.weight, b.weight) and a.alpha == b.alpha for a, b in zip(first, second, strict=True))
    nothing = torch.zeros_like(organs)
    assert torch.equal(apply_labelconv(image, nothing, first), apply_randconv(image, first[0]))
    out = apply_labelconv(image, organs, first)  # organs beyond the last draw take that one
    assert torch.equal(out, apply_labelconv(image, (organs > 0).long(), first))
    assert out.shape == image.shape and out.min() >= -1 and out.max() <= 1


def test_unfit_labels_get_a_sentence():
    image, organs = patch()
    with pytest.raises(InputError, match="expected a label .*cut label and image together"):
        apply_labelconv(image, organs[:, 1:], (SAME, DARK))
    with pytest.raises(InputError, match="at least one label"):
        draw_labelconv(np.random.default_rng(0), 0)

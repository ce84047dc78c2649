"""Whole images through the restoration head: one window by hand, many windows, and the model left as it was."""

import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import Model
from pancreas_ssl.inference.restore import restore_image
from pancreas_ssl.method.network import SegmentationNetwork
from tests.method.images import image

HOW = {"device": "cpu", "precision": "fp32"}


def model(restores: bool = True) -> Model:
    network = SegmentationNetwork((4, 8), restores=restores, seed=1)
    return Model(network, patch=(16, 16, 16))


def test_one_window_is_one_pass():
    ours, x = model(), image(shape=(16, 16, 16))
    with torch.no_grad():
        expected = ours.network.eval().taps(x[None]).restored[0].clamp(-1, 1)
    restored = restore_image(ours, x, **HOW)
    torch.testing.assert_close(restored, expected, rtol=1e-4, atol=1e-5)
    assert not restored.requires_grad and not restored.is_inference()


@pytest.mark.parametrize("shape", [(24, 20, 18), (10, 12, 9)])
def test_other_sizes_than_the_patch(shape):
    x = image(shape=shape) if min(shape) > 15 else torch.rand(1, *shape)
    restored = restore_image(model(), x, **HOW)
    assert restored.shape == x.shape and restored.dtype == torch.float32
    assert restored.isfinite().all() and restored.abs().max() <= 1
    assert torch.equal(restored, restore_image(model(), x, **HOW))


def test_air_stays_air():
    air = torch.full((1, 20, 16, 16), -1.0)
    torch.testing.assert_close(restore_image(model(), air, **HOW), torch.full_like(air, -1.0))
    assert (air == -1).all()


def test_the_mode_is_put_back():
    ours = model()
    for mode in (True, False):
        ours.network.train(mode)
        restore_image(ours, torch.zeros(1, 16, 16, 16), **HOW)
        assert ours.network.training is mode


def test_bad_input_gets_a_sentence():
    x = torch.zeros(1, 16, 16, 16)
    with pytest.raises(InputError, match="expected a model with a restoration head.*an arm with restoration"):
        restore_image(model(restores=False), x, **HOW)
    with pytest.raises(InputError, match="prepare the scan first"):
        restore_image(model(), x[None], **HOW)
    with pytest.raises(InputError, match="an overlap from 0 to below 1"):
        restore_image(model(), x, overlap=1.0, **HOW)

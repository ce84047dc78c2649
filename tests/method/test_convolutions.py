"""Faster convolutions: the numbers are torch's, and no single sample falls to its slow way."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from pancreas_ssl.method.convolutions import Conv3d, conv_upsampled
from pancreas_ssl.method.network import SegmentationNetwork


@pytest.mark.parametrize("size", [(8, 6, 4), (5, 4, 4), (2, 2, 2), (1, 2, 2), (6, 6, 5)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_a_single_sample_is_convolved_as_torch_does(kernel, stride, size):
    torch.manual_seed(0)
    ours, x = Conv3d(3, 5, kernel, stride, kernel // 2), torch.randn(1, 3, *size, requires_grad=True)
    expected = F.conv3d(x.double(), ours.weight.double(), ours.bias.double(), stride, kernel // 2)
    found = ours(x)
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-5)
    wanted = torch.autograd.grad(expected.square().sum(), x)[0]
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), x)[0], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_upsampling_and_convolution_are_one(batch):
    torch.manual_seed(1)
    convolution = nn.Conv3d(5, 4, 3, padding=1, bias=False).double()
    parts = [torch.randn(batch, 2, 3, 4, 5), torch.randn(batch, 3, 6, 8, 10)]
    coarse, skip = (part.double().requires_grad_() for part in parts)
    plain = convolution(torch.cat([F.interpolate(coarse, scale_factor=2), skip], 1))
    found = conv_upsampled(convolution, coarse, skip)
    torch.testing.assert_close(found, plain)
    wanted, got = (torch.autograd.grad(y.square().sum(), (coarse, skip, convolution.weight)) for y in (plain, found))
    torch.testing.assert_close(got, wanted)


def slow_calls(act) -> list[str]:
    with profile(activities=[ProfilerActivity.CPU]) as found:
        act()
    return [event.key for event in found.key_averages() if "slow_conv3d" in event.key]


@pytest.mark.skipif(torch.get_num_threads() < 2, reason="with one thread torch prefers it for 1x1x1 convolutions")
def test_no_hot_path_runs_slow_conv3d(monkeypatch, tmp_path):
    """Predicting, restoring, features, the held-out patients, the teacher, and a training step, in float32."""
    from pancreas_ssl.inference import Model, predict_prepared
    from pancreas_ssl.inference.feature_maps import feature_map
    from pancreas_ssl.inference.restore import restore_image

    assert slow_calls(lambda: nn.Conv3d(8, 8, 3, padding=1)(torch.zeros(1, 8, 8, 8, 8)))  # the trap is there
    network = SegmentationNetwork(restores=True).train()
    model, image = Model(network, patch=(32, 32, 32)), torch.rand(1, 48, 32, 32)
    how = {"device": "cpu", "precision": "fp32"}
    for act in (
        lambda: predict_prepared(model, image, **how),
        lambda: predict_prepared(model, image[:, :32], **how),  # one window alone
        lambda: restore_image(model, image, **how),
        lambda: feature_map(model, image, **how),
        lambda: network.taps(image[None]).restored.sum().backward(),
        lambda: network(image[None]).sum().backward(),
        lambda: network(torch.rand(3, 1, 32, 32, 16)).sum().backward(),
    ):
        assert slow_calls(act) == []

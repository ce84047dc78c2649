"""The network: shapes, taps, phases, seeds, and heads that can be added without touching the segmentation."""

import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.network import SegmentationNetwork, depth_to_space, space_to_depth

SMALL = dict(channels=(4, 6, 8), n_classes=3)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 1, 16, 24, 8, generator=torch.Generator().manual_seed(1))


def test_fold_and_unfold_are_inverse_and_keep_positions(image):
    folded = space_to_depth(image)
    assert folded.shape == (2, 8, 8, 12, 4)
    assert torch.equal(depth_to_space(folded), image)
    assert torch.equal(folded[:, 0b110], image[:, 0, 1::2, 1::2, 0::2])  # phase = 4 dx + 2 dy + dz


def test_every_voxel_gets_its_logits(image):
    network = SegmentationNetwork(**SMALL)
    assert network.stride == 8
    assert network(image).shape == (2, 3, 16, 24, 8)


def test_taps_agree_with_the_forward_pass(image):
    network = SegmentationNetwork(**SMALL).eval()
    taps = network.taps(image)
    assert torch.equal(taps.logits, network(image))
    assert taps.features.shape == (2, 4, 8, 12, 4)
    assert taps.bottleneck.shape == (2, 8, 2, 3, 1)
    assert taps.restored is None


def test_restoration_is_added_without_changing_the_segmentation(image):
    network = SegmentationNetwork(**SMALL)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    logits = network(image)
    network.add_restoration()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    taps = network.taps(image)
    assert torch.equal(taps.logits, logits) and taps.restored.shape == image.shape
    again = SegmentationNetwork(**network.config)
    assert again.state_dict().keys() == network.state_dict().keys()


def test_seed_decides_the_weights_and_nothing_else_does():
    torch.manual_seed(5)
    first = SegmentationNetwork(**SMALL, seed=3).state_dict()
    torch.manual_seed(6)
    second = SegmentationNetwork(**SMALL, seed=3).state_dict()
    other = SegmentationNetwork(**SMALL, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_one_intensity_scale_and_offset_is_absorbed_by_the_first_norm(image):
    network = SegmentationNetwork(**SMALL).eval()
    torch.testing.assert_close(
        network.encode(image)[0][..., 2:-2, 2:-2, 1:-1],
        network.encode(3 * image)[0][..., 2:-2, 2:-2, 1:-1],
        rtol=1e-3,
        atol=1e-3,
    )


def test_both_memory_layouts_give_the_same_answer(image):
    network = SegmentationNetwork(**SMALL)
    plain = network(image)
    network.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(network(image), plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 16, 16, 12), (1, 2, 16, 16, 8), (1, 16, 16, 8)])
def test_unfit_sizes_get_a_sentence(shape):
    with pytest.raises(InputError, match="multiples of 8"):
        SegmentationNetwork(**SMALL)(torch.zeros(shape))


@pytest.mark.parametrize("wrong", [dict(channels=(8,)), dict(n_classes=0), dict(dropout=1.0)])
def test_unfit_configurations_get_a_sentence(wrong):
    with pytest.raises(InputError, match="correct the network"):
        SegmentationNetwork(**wrong)

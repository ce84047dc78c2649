"""The segmentation loss: MONAI's value and gradient, its ends, and folded labels."""

import pytest
import torch
from monai.losses import DiceCELoss

from pancreas_ssl.method.network import SegmentationNetwork, space_to_depth
from pancreas_ssl.method.segmentation import dice_cross_entropy, folded


@pytest.mark.parametrize("classes", [2, 4])
def test_the_segmentation_loss_is_monais(classes):
    generator = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(3, classes, 6, 5, 4, generator=generator)
    labels = torch.randint(0, classes, (3, 1, 6, 5, 4), generator=generator)
    labels[0] = 0  # a patch without pancreas
    known = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True, lambda_dice=0.7, lambda_ce=1.9
    )
    pairs = []
    for loss in (known, lambda *both: dice_cross_entropy(*both, 0.7, 1.9)):
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, labels)
        value.backward()
        pairs.append((value.detach(), leaf.grad))
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8)


def test_the_segmentation_loss_at_its_ends():
    labels = torch.zeros(1, 1, 4, 4, 4, dtype=torch.long)
    labels[..., :2] = 1
    sure = 40.0 * torch.cat([1 - 2 * labels, 2 * labels - 1], 1)
    assert dice_cross_entropy(sure, labels) < 1e-5
    assert dice_cross_entropy(-sure, labels, 1.0, 0.0) == pytest.approx(1.0, abs=1e-5)
    nowhere = dice_cross_entropy(40.0 * torch.cat([labels * 0 + 1, labels * 0 - 1], 1), labels * 0)
    assert nowhere.abs() < 1e-5, "nothing there and nothing found: no loss"
    empty = torch.zeros(0, 2, 4, 4, 4, requires_grad=True)
    none = dice_cross_entropy(empty, labels[:0])
    none.backward()
    assert none.isfinite() and empty.grad.shape == empty.shape, "a process without corrupted patches"


def test_folded_logits_and_labels_give_the_loss_of_all_voxels():
    network, image = SegmentationNetwork(channels=(4, 6), seed=1), torch.randn(2, 1, 8, 8, 4)
    labels = (torch.rand(2, 1, 8, 8, 4) < 0.3).long()
    assert torch.equal(folded(labels)[:, 0], space_to_depth(labels))
    features = network.decode(network.encode(image))
    there = dice_cross_entropy(network.segment_folded(features), folded(labels))
    torch.testing.assert_close(there, dice_cross_entropy(network(image), labels))

"""The prototypes' vote: by hand, its limits, what it changes and what it leaves alone."""

import inspect

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import Model, predict_prepared
from pancreas_ssl.inference.prototype_vote import prototype_vote, with_prototypes
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.network import SegmentationNetwork


def taught(seed: int = 0) -> GlobalContrast:
    """A contrast whose prototypes are known."""
    contrast = GlobalContrast("guided", 8, 4, seed=seed)
    contrast.prototypes.pancreas_mean.copy_(torch.tensor([0.5, 0.0, 0.0, 0.0]))
    contrast.prototypes.background.copy_(torch.eye(4).roll(1, 0))
    contrast.prototypes.has_background.fill_(True)
    return contrast.eval()


def model(contrast: GlobalContrast | None = None) -> Model:
    network = SegmentationNetwork(channels=(8, 12), seed=1).eval()
    state = {n: t for n, t in (contrast or taught()).state_dict().items() if "queue" not in n}
    return Model(network, 3.0, (-150.0, 250.0), (16, 16, 16), {"recipe": {}}, {"contrast": state})


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.8, 0.8, (1, 24, 20, 16)).astype(np.float32)


def test_the_vote_by_hand():
    contrast = taught()
    features = torch.randn(2, 8, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    vote = prototype_vote(features, contrast)
    assert vote.shape == (2, 1, 3, 4, 5)
    z = contrast.projection(features[1, :, 2, 0, 3])
    cosines = z / contrast.temperature  # the prototypes are the axes: the first is the pancreas's
    by_hand = cosines[0] - torch.logsumexp(torch.stack([cosines[k] for k in range(4)]), 0)
    assert vote[1, 0, 2, 0, 3].item() == pytest.approx(by_hand.item(), abs=1e-5)
    half = prototype_vote(features.bfloat16(), contrast)
    assert torch.allclose(half, vote, atol=0.3) and (half - vote).abs().mean() < 0.05


def test_swapped_prototypes_turn_the_vote():
    contrast, swapped = taught(), taught()
    contrast.prototypes.background.copy_(torch.tensor([[0.0, 1.0, 0.0, 0.0]]).repeat(4, 1))
    swapped.prototypes.pancreas_mean.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    swapped.prototypes.background.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(4, 1))
    features = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    one, other = prototype_vote(features, contrast), prototype_vote(features, swapped)
    shift = np.log(4)  # each counts four equal background prototypes
    assert torch.allclose(one + shift, -(other + shift), atol=1e-4)


def test_the_vote_is_added_to_the_logit_of_the_pancreas_and_leaves_the_network_alone():
    plain = model()
    before = {name: tensor.clone() for name, tensor in plain.network.state_dict().items()}
    x = torch.from_numpy(image())[None, :, :16, :16]
    voting = with_prototypes(plain, 2.0)
    difference = (voting.network(x) - plain.network(x)).detach()
    assert torch.equal(difference[:, 0], torch.zeros_like(difference[:, 0]))
    vote = prototype_vote(plain.network.taps(x).features, taught())
    assert difference[0, 1].mean().item() == pytest.approx(2 * vote.mean().item(), rel=0.05)
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.network.state_dict().items())
    assert voting.spacing == plain.spacing and voting.window_size == plain.window_size


def test_predictions_move_with_the_weight():
    plain = model()
    alone = predict_prepared(plain, image(), device="cpu", precision="fp32")
    assert with_prototypes(plain, 0.0) is plain
    moved = [
        np.abs(predict_prepared(with_prototypes(plain, w), image(), device="cpu", precision="fp32") - alone)[1].mean()
        for w in (0.1, 0.5, 2.0)
    ]
    assert 0 < moved[0] < moved[1] < moved[2]


def test_it_cannot_see_a_label():
    assert not {"label", "regions", "case"} & set(inspect.signature(with_prototypes).parameters)


def test_unfit_models_get_a_sentence():
    with pytest.raises(InputError, match="at least 0"):
        with_prototypes(model(), -1.0)
    with pytest.raises(InputError, match="trained with contrast"):
        with_prototypes(Model(SegmentationNetwork(channels=(8, 12))), 1.0)
    empty = model(GlobalContrast("guided", 8, 4))
    with pytest.raises(InputError, match="never filled"):
        predict_prepared(with_prototypes(empty), image(), device="cpu", precision="fp32")

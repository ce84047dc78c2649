"""Weights that were trained beside the network travel with it, and a network without them loads as before."""

import torch

from pancreas_ssl.inference import load_weights, save_weights
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.network import SegmentationNetwork

FACTS = {"spacing": 3.0, "window": (-150, 250), "patch": (32, 32, 16)}


def test_parts_come_back_beside_the_network(tmp_path):
    network = SegmentationNetwork(channels=(4, 8), restores=True)
    contrast = GlobalContrast("guided", 4, outputs=8)
    state = {name: value for name, value in contrast.state_dict().items() if "queue" not in name}
    path = save_weights(tmp_path / "net.safetensors", network, FACTS, "float32", {"contrast": state})
    model = load_weights(path)
    assert set(model.parts) == {"contrast"} and model.network.restorer is not None
    assert all(torch.equal(model.parts["contrast"][name].to(value), value) for name, value in state.items())
    again = GlobalContrast("guided", 4, outputs=8)
    missing = again.load_state_dict(model.parts["contrast"], strict=False)
    assert not missing.unexpected_keys and all("queue" in name for name in missing.missing_keys)
    for name, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)


def test_without_parts_there_are_none(tmp_path):
    path = save_weights(tmp_path / "net.safetensors", SegmentationNetwork(channels=(4, 8)), FACTS)
    assert load_weights(path).parts == {}

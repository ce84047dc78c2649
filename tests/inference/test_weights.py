"""Weights: there and back, and a sentence for every file that is not ours."""

import errno
import json

import pytest
import torch
from safetensors.torch import save_file

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.inference import known_weights, load_weights, save_weights, weights
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.method.network import SegmentationNetwork

FACTS = {"spacing": (3.0, 3.0, 3.0), "window": (-150, 250), "patch": (32, 32, 32), "recipe": {"steps": 5}}


@pytest.fixture
def network():
    return SegmentationNetwork(channels=(4, 8), n_classes=3, seed=1)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0.0), ("float16", 1e-3)])
def test_there_and_back(tmp_path, network, dtype, error):
    path = save_weights(tmp_path / "net.safetensors", network, FACTS, dtype)
    model = load_weights(path)
    assert model.network.config == network.config and not model.network.training
    assert (model.spacing, model.window, model.patch) == ((3.0, 3.0, 3.0), (-150.0, 250.0), (32, 32, 32))
    assert model.metadata["recipe"] == {"steps": 5} and model.metadata["version"]
    for mine, theirs in zip(network.state_dict().values(), model.network.state_dict().values(), strict=True):
        assert theirs.dtype == torch.float32
        assert torch.allclose(mine, theirs, rtol=error, atol=error * 1e-2)
    assert [p.name for p in tmp_path.iterdir() if p.name != MANIFEST] == ["net.safetensors"]


def test_half_precision_halves_the_file(tmp_path, network):
    sizes = [
        save_weights(tmp_path / f"{d}.safetensors", network, FACTS, d).stat().st_size for d in ("float16", "float32")
    ]
    assert sizes[0] < 0.7 * sizes[1]


def test_same_weights_same_digest(tmp_path, network):
    first, second = (load_weights(save_weights(tmp_path / f"{n}.safetensors", network, FACTS)) for n in "ab")
    assert first.metadata["digest"] == second.metadata["digest"]


def test_unknown_name_lists_the_known_ones(tmp_path, network, monkeypatch):
    save_weights(tmp_path / "baseline.safetensors", network, FACTS)
    save_weights(tmp_path / "dual.safetensors", network, FACTS)
    monkeypatch.setattr(weights, "ASSETS", tmp_path)
    assert known_weights() == ["baseline", "dual"]
    assert load_weights("dual").network.config == network.config
    with pytest.raises(InputError, match=r"baseline, dual.*'basline'"):
        load_weights("basline")


def test_truncated_foreign_and_edited_files(tmp_path, network):
    whole = save_weights(tmp_path / "net.safetensors", network, FACTS)
    cut = tmp_path / "cut.safetensors"
    for length in (0, 5, 300, whole.stat().st_size - 10):
        cut.write_bytes(whole.read_bytes()[:length])
        with pytest.raises(InputError, match="no whole safetensors file.*known name"):
            load_weights(cut)
    pickled = tmp_path / "net.pt"
    torch.save(network.state_dict(), pickled)
    with pytest.raises(InputError, match="no whole safetensors file"):
        load_weights(pickled)
    save_file(network.state_dict(), tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="not written by pancreas-ssl"):
        load_weights(tmp_path / "foreign.safetensors")
    damaged = bytearray(whole.read_bytes())
    damaged[-3] ^= 1
    cut.write_bytes(damaged)
    with pytest.raises(InputError, match="digest"):
        load_weights(cut)


def test_other_architectures(tmp_path, network):
    from safetensors import safe_open

    whole = save_weights(tmp_path / "net.safetensors", network, FACTS)
    with safe_open(whole, "pt") as handle:
        header = json.loads(handle.metadata()[weights.HEADER])
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118

    def change(**architecture):
        changed = header | {"architecture": header["architecture"] | architecture}
        save_file(tensors, tmp_path / "other.safetensors", {weights.HEADER: json.dumps(changed)})
        return tmp_path / "other.safetensors"

    with pytest.raises(InputError, match="expected weights of a SegmentationNetwork.*belong to UNet.*known name"):
        load_weights(change(name="UNet"))
    for config in ({"channels": [8, 16]}, {"channels": [4, 8], "n_classes": 2}, {"depth": 3}):
        with pytest.raises(InputError, match="do not fit the network"):
            load_weights(change(config=config))


def test_bad_saves_leave_nothing(tmp_path, network, monkeypatch):
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="patch"):
        save_weights(path, network, {"spacing": 3.0, "window": (-150, 250)})
    with pytest.raises(InputError, match="suffix"):
        save_weights(tmp_path / "net.pt", network, FACTS)
    with torch.no_grad():
        network.head.bias[0] = 1e6
    with pytest.raises(InputError, match="head.bias.*float16 cannot hold"):
        save_weights(path, network, FACTS)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="disk is full"):
        save_weights(path, network, FACTS, "float32")
    assert list(tmp_path.iterdir()) == []

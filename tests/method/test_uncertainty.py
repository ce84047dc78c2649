"""Maps of members: closed forms, a slow reference, bounds, and no label in any signature."""

import importlib
import inspect
import math

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.uncertainty import MAPS, entropy, mutual_information, variance


def h(p):
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


def slow(members):
    """Voxel by voxel, in double precision."""
    flat = members.reshape(len(members), -1)
    out = {name: np.empty(flat.shape[1]) for name in MAPS}
    for v in range(flat.shape[1]):
        p = [float(q) for q in flat[:, v]]
        mean = sum(p) / len(p)
        out["entropy"][v] = h(mean)
        out["mutual_information"][v] = h(mean) - sum(map(h, p)) / len(p)
        out["variance"][v] = sum((q - mean) ** 2 for q in p) / len(p)
    return {name: values.reshape(members.shape[1:]) for name, values in out.items()}


def test_closed_forms():
    members = np.array([[0.0, 1.0, 0.0, 0.5, 0.25], [0.0, 1.0, 1.0, 0.5, 0.25]])
    np.testing.assert_allclose(entropy(members), [0, 0, 1, 1, h(0.25)], atol=1e-6)
    np.testing.assert_allclose(mutual_information(members), [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(variance(members), [0, 0, 0.25, 0, 0], atol=1e-6)


def test_slow_reference():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        members = rng.beta(0.3, 0.3, (int(rng.integers(1, 6)), 3, 4, 2)).astype(np.float32)
        members[rng.random(members.shape) < 0.1] = rng.choice([0, 1])
        for name, expected in slow(members).items():
            np.testing.assert_allclose(MAPS[name](members), expected, rtol=0, atol=1e-5, err_msg=name)


def test_kinds_bounds_and_order_of_members():
    rng = np.random.default_rng(0)
    members = rng.random((5, 6, 5, 4))
    tensor = torch.from_numpy(members)
    for name, function in MAPS.items():
        found = function(members)
        assert isinstance(found, np.ndarray) and found.dtype == np.float32 and found.shape == (6, 5, 4)
        as_tensor = function(tensor)
        assert isinstance(as_tensor, torch.Tensor) and as_tensor.dtype == torch.float32
        np.testing.assert_array_equal(as_tensor.numpy(), found)
        assert found.min() >= 0 and found.max() <= (0.25 if name == "variance" else 1) + 1e-6
        np.testing.assert_allclose(function(members[::-1]), found, atol=1e-6)
        np.testing.assert_allclose(function(1 - members), found, atol=1e-5)
        np.testing.assert_allclose(function(np.repeat(members, 2, 0)), found, atol=1e-6)
    assert (mutual_information(members) <= entropy(members) + 1e-6).all()


def test_one_member_has_entropy_only():
    p = np.random.default_rng(1).random((1, 4, 4, 4), np.float32)
    np.testing.assert_allclose(entropy(p), np.vectorize(h)(p[0]), atol=1e-6)
    assert (mutual_information(p) == 0).all() and (variance(p) == 0).all()


def test_half_precision_and_its_rounding_are_taken():
    p = torch.tensor([[1.0005, -0.0005, 0.5]])
    for dtype in (torch.float16, torch.bfloat16):
        for function in MAPS.values():
            assert torch.isfinite(function(p.to(dtype))).all()
    assert entropy(p).tolist() == [0, 0, 1]
    before = p.clone()
    mutual_information(p)
    assert torch.equal(p, before)


@pytest.mark.parametrize(
    "bad, said",
    [
        (np.array([[2.0, 0.5]]), "apply the softmax"),
        (np.array([[np.nan, 0.5]]), "apply the softmax"),
        (np.zeros((0, 3, 3, 3)), "at least one voxel"),
        (np.zeros(5), "at least one voxel"),
    ],
)
def test_what_is_no_probability_gets_a_sentence(bad, said):
    for function in MAPS.values():
        with pytest.raises(InputError, match=said):
            function(bad)


def test_no_function_can_take_a_label():
    """What is computed for a new patient cannot see the answer: there is no parameter to pass it by."""
    for name in ("method.uncertainty", "inference.sample_predictions"):
        module = importlib.import_module(f"pancreas_ssl.{name}")
        found = [f for _, f in inspect.getmembers(module) if getattr(f, "__module__", "") == module.__name__]
        functions = [f for f in found if inspect.isfunction(f)]
        for cls in filter(inspect.isclass, found):
            functions += [f for _, f in inspect.getmembers(cls, inspect.isfunction) if f.__module__ == module.__name__]
        assert len(functions) >= 4
        for function in functions:
            parameters = inspect.signature(function).parameters
            assert not {"label", "labels", "y", "target", "targets", "truth", "case", "prepared"} & set(parameters)
            assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values())

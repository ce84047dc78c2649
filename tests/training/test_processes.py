"""Two processes (gloo) against one: the same sums, gradients and losses, and a kill of one of them leaves no trace."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pancreas_ssl import devices
from pancreas_ssl.cli.model import recipe_fields
from pancreas_ssl.errors import InputError
from pancreas_ssl.method.processes import agreed, any_of, averaged, gathered, rank, summed, world
from pancreas_ssl.training.checkpoint import checkpoint_file
from tests.training.together import ARMS, DUAL, SMALL, ended, gradients, start, train

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")


@pytest.fixture(autouse=True)
def one_thread():
    with devices.one_thread():
        yield


def loaded(folder: Path) -> tuple[dict, dict]:
    """What both processes left."""
    return tuple(torch.load(folder / f"{k}.pt", weights_only=True) for k in (0, 1))


@pytest.fixture(scope="module")
def stepped(tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("stepped")
    ended(start("grads", folder))
    return loaded(folder)


def test_alone_everything_comes_back_as_it_was():
    values = torch.arange(3.0)
    assert world() == 1 and rank() == 0 and summed(values) is values and gathered(values) is values
    assert averaged({"a": values})["a"] is values and agreed("yes") == "yes"
    assert any_of(True) and not any_of(False)


def test_sums_rows_and_agreements_by_hand(stepped):
    for number, found in enumerate(one["by hand"] for one in stepped):
        assert found["summed"].tolist() == [3, 6]
        assert found["gradient"].tolist() == [12, 24]  # 2 S, times two processes: their average adds up again
        assert found["gathered"].tolist() == [[0], [10], [1], [11]]
        assert found["truths"].tolist() == [True, False]
        assert {name: float(value) for name, value in found["averaged"].items()} == {"a": 0.5, "b": 3.0}
        assert found["any"] == [True, False] and found["agreed"] == {"said by": 0}, f"process {number}"


@pytest.mark.parametrize("arm", ARMS)
def test_two_halves_of_a_batch_have_the_terms_and_the_gradient_of_the_whole(stepped, arm):
    whole = dict(gradients(arm))
    assert len(whole) > 15
    for half in (one[arm] for one in stepped):
        assert set(half) == set(whole)
        for name, value in whole.items():
            size = value.norm().clamp_min(1e-6)
            assert (half[name] - value).norm() < 1e-4 * size, name


def test_two_processes_learn_like_one_for_fifty_steps(tmp_path):
    started = start("losses", tmp_path)
    alone = train(DUAL, None, held_out=3)  # an odd number: the processes look at two and at one
    ended(started)
    first, second = loaded(tmp_path)
    assert list(alone.history.step) == [10, 20, 30, 40, 50]
    terms = [name for name in alone.history if name.startswith("loss")]
    assert set(terms) == {"loss", "loss_segmentation", "loss_contrast", "loss_restoration"}
    assert first["rows"]["loss"] == second["rows"]["loss"], "both report the same"
    np.testing.assert_allclose(first["rows"]["loss"], alone.history["loss"], rtol=0.01)
    np.testing.assert_allclose(first["rows"]["loss"][0], alone.history["loss"].iloc[0], rtol=1e-3)
    share = [rows["contrast_share"][-1] for rows in (first["rows"], second["rows"])]
    assert share[0] == share[1] > 0, "both measure the gradient of the whole batch"
    dice = [rows["held_out_dice"][-1] for rows in (first["rows"], second["rows"], alone.history.to_dict("list"))]
    assert dice[0] == dice[1] > 0.3 and dice[0] == pytest.approx(dice[2], abs=0.02), dice
    for name, value in first["ema"].items():
        assert torch.equal(value, second["ema"][name]), f"{name} differs between the processes"
    for name, value in first["parts"]["contrast"].items():
        assert torch.equal(value, second["parts"]["contrast"][name]), f"the contrast's {name} differs"


def test_one_of_two_killed_at_a_random_step_and_resumed_ends_with_equal_weights(tmp_path):
    whole, cut, draw = tmp_path / "whole", tmp_path / "cut", random.Random(1)
    whole.mkdir(), cut.mkdir()
    uninterrupted, started = start("killed", whole), start("killed", cut)
    path, seen, enough = checkpoint_file(cut), set(), draw.randrange(5, 40)
    victim, other = draw.sample(started, 2)
    until = time.monotonic() + 240
    while len(seen) < enough and time.monotonic() < until:
        time.sleep(0.002)
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
    os.kill(victim.pid, signal.SIGKILL)
    said = other.communicate(timeout=240)[0]
    assert other.returncode not in (0, None) and "another process of this training has ended" in said, said
    victim.communicate()
    step = torch.load(path, weights_only=True)["step"]
    assert 0 < step < SMALL.steps
    resumed = start("killed", cut)
    ended(uninterrupted), ended(resumed)
    for one, two in zip(loaded(whole), loaded(cut), strict=True):
        assert one["rows"]["loss"] == two["rows"]["loss"]
        for name, value in one["ema"].items():
            assert torch.equal(value, two["ema"][name]), name


def test_settings_from_the_command_line():
    assert recipe_fields(["batch=1", "patch=[32, 32, 32]", "precision=fp32"]) == {
        "batch": 1, "patch": [32, 32, 32], "precision": "fp32",
    }  # fmt: skip
    with pytest.raises(InputError, match="expected --set NAME=VALUE"):
        recipe_fields(["batch"])

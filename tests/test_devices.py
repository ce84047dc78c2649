"""Devices: names become devices or sentences; the probe is measured once, kept, and said in words."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from pancreas_ssl import devices
from pancreas_ssl.errors import InputError


@pytest.fixture
def fresh(cache):
    """No plan remembered, in this process or on disk."""
    devices._plan.cache_clear()
    yield cache
    devices._plan.cache_clear()


def test_auto_is_a_card_if_there_is_one():
    assert devices.resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.resolve_device("cpu") == torch.device("cpu") == devices.resolve_device(torch.device("cpu"))


@pytest.mark.parametrize("name", ["cuda:99", "banana", "meta"])
def test_a_missing_device_gets_a_sentence(name):
    with pytest.raises(InputError, match=name):
        devices.resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")
def test_a_named_card_that_is_missing_is_not_replaced_by_the_processor():
    with pytest.raises(InputError, match="no CUDA device; use 'auto' or 'cpu'"):
        devices.resolve_device("cuda")


def test_an_unknown_precision_gets_a_sentence(fresh):
    with pytest.raises(InputError, match="auto, fp32, bf16"):
        devices.plan("cpu", "fp16")


@pytest.fixture
def units(monkeypatch):
    """A processor with bfloat16 units, whatever this one is."""
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: True)


def test_the_probe_works_for_whoever_asks_without_gradients(fresh, units):
    with torch.inference_mode():
        found = devices.plan("cpu", "bf16")
    assert "fp32 channels-last" in found.seconds


def test_the_probe_is_announced_runs_once_and_is_remembered_on_disk(fresh, units, monkeypatch, capsys):
    first = devices.plan("cpu")
    assert "Timing bfloat16 against float32" in capsys.readouterr().err
    assert first.precision in ("fp32", "bf16") and set(first.seconds) >= {"fp32 channels-last"}
    assert len(json.loads((fresh / "speeds.json").read_text())) == 1
    monkeypatch.setattr(devices, "_measure", lambda device: pytest.fail("measured again"))
    assert devices.plan("cpu") is first
    devices._plan.cache_clear()
    assert devices.plan("cpu") == first
    devices._plan.cache_clear()
    with devices.one_thread():
        assert devices.plan("cpu") == first
    assert not capsys.readouterr().err


def test_without_bfloat16_units_nothing_is_probed_and_asking_for_it_is_warned(fresh, monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(devices, "_measure", lambda device: pytest.fail("measured"))
    assert devices.choose_precision("cpu") == "fp32"
    assert "this processor has no bfloat16 units" in devices.describe("cpu")
    assert devices.choose_precision("cpu", "bf16") == "bf16"
    assert "75 times as long" in devices.describe("cpu", "bf16")
    assert devices.choose_precision("cpu", "fp32") == "fp32"


def test_a_processor_held_to_avx2_has_no_bfloat16_units():
    limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    code = "from pancreas_ssl.devices import has_bfloat16; print(has_bfloat16('cpu'))"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | limits, capture_output=True, text=True)
    assert done.stdout.strip() == "False" or platform.machine() not in ("x86_64", "AMD64")


def test_a_damaged_cache_file_is_measured_anew(fresh, units, monkeypatch):
    monkeypatch.setattr(devices, "_measure", lambda device: FAST_BF16)
    fresh.mkdir()
    (fresh / "speeds.json").write_text('{"x": 3')
    assert devices.choose_precision("cpu") == "bf16"


SLOW_BF16 = {"fp32 channels-last": 0.1, "fp32 contiguous": 0.11, "bf16 channels-last": 0.3, "bf16 contiguous": 0.09}
FAST_BF16 = {**SLOW_BF16, "bf16 channels-last": 0.04, "bf16 contiguous": 0.06}


@pytest.mark.parametrize(
    ("seconds", "wanted", "precision", "channels_last", "words"),
    [
        (FAST_BF16, "auto", "bf16", True, "bfloat16 is 2.5 times as fast"),
        (SLOW_BF16, "auto", "fp32", True, "bfloat16 is 1.1 times as fast"),
        ({**SLOW_BF16, "bf16 contiguous": 0.2}, "auto", "fp32", True, "bfloat16 is 2.0 times slower than float32"),
        (SLOW_BF16, "bf16", "bf16", False, "as asked for"),
        (FAST_BF16, "fp32", "fp32", True, "as asked for"),
        ({**SLOW_BF16, "fp32 contiguous": 0.05}, "fp32", "fp32", True, "as asked for"),
    ],
)
def test_a_change_must_pay_and_float32_never_changes_its_layout(
    fresh, units, monkeypatch, seconds, wanted, precision, channels_last, words
):
    monkeypatch.setattr(devices, "_measure", lambda device: seconds)
    chosen = devices.plan("cpu", wanted)
    assert (chosen.precision, chosen.channels_last) == (precision, channels_last)
    sentence = devices.describe("cpu", wanted)
    numbers = "float32" if precision == "fp32" else "bfloat16"
    assert words in sentence and f"), {numbers}, " in sentence
    assert replace(chosen).seconds == ({} if wanted == "fp32" else seconds)

"""The memory forecast: near what a step really takes, and a refusal with a number and a remedy."""

import subprocess
import sys

import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.training import Recipe, fit, memory
from pancreas_ssl.training.teacher_maps import TeacherMaps, map_bytes
from tests.training.helpers import ball

# Peak memory of a process of its own, before and after a few steps on patches large enough to stand out.
MEASURE = """
import sys, json
import numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, {folder!r})
from helpers import ball
from pancreas_ssl.training import Recipe, fit, memory
recipe = Recipe.from_dict(json.loads({recipe!r}))
fit(Recipe(patch=(16, 16, 16), channels=(4, 8), steps=1), [ball(0)], device="cpu", progress=False)
import psutil
before = psutil.Process().memory_info().rss
fit(recipe, [ball(0, (96, 96, 64))], device="cpu", progress=False, stop_at=2)
print(memory.peak_memory("cpu") - before, memory.forecast(recipe).total)
"""


@pytest.mark.parametrize(
    "recipe", ['{"patch": [96, 80, 64], "batch": 2}', '{"patch": [80, 80, 64], "channels": [32, 64], "batch": 1}']
)
def test_the_forecast_is_within_a_factor_of_one_and_a_half(recipe):
    from pathlib import Path

    recipe = recipe[:-1] + ', "precision": "fp32", "steps": 2}'
    script = MEASURE.format(folder=str(Path(__file__).parent), recipe=recipe)
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    measured, forecast = map(int, out.split())
    assert forecast / 1.5 < measured < forecast * 1.5, (
        f"measured {measured / 2**20:.0f}, forecast {forecast / 2**20:.0f}"
    )


def test_it_grows_with_what_costs_memory():
    small, large = memory.forecast(Recipe(batch=1)), memory.forecast(Recipe(batch=4))
    assert 3.5 < large.activations / small.activations < 4.5
    assert large.weights == small.weights == memory.forecast(Recipe(), precision="bf16").weights
    assert memory.forecast(Recipe(), cases=2**30).total - memory.forecast(Recipe()).total == 2**30
    assert "activations" in str(small) and "GiB" in str(large)


@pytest.mark.parametrize(("free", "words"), [(2**20, "smaller patch"), (600 * 2**20, "use a batch of [1-9]")])
def test_what_cannot_fit_is_refused_before_the_first_step(monkeypatch, tmp_path, free, words):
    monkeypatch.setattr(memory, "available", lambda device: free)
    with pytest.raises(InputError, match=f"free on cpu.*needs about [0-9.]+ GiB.*{words}"):
        fit(Recipe(batch=64), [ball(0)], out=tmp_path, device="cpu", progress=False)
    assert not list(tmp_path.iterdir())


def test_what_is_free_is_asked_from_the_machine():
    assert 2**20 < memory.available("cpu") < 2**50


def test_cases_and_the_maps_of_the_modules_are_counted_where_they_lie(monkeypatch):
    case = ball(0)
    guided, maps = Recipe(contrast_weight=0.1), TeacherMaps([ball(0)], Recipe()).maps[0].values
    assert memory.case_bytes([case], "cpu") == 0
    assert memory.case_bytes([case], "cuda") == case.image.nbytes + case.label.nbytes
    assert map_bytes([case, case]) == 2 * maps.nbytes <= 2 * 6 * case.image.size
    cpu = torch.device("cpu")
    assert memory.place([case], [case], Recipe(), cpu, "fp32") == (True, False, 0)
    assert memory.place([case], [case], guided, cpu, "fp32") == (True, False, maps.nbytes)
    monkeypatch.setattr(memory, "available", lambda device: 5 * maps.nbytes)
    assert memory.place([case], [case], guided, cpu, "fp32") == (True, True, 0)


def test_a_card_keeps_the_cases_where_they_fit_beside_the_training(monkeypatch):
    card, case, step = torch.device("cuda"), ball(0), memory.forecast(Recipe()).total
    monkeypatch.setattr(memory, "available", lambda device: 2 * step)
    assert memory.place([case], [case], Recipe(), card, "fp32") == (True, False, memory.case_bytes([case], card))
    monkeypatch.setattr(memory, "available", lambda device: step / memory.USABLE)
    assert memory.place([case], [case], Recipe(), card, "fp32") == (False, False, 0)

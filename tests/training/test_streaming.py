"""Streamed volumes: cases in files, maps in boxes and in a file train to the very same losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.data import preprocessing
from pancreas_ssl.training import fit, memory
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.patches import Patches
from pancreas_ssl.training.streaming import BoxedMaps, Streamed
from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps
from tests.training.helpers import RECIPE, ball

DUAL = replace(with_arm(RECIPE, "dual"), steps=12, module_start=0.25, module_ramp=0.25, teacher_every=4)


@pytest.fixture
def pairs(tmp_path):
    """Cases in memory, and the same in files."""
    held = [ball(k) for k in range(3)]
    held = [replace(case, image=case.image.astype(np.float16).astype(np.float32)) for case in held]
    mapped = []
    for case in held:
        path = tmp_path / "prepared" / f"{case.id}.safetensors"
        preprocessing._save(path, case, [])
        mapped.append(preprocessing._restored(preprocessing.restore(path), case, case.window, True))
    return held, mapped


@pytest.mark.parametrize("recipe", [replace(RECIPE, steps=6), DUAL], ids=["supervised", "dual"])
def test_cases_in_files_train_to_the_same_losses(pairs, recipe, tmp_path, monkeypatch):
    held, mapped = pairs
    one = fit(recipe, held, [held[0]], device="cpu", progress=False)
    if recipe.guided:  # the maps in a file, too
        monkeypatch.setattr(memory, "MAPS", 0.0)
    two = fit(recipe, mapped, [mapped[0]], tmp_path / "run", device="cpu", progress=False)
    losses = [column for column in one.history if "seconds" not in column]
    assert one.history[losses].equals(two.history[losses]) and one.held_out == two.held_out
    assert one.cases == two.cases and len(one.history)
    pairs = zip(one.ema.state_dict().values(), two.ema.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoint.pt", ".pancreas_ssl.jsonl"}


def test_streamed_arrays_give_the_patches_of_kept_ones(pairs):
    held, mapped = pairs
    kept, streamed, filed = Patches(held, RECIPE), Patches(held, RECIPE, keep=False), Patches(mapped, RECIPE)
    assert isinstance(streamed.images[0], Streamed) and isinstance(filed.labels[0], Streamed)
    for step in range(3):
        for other in (streamed(step), filed(step)):
            assert torch.equal(kept(step).views[0], other.views[0]) and torch.equal(kept(step).labels, other.labels)


def test_maps_in_a_file_answer_as_those_in_memory(pairs, tmp_path):
    held, _ = pairs
    one, two = TeacherMaps(held, DUAL), TeacherMaps(held, DUAL, folder=tmp_path)
    answers = [torch.randint(0, 256, answer.shape, dtype=torch.uint8) for answer in one.state()]
    for guides in (one, two):
        guides.load_state(answers)
        assert all(torch.equal(a, b) for a, b in zip(guides.state(), answers, strict=True))
    assert all(torch.equal(a.whole(), b.whole()) for a, b in zip(one.maps, two.maps, strict=True))
    assert (tmp_path / "maps").stat().st_size == sum(maps.values.nbytes for maps in one.maps)


def test_a_box_is_cut_at_every_side():
    whole = torch.full((3, 7, 6, 5), 0.0, dtype=torch.float16)
    whole[:] = torch.tensor(OUTSIDE).view(3, 1, 1, 1)
    box = (slice(2, 5), slice(0, 3), slice(4, 5))
    values = torch.randn(3, 3, 3, 1, dtype=torch.float16)
    whole[(slice(None), *box)] = values
    maps = BoxedMaps(values, box, whole.shape[1:], OUTSIDE)
    assert torch.equal(maps.whole(), whole)
    for window in np.ndindex(3, 3, 3):
        parts = (slice(None), *(slice(a, a + 3) for a in window))
        assert torch.equal(maps[parts], whole[parts])

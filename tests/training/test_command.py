"""From a card to weights, model card, history and record on disk."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from pancreas_ssl.cli import main
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights
from pancreas_ssl.inference.weights import add_to_header
from pancreas_ssl.training import Recipe, command
from tests.training.helpers import ball

CARDS = command.__file__.replace("pancreas_ssl/training/command.py", "data_cards/folder.md")
SMALL = Recipe(patch=(16, 16, 16), channels=(4, 8), batch=1, precision="fp32", spacing=3.0)


@pytest.fixture
def card(tmp_path, cache):
    """A card over a folder of three toy cases: two train, one is held out."""
    folder = tmp_path / "scans"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for k in range(3):
        case = ball(k)
        hu = (case.image[0] * 200 + 50).astype(np.int16)
        hu[:2] = -1000  # air
        nib.save(nib.Nifti1Image(hu, case.affine), folder / "images" / f"p_{k:03d}.nii.gz")
        nib.save(nib.Nifti1Image(case.label[0], case.affine), folder / "labels" / f"p_{k:03d}.nii.gz")
    with open(CARDS) as source:
        text = source.read().replace("root: null", f"root: {folder}")
    text = text.replace("role: any", "role: train")
    text = text.replace("splits: {}", "splits: {mine: {train: [p_000, p_001], held_out: [p_002]}}")
    path = tmp_path / "toy.md"
    path.write_text(text)
    return path


def test_everything_is_left_in_the_folder(card, tmp_path):
    out = tmp_path / "run"
    fitted = command.run_training(str(card), out=out, steps=4, seed=5, recipe=SMALL, device="cpu", progress=False)
    assert sorted(p.name for p in out.glob("[!.]*")) == [
        "checkpoint.pt", "history.csv", "run.json", "weights.md", "weights.safetensors"
    ]  # fmt: skip
    facts = json.loads((out / "run.json").read_text())
    assert facts["recipe"] == {**SMALL.to_dict(), "seed": 5, "steps": 4}
    assert facts["train"]["ids"] == ["case 1", "case 2"] and len(facts["train"]["digest"]) == 64
    assert facts["held_out"]["ids"] == ["case 1"] and len(facts["held_out"]["dice"]) == 1
    assert len(pd.read_csv(out / "history.csv")) == len(fitted.history)
    assert np.mean([one["dice"] for one in fitted.held_out]) == fitted.history["held_out_dice"].iloc[-1]
    how = {"steps": 4, "seed": 5, "recipe": SMALL, "device": "cpu", "progress": False}
    again = command.run_training(str(card), out=out, resume=True, **how)
    # no step was made, so the held-out cases were measured by the command, with the same result
    assert again.held_out == []
    assert json.loads((out / "run.json").read_text())["held_out"] == facts["held_out"]
    text = (out / "weights.md").read_text()
    assert "not for clinical use" in text and facts["command"] in text and "| learning_rate |" in text
    assert facts["train"]["digest"][:16] in text and "p_002" not in text
    model = load_weights(out / "weights.safetensors")
    assert tuple(model.patch) == SMALL.patch and model.metadata["recipe"]["seed"] == 5
    for name, value in fitted.ema.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[name], value, rtol=1e-3, atol=1e-3)


def test_ranges_of_what_trained_are_in_the_header_and_can_be_added_later(card, tmp_path, capsys):
    out = tmp_path / "run"
    command.run_training(str(card), out=out, steps=2, recipe=SMALL, device="cpu", progress=False)
    path, text = out / "weights.safetensors", (out / "weights.md").read_text()
    first = load_weights(path).metadata
    ranges = first["ranges"]
    assert ranges["trained"]["n"] == 2 and ranges["home"]["n"] == 1 and ranges["trained"]["slice_mm"] == [3.0, 3.0]
    assert ranges["home"]["dice"] == first["held_out"]["dice"] * 2 and 0 <= ranges["home"]["doubt"][0] <= 1
    assert (
        "| training, 2 patients | soft tissue, median (HU) |" in text and "| held out, 1 patients | true Dice |" in text
    )
    add_to_header(path, {"ranges": {}})
    (out / "weights.md").write_text("mine\n\n## Recipe\n")
    words = ["ranges", str(path), "--source", f"{card}/mine", "--device", "cpu"]
    assert main(words) == 2 and "weights.md was changed" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    again, header = json.loads(capsys.readouterr().out), load_weights(path).metadata
    assert again["trained"] == ranges["trained"] and again["home"].keys() == ranges["home"].keys()
    assert again["home"]["doubt"] == pytest.approx(ranges["home"]["doubt"], abs=0.05)  # of weights in half precision
    assert header == first | {"ranges": again} and header["digest"] == first["digest"]
    assert (out / "weights.md").read_text().startswith("mine\n\n## What it was trained on")
    other = card.with_name("other.md")
    other.write_text(card.read_text().replace("train: [p_000, p_001], held_out: [p_002]", "train: [p_000, p_002]"))
    assert main(["ranges", str(path), "--source", f"{other}/mine", "--device", "cpu"]) == 2
    assert "expected the 2 scans (train) that weights.safetensors names" in capsys.readouterr().err
    assert load_weights(path).metadata == header
    how = {"steps": 1, "recipe": SMALL, "device": "cpu", "progress": False}
    command.run_training(str(card), out=tmp_path / "part", labelled=1, **how)
    assert main(["ranges", str(tmp_path / "part/weights.safetensors"), *words[2:]]) == 0
    assert json.loads(capsys.readouterr().out)["trained"]["n"] == 1


def test_publish_writes_weights_and_card_and_names_its_command(card, tmp_path, capsys):
    stem, out = tmp_path / "assets" / "toy", tmp_path / "run"
    words = ["train", "--publish", str(stem), "--out", str(out), "--source", str(card), "--steps", "2"]
    words += ["--labelled", "-1", "--device", "cpu"]
    words += ["--set", "patch=[16,16,16]", "--set", "channels=[4,8]", "--set", "precision=fp32"]
    assert main(words) == 0
    assert sorted(p.name for p in stem.parent.glob("[!.]*")) == ["toy.md", "toy.safetensors"]
    card_text = stem.with_suffix(".md").read_text()
    assert "pancreas-ssl train --arm supervised" in card_text and "--publish .../toy" in card_text
    assert "--labelled -1 " in card_text
    assert load_weights(stem.with_suffix(".safetensors")).metadata["train"]["ids"] == ["case 1"]
    assert main([*words[:-1], "presicion=fp32"]) == 2
    assert "presicion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(arm="dual9"), "expected an arm out of supervised"),
        (dict(source="phantom/B"), "phantom/A"),
        (dict(labelled=0), "expected at least one case for --labelled, or below 0 for the last ones, got 0"),
        (dict(source="phantom/Q"), "has no source Q"),
        (dict(source="lidc_idri_0001"), "split 'train'"),
    ],
)
def test_what_cannot_be_trained_on_gets_a_sentence(arguments, words, tmp_path, cache):
    with pytest.raises(InputError, match=words):
        command.run_training(**{"source": "phantom/A", "out": tmp_path / "run", "device": "cpu", **arguments})
    assert not (tmp_path / "run").exists()
    shutil.rmtree(cache, ignore_errors=True)

"""Real sets train by folds: who is held out, who is told, and what the files of weights say of it."""

import json

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights
from pancreas_ssl.training.command import run_training
from tests.safety.helpers import abdomen, data_set, pancreas, save

QUICK = ["--device", "cpu", "--steps", "1", "--set", "channels=[4,8]", "--set", "patch=[16,16,16]",
         "--set", "spacing=6", "--set", "precision=fp32"]  # fmt: skip
ANY = {"sources": "{a: {role: any, title: A}}", "splits": "{}", "folds": "{k: 3, seed: 0}"}
IDS = [f"jane{k}" for k in range(7)]


@pytest.fixture
def card(tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "cache"))
    return data_set(tmp_path, IDS, **ANY)


def test_a_fold_is_held_out_and_the_files_say_which(card, tmp_path, capsys):
    save(tmp_path / "data" / "joe_image.nii.gz", abdomen(seed=9))  # without a label
    out = tmp_path / "run"
    assert main(["train", "--source", str(card), "--fold", "1", "--out", str(out), *QUICK]) == 0
    shown = capsys.readouterr()
    dealt = pd.read_csv(out / "folds.csv")
    assert list(dealt.columns) == ["case", "patient", "fold"] and sorted(dealt["case"]) == IDS
    assert sorted(dealt["fold"].value_counts()) == [2, 2, 3]
    held = sorted(dealt.loc[dealt["fold"] == 1, "case"])
    assert f"fold 1 of 3: trains on {7 - len(held)} patients, {len(held)} held out" in shown.out
    assert "1 of 8 cases of mine/a have no label" in shown.err
    facts = json.loads((out / "run.json").read_text())
    header = load_weights(out / "weights.safetensors").metadata
    for said in (facts, header):
        assert (said["source"], said["fold"], said["folds"]) == ("mine/a", 1, {"k": 3, "seed": 0})
        assert len(said["held_out"]["voxels"]) == len(held) == 7 - len(set(said["train"]["voxels"]))
        assert "jane" not in json.dumps(said)
    assert "--fold 1" in facts["command"]
    text = (out / "weights.md").read_text()
    assert "| held out | fold 1 of 3, seed 0 |" in text and "jane" not in text


def test_every_patient_is_held_out_once_and_fold_0_is_the_default(card, tmp_path):
    held = [[case.id for case in open_cases(str(card), "select", fold=fold)] for fold in range(3)]
    assert sorted(sum(held, [])) == IDS
    for fold, ids in enumerate(held):
        trained = [case.id for case in open_cases(f"{card}/a", "train", fold=fold)]
        assert sorted(trained + ids) == IDS
        assert [case.id for case in open_cases(str(card), "measure", fold=fold, home=f"{card}/a")] == ids
    assert [case.id for case in open_cases(str(card), "select")] == held[0]
    assert [case.id for case in open_cases(str(card), "measure")] == IDS  # elsewhere: everybody


def test_an_unlabelled_scan_of_a_patient_who_is_held_out_does_not_train(tmp_path):
    ids = [f"p{k}_{scan}" for k in range(4) for scan in "ab"]
    card = data_set(tmp_path, ids, **ANY | {"folds": "{k: 2, seed: 0}", "patients": '"(p[0-9]+)_.*"'})
    for k in range(4):
        (tmp_path / "data" / f"p{k}_b_label.nii.gz").unlink()
    for fold in (0, 1):
        held = {case.patient for case in open_cases(str(card), "select", fold=fold)}
        more = {case.patient for case in open_cases(str(card), "unlabelled", fold=fold)}
        assert len(held) == len(more) == 2 and not held & more


@pytest.mark.parametrize("name", ["mine", "mine/a"])
def test_a_card_is_named_by_its_name_or_its_path(card, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PANCREAS_SSL_CARDS", str(tmp_path))
    monkeypatch.setattr("pancreas_ssl.training.command.fit", lambda recipe, train, *args, **how: 1 / 0)
    for spelt in (name, name.replace("mine", str(card))):
        with pytest.raises(ZeroDivisionError):
            run_training(spelt, out=tmp_path / "run")


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_a_mirrored_copy_of_a_scan_cannot_be_held_out(card, tmp_path, axis):
    for kind, array in (("image", abdomen(seed=0)), ("label", pancreas())):
        save(tmp_path / "data" / f"zoe_{kind}.nii.gz", array if axis is None else np.flip(array, axis))
    with pytest.raises(InputError, match="(zoe|jane0) has the same voxels as case (zoe|jane0)"):
        for fold in range(3):
            run_training(str(card), out=tmp_path / "run", fold=fold, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_leak_that_is_allowed_is_written_down(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "cache"))
    card = data_set(tmp_path, ["p0", "p1"], **ANY | {"folds": "{k: 2, seed: 0}"})
    for kind in ("image", "label"):
        (tmp_path / "data" / f"p1_{kind}.nii.gz").write_bytes((tmp_path / "data" / f"p0_{kind}.nii.gz").read_bytes())
    words = ["train", "--source", str(card), "--out", str(tmp_path / "run"), *QUICK]
    assert main(words) == 2
    assert "(in train and held_out); keep one of them, or overrule with --allow-leak" in capsys.readouterr().err
    assert main([*words, "--allow-leak"]) == 0
    assert "leaks are allowed" in capsys.readouterr().err
    assert "**1 held-out scans trained, too" in (tmp_path / "run" / "weights.md").read_text()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["leaks"] == 1

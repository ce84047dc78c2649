"""Trained networks on labelled sources: a row per patient, resumable, guarded, with prototypes as in a study."""

import json
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest

from pancreas_ssl import devices
from pancreas_ssl.cli import main
from pancreas_ssl.data.access import cases
from pancreas_ssl.engines import Engine
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights, save_weights
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.study import job
from pancreas_ssl.study import measurements as module
from pancreas_ssl.study.measurements import measure
from pancreas_ssl.training import Recipe

RECIPE = Recipe(spacing=6.0, patch=(32, 32, 16), channels=(4, 8, 8, 8), precision="fp32", seed=5)


@pytest.fixture
def weights(tmp_path):
    """An untrained network of the tiny study's kind."""
    return _saved(tmp_path / "plain.safetensors", RECIPE)


@pytest.fixture(autouse=True)
def _one_thread():
    with devices.one_thread():
        yield


def _saved(path, recipe, parts=None):
    how = {"spacing": recipe.spacing, "window": recipe.window, "patch": recipe.patch}
    network = SegmentationNetwork(**recipe.network_config(), seed=0)
    return save_weights(path, network, how | {"recipe": recipe.to_dict()}, parts=parts)


def test_a_row_per_network_and_patient_and_an_interruption_costs_one(card, weights, tmp_path, monkeypatch):
    out, sources, asked = tmp_path / "out", [f"{card}/A", f"{card}/V"], []
    plain = module._measured

    def breaks(model, case, device):
        asked.append(case.id)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return plain(model, case, device)

    monkeypatch.setattr(module, "_measured", breaks)
    with pytest.raises(KeyboardInterrupt):
        measure({"one": weights, "two": weights}, sources, out, most=2)
    assert not (out / "rows.csv").exists()
    rows = measure({"one": weights, "two": weights}, sources, out, most=2, command="measure it")
    assert asked == ["A_024", "A_024", "A_025", "A_025", "A_025", "V_000", "V_000", "V_001", "V_001"]
    assert rows["arm"].tolist() == ["one"] * 4 + ["two"] * 4 and set(rows["seed"]) == {5}
    assert set(rows["source"]) == {"tiny/A", "tiny/V"} and rows["dice_all"].between(0, 1).all()
    same = rows.set_index("case")["dice"]
    assert same[rows["arm"].to_numpy() == "one"].equals(same[rows["arm"].to_numpy() == "two"])
    assert len(pd.read_csv(out / "rows.csv")) == 8 and len(pd.read_csv(out / "summary.csv")) == 4
    facts = json.loads((out / "measured.json").read_text())
    assert facts["command"] == "measure it" and facts["weights"]["one"].endswith("plain.safetensors")


def test_two_workers_write_the_rows_of_one(card, weights, tmp_path):
    asked = {"one": weights, "two": weights}, [f"{card}/A", f"{card}/V"]
    for workers in (1, 2):
        measure(*asked, tmp_path / f"{workers}", most=2, device="cpu", engine=Engine(workers=workers))
    for name in ("rows.csv", "summary.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_test_sources_need_a_reveal_which_is_logged(card, weights, tmp_path):
    with pytest.raises(InputError, match="has the role test; .*--reveal"):
        measure({"one": weights}, [f"{card}/B"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    measure({"one": weights}, [f"{card}/B"], tmp_path / "out", most=1, reveal=True)
    assert "tiny/B" in (tmp_path / "out" / "reveals.log").read_text()


def test_the_root_is_for_cards_that_read_a_folder_alone(card, weights, tmp_path):
    made = cases(f"{card}/V")[0]
    folder = tmp_path / "mine"
    folder.mkdir()
    for kind in ("image", "label"):
        (folder / f"p_{kind}.nii.gz").symlink_to(getattr(made, kind))
    how = {"most": 1, "root": folder, "reveal": True}
    with pytest.raises(InputError, match="p has the same voxels as case V_000"):
        measure({"one": weights}, [f"{card}/V", "folder"], tmp_path / "out", **how)
    apart = [measure({"one": weights}, [source], tmp_path / "out", **how) for source in (f"{card}/V", "folder")]
    rows = pd.concat(apart)
    assert rows["source"].tolist() == ["tiny/V", "folder/mine"]
    assert rows["dice_all"].nunique() == 1 and rows["label_volume_ml"].nunique() == 1  # one scan on two roads


def _with_contrast(path, prototype_weight):
    recipe = replace(RECIPE, contrast_weight=0.05, prototype_weight=prototype_weight)
    contrast = GlobalContrast("guided", recipe.channels[0], 8)
    contrast.prototypes.pancreas_mean.fill_(1.0)
    contrast.prototypes.has_background.fill_(True)
    parts = {"contrast": {k: v for k, v in contrast.state_dict().items() if "queue" not in k}}
    return _saved(path, recipe, parts)


def test_prototypes_vote_where_the_recipe_says_so(tmp_path):
    voting = _with_contrast(tmp_path / "voting.safetensors", 1.0)
    model, about = module._voting(voting)
    digest = load_weights(voting).metadata["digest"][:16]
    assert (
        about == {"seed": 5, "prototype_weight": 1.0, "weights": digest} and type(model.network).__name__ == "_Voting"
    )
    plain = type(load_weights(voting).network)
    silent, about = module._voting(voting, votes=False)
    assert about == {"seed": 5, "prototype_weight": 0.0, "weights": digest} and type(silent.network) is plain
    quiet, _ = module._voting(_with_contrast(tmp_path / "quiet.safetensors", 0.0))
    assert type(quiet.network) is plain


def test_without_votes_rows_of_the_same_folder_are_others(card, tmp_path):
    voting, out = _with_contrast(tmp_path / "voting.safetensors", 1.0), tmp_path / "out"
    for votes in (True, False, True):
        rows = measure({"one": voting}, [f"{card}/V"], out, most=1, votes=votes)
        assert rows["prototype_weight"].tolist() == [float(votes)]
        told = json.loads((out / "measured.json").read_text())["command"]
        assert told.endswith("--no-votes") is not votes
    assert len((out / "rows.jsonl").read_text().splitlines()) == 2


def test_a_row_is_kept_only_for_the_same_weights_files_and_code(card, weights, tmp_path, monkeypatch):
    made, folder, out, asked = cases(f"{card}/V")[0], tmp_path / "mine", tmp_path / "out", []
    folder.mkdir()
    for kind in ("image", "label"):
        shutil.copyfile(getattr(made, kind), folder / f"p_{kind}.nii.gz")
    plain = module._measured
    monkeypatch.setattr(module, "_measured", lambda *args: asked.append(1) or plain(*args))

    def rows(which=weights):
        return measure({"one": which}, ["folder"], out, root=folder, reveal=True)

    first = rows()
    assert rows().equals(first) and len(asked) == 1
    other = _saved(tmp_path / "other.safetensors", replace(RECIPE, channels=(4, 4, 4, 4)))
    second = rows(other)  # another network under the same name
    assert len(asked) == 2 and second["weights"][0] == load_weights(other).metadata["digest"][:16]
    assert rows().equals(first) and len(asked) == 2
    label = nibabel.load(folder / "p_label.nii.gz")
    voxels = np.asarray(label.dataobj).copy()
    voxels[:, :, voxels.any((0, 1)).argmax()] = 0
    nibabel.save(nibabel.Nifti1Image(voxels, label.affine), folder / "p_label.nii.gz")
    assert rows()["label_volume_ml"][0] < first["label_volume_ml"][0] and len(asked) == 3
    monkeypatch.setattr(module, "code_digest", lambda *rooms: "0" * 16)
    assert rows()["code"].tolist() == ["0" * 16] and len(asked) == 4
    assert len((out / "rows.jsonl").read_text().splitlines()) == 4
    assert len(pd.read_csv(out / "rows.csv")) == 1


def test_nothing_to_measure_gets_a_sentence(card, weights, tmp_path):
    for named, sources in (({}, ["phantom/V"]), ({"one": weights}, [])):
        with pytest.raises(InputError, match="expected weights and sources to measure, got none"):
            measure(named, sources, tmp_path / "out")
    with pytest.raises(InputError, match="nowhere"):
        measure({"one": tmp_path / "nowhere.safetensors"}, [f"{card}/V"], tmp_path / "out")


def test_the_command_names_files_and_prints_means(card, weights, tmp_path, capsys):
    arguments = ["measure", "--source", f"{card}/V", "--weights", f"mine={weights}", "--most", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Rows: {tmp_path / 'out' / 'rows.csv'}"
    assert lines[-2].split()[:3] == ["mine", "tiny/V", "1"]
    told = json.loads((tmp_path / "out" / "measured.json").read_text())["command"]
    files = f"mine=.../{weights.name} --source .../{card.name}/V --most 1 --out .../out"
    assert told == f"pancreas-ssl measure --weights {files}"


def test_other_rules_make_other_rows_and_a_study_measures_by_the_same_ones(card, weights, tmp_path):
    out, how = tmp_path / "out", {"most": 1, "device": "cpu"}
    plain = measure({"one": weights}, [f"{card}/V"], out, **how)
    rules = {"decision": "expected-dice", "test_views": 2}
    ruled = measure({"one": weights}, [f"{card}/V"], out, rules=rules, **how)
    assert (ruled["decision"][0], ruled["test_views"][0]) == ("expected-dice", 2) and "decision" not in plain
    assert ruled["volume_ml"][0] > plain["volume_ml"][0]  # an untrained network is sure of nothing
    assert len((out / "rows.jsonl").read_text().splitlines()) == 2
    told = json.loads((out / "measured.json").read_text())["command"]
    assert told.endswith("--set decision=expected-dice --set test_views=2")
    recipe = replace(RECIPE, **rules)
    folder = tmp_path / "cell"
    folder.mkdir()
    _saved(folder / "weights.safetensors", recipe)
    facts = {"arm": "one", "seed": 5, "recipe": recipe.to_dict(), "train": f"{card}/A", "oracle": False}
    facts |= {"labelled": None, "measure": (f"{card}/V",), "patients": 1, "reveal": False, "folder": "cell"}
    job._measure(job.Job(**facts), folder, folder, "cpu", lambda: False)
    row = json.loads((folder / "rows.jsonl").read_text())
    assert row["volume_ml"] == pytest.approx(ruled["volume_ml"][0], rel=0.02)  # there it was bfloat16, perhaps
    assert row["volume_ml"] > 1.05 * plain["volume_ml"][0]
    with pytest.raises(InputError, match="expected rules out of .*got steps"):
        measure({"one": weights}, [f"{card}/V"], out, rules={"steps": 3}, **how)

"""Studies by folds: held-out patients at home, everybody elsewhere, and each of them once in the statistics."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.access import parse_source
from pancreas_ssl.data.preprocessing import prepare_case
from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights
from pancreas_ssl.study import label_parts, load_study, run_study
from pancreas_ssl.study.label_parts import part_metrics
from pancreas_ssl.study.plan import job_folder
from pancreas_ssl.study.tables import comparisons_table, over_folds, summary_table
from tests.miniatures import build
from tests.safety.helpers import abdomen, card, pancreas, save
from tests.study.helpers import write

RECIPE = {"steps": 1, "channels": [4, 8], "patch": [16, 16, 16], "spacing": 6.0, "precision": "fp32", "warmup": 1}
ANY = {"splits": "{}", "sources": "{a: {role: any, title: A}}"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Five patients at home (two folds), three elsewhere with a part in the label of two of them."""
    folder = tmp_path_factory.mktemp("sets")
    for k in range(8):
        home, label = k < 5, pancreas()
        label[8:14, 22:32, 6:12] = 1 if home or k == 5 else 2
        save(folder / ("home" if home else "away") / f"p{k}_image.nii.gz", abdomen(seed=k).round())
        save(folder / ("home" if home else "away") / f"p{k}_label.nii.gz", label)
    card(folder / "home.md", folder / "home", **ANY, folds="{k: 2, seed: 0}")
    card(folder / "away.md", folder / "away", **ANY | {"name": "away", "label_values": "{pancreas: [1, 2]}",
         "parts": "{tumour: [2]}"})  # fmt: skip
    return folder


@pytest.fixture
def study(sets, tmp_path):
    def file(**changes):
        values = {
            "name": "folded", "train": f"{sets}/home.md", "recipe": RECIPE,
            "arms": {"plain": {}, "noisy": {"noise": 0.3}}, "seeds": [0], "folds": [0, 1],
            "measure": [f"{sets}/home.md/a", f"{sets}/away.md"], "replicates": 200,
            "comparisons": [{"name": "noise", "arm": "noisy", "against": "plain", "sources": [f"{sets}/away.md/a"]}],
        }  # fmt: skip
        values = values | changes
        return write(tmp_path / "study.yml", {key: value for key, value in values.items() if value is not None})

    return file


def test_cells_are_arms_by_seeds_by_folds_and_grow(study, sets, tmp_path, inline):
    out, said = tmp_path / "out", []
    files = run_study(study(folds=[0], comparisons=[]), out, device="cpu", say=said.append)
    assert len(inline) == 2 and any("seed 0, fold 0, " in line for line in said)
    first = pd.read_csv(files["rows"])
    files = run_study(study(), out, device="cpu", say=said.append)
    assert len(inline) == 4
    assert sorted(path.name for path in (out / "cells").iterdir() if path.is_dir()) == [
        "noisy-seed0-fold0", "noisy-seed0-fold1", "plain-seed0-fold0", "plain-seed0-fold1",
    ]  # fmt: skip
    rows = pd.read_csv(files["rows"])
    assert list(rows.columns[:5]) == ["arm", "seed", "fold", "source", "case"] and "leak" not in rows
    pd.testing.assert_frame_equal(rows[rows["fold"] == 0].reset_index(drop=True), first)
    home, away = (rows[rows["source"] == name] for name in ("mine/a", "away/a"))
    assert home.groupby("arm")["case"].apply(sorted).tolist() == [[f"p{k}" for k in range(5)]] * 2
    assert away.groupby(["arm", "fold"])["case"].apply(list).tolist() == [["p5", "p6", "p7"]] * 4
    table = pd.read_csv(files["summary"]).set_index(["arm", "source"])
    assert table["n"].tolist() == [5, 3, 5, 3] and table.loc[("plain", "away/a"), "predictions"] == 6
    line = pd.read_csv(files["comparisons"]).iloc[0]
    means = away.groupby(["arm", "case"])["dice"].mean().unstack("case")
    assert line["patients"] == 3 and line["difference"] == pytest.approx(
        (means.loc["noisy"] - means.loc["plain"]).mean()
    )
    curves = pd.read_csv(files["curves"])
    assert list(curves.columns[:4]) == ["arm", "seed", "fold", "step"] and len(curves) == 4
    report = files["report"].read_text()
    assert "folds 0, 1" in report and "by the network of the fold that held them out" in report
    # parts of the label, in rows, summary and report
    assert rows.loc[rows["source"] == "mine/a", "recall_tumour"].isna().all()
    assert away.set_index("case")["recall_tumour"].isna().groupby("case").all().to_dict() == {
        "p5": True, "p6": False, "p7": False,
    }  # fmt: skip
    assert away.loc[away["case"] == "p5", "dice_without_tumour"].equals(away.loc[away["case"] == "p5", "dice"])
    assert {"dice_without_tumour_mean", "recall_tumour_mean"} <= set(table.columns) and "recall tumour" in report
    # each network says which patients it has seen
    header = load_weights(out / "cells/plain-seed0-fold1/weights.safetensors").metadata
    assert header["source"] == "mine/a" and header["fold"] == 1 and len(header["train"]["voxels"]) in (2, 3)
    with pytest.raises(InputError, match="fold 1 there, gone now"):
        run_study(study(folds=[0]), out, device="cpu")
    words = ["measure", "--source", f"{sets}/home.md", "--out", str(tmp_path / "measured"), "--device", "cpu"]
    for fold in (0, 1):  # each network on the patients that it has not seen
        words += ["--weights", f"fold{fold}={out}/cells/plain-seed0-fold{fold}/weights.safetensors"]
    assert main(words) == 0
    again = pd.read_csv(tmp_path / "measured" / "rows.csv")
    assert again["fold"].tolist() == home.loc[home["arm"] == "plain", "fold"].tolist()
    np.testing.assert_allclose(again["dice"], home.loc[home["arm"] == "plain", "dice"], atol=1e-3)


def test_without_folds_names_and_digests_are_those_of_before(study, sets):
    assert job_folder("plain", 3) == "cells/plain-seed3"
    assert "folds" not in load_study(study(folds=None)).plain()
    assert load_study(study()).plain()["folds"] == [0, 1]


def test_fold_0_is_held_out_where_nothing_is_said(study, tmp_path, inline):
    files = run_study(study(folds=None, arms={"plain": {}}, comparisons=[]), tmp_path / "out", device="cpu")
    rows = pd.read_csv(files["rows"])
    assert "fold" not in rows and len(rows[rows["source"] == "mine/a"]) in (2, 3) and len(inline) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folds": [0, 2]}, r"folds on line .*expected folds from 0 to 1, as the card of mine/a has 2, got 2"),
        ({"folds": [0, 0]}, "folds on line .*each must be listed once"),
        ({"folds": []}, "folds on line .*at least 1"),
        ({"train": "phantom/A", "measure": ["phantom/V"], "comparisons": []}, "no folds to train on phantom/A, of"),
        ({"seeds": list(range(3000))}, "arms times seeds times folds, not 2 x 3000 x 2"),
    ],
)  # fmt: skip
def test_folds_that_do_not_fit_are_told_with_their_line(study, changes, words):
    with pytest.raises(InputError, match=words):
        load_study(study(**changes))


def test_an_oracle_has_no_folds(study, sets):
    arms = {"plain": {}, "noisy": {}, "o": {"oracle": f"{sets}/away.md"}}
    with pytest.raises(InputError, match=r"expected no folds beside an oracle \(o\); make two studies"):
        load_study(study(arms=arms))


def test_a_patient_of_another_source_counts_once(study):
    """Dice = 0.5 + 0.1 (noisy) + 0.02 patient +- 0.05 by fold: the folds' spread must not make patients of folds."""
    rows = [
        {"arm": arm, "seed": seed, "fold": fold, "source": "away/a", "case": f"p{p}",
         "dice": 0.5 + 0.1 * (arm == "noisy") + 0.02 * p + 0.05 * (2 * fold - 1), "nsd": 0.5, "hd95": 1.0, "msd": 1.0,
         "volume_bias_ml": 0.0, "missed": False, "label_empty": False, "false_positive_ml": 0.0, "ece_band": 0.1}
        for arm in ("plain", "noisy") for seed in (0, 1) for fold in (0, 1) for p in range(4)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    mean = over_folds(table)
    assert len(mean) == 16 and mean["dice"].iloc[:4].tolist() == pytest.approx([0.5, 0.52, 0.54, 0.56])
    line = comparisons_table(load_study(study()), table).iloc[0]
    assert line["patients"] == 4 and line["difference"] == pytest.approx(0.1)
    once = comparisons_table(load_study(study()), mean).iloc[0]
    assert once.equals(line)
    summary = summary_table(table).iloc[0]
    assert summary["n"] == 4 and summary["dice_sd"] == pytest.approx(np.std([0.5, 0.52, 0.54, 0.56], ddof=1))


def test_parts_by_hand():
    label, mask = np.zeros((10, 10, 10), bool), np.zeros((10, 10, 10), bool)
    label[:4], mask[:6] = True, True
    tumour = np.zeros_like(label)
    tumour[2:4, :5] = True  # 100 of the label's 400 voxels; the network marks 600
    found = part_metrics(mask, label, {"tumour": tumour, "none": tumour & False})
    assert found["dice_without_tumour"] == pytest.approx(2 * 300 / (500 + 300)) and found["recall_tumour"] == 1.0
    assert found["dice_without_none"] == pytest.approx(2 * 400 / 1000) and found["recall_none"] is None
    mask[2:3] = False
    assert part_metrics(mask, label, {"tumour": tumour})["recall_tumour"] == 0.5
    assert part_metrics(mask, label, {"all": label})["dice_without_all"] is None


def test_fields_of_the_recipe_may_be_set_and_are_recorded(study, tmp_path, inline):
    path, out = study(folds=[1], arms={"plain": {}}, comparisons=[]), tmp_path / "out"
    words = ["study", "--config", str(path), "--out", str(out), "--device", "cpu", "--set", "noise=0.2"]
    assert main(words) == 0
    facts = json.loads((out / "study.json").read_text())
    assert facts["set"] == {"noise": 0.2} and facts["recipes"]["plain"]["noise"] == 0.2
    assert "--set noise=0.2" in facts["command"] and facts["config"]["recipe"]["noise"] == 0.2
    assert load_study(path).recipe_of("plain")["steps"] == 1
    with pytest.raises(InputError, match="recipe: noise 0.2 there, None now"):
        run_study(path, out, device="cpu")
    with pytest.raises(InputError, match="stepz"):
        load_study(path, {"stepz": 1})
    with pytest.raises(InputError, match="expected fields of the recipe, got seed; the names are those"):
        load_study(path, {"seed": 1})


def test_the_papers_protocol_runs_on_miniatures_of_the_real_sets(tmp_path, monkeypatch, inline):
    """The file that ships, untouched: `nih_to_msd`, its first seed; the sets are found by the names of their cards."""
    for name, patients in (("nih", 4), ("msd", 2)):
        build(name, tmp_path / "data" / name, patients=patients)
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(tmp_path / "data"))
    config = load_study("nih_to_msd")
    assert config.folds == [0, 1, 2, 3] and set(config.arms) == {"supervised", "contrast", "restoration", "dual"}
    assert {parse_source(source)[0] for source in config.measure} == {"nih", "msd"}
    tiny = {"steps": 1, "warmup": 1, "channels": [4, 8], "patch": [16, 16, 16], "spacing": 10, "precision": "fp32"}
    words = [word for name, value in tiny.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    out = tmp_path / "out"
    assert main(["study", "--config", "nih_to_msd", "--out", str(out), "--device", "cpu", "--seed", "0", *words]) == 0
    rows = pd.read_csv(out / "rows.csv")
    assert len(inline) == 4 * 4 and 0 in config.seeds and len(rows) == len(inline) * (1 + 2)
    home = rows[rows["source"] == "nih/nih"]
    assert (
        home.groupby(["arm", "seed"])["case"].nunique().eq(4).all()
    )  # each patient once, by the fold that held it out
    assert home.groupby("fold")["case"].nunique().eq(1).all()
    away = rows[rows["source"] == "msd/msd"]
    assert away["dice_without_tumour"].notna().all() and away.groupby("case")["fold"].nunique().eq(4).all()
    table = pd.read_csv(out / "comparisons.csv")
    assert set(table["patients"]) == {2, 4} and len(table) == len(config.comparisons)


def test_parts_are_read_once(sets, monkeypatch):
    """A study asks for the parts of a patient once for each of its networks; the scan is not read again for it."""
    case = open_cases(f"{sets}/away.md", "measure")[1]
    prepared = prepare_case(case, spacing=6.0)
    first = label_parts.part_masks(case, prepared)
    monkeypatch.setattr(label_parts, "checked_image", None)
    again = label_parts.part_masks(case, prepared)
    assert first["tumour"].any() and first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    changed = replace(case, parts=(("tumour", case.label_values),))
    with pytest.raises(TypeError):  # other parts are other masks
        label_parts.part_masks(changed, prepared)

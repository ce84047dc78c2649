"""Bad folds, leaks and overruled recipes, in options and in a study's file."""

import pytest
import yaml

from tests.safety.helpers import Bad, data_set, try_bad

ANY = {"sources": "{a: {role: any, title: A}}", "splits": "{}", "folds": "{k: 2, seed: 0}"}
IDS = ("p0", "p1", "p2")


def _train(*words, ids=IDS, **changes):
    def arrange(folder):
        data_set(folder, ids, **ANY | changes)
        return "train", "--source", "mine.md", "--out", "run", "--device", "cpu", *words

    return arrange


def _again(*words):
    """The set once more under another name, its scans stored again."""

    def arrange(folder):
        data_set(folder, IDS, **ANY)
        text = (folder / "mine.md").read_text().replace("name: mine", "name: yours")
        (folder / "yours.md").write_text(text)
        return _study(folder, measure=["yours.md"]), *words

    return lambda folder: [word for part in arrange(folder) for word in ([part] if isinstance(part, str) else part)]


def _study(folder, *words, **changes):
    values = {
        "name": "tiny", "train": "mine.md", "arms": {"plain": {}}, "seeds": [0], "measure": ["mine.md/a"],
        "recipe": {"steps": 1, "spacing": 6.0, "patch": [16, 16, 16], "channels": [4, 8], "precision": "fp32"},
    } | changes  # fmt: skip
    (folder / "study.yml").write_text(yaml.safe_dump(values))
    return ["study", "--config", "study.yml", "--out", "out", "--device", "cpu", *words]


def _config(*words, card=None, **changes):
    def arrange(folder):
        data_set(folder, IDS, **ANY | (card or {}))
        return _study(folder, *words, **changes)

    return arrange


def _csv_there(folder):
    arguments = _train()(folder)
    (folder / "run").mkdir()
    (folder / "run" / "folds.csv").write_text("mine")
    return arguments


def _link(folder):
    arguments = _train()(folder)
    (folder / "run").mkdir()
    (folder / "run" / "folds.csv").symlink_to(folder / "data" / "p0_image.nii.gz")
    return arguments


BAD = [
    Bad("fold past the last", _train("--fold", "2"), r"expected --fold from 0 to 1 for mine/a, got 2; the card"),
    Bad("a huge fold", _train("--fold", str(10**30)), "Invalid value|expected --fold from 0 to 1"),
    Bad(
        "a fold of a source with splits",
        _train("--fold", "0", sources="{a: {role: train, title: A}}", splits="{a: {train: [p0], held_out: [p1]}}"),
        "expected a source of role any for --fold, mine/a has the role train, got 0; leave it out",
    ),
    Bad("fewer patients than folds", _train(folds="{k: 4, seed: 0}"), "at least 4 patients of mine/a for 4 folds"),
    Bad("two sources of role any", _train(
        sources="{a: {role: any, title: A}, b: {role: any, title: B}}"), r"name one of mine.md/a, mine.md/b"),
    Bad("folds.csv of somebody else", _csv_there, "folds.csv was not written by pancreas-ssl"),
    Bad("folds.csv is a link to a scan", _link, "folds.csv"),
    Bad("study, folds that are no list", _config(folds=3), "folds on line .*valid list"),
    Bad("study, a fold below 0", _config(folds=[-1]), "folds.0 on line .*greater than or equal to 0, it is -1"),
    Bad("study, a fold that is text", _config(folds=["x"]), "folds.0 on line .*valid integer"),
    Bad("study, a fold twice", _config(folds=[1, 1]), "folds on line .*each must be listed once"),
    Bad("study, a fold past the last", _config(folds=[0, 5]), "expected folds from 0 to 1, as the card of mine/a"),
    Bad("study, folds of the phantom", _config(folds=[0], train="phantom/A"), "expected no folds to train on phantom"),
    Bad("study, folds beside an oracle", _config(folds=[0], arms={"plain": {}, "o": {"oracle": "mine.md"}}),
        r"expected no folds beside an oracle \(o\)"),
    Bad("study, an oracle of role any", _config(arms={"o": {"oracle": "mine.md"}}), "mine.* has the role any"),
    Bad("study, one source under two spellings", _config(measure=["mine.md", "mine.md/a"]),
        "expected each source once, got mine/a, mine/a"),
    Bad("study, patients measured under another card", _again(), "has the same voxels as case .*--allow-leak"),
    Bad("study, --set of no field", _config("--set", "stepz=1"), "stepz"),
    Bad("study, --set of a seed", _config("--set", "seed=1"), "expected fields of the recipe, got seed"),
    Bad("study, --set without a value", _config("--set", "steps"), "expected --set NAME=VALUE"),
    Bad("study, --set that contradicts", _config("--set", "patch=[18,18,18]"), "multiples of 4"),
    Bad("study, --set of another type", _config("--set", "steps=many"), "steps.*many"),
    Bad("study, --set beside a recipe that is a list", _config("--set", "steps=2", recipe=[1]), "recipe"),
    Bad("study, a root of no folder", _config("--root", "nowhere"), "there is no such folder; check --root"),
    Bad("study, a root twice", _config("--root", "data", "--root", "data"), "one folder for each card"),
    Bad("study, a name that no study has", lambda folder: ["study", "--config", "nih_to_mars", "--out", "out"],
        "nih_to_mars"),
    Bad("study, a folder as its file", lambda folder: ["study", "--config", ".", "--out", "out"], "study"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_folds(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / ".." / "cache"))
    try_bad(bad, tmp_path, monkeypatch, capsys)

"""Bad cards and bad folders of real sets, through the command line."""

import numpy as np
import pytest

import pancreas_ssl.training.command  # noqa: F401  slow to import, which is not what is timed
from tests.safety.helpers import Bad, abdomen, card, data_set, pancreas, save, try_bad

ANY = {"sources": "{a: {role: any, title: A}}", "splits": "{}"}
IDS = ("p0", "p1", "p2", "p3", "p4", "p5")
DOWNLOAD = "{method: folder, download: {via: archive, url: %s, md5: %s, gigabytes: 1}}"
GOOD = '"0123456789abcdef0123456789abcdef"'


def _nothing(data):
    pass


def _card(**changes):
    """`data show` of a card with these entries."""
    return lambda folder: ("data", "show", card(folder / "mine.md", **(ANY | changes)))


def _train(spoil=_nothing, *more, ids=IDS, **changes):
    def arrange(folder):
        path = data_set(folder, ids, **(ANY | changes))
        spoil(folder / "data")
        return "train", "--source", path, "--out", folder / "out", "--steps", "1", *more

    return arrange


def _check(spoil=_nothing, *more, **changes):
    def arrange(folder):
        path = data_set(folder, IDS, **(ANY | changes))
        spoil(folder / "data")
        return "data", "check", path, *more

    return arrange


def _no_labels(data):
    for path in data.glob("*_label.nii.gz"):
        path.unlink()


def _no_pancreas(data):
    for path in data.glob("*_label.nii.gz"):
        save(path, np.zeros((40, 40, 24), np.uint8))


def _other_shape(data):
    for path in data.glob("*_label.nii.gz"):
        save(path, pancreas()[:, :, 1:])


def _mirrored(data):
    for path in data.glob("*_label.nii.gz"):
        save(path, pancreas()[::-1])


SLOW = '["/(p|p)*[xy]/"]'
PLACED = {"label_geometry": "image", "label_axes": "RAS"}
JOINED = {"layout": '{image: "{id}_image.nii.gz", joined: {"1": "{id}_label.nii.gz", "2": "{id}_mass.nii.gz"}}',
          "label_values": "{pancreas: [1, 2]}"}  # fmt: skip


def _long_name(data):
    save(data / ("p" * 60 + "_image.nii.gz"), abdomen())


def _mass_elsewhere(data):
    for one in IDS:
        save(data / f"{one}_mass.nii.gz", pancreas()[:, 1:])


BAD = [
    Bad("exclude, no pattern", _card(exclude='["/(/"]'), r"exclude.*not a regular expression"),
    Bad("exclude, a path", _card(exclude='["../a"]'), r"exclude.*a name has 1 to 100 letters"),
    Bad("exclude, a range turned round", _card(exclude="[p9..p1]"), "a range reads like"),
    Bad("exclude, a huge range", _card(exclude="[p0..p99999999]"), "at most 100,000 entries"),
    Bad("exclude, a slow pattern", _check(_long_name, exclude=SLOW), "under exclude that is quick"),
    Bad("exclude, everything", _check(exclude='["/.*/"]'), "found no image"),
    Bad("axes, two of a kind", _card(label_geometry="image", label_axes="LRI"), "axes are three letters"),
    Bad("axes, no letters", _card(label_geometry="image", label_axes="123"), "label_axes"),
    Bad("axes without the image's geometry", _card(label_axes="LAI"), "label_axes go with label_geometry: image"),
    Bad("geometry, another word", _card(label_geometry="mine"), "label_geometry"),
    Bad("a part outside the pancreas", _card(parts="{tumour: [3]}"), "the part tumour holds 3"),
    Bad("labels and joined files", _card(layout='{image: "{id}.nii", label: "{id}_", joined: {"1": "{id}_p"}}'),
        "either files of all structures"),
    Bad("joined, no file of the pancreas", _card(layout='{image: "{id}.nii", joined: {"2": "{id}_p.nii"}}'),
        "needs a file for each value of the pancreas"),
    Bad("joined, a value of 0", _card(layout='{image: "{id}.nii", joined: {"0": "{id}_p.nii"}}'), "layout.joined"),
    Bad("folds, one", _card(folds="{k: 1}"), "folds.k"),
    Bad("folds, a seed below 0", _card(folds="{k: 2, seed: -1}"), "folds.seed"),
    Bad("folds, a key too many", _card(folds="{n: 2}"), "unknown key folds.n"),
    Bad("series, an unknown preference", _card(series="{prefer: best}"), "series.prefer"),
    Bad("series, no pattern", _card(series='{description: "("}'), "not a regular expression"),
    Bad("role any with a split of another name", _card(splits="{a: {train: [p0]}}"), "lists its cases under all"),
    Bad("overlaps, a path for a card", _card(overlaps='{"../nih": same}'), "overlaps"),
    Bad("overlaps, a list", _card(overlaps="[nih]"), "overlaps"),
    Bad("download from a file", _card(access=DOWNLOAD % ("file:///etc/passwd.tar", GOOD)), "access.download.*url"),
    Bad("download without encryption", _card(access=DOWNLOAD % ("http://example.org/a.tar", GOOD)), "url"),
    Bad("download, no md5", _card(access=DOWNLOAD % ("https://example.org/a.tar", "abc")), "md5"),
    Bad("download, a way unknown", _card(access="{method: folder, download: {via: ftp}}"), "via"),
    Bad("download, a collection that is a path",
        _card(access="{method: folder, download: {via: idc, collection: ../x, gigabytes: 1}}"), "collection"),
    Bad("download, a repository that is a path",
        _card(access="{method: folder, download: {via: huggingface, repository: ../x, gigabytes: 1}}"), "repository"),
    Bad("too few patients", _train(ids=("p0", "p1")), "at least 5 patients of mine/a for 5 folds, got 2"),
    Bad("no labels", _train(_no_labels), "at least 5 patients .*got 0 with a label"),
    Bad("no pancreas in any", _train(_no_pancreas, require_pancreas="true"), "pancreas"),
    Bad("labels in a folder that is not there", _train(label_root="nowhere"), "got 0 with a label"),
    Bad("another shape for the image's geometry", _train(_other_shape, **PLACED), "shape"),
    Bad("mirrored labels placed by their image", _train(_mirrored, **PLACED), "label_axes: LAS in a copy"),
    Bad("joined files on two grids", _train(_mass_elsewhere, **JOINED), "files of one label on one grid"),
    Bad("roots, two without a name", _check(_nothing, "--root", "x", "--root", "y"), "one folder for each card"),
    Bad("root, no folder", _check(_nothing, "--root", "mine=nowhere"), "there is no such folder"),
    Bad("fetch of a card that is not there", lambda folder: ("data", "fetch", "nihh"), "no data card is called"),
    Bad("fetch, two roots", lambda folder: ("data", "fetch", "btcv", *("--root", "x") * 2), "one folder for each"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_set(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "outside/cache"))
    (tmp_path / "here").mkdir()
    try_bad(bad, tmp_path / "here", monkeypatch, capsys)

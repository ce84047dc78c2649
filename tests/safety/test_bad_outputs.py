"""Outputs that would cost somebody a file: each command refuses before it works, and nothing foreign changes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.files import atomic_path, open_to_append
from tests.safety.helpers import Bad, abdomen, data_set, pancreas, save, try_bad

STRANGE = r"not written by pancreas-ssl; move what you want to keep or name another output"
CHANGED = r"changed since pancreas-ssl wrote it"
AN_INPUT = r"expected another place for the output .* than the"
LINK = r"expected a free name for the output, .* is a link or a device"
FOLDER = r"expected a file name for the output, .* is a folder"

STUDY = """
name: mine
train: {card}/a
recipe: {{steps: 1, channels: [4, 8], patch: [16, 16, 16], spacing: 6.0, precision: fp32}}
arms: {{supervised: {{}}, noisy: {{noise: 0.3}}}}
seeds: [0]
measure: [{card}/a]
comparisons: [{{name: helps, arm: noisy, against: supervised}}]
"""
NOTEBOOK = {"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [],
                       "execution_count": None}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}  # fmt: skip


def foreign(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody's own")
    return path


def linked(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(foreign(path.parent.parent / "kept" / path.name))


def corrected(path: Path) -> None:
    """A file that this tool wrote and a person has changed."""
    with atomic_path(path) as temporary:
        save(temporary, pancreas())
    save(path, pancreas(value=2))


def scan(folder: Path) -> Path:
    return save(folder / "scan.nii.gz", abdomen())


def scans(folder: Path) -> None:
    for name in ("a", "b"):
        save(folder / "scans" / f"{name}.nii.gz", abdomen())


def predict(*more: str, before: Callable[[Path], object], many: bool = False):
    """`predict` of a scan to mask.nii.gz, or of the folder `scans` to `out`; `before` puts something in the way."""

    def arrange(folder):
        (scans if many else scan)(folder)
        before(folder)
        where = ["scans", "--out", "out"] if many else ["scan.nii.gz", "--out", "mask.nii.gz"]
        return ["predict", *where, *more]

    return arrange


def slices(folder: Path) -> list[str]:
    """A folder that looks like a DICOM series."""
    for number in range(3):
        path = foreign(folder / "series" / f"{number}.dcm")
        path.write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 16)
    return ["predict", "series", "--out", "series/mask.nii.gz"]


def link_to_scan(make: Callable) -> Callable[[Path], object]:
    return lambda folder: make(folder / "scan.nii.gz", folder / "mask.nii.gz")


def train(*more: str, way: str = "out", before: Callable[[Path], object] = foreign):
    def arrange(folder):
        data_set(folder)
        before(folder / way)
        return ["train", "--source", "mine.md/a", "--out", "out", "--steps", "1", "--device", "cpu", *more]

    return arrange


def measure(*more: str, way: str, before: Callable[[Path], object] = foreign):
    def arrange(folder):
        data_set(folder)
        before(folder / way)
        return ["measure", "--source", "mine.md/a", "--out", "out", "--device", "cpu", *more]

    return arrange


def study(*more: str, way: str, before: Callable[[Path], object] = foreign, config: str = "study.yml"):
    def arrange(folder):
        data_set(folder)
        before(folder / way)
        (folder / config).parent.mkdir(exist_ok=True)
        (folder / config).write_text(STUDY.format(card="mine.md"))
        return ["study", "--config", config, "--out", "out", "--device", "cpu", "--workers", "1", *more]

    return arrange


def notebook(command: str, *more: str, out: str = "out", way: str | None = None, before: Callable = foreign):
    def arrange(folder):
        path = folder / "course" / "lesson.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(NOTEBOOK))
        if way is not None:
            before(folder / way)
        which = ["course/lesson.ipynb"] if command == "run" else ["--notebooks", "course"]
        return [command, *which, "--out", out, *more]

    return arrange


def phantom(*more: str, way: str, before: Callable[[Path], object] = foreign, out: str = "out"):
    def arrange(folder):
        before(folder / way)
        return ["phantom", "--source", "A", "--patient", "0", "--out", out, *more]

    return arrange


def torn_in_the_middle(path: Path) -> None:
    with open_to_append(path) as handle:
        handle.write('{"case": "a"}\nno row\n{"case": "b"}\n')


def card_in_the_way(folder):
    data_set(folder)
    (folder / "out").mkdir()
    (folder / "mine.md").rename(folder / "out" / "weights.md")
    return ["train", "--source", "out/weights.md/a", "--out", "out", "--overwrite", "--device", "cpu"]


def two_of_one_name(folder):
    for name in ("a", "a_uncertainty"):
        save(folder / "scans" / f"{name}.nii.gz", abdomen())
    return ["predict", "scans", "--out", "out", "--uncertainty", "out"]


def up_to_the_originals(folder):
    save(folder / "all" / "a.nii.gz", abdomen())
    save(folder / "all" / "some" / "a.nii.gz", abdomen())
    return ["predict", "all/some", "--out", "all"]


def foreign_case(folder):
    foreign(folder / "mine" / "A" / "A_024" / "thesis.txt")
    return ["data", "fetch", "phantom", "--source", "A", "--split", "held_out", "--root", "mine"]


def nothing(folder: Path) -> None:
    """Nothing lies in the way."""


BAD = [
    Bad("mask", predict(before=lambda f: foreign(f / "mask.nii.gz")), STRANGE),
    Bad("mask behind a link", predict(before=lambda f: linked(f / "mask.nii.gz")), LINK),
    Bad("link taken over", predict("--overwrite", before=lambda f: linked(f / "mask.nii.gz")), LINK),
    Bad("dangling link", predict(before=lambda f: (f / "mask.nii.gz").symlink_to("nowhere")), LINK),
    Bad("loop of links", predict(before=lambda f: (f / "mask.nii.gz").symlink_to("mask.nii.gz")), r"expected "),
    Bad("folder of that name", predict("--overwrite", before=lambda f: (f / "mask.nii.gz").mkdir()), FOLDER),
    Bad("corrected mask", predict(before=lambda f: corrected(f / "mask.nii.gz")), CHANGED),
    Bad("map", predict("--uncertainty", "map.nii.gz", before=lambda f: foreign(f / "map.nii.gz")), STRANGE),
    Bad("scan as mask", predict("--out", "scan.nii.gz", before=nothing), AN_INPUT),
    Bad("scan as mask, taken over", predict("--out", "scan.nii.gz", "--overwrite", before=nothing), AN_INPUT),
    Bad("scan as map", predict("--uncertainty", "scan.nii.gz", "--overwrite", before=nothing), AN_INPUT),
    Bad("scan by a roundabout path", predict("--out", "x/../scan.nii.gz", "--overwrite", before=nothing), AN_INPUT),
    Bad("link to the scan", predict("--overwrite", before=link_to_scan(lambda a, b: b.symlink_to(a))), AN_INPUT),
    Bad("hard link to the scan", predict("--overwrite", before=link_to_scan(os.link)), AN_INPUT),
    Bad("mask as map", predict("--uncertainty", "mask.nii.gz", before=nothing), r"expected two files"),
    Bad("mask among the slices", slices, AN_INPUT),
    Bad("name too long", predict("--out", f"{'m' * 300}.nii.gz", before=nothing), r"name too long"),
    Bad("folder too long", predict("--out", f"{'m' * 300}/m.nii.gz", before=nothing), r"name too long"),
    Bad("below a file", predict("--out", "scan.nii.gz/m.nii.gz", before=nothing), r"scan.nii.gz is a file"),
    Bad("/proc", predict("--out", "/proc/here/mask.nii.gz", before=nothing), r"expected a place|cannot make"),
    Bad("/sys", predict("--out", "/sys/mask.nii.gz", before=nothing), r"expected a place that can be"),
    Bad("masks", predict(many=True, before=lambda f: foreign(f / "out/b.nii.gz")), STRANGE),
    Bad("masks corrected", predict(many=True, before=lambda f: corrected(f / "out/a.nii.gz")), CHANGED),
    Bad("labels", predict(many=True, before=lambda f: save(f / "out/a.nii.gz", pancreas())), STRANGE),
    Bad("CTs one level up", up_to_the_originals, STRANGE),
    Bad("predictions.csv", predict(many=True, before=lambda f: foreign(f / "out/predictions.csv")), STRANGE),
    Bad("maps", predict("--uncertainty", "out", many=True,
                        before=lambda f: foreign(f / "out/a_uncertainty.nii.gz")), STRANGE),
    Bad("masks over scans", predict("--overwrite", many=True, before=lambda f: (f / "out").symlink_to("scans")),
        AN_INPUT),
    Bad("mask and map of one name", two_of_one_name, r"expected a file of its own for each output"),
    Bad("folder among masks", predict(many=True, before=lambda f: (f / "out/a.nii.gz").mkdir(parents=True)), FOLDER),
    Bad("masks into a file", predict(many=True, before=lambda f: foreign(f / "out")), r"out is a file"),
    *(Bad(f"train {name}", train(way=f"out/{name}"), STRANGE)
      for name in ("weights.safetensors", "weights.md", "history.csv", "run.json")),
    Bad("train over a checkpoint", train(way="out/checkpoint.pt"), r"has a checkpoint"),
    Bad("resume a foreign checkpoint", train("--resume", way="out/checkpoint.pt"), STRANGE),
    Bad("train into a file", train(way="out"), r"out is a file"),
    Bad("train behind a link", train(way="out/run.json", before=linked), LINK),
    Bad("publish", train("--publish", "pub/net", way="pub/net.safetensors"), STRANGE),
    Bad("the card as model card", card_in_the_way, AN_INPUT),
    *(Bad(f"measure {name}", measure(way=f"out/{name}"), STRANGE)
      for name in ("rows.jsonl", "rows.csv", "summary.csv", "measured.json", "reveals.log")),
    Bad("measure into others' rows", measure("--overwrite", way="out/rows.jsonl"), STRANGE),
    Bad("measure behind a link", measure(way="out/rows.csv", before=linked), LINK),
    Bad("rows torn in the middle", measure(way="out/rows.jsonl", before=torn_in_the_middle), r"line 2 is none"),
    *(Bad(f"study {name}", study(way=f"out/{name}"), STRANGE)
      for name in ("plan.json", "report.md", "study.json", "rows.csv", "comparisons.csv", "reveals.log",
                   "cells/noisy-seed0/weights.safetensors", "cells/noisy-seed0/done.json")),
    Bad("study with weights of others", study("--overwrite", way="out/cells/noisy-seed0/weights.safetensors"), STRANGE),
    Bad("study behind a link", study(way="out/.lock", before=linked), r"expected a place"),
    Bad("the configuration as output", study("--overwrite", way="x", config="out/study.json"), AN_INPUT),
    Bad("run over its notebook", notebook("run", out="course"), AN_INPUT),
    Bad("run over its notebook, taken over", notebook("run", "--overwrite", out="course"), AN_INPUT),
    Bad("tour over its notebooks", notebook("tour", "--overwrite", out="course"), AN_INPUT),
    *(Bad(f"{command} {name}", notebook(command, way=f"out/{name}"), STRANGE)
      for command in ("run", "tour") for name in ("lesson.ipynb", "report.html", "report.json")),
    Bad("run into a file", notebook("run", way="out"), r"out is a file"),
    Bad("folder as report", notebook("run", way="out/report.md", before=lambda p: p.mkdir(parents=True)), FOLDER),
    *(Bad(f"phantom {name}", phantom(way=f"out/{name}.nii.gz"), STRANGE) for name in ("image", "label", "organs")),
    Bad("phantom behind a link", phantom("--overwrite", way="out/label.nii.gz", before=linked), LINK),
    Bad("phantom into a file", phantom(way="out"), r"out is a file"),
    Bad("phantom into /proc", phantom(way="x", out="/proc/here"), r"expected a place|cannot make"),
    Bad("fetch over a folder of others", foreign_case, r"no complete case of this tool; move it away"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_output(bad, tmp_path, monkeypatch, capsys):
    try_bad(bad, tmp_path, monkeypatch, capsys)


def test_a_pipe_is_no_output(tmp_path, capsys):
    os.mkfifo(tmp_path / "mask.nii.gz")
    assert main(["predict", str(scan(tmp_path)), "--out", str(tmp_path / "mask.nii.gz"), "--overwrite"]) == 2
    assert "is a link or a device" in capsys.readouterr().err


def test_a_foreign_lock_is_not_emptied(tmp_path, monkeypatch):
    arguments = study(way="out/.lock")(tmp_path)
    foreign(tmp_path / "out/plan.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert main([str(argument) for argument in arguments]) == 2
    assert (tmp_path / "out/.lock").read_bytes() == b"somebody's own"


def test_what_is_asked_for_by_name_is_taken_over(tmp_path, capsys):
    mine = foreign(tmp_path / "label.nii.gz")
    assert main(["phantom", "--source", "A", "--patient", "0", "--out", str(tmp_path), "--overwrite"]) == 0
    assert mine.read_bytes() != b"somebody's own"
    assert main(["phantom", "--source", "A", "--patient", "1", "--out", str(tmp_path)]) == 0  # its own by now

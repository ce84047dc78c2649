"""Bad options and bad places for outputs."""

import os

import pytest

from tests.safety.helpers import Bad, abdomen, data_set, pancreas, save, try_bad


def _mask_there(folder):
    save(folder / "scan.nii.gz", abdomen())
    (folder / "mask.nii.gz").write_bytes(b"mine")
    return "predict", "scan.nii.gz", "--out", "mask.nii.gz"


def _pipe(*arguments):
    def arrange(folder):
        os.mkfifo(folder / "pipe.nii.gz")
        save(folder / "label.nii.gz", pancreas())
        return arguments

    return arrange


def _named(name: bytes):
    def arrange(folder):
        os.rename(save(folder / "scans" / "a.nii.gz", abdomen()), os.fsencode(folder / "scans") + b"/" + name)
        return "predict", "scans", "--out", "masks"

    return arrange


def _set(*arguments):
    def arrange(folder):
        data_set(folder)
        (folder / "my.html").write_text("mine")
        return *arguments[:2], "mine.md", *arguments[2:]

    return arrange


BAD = [
    Bad("a scan's name that is no text", _named(b"p\xff.nii.gz"), "name that is readable text.*rename it"),
    Bad("a scan's name with terminal codes", _named(b"\x1b[31m.nii.gz"), "name that is readable text.*rename it"),
    Bad("predict, a pipe", _pipe("predict", "pipe.nii.gz", "--out", "m.nii.gz"), "a CT at pipe.nii.gz.*name a file"),
    Bad("evaluate, a pipe", _pipe("evaluate", "pipe.nii.gz", "label.nii.gz"), "is a folder, a pipe or a device"),
    Bad(
        "weights, a pipe",
        _pipe("predict", "label.nii.gz", "--out", "m.nii", "--weights", "pipe.nii.gz"),
        "expected weights",
    ),
    Bad("card, a pipe", _pipe("data", "show", "./pipe.nii.gz"), "no data card"),
    Bad("notebook, a pipe", _pipe("run", "./pipe.nii.gz"), "there is no notebook"),
    Bad("check, page without its ending", _set("data", "check", "--html", "page.txt"), "in .html, got page.txt"),
    Bad("check, page of somebody else", _set("data", "check", "--html", "my.html"), r"my.html was not written by"),
    Bad("check, workers", _set("data", "check", "--workers", "9999"), "expected 1 to .* workers, got 9999"),
    Bad("prepare, workers", _set("data", "prepare", "--workers", "9999"), "expected 1 to .* workers, got 9999"),
    Bad("prepare, window", _set("data", "prepare", "--window", "9", "-9"), "window .* low < high, got .9, -9."),
    Bad("prepare, no number", _set("data", "prepare", "--window", "nan", "9"), "window .* low < high, got .nan, 9."),
    Bad("prepare, spacing", _set("data", "prepare", "--spacing", "nan"), "expected a spacing above 0 mm, got"),
    Bad("mask of somebody else", _mask_there, r"mask.nii.gz was not written by pancreas-ssl.*--overwrite"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_command(bad, tmp_path, monkeypatch, capsys):
    try_bad(bad, tmp_path, monkeypatch, capsys)

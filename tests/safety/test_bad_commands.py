"""Bad options and bad places for outputs."""

import os

import pytest

from tests.safety.helpers import Bad, abdomen, pancreas, save, try_bad


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
    Bad("mask of somebody else", _mask_there, r"mask.nii.gz was not written by pancreas-ssl.*--overwrite"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_command(bad, tmp_path, monkeypatch, capsys):
    try_bad(bad, tmp_path, monkeypatch, capsys)

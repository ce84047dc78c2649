"""Bad options and bad places for outputs."""

import pytest

from tests.safety.helpers import Bad, abdomen, save, try_bad


def _mask_there(folder):
    save(folder / "scan.nii.gz", abdomen())
    (folder / "mask.nii.gz").write_bytes(b"mine")
    return "predict", "scan.nii.gz", "--out", "mask.nii.gz"


BAD = [Bad("mask of somebody else", _mask_there, r"mask.nii.gz was not written by pancreas-ssl.*--overwrite")]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_command(bad, tmp_path, monkeypatch, capsys):
    try_bad(bad, tmp_path, monkeypatch, capsys)

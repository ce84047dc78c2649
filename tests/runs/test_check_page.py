"""The page of `data check`: a picture of every case with words, and nothing in it that names a patient."""

import base64
import re

import numpy as np
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.figures.thumbnail import thumbnail
from tests.data.conftest import abdomen, save

WIDE = np.diag([6.0, 6.0, 6.0, 1.0])


@pytest.fixture
def two(tmp_path):
    for name, seed in (("doe_jane", 1), ("7", 2)):
        hu, label = abdomen(seed=seed)
        save(tmp_path / f"set/images/{name}.nii.gz", hu, WIDE)
        save(tmp_path / f"set/labels/{name}.nii.gz", label, WIDE)
    save(tmp_path / "set/images/twin_of_jane.nii.gz", abdomen(seed=1)[0], WIDE)
    (tmp_path / "set/labels/7.nii.gz").write_bytes(b"broken")
    return tmp_path / "set"


def test_a_page_with_pictures_and_without_names(cache, two, tmp_path, capsys):
    page = tmp_path / "report.html"
    check = ["data", "check", "folder", "--root", str(two), "--html", str(page)]
    assert main(check) == 1
    text = page.read_text()
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', text)
    assert len(pictures) == 3 and all(base64.b64decode(png).startswith(b"\x89PNG") for png, _ in pictures)
    words = " ".join(alt for _, alt in pictures)
    assert [words.count(part) for part in ("outlined", "without a label", "(R) is on the left")] == [1, 2, 3]
    text = re.sub(r"base64,[^\"]+", "", text)
    assert "doe" not in text and "jane" not in text and str(tmp_path) not in text and "7.nii" not in text
    assert "case 3 has the same voxels as case 2" in text and "http" not in text
    assert main([*check, "--show-identifiers"]) == 1 and "doe_jane" in page.read_text()
    page.write_text("mine")
    assert main(check) == 2 and page.read_text() == "mine"
    assert main([*check, "--overwrite"]) == 1 and "case 3 has" in page.read_text()
    capsys.readouterr()


def test_the_picture_shows_the_slice_with_most_of_the_pancreas():
    hu, label = abdomen((40, 30, 16))
    image, mask = Volume(hu.astype(np.float32), WIDE), Volume(label, WIDE)
    png, words = thumbnail(image, mask)
    assert png[:4] == b"\x89PNG" and len(png) < 60_000
    assert f"axial slice {int(label.sum((0, 1)).argmax()) + 1} of 16 through the largest area" in words
    assert thumbnail(image, Volume(label * 0, WIDE))[1].startswith("axial slice 9 of 16 without a label")

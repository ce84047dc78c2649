"""A kit installs where there is no network, and leads to a first segmented patient.

The kit of the suite holds the course alone, and its environment sees this one's packages. PANCREAS_SSL_KIT=DIR takes a
whole kit, made by `make kit`, instead: minutes rather than seconds.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pancreas_ssl.cli import main
from pancreas_ssl.teaching.kit import _all_for, _requirements, _tags, kit

WHOLE = os.environ.get("PANCREAS_SSL_KIT", "")
# a network without a route, but with the machine's own loop, which kernels of notebooks need
LOOP = """import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])"""
ALONE = ["unshare", "--map-root-user", "--net", sys.executable, "-c", LOOP]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    if WHOLE:
        return Path(WHOLE)
    folder = tmp_path_factory.mktemp("stick") / "kit"
    kit(folder, parts=["source"])
    return folder


def test_from_the_stick_to_the_first_segmented_patient(made, tmp_path):
    if not shutil.which("unshare") or subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no network namespace (unshare)")
    environment = os.environ | {"PANCREAS_SSL_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment |= {} if WHOLE else {"PANCREAS_SSL_KIT_SEES": sysconfig.get_path("purelib")}
    course, limit = tmp_path / "course", 1500 if WHOLE else 300

    def alone(*command):
        words = [*ALONE, *map(str, command)]
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=limit)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    said = alone(sys.executable, made / "install.py", "--to", course, *([] if WHOLE else ["--no-doctor"]))
    assert said.rstrip().splitlines()[-1].startswith("Next:") and "5 of 5" in said
    python = course / ".venv" / "bin" / "python"
    assert Path(alone(python, "-c", "import pancreas_ssl; print(pancreas_ssl.__file__)")).is_relative_to(course)
    alone(python, "-m", "pancreas_ssl", "phantom", "--source", "A", "--patient", "24", "--out", tmp_path / "patient")
    alone(python, "-m", "pancreas_ssl", "predict", tmp_path / "patient" / "image.nii.gz", "--weights", "baseline",
          "--out", tmp_path / "mask.nii.gz")  # fmt: skip
    scores = json.loads(alone(python, "-m", "pancreas_ssl", "evaluate", tmp_path / "mask.nii.gz",
                              tmp_path / "patient" / "label.nii.gz"))  # fmt: skip
    assert scores["dice"] > 0.5, "no pancreas was found in a patient of the source that trained"
    if WHOLE:
        print(alone(python, "-m", "pancreas_ssl", "run", "00", "--out", tmp_path / "run"))


def test_a_kit_goes_on_and_stays_away_from_foreign_files(made, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("x")
    assert main(["kit", "--out", str(tmp_path / "photos")]) == 2
    assert "name another folder" in capsys.readouterr().err and len(list((tmp_path / "photos").iterdir())) == 1
    if not WHOLE:
        before = (made / "SHA256SUMS").read_text()
        kit(made, parts=["source"])
        assert (made / "SHA256SUMS").read_text() == before
        assert "source/notebooks/00_start_here.ipynb" in before and "__pycache__" not in before
        assert main(["kit", "--out", str(made), "--python", "3.99"]) == 2
        assert _tags("macosx_12_0_arm64")[:2] == ["macosx_12_0_arm64", "macosx_12_0_universal2"]
        needed = _all_for(_requirements("dicom"), {"python": "3.12", "system": "win_amd64"})
        names = {Requirement(text).name.lower() for text in needed}
        assert {"torch", "colorama", "pywinpty"} <= names and not any("nvidia" in name for name in names)


def test_the_installer_refuses_damage_and_foreign_folders(made, tmp_path):
    copy = tmp_path / "kit"
    copy.mkdir()
    for name in ("install.py", "kit.json"):
        shutil.copy(made / name, copy)
    (copy / "a.txt").write_text("damaged")
    (copy / "SHA256SUMS").write_text(f"{'0' * 64}  a.txt\n")

    def install(to):
        command = [sys.executable, str(copy / "install.py"), "--to", str(to)]
        return subprocess.run(command, capture_output=True, text=True)

    done = install(tmp_path / "new")
    assert done.returncode == 2 and "damaged" in done.stderr and not (tmp_path / "new").exists()
    (copy / "SHA256SUMS").write_text("")
    done = install(tmp_path)
    assert done.returncode == 2 and "other files" in done.stderr and not (tmp_path / ".venv").exists()
    facts = json.loads((copy / "kit.json").read_text()) | {"python": "3.99"}
    (copy / "kit.json").write_text(json.dumps(facts))
    assert "expected Python 3.99" in install(tmp_path / "new").stderr

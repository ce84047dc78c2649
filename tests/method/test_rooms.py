"""The method stands alone: what it may import, how much of it the dual loss loads, and how long its heart is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

METHOD = Path(__file__).resolve().parents[2] / "pancreas_ssl" / "method"
MODULES = sorted(METHOD.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_method_imports_nothing_of_ours_but_itself_and_primitives(path):
    rooms = set(re.findall(r"(?:from|import) pancreas_ssl\.(\w+)", path.read_text()))
    assert rooms <= {"method", "augmentation", "errors", "files"}


def test_the_dual_loss_loads_little():
    code = "import sys, pancreas_ssl.method.dual; print(*(m for m in sys.modules if m.startswith('pancreas_ssl.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(loaded) <= 16, loaded
    assert not [name for name in loaded if re.search(r"\.(data|training|inference|figures|recipe|control)", name)]


def test_the_dual_step_can_be_read_at_one_sitting():
    assert len((METHOD / "dual.py").read_text().splitlines()) <= 250

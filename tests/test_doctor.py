"""The doctor: one line per part, FAIL with what to do, never an exception."""

import json
import platform
import subprocess

from pancreas_ssl import doctor
from pancreas_ssl.cli import main
from pancreas_ssl.doctor import Check, examine, healthy, print_checks
from pancreas_ssl.versions import requirements


def test_the_whole_environment_of_this_checkout(cache):
    checks = {check.part: check for check in examine()}
    must = {"Python", "torch", "monai", "Device", "bfloat16 speed", "Memory", "Disk", "Cache folder", "Viewer"}
    assert must | {"Jupyter kernel", "Real CT", "Baseline weights", "Chromium"} <= set(checks)
    assert {requirement.name for requirement in requirements()} <= set(checks)
    bad = [check for check in checks.values() if not check.ok and check.part != "Baseline weights"]
    assert not bad
    assert checks["Python"].found.startswith(platform.python_version())
    assert checks["Cache folder"].found == str(cache)
    assert "data fetch lidc_idri_0001" in checks["Real CT"].note


def test_a_check_that_breaks_is_a_fail_and_the_others_go_on(monkeypatch):
    def breaks():
        raise OSError("no such\ndevice")

    monkeypatch.setattr(doctor, "PARTS", {"Device": breaks, "Browser": lambda: Check("Browser", True, "here")})
    *_, device, browser = examine()
    assert device == Check("Device", False, "OSError: no such device") and browser.ok


def test_a_cache_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "file" / "cache"))
    check = doctor.cache()
    assert not check.ok and "set PANCREAS_SSL_CACHE" in check.note


def test_little_memory_and_little_disk(monkeypatch, cache):
    from collections import namedtuple

    memory = namedtuple("Memory", "available total")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(1e9, 2e9))
    assert not doctor.memory().ok and "need 3.0 GB" in doctor.memory().note
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(4e9, 8e9))
    assert doctor.memory().ok and "close other programs" in doctor.memory().note
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1e12, 1e12, 0.5e9))
    assert not doctor.disk().ok and "make room" in doctor.disk().note


def test_a_viewer_that_breaks_is_told(monkeypatch):
    def breaks(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "Traceback ...\nRuntimeError: no JupyterLab part\n")

    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "9.9")
    monkeypatch.setattr(doctor.subprocess, "run", breaks)
    check = doctor.viewer()
    assert check.ok and "itkwidgets 9.9 cannot be used (RuntimeError)" in check.note


def test_the_table_and_the_exit_code(monkeypatch, capsys):
    checks = [Check("Python", True, "3.11 [x]"), Check("torch", False, "not installed", "needs >=2.8")]
    assert not healthy(checks) and healthy(checks[:1])
    print_checks(checks)
    output = capsys.readouterr().out
    assert "OK" in output and "FAIL" in output and "3.11 [x]" in output
    assert output.rstrip().endswith("1 of 2 parts need attention: torch.")
    monkeypatch.setattr(doctor, "examine", lambda: iter(checks))
    assert main(["doctor"]) == 1
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[1] == {
        "part": "torch",
        "ok": False,
        "found": "not installed",
        "note": "needs >=2.8",
    }
    monkeypatch.setattr(doctor, "examine", lambda: iter(checks[:1]))
    assert main(["doctor"]) == 0
    assert "Everything is in order" in capsys.readouterr().out

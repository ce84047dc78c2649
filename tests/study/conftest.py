"""One cache for all tests of studies: the few phantom cases, the device's probe and a finished study are made once."""

import json
from pathlib import Path

import pytest

from tests.study.helpers import settings, write, write_card


@pytest.fixture(scope="session")
def study_cache(shared_folder):
    return shared_folder / "study-cache"


@pytest.fixture(autouse=True)
def _cache(study_cache, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(study_cache))


@pytest.fixture(scope="session")
def card(once):
    return once("tiny.md", lambda path: write_card(path.parent))


@pytest.fixture
def config(tmp_path, card):
    """Writes the tiny study's file, with changes, and returns its path."""
    return lambda **changes: write(tmp_path / "study.yml", settings(card, **changes))


@pytest.fixture
def inline(monkeypatch):
    """Jobs run in this process: for tests of what stands around them. The list of jobs that ran is returned."""
    from pancreas_ssl import devices
    from pancreas_ssl.engines import Engine, completed

    ran = []

    def here(function, jobs, engine, **how):
        for outcome in completed(function, jobs, Engine(workers=1), here=True, **how):
            ran.extend([] if outcome.problem else [(jobs[outcome.number].arm, jobs[outcome.number].seed)])
            yield outcome

    monkeypatch.setattr("pancreas_ssl.study.run.completed", here)
    with devices.one_thread():
        yield ran


@pytest.fixture(scope="session")
def finished_study(once, card, study_cache):
    """The tiny study with an oracle arm, run once in processes: (configuration, folder, lines that it said, files)."""
    from pancreas_ssl.study import run_study

    def run(kept: Path) -> None:
        values = settings(card)
        values["arms"]["oracle/V"] = {"oracle": f"{card}/V"}
        values["comparisons"].append({"name": "oracle", "arm": "oracle/V", "against": "supervised"})
        path, said = write(kept.parent / "study.yml", values), []
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PANCREAS_SSL_CACHE", str(study_cache))
            files = run_study(path, kept.parent / "out", workers=2, device="cpu", say=said.append)
        kept.write_text(json.dumps([said, {name: str(file) for name, file in files.items()}]))

    kept = once("finished/said.json", run)
    said, files = json.loads(kept.read_text())
    return kept.parent / "study.yml", kept.parent / "out", said, {name: Path(file) for name, file in files.items()}

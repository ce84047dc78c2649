"""One cache for all tests of studies, so that the few phantom cases and the device's probe are made once."""

import pytest

from tests.study.helpers import settings, write, write_card


@pytest.fixture(scope="session")
def study_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("study-cache")


@pytest.fixture(autouse=True)
def _cache(study_cache, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(study_cache))


@pytest.fixture(scope="session")
def card(tmp_path_factory):
    return write_card(tmp_path_factory.mktemp("card"))


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
def finished_study(tmp_path_factory, card, study_cache):
    """The tiny study with an oracle arm, run once in processes: (configuration, folder, lines that it said, files)."""
    from pancreas_ssl.study import run_study

    folder = tmp_path_factory.mktemp("finished")
    values = settings(card)
    values["arms"]["oracle/V"] = {"oracle": f"{card}/V"}
    values["comparisons"].append({"name": "oracle", "arm": "oracle/V", "against": "supervised"})
    path, said = write(folder / "study.yml", values), []
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PANCREAS_SSL_CACHE", str(study_cache))
        files = run_study(path, folder / "out", workers=2, device="cpu", say=said.append)
    return path, folder / "out", said, files

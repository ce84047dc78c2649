"""Fixtures for every test: a private cache, the optional real CT, one thread's worth of quiet."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[1]

# A runner in the background may have told us to ignore Ctrl-C, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = ("browser", "notebooks", "study", "training", "safety")  # folders of long tests: first, not alone at the end


def pytest_collection_modifyitems(items: list) -> None:
    def place(item) -> int:
        folder = item.path.parent.name
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """What was captured may hold characters that no other process can be told, such as halves of pairs: spell them."""

    def spelt(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode()

    report = yield
    report.sections = [(what, spelt(text)) for what, text in report.sections]
    if spelt(said := str(report.longrepr or "")) != said:
        report.longrepr = spelt(said)
    return report


@pytest.fixture(autouse=True, scope="session")
def progress_of_tests(tmp_path_factory) -> None:
    """No test adds to the progress of whoever runs it."""
    os.environ["PANCREAS_SSL_PROGRESS"] = str(tmp_path_factory.mktemp("progress") / "progress.jsonl")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """One folder for a session and all its processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(shared_folder) -> Callable[[str, Callable[[Path], object]], Path]:
    """`once(name, make)` is that path in the shared folder; the first process that asks calls `make(path)`."""

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path = shared_folder / name
        with FileLock(f"{path}.lock"):
            if not path.exists():
                make(path)
        return path

    return made


@pytest.fixture(scope="session")
def miniature(once) -> Callable[[str], Path]:
    """The folder of a set's miniature, which its card takes as root: `miniature("nih")`. Built once; do not change it.

    The folder above it holds each set under its card's name, as PANCREAS_SSL_DATA does.
    """
    from tests.miniatures import build

    return lambda name: once(f"miniatures/{name}", lambda folder: build(name, folder))


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The folder with real CT (PANCREAS_SSL_REAL, else ../shared/real beside the checkout)."""
    folder = Path(os.environ.get("PANCREAS_SSL_REAL", REPOSITORY.parent / "shared" / "real"))
    if not (folder / "totalseg_ct_3mm.nii.gz").is_file():
        pytest.skip(f"no real CT in {folder}; set PANCREAS_SSL_REAL to a folder that holds it")
    return folder


@pytest.fixture(scope="session")
def course_cache(shared_folder) -> str:
    """One cache folder for all notebook runs: phantom cases are made once."""
    return str(shared_folder / "course-cache")


@pytest.fixture(scope="session")
def course_weights(tmp_path_factory) -> str:
    """The shipped weights; in a checkout that has none yet, an untrained network of the same kind."""
    from pancreas_ssl.inference import known_weights, save_weights

    if "baseline" in known_weights():
        return "baseline"
    from pancreas_ssl.method.network import SegmentationNetwork

    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    how = {"spacing": 3.0, "window": (-150.0, 250.0), "patch": (64, 64, 48)}
    return str(save_weights(path, SegmentationNetwork(seed=0), how))

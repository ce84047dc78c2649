"""Fixtures for every test: a private cache, the optional real CT, one thread's worth of quiet."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The folder with real CT (PANCREAS_SSL_REAL, else ../shared/real beside the checkout)."""
    folder = Path(os.environ.get("PANCREAS_SSL_REAL", REPOSITORY.parent / "shared" / "real"))
    if not (folder / "totalseg_ct_3mm.nii.gz").is_file():
        pytest.skip(f"no real CT in {folder}; set PANCREAS_SSL_REAL to a folder that holds it")
    return folder

"""Small models for the tests of inference, without the probe of the device."""

import pytest

from pancreas_ssl.inference import Model
from pancreas_ssl.method.network import SegmentationNetwork

from .helpers import Threshold


@pytest.fixture
def threshold() -> Model:
    return Model(Threshold(), spacing=3.0, window=(-150.0, 250.0), patch=(16, 16, 16))


@pytest.fixture
def tiny() -> Model:
    return Model(SegmentationNetwork(channels=(4, 8)), spacing=3.0, window=(-150.0, 250.0), patch=(16, 16, 12))


@pytest.fixture(autouse=True)
def float32(monkeypatch, tmp_path):
    """No probe in these tests: float32."""
    from pancreas_ssl import devices

    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: False)
    devices._plan.cache_clear()
    yield
    devices._plan.cache_clear()

"""Live pictures for a notebook in JupyterLab. Each is a static figure first; sliders are added where they can work."""

from typing import Any

from pancreas_ssl.widgets.circle import LiveCircle, circle_explorer
from pancreas_ssl.widgets.features import LiveFeatures, feature_explorer
from pancreas_ssl.widgets.slices import LiveSlices, slice_viewer
from pancreas_ssl.widgets.sources import same_patient, source_explorer
from pancreas_ssl.widgets.space import FeatureSpace, space_of
from pancreas_ssl.widgets.training import LiveTraining, WatchedTraining, watch_training
from pancreas_ssl.widgets.viewer import Viewer, is_live
from pancreas_ssl.widgets.volumes import view_volume

__all__ = [
    "FeatureSpace",
    "LiveCircle",
    "LiveCorruption",
    "LiveFeatures",
    "LiveRegions",
    "LiveSlices",
    "LiveTraining",
    "Viewer",
    "WatchedTraining",
    "circle_explorer",
    "corruption_playground",
    "feature_explorer",
    "is_live",
    "region_codes",
    "region_explorer",
    "same_patient",
    "slice_viewer",
    "source_explorer",
    "space_of",
    "view_volume",
    "watch_training",
]

_LATE = {  # these compute with torch, which is loaded when one of them is asked for
    "LiveCorruption": "corruption",
    "corruption_playground": "corruption",
    "LiveRegions": "regions",
    "region_codes": "regions",
    "region_explorer": "regions",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LATE:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

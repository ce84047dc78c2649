"""Live pictures for a notebook in JupyterLab. Each is a static figure first; sliders are added where they can work."""

from importlib import import_module
from typing import Any

from pancreas_ssl.widgets.live_features import LiveFeatures, feature_explorer
from pancreas_ssl.widgets.live_slices import LiveSlices, slice_viewer
from pancreas_ssl.widgets.space import FeatureSpace, space_of
from pancreas_ssl.widgets.viewer import Viewer, is_live
from pancreas_ssl.widgets.volumes import view_volume

__all__ = [
    "FeatureSpace",
    "LiveCircle",
    "LiveComparison",
    "LiveCorruption",
    "LiveDial",
    "LiveFeatures",
    "LiveRegions",
    "LiveSlices",
    "LiveTraining",
    "Viewer",
    "WatchedTraining",
    "circle_explorer",
    "compare_models",
    "corruption_playground",
    "feature_explorer",
    "generalisation_dial",
    "is_live",
    "region_explorer",
    "same_patient",
    "slice_viewer",
    "source_explorer",
    "space_of",
    "view_volume",
    "watch_training",
]

_LATE = {  # these compute with torch or scipy, which are loaded when one of them is asked for
    "LiveCircle": "live_circle",
    "LiveComparison": "live_comparison",
    "LiveCorruption": "live_corruption",
    "LiveDial": "live_dial",
    "LiveRegions": "live_regions",
    "LiveTraining": "live_training",
    "WatchedTraining": "live_training",
    "circle_explorer": "live_circle",
    "compare_models": "live_comparison",
    "corruption_playground": "live_corruption",
    "generalisation_dial": "live_dial",
    "region_explorer": "live_regions",
    "same_patient": "live_sources",
    "source_explorer": "live_sources",
    "watch_training": "live_training",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Live pictures for a notebook in JupyterLab. Each is a static figure first; sliders are added where they can work."""

from pancreas_ssl.widgets.slices import LiveSlices, slice_viewer
from pancreas_ssl.widgets.sources import same_patient, source_explorer
from pancreas_ssl.widgets.viewer import Viewer, is_live
from pancreas_ssl.widgets.volumes import view_volume

__all__ = [
    "LiveSlices",
    "Viewer",
    "is_live",
    "same_patient",
    "slice_viewer",
    "source_explorer",
    "view_volume",
]

"""Static pictures, each with a description in words and a table that says the same in numbers.

Every function returns a `Described`: end a notebook cell with it, or call `.show()`. Matplotlib is imported when
the first picture is drawn. Pictures follow the radiological convention (the patient's right on the left).
"""

from pancreas_ssl.figures.agreement import agreement_chart
from pancreas_ssl.figures.anatomy_page import anatomy_page
from pancreas_ssl.figures.arm_charts import arms_chart
from pancreas_ssl.figures.change_sheet import change_sheet
from pancreas_ssl.figures.charts import hu_histograms, training_curve
from pancreas_ssl.figures.contrast_circle import circle_panels
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.disagreement import error_map
from pancreas_ssl.figures.dots import dice_dots, interval_chart, patient_lines
from pancreas_ssl.figures.feature_space_charts import feature_panel, space_panels
from pancreas_ssl.figures.fields_of_view import geometry
from pancreas_ssl.figures.lines import line_chart
from pancreas_ssl.figures.map_panels import map_panel, region_panel
from pancreas_ssl.figures.measure_chart import measure_chart
from pancreas_ssl.figures.memory_chart import memory_chart
from pancreas_ssl.figures.network_page import network_page
from pancreas_ssl.figures.realism import realism_chart
from pancreas_ssl.figures.restoration_panels import box_panel, corruption_grid, restoration_panel
from pancreas_ssl.figures.sampled_voxels import sampling_panel
from pancreas_ssl.figures.slices import orthogonal_planes, projections, slice_panel, slice_strip, window_strip
from pancreas_ssl.figures.source_sheet import source_sheet
from pancreas_ssl.figures.style import printed
from pancreas_ssl.figures.terms import loss_terms

__all__ = [
    "Described",
    "agreement_chart",
    "anatomy_page",
    "arms_chart",
    "box_panel",
    "change_sheet",
    "circle_panels",
    "corruption_grid",
    "dice_dots",
    "error_map",
    "feature_panel",
    "geometry",
    "hu_histograms",
    "interval_chart",
    "line_chart",
    "loss_terms",
    "map_panel",
    "measure_chart",
    "memory_chart",
    "network_page",
    "orthogonal_planes",
    "patient_lines",
    "printed",
    "projections",
    "realism_chart",
    "region_panel",
    "restoration_panel",
    "sampling_panel",
    "slice_panel",
    "slice_strip",
    "source_sheet",
    "space_panels",
    "training_curve",
    "window_strip",
]

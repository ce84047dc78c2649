"""Uncertainty: where a model doubts, which regions that makes, and whether the doubt is worth anything.

Of the method (Li et al. 2023, arXiv:2505.07165) only the abstract is at hand. It speaks of intra-pancreatic,
extra-pancreatic and high-uncertainty regions and gives no formula; the maps, the regions and their measures are choices
of this toolkit. In training the regions come from the source's labels: this is label-guided auxiliary self-supervision.
At test time no label exists, and by their signatures `members` and the maps cannot take one.

    structural    signed distance, U_s from it, the skeleton, the map used in training
    regions       outside, core, rim_in, rim_out, near, far
    training      regions from structure and model's doubt, as a training cuts them
    members       K predictions of one image: augmentation, dropout, ensemble
    maps          entropy, mutual information and variance of the members
    worth         does the map find errors and failing cases; is the probability calibrated
    checks        floors to beat, a label that leaks, a label that is flipped
    answers       all of these maps of one image, in one call
    compare       the maps on the same patients, judged alike
"""

from pancreas_ssl.uncertainty.answers import Doubt, answer_all
from pancreas_ssl.uncertainty.checks import edge_distance, flipped_label, random_map, sees_label
from pancreas_ssl.uncertainty.compare import Comparison, compare_maps, judge, region_errors
from pancreas_ssl.uncertainty.maps import MAPS, entropy, mutual_information, variance
from pancreas_ssl.uncertainty.members import HOW, View, apply_view, draw_view, members
from pancreas_ssl.uncertainty.regions import Region, body_mask, region_counts, regions
from pancreas_ssl.uncertainty.structural import (
    medial_skeleton,
    ramp,
    signed_distance,
    structural_map,
    training_map,
)
from pancreas_ssl.uncertainty.training import training_regions
from pancreas_ssl.uncertainty.worth import (
    area_under_risk_coverage,
    band,
    case_uncertainty,
    error_auroc,
    expected_calibration_error,
    reliability,
    risk_coverage,
)

__all__ = [
    "HOW",
    "MAPS",
    "Comparison",
    "Doubt",
    "Region",
    "View",
    "answer_all",
    "apply_view",
    "area_under_risk_coverage",
    "band",
    "body_mask",
    "case_uncertainty",
    "compare_maps",
    "draw_view",
    "edge_distance",
    "entropy",
    "error_auroc",
    "expected_calibration_error",
    "flipped_label",
    "judge",
    "medial_skeleton",
    "members",
    "mutual_information",
    "ramp",
    "random_map",
    "region_counts",
    "region_errors",
    "regions",
    "reliability",
    "risk_coverage",
    "sees_label",
    "signed_distance",
    "structural_map",
    "training_map",
    "training_regions",
    "variance",
]

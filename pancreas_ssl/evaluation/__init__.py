"""How good a mask is, and whether one way of training beats another: metrics, summaries, paired statistics."""

from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.evaluation.folders import evaluate_folders, mean_line
from pancreas_ssl.evaluation.means import crossed_means, next_value
from pancreas_ssl.evaluation.metrics import dice_coefficient, evaluate_case, evaluate_files, tolerance_for
from pancreas_ssl.evaluation.statistics import holm, paired_bootstrap
from pancreas_ssl.evaluation.summary import summarise
from pancreas_ssl.evaluation.uncertainty_quality import rank_agreement

__all__ = [
    "crossed_means",
    "dice_coefficient",
    "evaluate_case",
    "evaluate_files",
    "evaluate_folders",
    "holm",
    "largest_component",
    "mean_line",
    "next_value",
    "paired_bootstrap",
    "rank_agreement",
    "summarise",
    "tolerance_for",
]

"""A CT in, a mask and an uncertainty map out: weights, sliding windows, one scan or a folder of scans.

Teaching and research only, not for clinical use.
"""

from pancreas_ssl.inference.leaks import refuse_leaks
from pancreas_ssl.inference.paths import predict_path
from pancreas_ssl.inference.predict import Prediction, predict_volume
from pancreas_ssl.inference.sliding import body_box, predict_prepared
from pancreas_ssl.inference.tissue import is_tissue, without_fat
from pancreas_ssl.inference.weights import Model, known_weights, load_weights, save_weights

__all__ = [
    "Model",
    "Prediction",
    "body_box",
    "is_tissue",
    "known_weights",
    "load_weights",
    "predict_path",
    "predict_prepared",
    "predict_volume",
    "refuse_leaks",
    "save_weights",
    "without_fat",
]

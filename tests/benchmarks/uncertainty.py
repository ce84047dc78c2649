"""Uncertainty by one pass, test-time augmentation, MC dropout and an ensemble: seconds, and AUROC of voxel errors."""

from time import perf_counter

import numpy as np

PATIENTS, N = 4, 8  # of A's held-out and of V's development patients each; passes


def run() -> list[dict]:
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.evaluation.calibration import band
    from pancreas_ssl.evaluation.uncertainty_quality import error_auroc
    from pancreas_ssl.inference import load_weights
    from pancreas_ssl.inference.sample_predictions import sample_predictions
    from pancreas_ssl.inference.uncertainty_maps import edge_distance, random_map
    from pancreas_ssl.method.uncertainty import entropy

    models = [load_weights("baseline"), load_weights("strong")]
    rng, rows = np.random.default_rng(0), []
    for source, split in (("A", "held_out"), ("V", "development")):
        patients = prepare_cases(cases(f"phantom/{source}", split=split)[:PATIENTS])
        for how in ("softmax", "tta", "dropout", "ensemble"):
            spent, found, floor, chance = 0.0, [], [], []
            for patient in patients:
                start = perf_counter()
                several = sample_predictions(models if how == "ensemble" else models[0], patient.image, how, n=N)
                spent += perf_counter() - start
                probability, label = several.mean(0), patient.label[0] == 1
                where, error = band(label, patient.spacing), (probability > 0.5) != label
                found.append(error_auroc(entropy(several), error, where))
                floor.append(error_auroc(edge_distance(probability, patient.spacing), error, where))
                chance.append(error_auroc(random_map(label.shape, rng), error, where))
            rows.append(
                {
                    "source": source,
                    "members": f"{how} ({len(several)})",
                    "s a patient": spent / len(patients),
                    "AUROC of entropy": _mean(found),
                    "edge distance": _mean(floor),
                    "random map": _mean(chance),
                }
            )
    return rows


def _mean(values) -> float:
    return float(np.mean([value for value in values if value is not None]))

"""The notebooks run from top to bottom without a front end, and leave pictures with words and numbers."""

from pathlib import Path

import nbformat
import pytest

from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.runs.parameters import declared_parameters
from pancreas_ssl.runs.results import recorded
from tests.course.in_notebooks import proven_copy
from tests.notebooks.parallel import started

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KNOWN_RESULTS = {
    "00_start_here": {"phantom_dice", "phantom_seconds"},
    "01_data": {"preflight_cases", "preflight_errors", "pancreas_hu"},
    "02_baseline": {"dice", "below_half", "training_seconds", "shipped_minus_mine"},
    "02b_causes_and_remedies": {"dice_with_one_change", "strong_minus_baseline"},
    "03_uncertainty_maps": {"auroc", "ece", "aurc", "seconds", "leaks", "share_of_errors_in_most_doubtful_tenth"},
    "04_contrastive_features": {
        "cohesion",
        "separation",
        "rim_AUC",
        "effective_rank",
        "collapse_found",
        "control_separation",
    },
    "05_restoration": {
        "equal_volume",
        "psnr",
        "ssim",
        "wins",
        "families_ahead",
        "lead_by_place",
        "largest_lump_HU",
        "dice_lost_by_corruption",
    },
    "06_gpu_training": {
        "terms",
        "dice_met",
        "largest_difference_after_a_stop",
        "measured_over_forecast",
        "largest_batch",
        "largest_relative_difference",
        "rates",
    },
    "07_generalisation_study": {"differences", "met", "shown", "misses", "gain", "beyond", "price", "first", "yours"},
    "08_your_own_data": {"errors", "volume_ml", "uncertainty", "dice", "trained_dice", "on_the_scans_grid"},
}

AT_LEAST = {
    "02_baseline": 7,
    "02b_causes_and_remedies": 7,
    "03_uncertainty_maps": 7,
    "04_contrastive_features": 12,
    "05_restoration": 9,
    "08_your_own_data": 8,
}  # pictures, else 3


@pytest.fixture(scope="module")
def runs(course_cache, course_weights, tmp_path_factory):
    jobs = {}
    for path in NOTEBOOKS:
        declared = declared_parameters(nbformat.read(path, as_version=4), path.name)
        given = {"WEIGHTS": course_weights} if "WEIGHTS" in declared else {}
        proven = proven_copy(path, tmp_path_factory.mktemp("proven"))  # exercises answered on the notebook's own givens
        jobs[proven] = given, tmp_path_factory.mktemp(path.stem)
    with started(jobs, {"PANCREAS_SSL_CACHE": course_cache}) as futures:
        yield futures


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def run(request, runs):
    return runs[request.param.stem].result()


@pytest.mark.slow
def test_runs_and_leaves_pictures_with_words(run):
    notebook = nbformat.read(run.executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= AT_LEAST.get(run.name, 3)
    for picture in pictures:
        assert len(picture.metadata["image/png"]["alt"]) > 40
        assert len(picture.data["image/png"]) > 5_000, "a nearly empty picture"
    twins = [o for o in outputs if "<summary>Table</summary>" in o.get("data", {}).get("text/html", "")]
    assert len(twins) == len(pictures)
    assert not any("widget-view" in kind for output in outputs for kind in output.get("data", {}))
    assert run.executed.stat().st_size < 12e6


@pytest.mark.slow
def test_keeps_key_results_and_figures(run):
    notebook = nbformat.read(run.executed, as_version=4)
    assert KNOWN_RESULTS.get(run.name, set()) <= set(recorded(notebook))
    saved = {path.suffix for path in run.figures.iterdir() if path.name != MANIFEST}
    assert saved == {".png", ".csv", ".txt"}


@pytest.mark.slow
def test_no_warnings_from_libraries_in_the_readers_way(run):
    notebook = nbformat.read(run.executed, as_version=4)
    told = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert not any("Warning" in text for text in told), told


@pytest.mark.slow
def test_pages_made_of_it_hold_picture_and_table(run, tmp_path):
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_filename(str(run.executed))
    assert page.count("data:image/png;base64") >= 3 and "<summary>Table</summary>" in page
    assert "In words:" in page

"""One switch takes a notebook to real sets: miniatures of NIH Pancreas-CT train, those of MSD Task07 are met."""

from pathlib import Path

import nbformat
import nibabel
import numpy as np
import pytest

from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.lessons.home_and_away import read_scan
from pancreas_ssl.runs.notebook import run_notebook
from pancreas_ssl.runs.results import recorded
from tests.notebooks.parallel import QUICK, started

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SETS = {"nih/nih", "msd/msd"}
SMALLEST = {  # beside the profile smoke
    "01_data": {},
    "02_baseline": {"STEPS": 3, "TRAIN_PATIENTS": 2, "HELD_OUT_PATIENTS": 1, "MEET_PATIENTS": 1},
    "02b_causes_and_remedies": {"HELD_OUT_PATIENTS": 1, "MEET_PATIENTS": 1},
    "03_uncertainty_maps": {},
    "04_contrastive_features": {"STEPS": 5},
    "05_restoration": {},
    "06_gpu_training": {"BATCHES": [1], "PROCESSES": 1, "HELD_OUT_PATIENTS": 1, "PATCH": [32, 32, 32]},
    "07_generalisation_study": {"STEPS": 6},
    "08_your_own_data": {"CARD": "msd", "CASES": 2, "STEPS": 6},
}
BY_SOURCE = {
    "01_data": "pancreas_hu",
    "02_baseline": "dice",
    "05_restoration": "psnr",
    "06_gpu_training": "dice_met",
}  # results that are recorded source by source


@pytest.fixture(scope="module")
def sets(miniature) -> Path:
    """The folder that PANCREAS_SSL_DATA names."""
    assert miniature("nih").parent == miniature("msd").parent
    return miniature("msd").parent


@pytest.fixture(scope="module")
def runs(sets, course_cache, tmp_path_factory):
    both = {"TRAIN": "nih", "MEET": ["msd"]}
    jobs = {
        FOLDER / f"{name}.ipynb": (SMALLEST[name] | both, tmp_path_factory.mktemp(name))
        for name in sorted(SMALLEST, reverse=True)
    }
    with started(jobs, {"PANCREAS_SSL_CACHE": course_cache, "PANCREAS_SSL_DATA": str(sets)}) as futures:
        yield futures


@pytest.fixture(scope="module", params=sorted(SMALLEST, reverse=True))
def run(request, runs):
    return runs[request.param].result()


@pytest.mark.slow
def test_runs_on_real_sets_and_names_them(run):
    notebook = nbformat.read(run.executed, as_version=4)
    data = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [one for one in data if "image/png" in one]
    twins = [one for one in data if "<summary>Table</summary>" in one.get("text/html", "")]
    assert len(pictures) >= 3 and len(twins) == len(pictures)
    results = recorded(notebook)
    if run.name in BY_SOURCE:
        assert set(results[BY_SOURCE[run.name]]) == SETS
    about = "\n".join(path.read_text(encoding="utf-8") for path in run.figures.glob("*.txt"))
    assert all(name in about for name in SETS) or run.name == "07_generalisation_study"
    if run.name not in (
        "02b_causes_and_remedies",
        "07_generalisation_study",
    ):  # whose controls and study are the phantom's
        assert "phantom/" not in about and "source A" not in about
    if run.name == "07_generalisation_study":  # and is not compared with other sources
        assert "yours" in results and "low" not in results
        said = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
        assert "Yours learned from nih/nih and met msd/msd" in said and "the two are not compared" in said
        assert "msd/msd" in (run.figures / "again.csv").read_text()


@pytest.mark.slow
def test_what_only_the_phantom_can_show_is_said_in_a_sentence(run):
    said = {
        "01_data": [
            "Only the phantom can name the tissue",
            "Only the phantom can show one patient on several scanners",
        ],
        "02_baseline": ["The weights baseline were trained on phantom/A, not on nih/nih"],
        "02b_causes_and_remedies": [
            "Only the phantom can show one property",
            "baseline and strong were trained on phantom/A, not on",
        ],
        "03_uncertainty_maps": ["The weights baseline and strong were trained on phantom/A, not on nih/nih"],
        "04_contrastive_features": ["The weights contrast and baseline were trained on phantom/A, not on nih/nih"],
    }
    notebook = nbformat.read(run.executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("data", {}).get("text/markdown", "") for output in outputs)
    assert all(text.count(sentence) == 1 for sentence in said.get(run.name, []))


@pytest.mark.slow
def test_a_scan_that_trained_is_refused_under_another_name(sets, course_cache, tmp_path):
    folder = tmp_path / "again"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for case in open_cases("nih", "train", root=sets / "nih"):  # mirrored, of another type, with a name of its own
        scan = read_scan(case)
        for kind, array in (("images", scan.image.astype(np.float64)), ("labels", scan.label)):
            nibabel.save(nibabel.Nifti1Image(array[:, ::-1], scan.affine), folder / kind / f"new_{case.id}.nii.gz")
    text = (FOLDER.parent / "data_cards/folder.md").read_text(encoding="utf-8")
    for old, new in (("name: folder", "name: again"), ("root: null", f"root: {folder}"), ("role: test", "role: any")):
        text = text.replace(old, new, 1)
    card = tmp_path / "again.md"
    card.write_text(text, encoding="utf-8")
    given = SMALLEST["02_baseline"] | {"TRAIN": "nih", "MEET": [str(card)]}
    environment = QUICK | {"PANCREAS_SSL_CACHE": course_cache, "PANCREAS_SSL_DATA": str(sets)}
    environment["PANCREAS_SSL_SHOW_IDENTIFIERS"] = "1"
    out = tmp_path / "out"
    run = run_notebook(FOLDER / "02_baseline.ipynb", given, out, profile="smoke", environment=environment)
    said = run.executed.read_text(encoding="utf-8")
    assert run.status == "failed" and "held-out Dice" not in said, "refused before it trained"
    assert "new_0001 has the same voxels as case 0001 of nih/nih (in training and again/mine)" in said


@pytest.mark.slow
def test_a_bare_folder_gets_a_card_and_masks(sets, course_cache, tmp_path):
    given = {"CARD": str(sets / "msd" / "Task07_Pancreas" / "imagesTr"), "TRAIN": "", "MEET": [], "OUT": str(tmp_path)}
    environment = QUICK | {"PANCREAS_SSL_CACHE": course_cache}
    out = tmp_path / "run"
    run = run_notebook(FOLDER / "08_your_own_data.ipynb", given, out, profile="smoke", environment=environment)
    notebook = nbformat.read(run.executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(o.get("text", "") + o.get("data", {}).get("text/markdown", "") for o in outputs)
    assert "mine/mine: of its cases 1 taken, 0 with a label" in said
    assert "Nothing is trained: expected at least 5 patients of mine/mine" in said and "None of these cases" in said
    assert recorded(notebook)["on_the_scans_grid"] and recorded(notebook)["voxels_kept"]
    assert (tmp_path / "mine.md").is_file() and len(list((tmp_path / "masks").glob("*.nii.gz"))) == 2

"""In a real browser without a way out: the notebooks run in JupyterLab, sliders move the picture, volumes show."""

import nbformat
import numpy as np
import pytest

from tests.browser.helpers import becomes, clicked, differ, no_complaints, pixels, pressed, ran_well, shots_folder


@pytest.fixture
def toy(lab):
    """A notebook with one cell, on a small volume: a body with a bright block."""

    def write(cell: str) -> str:
        made = "\n".join(
            [
                "import numpy as np",
                "hu = np.full((60, 50, 40), -1000, np.int16)",
                "hu[8:52, 8:42] = np.linspace(-100, 200, 40).astype(np.int16)",
                "label = np.zeros(hu.shape, np.uint8)",
                "label[20:34, 20:30, 12:26] = 1",
            ]
        )
        cells = [nbformat.v4.new_code_cell(source) for source in (made, cell, "print('the end')")]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        nbformat.write(notebook, lab.folder / "toy.ipynb")
        return "toy.ipynb"

    return write


@pytest.mark.parametrize(
    ("name", "through"),  # a cell at or below the last one with controls, but for the quiz
    [
        ("00_start_here", "quiz("),
        ("01_data", "quiz("),
        ("02_baseline", "compare_models("),
        ("02b_causes_and_remedies", "apply_strong("),
        ("08_your_own_data", "slice_viewer("),
    ],
)
def test_notebook_runs_in_jupyterlab(desk, place, name, through, course_weights):
    given = {} if name == "01_data" else {"WEIGHTS": course_weights}
    desk.open(place(name, **given))
    desk.run_through(through)
    ran_well(desk, through)
    kinds = [kind for cell in desk.cells() for output in cell["outputs"] for kind in output.get("data", {})]
    assert "image/png" in kinds and "application/vnd.jupyter.widget-view+json" in kinds
    assert desk.page.locator(".jp-RenderedImage img").count() >= 3
    assert desk.page.locator("summary", has_text="Table").count() >= 3
    no_complaints(desk)


def test_sliders_change_the_picture(desk, toy):
    desk.open(
        toy("from pancreas_ssl.widgets import slice_viewer\nslice_viewer(hu, label, spacing=(3, 3, 3), title='Toy')")
    )
    desk.run_all()
    ran_well(desk)
    picture = desk.page.locator("img.widget-image")
    picture.wait_for()
    picture.scroll_into_view_if_needed()
    status = desk.page.locator("div[role=status]")

    def moved(number: int, times: int) -> bool:
        return differ(*pressed(desk, handles.nth(number), picture, "ArrowUp", times))

    handles = desk.page.locator(".noUi-handle")
    said = status.inner_text()
    assert moved(0, 6), "the slice slider changes the picture"
    assert status.inner_text() != said
    assert moved(1, 9), "the window slider changes the picture"
    assert moved(3, 8), "the overlay slider changes the picture"
    assert differ(*clicked(desk, picture, "coronal"))
    assert "coronal" in status.inner_text()
    no_complaints(desk)


def test_niivue_shows_the_volume(desk, toy, tmp_path):
    desk.open(toy("from pancreas_ssl.widgets import view_volume\nview_volume(hu, label, spacing=(3, 3, 3))"))
    desk.run_all()
    ran_well(desk)
    canvas = desk.page.locator(".jp-OutputArea canvas").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    assert becomes(desk, canvas, lambda shown: shown.std() > 15), "the canvas is uniform"
    shown = pixels(canvas.screenshot())
    coloured = np.abs(shown[..., 0] - shown[..., 2]) > 40
    assert coloured.mean() > 0.002, "the label is not seen"
    blue = shown[..., 2] - shown[..., 0]
    assert (blue > 20).sum() > 0.8 * coloured.sum(), "the label has another colour than in the static views"
    drawn = shown.max(axis=2) > 40
    assert drawn.any(axis=0).mean() > 0.6, "much of the canvas is empty"
    desk.page.screenshot(path=shots_folder(tmp_path) / "niivue.png")
    assert desk.page.get_by_text("then ipyniivue").count() == 1
    no_complaints(desk)


def test_the_static_planes_stand_when_live_is_refused(desk, toy):
    cell = "from pancreas_ssl.widgets import view_volume\nview_volume(hu, label, spacing=(3, 3, 3), live='no')"
    desk.open(toy(cell))
    desk.run_all()
    ran_well(desk)
    assert desk.page.locator(".jp-OutputArea canvas").count() == 0
    assert desk.page.locator(".jp-RenderedImage img").count() == 1
    assert desk.page.get_by_text("no live front end").count() == 1

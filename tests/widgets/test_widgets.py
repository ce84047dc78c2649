"""Widgets: a picture first; sliders that replace the picture in time; a line that says which viewer is shown."""

import io
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pancreas_ssl import widgets
from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import scene
from pancreas_ssl.widgets.live import page_axis, png
from pancreas_ssl.widgets.live_sources import LiveSources


@pytest.fixture
def case() -> SimpleNamespace:
    rng = np.random.default_rng(1)
    hu = rng.integers(-100, 200, (60, 50, 40)).astype(np.int16)
    label = np.zeros(hu.shape, np.uint8)
    label[20:40, 20:30, 10:20] = 1
    return SimpleNamespace(array=hu, label=label, affine=np.diag([3.0, 3, 3, 1]))


@pytest.fixture(autouse=True)
def no_front_end(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("PANCREAS_SSL_LIVE", raising=False)


def test_live_is_asked_in_order(monkeypatch):
    assert not widgets.is_live()
    monkeypatch.setenv("JPY_SESSION_NAME", "session")
    assert widgets.is_live()
    monkeypatch.setenv("PANCREAS_SSL_LIVE", "0")
    assert not widgets.is_live() and widgets.is_live(True) and widgets.is_live("yes")
    assert not widgets.is_live("auto")
    monkeypatch.setenv("PANCREAS_SSL_LIVE", "perhaps")
    with pytest.raises(InputError, match="yes, no or auto, got 'perhaps'"):
        widgets.is_live()


def test_without_a_front_end_there_is_the_figure_and_a_line(case, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append(data))
    viewer = widgets.slice_viewer(case, title="Case")
    assert viewer.live is None and "no live front end" in viewer.said
    viewer.show()
    assert "image/png" in shown[0] and "static slices" in shown[-1]["text/plain"]


def test_sliders_replace_the_picture_of_one_widget(case):
    live = widgets.LiveSlices(scene(case))
    assert live.slice.max == 39 and 10 <= live.slice.value < 20
    first, widget = live.picture.value, live.picture
    live.slice.value += 3
    assert live.picture is widget and live.picture.value != first
    assert f"slice {live.slice.value} of 40" in live.caption.value
    before = live.picture.value
    live.window.value = (-50, 100)
    assert live.picture.value != before
    before = live.picture.value
    live.opacity.value = 0.9
    assert live.picture.value != before
    live.plane.value = "coronal"
    assert live.slice.max == 49 and "coronal" in live.caption.value
    live.preset.value = (-450, 1050)
    assert live.window.value == (-450, 1050)


def test_another_volume_may_have_fewer_slices(case):
    live = widgets.LiveSlices(scene(case))
    live.slice.value = 39
    small = SimpleNamespace(array=case.array[:, :, :8], label=case.label[:, :, :8], affine=case.affine)
    live.show_scene(scene(small))
    assert live.slice.max == 7 and live.slice.value == 4


def test_a_fine_slice_is_drawn_in_time():
    hu = np.random.default_rng(0).integers(-100, 200, (512, 512, 8)).astype(np.int16)
    fine = scene(SimpleNamespace(array=hu, label=hu > 150, affine=np.diag([0.7, 0.7, 2.5, 1])), prediction=hu > 100)
    live, seconds = widgets.LiveSlices(fine), []
    for index in range(6):
        start = time.process_time()
        live.slice.value = (index + 5) % 8
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.2


def test_drawn_voxels_keep_their_shape_and_side(case):
    hu = np.full((40, 40, 20), -1000, np.int16)
    hu[30:] = 1000  # the patient's right
    thick = scene(SimpleNamespace(array=hu, affine=np.diag([2.0, 2, 8, 1])))
    figure = Figure()
    draw_slice(page_axis(figure, thick, "coronal", 320), thick, "coronal", 20)
    picture = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
    assert picture.shape[:2] == (320, 160), "20 slices of 8 mm are twice as tall as 40 voxels of 2 mm are wide"
    assert picture[:, 20].mean() > 200 and picture[:, -20].mean() < 60


def test_another_patient_or_scanner_is_shown_in_the_same_picture(case, monkeypatch):
    made = []

    def make_case(source, index):
        made.append((source, index))
        if index > 2:
            raise ValueError("no such patient")
        return SimpleNamespace(array=case.array + index, label=case.label, affine=case.affine), None

    monkeypatch.setattr("pancreas_ssl.widgets.live_sources.make_case", make_case)
    monkeypatch.setattr("pancreas_ssl.lessons.home_and_away.make_case", make_case)
    monkeypatch.setattr("pancreas_ssl.widgets.live_sources.patient_seeds", lambda *_: (0, 0))
    monkeypatch.setattr("pancreas_ssl.widgets.live_sources.scan", lambda _, source, seed: make_case(source, 2)[0])
    live = LiveSources(["phantom/A", "phantom/V"], 0, 9)
    first, widget = live.picture.value, live.picture
    live.who.value = 1
    assert live.picture is widget and live.picture.value != first and "patient 1" in live.caption.value
    live.which.value = "phantom/V"
    assert made[-1] == ("V", 1)
    live.same.value = True
    assert made[-2:] == [("A", 1), ("V", 2)], "the first source's patient in another scanner"
    live.same.value, live.who.value = False, 3
    assert 'role="alert"' in live.caption.value and "no such patient" in live.caption.value


def test_patients_of_a_real_set_are_shown_and_a_missing_one_is_told(miniature, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(miniature("msd").parent))
    live = LiveSources(["msd", "phantom/V"], 0, 9)
    assert "patient 0, msd/msd: portal venous" in live.caption.value
    assert not live.who.disabled and live.same.disabled, "no real patient is scanned again"
    live.who.value = 8
    assert 'role="alert"' in live.caption.value and "patient number from 0 to 3" in live.caption.value


def test_niivue_shows_right_on_the_left(case):
    viewer = widgets.view_volume(case, live=True)
    assert "ipyniivue" in viewer.said
    assert viewer.live.opts.is_radiological_convention
    assert [v.name for v in viewer.live.volumes] == ["ct.nii", "label.nii"]


def test_a_viewer_that_cannot_start_leaves_the_planes_and_says_why(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    viewer = widgets.view_volume(case, viewer="niivue", live=True)
    assert viewer.live is None and "did not start" in viewer.said and viewer.static.png()


class FakeItk(SimpleNamespace):
    """What `view_volume` uses of itkwidgets; its viewer notes what it is asked."""

    def view(self, **options):
        self.asked = [("view", options)]
        return self

    def __getattr__(self, name):
        return lambda *values: self.asked.append((name, *values))


def test_itkwidgets_comes_on_request_and_its_need_for_the_internet_is_said(case, monkeypatch):
    monkeypatch.setattr("pancreas_ssl.widgets.volumes.reachable", lambda host: True)
    monkeypatch.setitem(sys.modules, "itkwidgets", None)
    viewer = widgets.view_volume(case, viewer="itk", live=True)
    assert viewer.live is None and "internet" in viewer.said and "did not start" in viewer.said
    assert widgets.view_volume(case, live=True).live is not None, "auto never needs itkwidgets"
    pytest.importorskip("ngff_zarr")
    monkeypatch.setitem(sys.modules, "itkwidgets", fake := FakeItk())
    viewer = widgets.view_volume(case, viewer="itk", live=True)
    assert "internet" in viewer.said and not vars(fake), "it shows where it is made, so below the planes"
    viewer.live._ipython_display_()
    (_, given), *later = fake.asked
    assert given["image"].data.shape == given["label_image"].data.shape == case.array.shape[::-1]
    assert [given["image"].scale[axis] for axis in "xyz"] == [3, 3, 3] and "ui" not in given
    image = np.asarray(given["image"].data).transpose(2, 1, 0)[::-1, ::-1]
    assert np.array_equal(image, case.array), "right to left and front to back, as ITK counts"
    assert ("set_view_mode", "ZPlane") in later and {name for name, _ in later} >= {"set_z_slice", "set_x_slice"}


def test_without_network_itkwidgets_is_not_even_imported(case, monkeypatch):
    """It would hold back every later cell of the notebook."""
    monkeypatch.setattr("pancreas_ssl.widgets.volumes.reachable", lambda host: False)
    monkeypatch.delitem(sys.modules, "itkwidgets", raising=False)
    viewer = widgets.view_volume(case, viewer="itk", live=True)
    assert viewer.live is None and "cannot be reached" in viewer.said and "niivue" in viewer.said
    assert "itkwidgets" not in sys.modules


def test_static_is_static_even_when_live(case):
    assert widgets.view_volume(case, viewer="static", live=True).live is None
    with pytest.raises(InputError, match="expected a viewer among auto, static, niivue, itk"):
        widgets.view_volume(case, viewer="vtk")

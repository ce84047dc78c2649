"""itkwidgets in a real browser: its scripts from the internet, played by copies, and from copies without a way out."""

import mimetypes
import os

import nbformat
import numpy as np
import pytest

from pancreas_ssl.errors import RunError
from pancreas_ssl.widgets.itk_copies import ADDRESSES, copy_of, copy_packages, fetch_packages
from pancreas_ssl.widgets.itk_server import enable_server
from tests.browser.conftest import jupyterlab
from tests.browser.helpers import becomes, ran_well, shots_folder

VOLUME = """
import numpy as np
from pancreas_ssl.widgets import volumes
hu = np.full((60, 50, 40), -1000, np.int16)
hu[8:52, 8:42] = 60
hu[12:18, 10:14] = 900  # bone, at the patient's left and back
label = np.zeros(hu.shape, np.uint8)
label[24:38, 20:30, 4:12] = 1
"""
REACHED = "volumes.reachable = lambda host: True"
READY = ".jp-Toolbar img:is([src*=imjoy-logo], [src*=itk-vtk-viewer])"  # the viewer's logo in the notebook's tool bar
SHOWN = "volumes.view_volume(hu, label, viewer='itk', spacing=(3, 2, 5))"


@pytest.fixture
def copies(request):
    """The npm packages, fetched once for this checkout."""
    try:
        return fetch_packages(request.config.cache.mkdir("npm"), progress=False)
    except RunError as error:
        pytest.skip(str(error))


@pytest.fixture
def course_cache(copies, tmp_path, monkeypatch):
    """A cache of its own, and Jupyter's settings as the command leaves them."""
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "home/config"))
    enable_server()
    return str(tmp_path / "cache")


@pytest.fixture
def server(course_cache, tmp_path):
    """A JupyterLab of its own, with those settings."""
    with jupyterlab(tmp_path, course_cache) as lab:
        yield lab


def shows(desk, name: str, *cells: str) -> bool:
    """Whether the viewer in a new notebook with these cells comes to show the volume."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (VOLUME, *cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, desk.lab.folder / f"{name}.ipynb")
    desk.page.goto(desk.lab.address_of(f"{name}.ipynb", workspace=name))
    desk.page.locator(READY).wait_for(state="attached", timeout=60_000)
    desk.run_all()
    ran_well(desk)
    window = desk.page.locator(".imjoy-inline-window")
    window.scroll_into_view_if_needed()
    well = becomes(desk, window, is_that_volume)
    window.screenshot(path=shots_folder(desk.lab.folder) / f"itk-{name}.png")
    return well


def places(picture: np.ndarray, what: str) -> np.ndarray:
    """Where the picture is of a colour: rows and columns. The viewer's own words and arrows are left out."""
    red, green, blue = picture.transpose(2, 0, 1)
    grey = (np.abs(red - green) < 8) & (np.abs(green - blue) < 8)
    found = {"red": (red > green + 30) & (red > blue + 30), "black": grey & (red < 8), "bright": grey & (red > 200)}[
        what
    ]
    found[: len(found) // 5] = found[-len(found) // 6 :] = False
    return np.argwhere(found)


def is_that_volume(picture: np.ndarray) -> bool:
    """An axial slice in mm, the label red in its middle, the patient's left on the right and the back below."""
    label, air, bone = (places(picture, what) for what in ("red", "black", "bright"))
    if not len(air) > len(label) > len(bone) > 50:
        return False
    (top, left), (bottom, right) = air.min(0), air.max(0)
    middle = np.array([top + bottom, left + right]) / 2
    shape = (right - left) / (bottom - top) == pytest.approx(60 * 3 / (50 * 2), rel=0.05)
    return bool(shape and (bone.mean(0) > middle).all() and (np.abs(label.mean(0) - middle) < 20).all())


def test_volume_and_label_show_with_the_internet_and_from_copies_without(desk, copies, course_cache):
    strange = []

    def internet(route):
        found = copy_of(route.request.url, copies)
        if found is None:
            strange.append(route.request.url)
            return route.abort()
        kind = "text/javascript" if isinstance(found, bytes) else mimetypes.guess_type(found.name)[0]
        content = found if isinstance(found, bytes) else found.read_bytes()
        route.fulfill(body=content, headers={"Content-Type": kind, "Access-Control-Allow-Origin": "*"})

    for address in ADDRESSES:
        desk.page.context.route(f"{address}**", internet)
    assert shows(desk, "internet", REACHED, SHOWN)
    assert not strange
    assert desk.outside and all("imjoy.html" in url for url in desk.outside), "two plug-ins that are not needed"

    for address in ADDRESSES:
        desk.page.context.unroute(f"{address}**")
    desk.errors.clear(), desk.outside.clear()
    copy_packages(copies, os.path.join(course_cache, "npm"))
    assert shows(desk, "copies", SHOWN)
    assert not desk.outside and not desk.errors

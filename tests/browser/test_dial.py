"""The dial and the comparison of two networks in a real browser: both ends of each control, by keyboard, in sight."""

from functools import partial

import nbformat
import pytest

from tests.browser.helpers import differ, no_complaints, pressed, ran_well, redrawn, settled, shots_folder

CELLS = (
    "import torch\nfrom types import SimpleNamespace\n"
    "from pancreas_ssl.inference import Model\nfrom pancreas_ssl.method.network import SegmentationNetwork\n"
    "how = (3.0,) * 3, (-150.0, 250.0), (32, 32, 32)\n"
    "one, other = (Model(SegmentationNetwork((4, 8), seed=seed), *how) for seed in (0, 1))",
    "from pancreas_ssl.widgets import generalisation_dial\ngeneralisation_dial(one, title='Dial')",
    "from pancreas_ssl.lessons.rescanned import Rescanner, Setting\nfrom pancreas_ssl.widgets import compare_models\n"
    "compare_models({'one': one, 'other': other}, Rescanner(one).turn(Setting()).case, title='Two')",
)
FOCUS = """() => {
    const at = document.activeElement;
    return at.closest('.widget-box') ? `${at.tagName} ${at.className}` : ''
}"""


@pytest.fixture
def both(desk):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, desk.lab.folder / "dial.ipynb")
    desk.open("dial.ipynb")
    desk.run_all()
    ran_well(desk)
    desk.page.locator("img.widget-image").nth(1).wait_for()
    return desk


def tabbed(page, first, stops: int) -> list[str]:
    """What Tab reaches one after the other from the first control on: tags and classes, "" outside the controls."""
    first.focus()
    reached = []
    for _ in range(stops):
        reached.append(page.evaluate(FOCUS))
        page.keyboard.press("Tab")
    return reached


def test_both_ends_of_each_control_by_keyboard_and_all_in_sight(both, tmp_path):
    page = both.page
    for number, name in enumerate(("dial", "comparison")):
        picture = page.locator("img.widget-image").nth(number)
        box = picture.locator("xpath=ancestor::div[contains(@class, 'widget-hbox')][1]")
        for width, height in ((1400, 800), (1000, 700)):
            page.set_viewport_size({"width": width, "height": height})
            box.scroll_into_view_if_needed()
            settled(both)
            seen = [box.locator(one).first.bounding_box() for one in (".noUi-handle", "img.widget-image")]
            page.screenshot(path=shots_folder(tmp_path) / f"{name}_{width}.png")
            top, bottom = min(s["y"] for s in seen), max(s["y"] + s["height"] for s in seen)
            assert bottom - top < height - 100, (
                f"{name}: controls and picture do not fit together at {width} x {height}"
            )
        page.set_viewport_size({"width": 1400, "height": 1100})
        for k in range(box.locator(".noUi-handle").count()):
            handle = box.locator(".noUi-handle").nth(k)
            for key, end in (("Home", "aria-valuemin"), ("End", "aria-valuemax")):
                if handle.get_attribute("aria-valuenow") != handle.get_attribute(end):
                    assert differ(*pressed(both, handle, picture, key)), f"{name}: slider {k}, {key}"
        menus = box.locator("select")
        for k in range(menus.count()):
            for index in (menus.nth(k).locator("option").count() - 1, 0):
                choose = partial(menus.nth(k).select_option, index=index)
                assert differ(*redrawn(both, picture, choose)), f"{name}: menu {k}, {index}"
        toggles = box.locator("button")
        for k in range(toggles.count()):
            toggles.nth(k).focus()
            page.keyboard.press("Enter")
            page.wait_for_timeout(200)
            settled(both)
        assert box.locator("div[role=alert]").count() == 0
        stops = box.locator("button").count() + box.locator(".noUi-handle").count() + menus.count() - 1
        walks = [tabbed(page, box.locator("button").first, stops)]
        if not all(walks[0]):  # JupyterLab may have taken the focus for something of its own
            settled(both)
            walks.append(tabbed(page, box.locator("button").first, stops))
        assert all(walks[-1]), f"{name}: Tab leaves the controls too early: {walks}"
    no_complaints(both)

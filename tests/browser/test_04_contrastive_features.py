"""Notebook 04 in JupyterLab: it runs, and each control of circle and feature explorer, sent to both ends, moves it."""

import pytest

from tests.browser.helpers import chosen, clicked, differ, kept, no_complaints, pressed, ran_well, shots_folder

EXPLORER, CIRCLE = (["voxel", "label"], ["angle", "spread", "point", "temperature", "margin"])  # in the page's order


@pytest.fixture
def notebook(desk, place):
    from pancreas_ssl.inference import known_weights

    if not {"baseline", "contrast"} <= set(known_weights()):
        pytest.skip("the shipped weights are not there yet")
    desk.open(place("04_contrastive_features", LIVE="yes"))
    desk.run_through("circle_explorer(")
    ran_well(desk, "circle_explorer(")
    return desk


def test_circle_and_explorer_follow_the_hand(notebook, tmp_path):
    shots, page = shots_folder(tmp_path), notebook.page
    pictures = page.locator("img.widget-image")
    assert pictures.count() == 2, "the feature explorer and the circle"
    handles, status = page.locator(".noUi-handle"), page.locator("div[role=status]")
    assert handles.count() == len(EXPLORER) + len(CIRCLE)
    for which, names, first in ((0, EXPLORER, 0), (1, CIRCLE, len(EXPLORER))):
        picture = pictures.nth(which)
        picture.scroll_into_view_if_needed()
        for number, what in enumerate(names):
            said = {status.nth(which).inner_text()}
            for key in ("Home", "End"):
                before, after = pressed(notebook, handles.nth(first + number), picture, key)
                kept(after, shots / f"04_{which}_{number}_{key}.png")
                assert after.shape != before.shape or abs(after - before).mean() > 0.02, f"{what}, {key}"
                said.add(status.nth(which).inner_text())
            assert what == "label" or len(said) > 1, f"{what} changes the words"
    selects = page.locator(".widget-dropdown select")
    assert selects.count() == 3, "patient and region of the explorer, region of the circle"
    assert differ(*chosen(notebook, pictures.nth(0), selects.nth(1), "core"))
    assert "a voxel of core" in status.nth(0).inner_text()
    patients = selects.nth(0).locator("option").all_inner_texts()
    assert differ(*chosen(notebook, pictures.nth(0), selects.nth(0), patients[1]))
    assert differ(*clicked(notebook, pictures.nth(0), "cosine"))
    pictures.nth(0).screenshot(path=shots / "04_explorer.png")
    chosen(notebook, pictures.nth(1), selects.nth(2), "far")
    assert "ringed: far" in status.nth(1).inner_text()
    pictures.nth(1).screenshot(path=shots / "04_circle.png")
    assert page.locator("div[role=alert]").count() == 0
    no_complaints(notebook)

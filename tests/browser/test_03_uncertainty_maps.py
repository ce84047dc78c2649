"""Notebook 03 in JupyterLab: it runs, and each control of the region explorer, sent to both ends, moves the picture."""

from tests.browser.helpers import clicked, differ, kept, no_complaints, pressed, ran_well, shots_folder

SLIDERS = ["τ", "s (mm)", "a", "slice", "overlay"]  # in the order of the page
ORDER = (0, 2, 4, 1, 3)  # a wide s hides what a does, and the last slices lie beyond the organ


def test_the_region_explorer_follows_the_hand(desk, place, course_weights, tmp_path):
    shots = shots_folder(tmp_path)
    desk.open(place("03_uncertainty_maps", WEIGHTS=course_weights, LIVE="yes"))
    desk.run_through("region_explorer(")
    ran_well(desk, "region_explorer(")
    picture = desk.page.locator("img.widget-image")
    assert picture.count() == 1, "one explorer"
    picture.scroll_into_view_if_needed()
    status = desk.page.locator("div[role=status]")
    handles = desk.page.locator(".noUi-handle")
    assert handles.count() == len(SLIDERS)
    assert "core:" in status.inner_text() and "mL" in status.inner_text()
    for number in ORDER:
        what = SLIDERS[number]
        said = status.inner_text()
        for key in ("Home", "End"):
            before, after = pressed(desk, handles.nth(number), picture, key)
            kept(after, shots / f"03_{number}_{key}.png")
            assert differ(before, after), f"{what} sent to its {key} changes the picture"
        assert what == "overlay" or status.inner_text() != said, f"{what} changes the words"
        back = {"τ": 12, "slice": 25}.get(what, 0)  # to a threshold that leaves some core, and into the organ
        if back:
            pressed(desk, handles.nth(number), picture, "ArrowDown", back)
    before, after = clicked(desk, picture, "uncertainty")
    desk.page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "03_uncertainty.png")
    assert differ(before, after)
    no_complaints(desk)

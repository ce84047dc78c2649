"""Notebook 05 in JupyterLab: it runs, and each control of the playground, moved to both ends, moves the picture."""

import pytest

from pancreas_ssl.inference import known_weights
from tests.browser.helpers import chosen, clicked, differ, kept, no_complaints, pressed, ran_well, shots_folder

SLIDERS = ["strength", "draw", "slice"]  # in the order of the page
needs_weights = pytest.mark.skipif("restoration" not in known_weights(), reason="no weights with a restoration head")


@needs_weights
def test_the_playground_follows_the_hand(desk, place, course_weights, tmp_path):
    shots = shots_folder(tmp_path)
    desk.open(place("05_restoration", WEIGHTS=course_weights, LIVE="yes"))
    desk.run_through("corruption_playground(")
    ran_well(desk, "corruption_playground(")
    picture = desk.page.locator("img.widget-image")
    assert picture.count() == 1, "one playground"
    picture.scroll_into_view_if_needed()
    status, handles = desk.page.locator("div[role=status]"), desk.page.locator(".noUi-handle")
    assert handles.count() == len(SLIDERS) and "PSNR" in status.inner_text()
    desk.page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "05_playground.png")
    for name in ("corrupted", "difference", "original", "corrupted"):
        before, after = clicked(desk, picture, name)
        kept(after, shots / f"05_show_{name}.png")
        assert differ(before, after), f"show {name} changes the picture"
    family, where = (desk.page.locator(".widget-dropdown select").nth(n) for n in (0, 1))
    assert family.evaluate("menu => menu.selectedOptions[0].label").startswith("mixed")
    choices = [(family, "noise"), (family, "inpaint"), (where, "everywhere"), (where, "guided by uncertainty")]
    for menu, option in choices:
        said = status.inner_text()
        before, after = chosen(desk, picture, menu, option)
        kept(after, shots / f"05_{option.split()[0]}.png")
        assert differ(before, after), f"{option} changes the picture"
        assert status.inner_text() != said
    for number, what in enumerate(SLIDERS):
        said = status.inner_text()
        if what == "draw":  # it starts at its lower end
            pressed(desk, handles.nth(number), picture, "ArrowUp")
        for key in ("Home", "End"):
            before, after = pressed(desk, handles.nth(number), picture, key)
            kept(after, shots / f"05_{what}_{key}.png")
            assert differ(before, after), f"{what} sent to its {key} changes the picture"
        assert status.inner_text() != said, f"{what} changes the words"
    assert desk.page.locator("div[role=alert]").count() == 0
    no_complaints(desk)


@needs_weights
def test_without_controls_the_figures_stand(desk, place, course_weights):
    desk.open(place("05_restoration", WEIGHTS=course_weights, LIVE="no"))
    desk.run_through("corruption_playground(")
    ran_well(desk, "corruption_playground(")
    assert desk.page.locator(".jp-RenderedImage img").count() >= 3
    assert desk.page.locator("img.widget-image").count() == 0
    no_complaints(desk)

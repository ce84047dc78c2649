"""Notebook 06 in JupyterLab: the curve grows, the stop button leaves a checkpoint, console clean."""

from tests.browser.helpers import becomes, clicked, differ, no_complaints, pixels, pressed, shots_folder

STEPS = 600  # so many that the button is pressed before they are done


def test_the_button_stops_and_keeps_a_checkpoint(desk, place, tmp_path):
    shots, page = shots_folder(tmp_path), desk.page
    desk.open(place("06_gpu_training", LIVE="yes", STEPS=STEPS, BATCHES=[1]))
    desk.run_through("watch_training(")
    picture = page.locator("img.widget-image")
    picture.wait_for()
    picture.scroll_into_view_if_needed()
    status = page.locator("div[role=status]")
    empty = pixels(picture.screenshot())
    page.wait_for_function(
        f"() => /step ([4-9]0|[1-5][0-9]0) of {STEPS}/.test("  # enough rows to be averaged
        "document.querySelector('div[role=status]').innerText)"
    )
    grown = becomes(desk, picture, lambda shown: differ(empty, shown))
    page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "06_running.png")
    assert grown, "the curve grows"
    page.get_by_role("button", name="Stop after this step").click()
    page.wait_for_function("() => document.querySelector('div[role=status]').innerText.includes('is kept')")
    said = status.inner_text()
    assert "stopped at step" in said and f"of {STEPS}" in said
    page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "06_stopped.png")
    for name in ("logarithmic", "linear"):
        before, after = clicked(desk, picture, name)
        picture.screenshot(path=shots / f"06_{name}.png")
        assert differ(before, after), f"{name} changes the picture"
    handle = page.locator(".noUi-handle").first
    for key in ("End", "Home"):
        before, after = pressed(desk, handle, picture, key)
        picture.screenshot(path=shots / f"06_smooth_{key}.png")
        assert (before != after).any(), f"averaging sent to its {key} changes the picture"
    assert page.locator("div[role=alert]").count() == 0
    no_complaints(desk)

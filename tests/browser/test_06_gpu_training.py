"""Notebook 06 in JupyterLab: the curve grows, the stop button leaves a checkpoint, and the next cells go on from it."""

from tests.browser.helpers import differ, drag_to_end, no_complaints, pixels, ran_well, shots_folder

CELL = "window.jupyterapp.shell.currentWidget.content"


def run_until(desk, words: str) -> None:
    """Run all cells up to and with the first code cell that holds these words."""
    desk.page.evaluate(
        f"""async words => {{
            const content = {CELL};
            const cells = content.widgets.map(cell => cell.model);
            const at = cells.findIndex(
                cell => cell.type === 'code' && cell.sharedModel.source.includes(words)
            );
            content.activeCellIndex = at;
            await window.jupyterapp.commands.execute('notebook:run-all-above');
            content.activeCellIndex = at;
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }}""",
        words,
    )


def test_the_button_stops_and_the_next_cells_resume(desk, place, tmp_path):
    shots, page = shots_folder(tmp_path), desk.page
    desk.open(place("06_gpu_training", LIVE="yes", STEPS=80, BATCHES=[1]))
    run_until(desk, "watch_training(")
    picture = page.locator("img.widget-image")
    picture.wait_for()
    picture.scroll_into_view_if_needed()
    status = page.locator("div[role=status]")
    empty = pixels(picture.screenshot())
    page.wait_for_function(
        "() => /step [1-9]0 of 80/.test(document.querySelector('div[role=status]').innerText)"
    )
    page.wait_for_timeout(600)
    grown = pixels(picture.screenshot())
    page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "06_running.png")
    assert differ(empty, grown), "the curve grows"
    page.get_by_role("button", name="Stop after this step").click()
    page.wait_for_function("() => document.querySelector('div[role=status]').innerText.includes('is kept')")
    said = status.inner_text()
    assert "stopped at step" in said and "of 80" in said
    page.locator(".widget-hbox", has=picture).last.screenshot(path=shots / "06_stopped.png")
    for name in ("logarithmic", "linear"):
        before = pixels(picture.screenshot())
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_timeout(800)
        picture.screenshot(path=shots / f"06_{name}.png")
        assert differ(before, pixels(picture.screenshot())), f"{name} changes the picture"
    handle = page.locator(".noUi-handle").first
    for key in ("End", "Home"):
        before, after = drag_to_end(desk, handle, picture, key)
        picture.screenshot(path=shots / f"06_smooth_{key}.png")
        assert (before != after).any(), f"averaging sent to its {key} changes the picture"
    run_until(desk, "training.wait()")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-below')")
    ran_well(desk)
    text = "\n".join(
        str(output.get("text", "")) for cell in desk.cells() for output in cell["outputs"] if "text" in output
    )
    assert "stopped at step" in text and "trained 80 steps" in text, "it went on from the checkpoint"
    assert page.locator("div[role=alert]").count() == 0
    no_complaints(desk)


def test_without_the_button_it_trains_to_the_end(desk, place):
    desk.open(place("06_gpu_training", LIVE="no", BATCHES=[1]))
    desk.run_all()
    ran_well(desk)
    assert desk.page.locator(".jp-RenderedImage img").count() >= 4
    assert desk.page.locator("img.widget-image").count() == 0
    no_complaints(desk)

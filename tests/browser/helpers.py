"""What browser tests look at: pixels, complaints of the page, cells that ran, controls moved to their ends."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

# Without copies (`pancreas_ssl.widgets.itk_copies`), the lab extension of itkwidgets asks for its first script on every
# page load, and complains when it is not there.
ITK = "https://cdn.jsdelivr.net/npm/vue@2.6.10/dist/vue.min.js"


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def no_complaints(desk) -> None:
    ours = [error for error in desk.errors if ITK not in error]
    assert not ours, ours
    asked = [url for url in desk.outside if url != ITK]
    assert not asked, f"the page asked the outside for {asked}"


def ran_well(desk, through: str = "") -> None:
    """Every code cell ran without an error; with `through`, those down to the first that holds these words."""
    cells = desk.cells()
    last = next(k for k, cell in enumerate(cells) if through in cell["source"]) if through else len(cells) - 1
    for cell in cells[: last + 1]:
        assert cell["execution_count"], f"never ran: {cell['source'][:80]}"
        for output in cell["outputs"]:
            assert output["output_type"] != "error", f"{output['ename']}: {output['evalue']}"


def shots_folder(fallback: Path) -> Path:
    """Where screenshots go: the folder named by PANCREAS_SSL_SHOTS, else the test's own."""
    folder = Path(os.environ.get("PANCREAS_SSL_SHOTS") or fallback)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept(shown: np.ndarray, path: Path) -> None:
    """Write what was seen; a second screenshot of the same would only cost time."""
    from PIL import Image

    Image.fromarray(shown.astype(np.uint8)).save(path)


def settled(desk) -> None:
    """Wait until the kernel is idle and the widgets' pictures and words have stood still for a while.

    A slider's steps arrive one by one: a picture that has changed may change again, and its words come after it.
    """
    desk.page.wait_for_function(
        """quiet => {
            const all = (what, of) => [...document.querySelectorAll(what)].map(of);
            const seen = [all('img.widget-image', i => i.src), all('div[role=status]', d => d.innerText)].join();
            const now = performance.now();
            if (seen !== window.lastSeen) [window.lastSeen, window.seenSince] = [seen, now];
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            if (kernel.status !== 'idle') window.seenSince = now;
            return now - window.seenSince > quiet;
        }""",
        arg=250,
    )


def redrawn(desk, picture, act: Callable[[], object]) -> tuple[np.ndarray, np.ndarray]:
    """The picture before an act and after it was drawn anew; nothing is under way before or after."""
    settled(desk)
    before, source = pixels(picture.screenshot()), picture.get_attribute("src")
    act()
    desk.page.wait_for_function("([image, before]) => image.src !== before", arg=[picture.element_handle(), source])
    settled(desk)
    return before, pixels(picture.screenshot())


def pressed(desk, handle, picture, key: str, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after a key is pressed on a slider's handle (Home and End: to its ends)."""

    def act():
        handle.focus()
        for _ in range(times):
            desk.page.keyboard.press(key)

    return redrawn(desk, picture, act)


def clicked(desk, picture, button: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after a button of this name is clicked."""
    return redrawn(desk, picture, desk.page.get_by_role("button", name=button, exact=True).click)


def chosen(desk, picture, menu, option: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after an entry of a drop-down is chosen."""
    return redrawn(desk, picture, lambda: menu.select_option(label=option))


def becomes(desk, picture, right: Callable[[np.ndarray], bool], tries: int = 40) -> bool:
    """Whether a picture that is still being drawn becomes what it should, within half a minute."""
    for _ in range(tries):
        if right(pixels(picture.screenshot())):
            return True
        desk.page.wait_for_timeout(500)
    return False


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    return after.shape != before.shape or bool(np.abs(after - before).mean() > 0.5)

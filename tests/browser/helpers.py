"""What browser tests look at: pixels, complaints of the page, cells that ran, controls moved to their ends."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

# The lab extension of itkwidgets asks a CDN for its scripts on every page load and complains when it is not there.
ITK = ("imjoy", "itk", "cdn.jsdelivr", "unpkg", "require is not defined", "loadScript", "Script error")


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def no_complaints(desk) -> None:
    ours = [error for error in desk.errors if not any(word in error for word in ITK)]
    assert not ours, ours
    asked = [url for url in desk.outside if not any(word in url for word in ITK)]
    assert not asked, f"the page asked the outside for {asked}"


def ran_well(desk) -> None:
    for cell in desk.cells():
        assert cell["execution_count"], f"never ran: {cell['source'][:80]}"
        for output in cell["outputs"]:
            assert output["output_type"] != "error", f"{output['ename']}: {output['evalue']}"


def shots_folder(fallback: Path) -> Path:
    """Where screenshots go: the folder named by PANCREAS_SSL_SHOTS, else the test's own."""
    folder = Path(os.environ.get("PANCREAS_SSL_SHOTS") or fallback)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drag_to_end(desk, handle, picture, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after a slider's handle is sent to an end (key Home or End)."""
    handle.focus()
    return _redrawn(desk, picture, lambda: desk.page.keyboard.press(key))


def chosen(desk, picture, menu, option: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after an entry of a drop-down is chosen."""
    return _redrawn(desk, picture, lambda: menu.select_option(label=option))


def _redrawn(desk, picture, act: Callable[[], object]) -> tuple[np.ndarray, np.ndarray]:
    """The picture before an act and after it was drawn anew."""
    before, source = pixels(picture.screenshot()), picture.get_attribute("src")
    act()
    desk.page.wait_for_function(
        "([image, before]) => image.src !== before", arg=[picture.element_handle(), source], timeout=10_000
    )
    desk.page.wait_for_timeout(300)
    return before, pixels(picture.screenshot())


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    return after.shape != before.shape or bool(np.abs(after - before).mean() > 0.5)

"""Sliders through a volume: slice, plane, window, overlay."""

from typing import Any

import ipywidgets as w
import numpy as np

from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import PLANES, WINDOW, Scene, best_index, scene, to_page
from pancreas_ssl.figures.slices import dice_of, slice_strip
from pancreas_ssl.figures.style import MASKS
from pancreas_ssl.widgets.live import Live, control, legend, page_axis, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveSlices", "slice_viewer"]

PRESETS = {
    "choose": None,
    "soft tissue": (-150, 250),
    "fat and muscle": (-200, 150),
    "lung": (-1100, 150),
    "bone": (-450, 1050),
}


def slice_viewer(
    volume: Any,
    label: Any = None,
    prediction: Any = None,
    *,
    spacing: tuple[float, float, float] | None = None,
    window: tuple[float, float] = WINDOW,
    title: str = "",
    name: str = "slice_viewer",
    live: bool | str | None = None,
) -> Viewer:
    """Slices from low to high as a figure; with a front end also sliders for slice, plane, window and overlay.

    Args:
        volume, label, prediction, spacing: see `pancreas_ssl.figures.planes.scene`.
        window: HU shown as black and as white at the start.
        live: see `pancreas_ssl.widgets.is_live`.

    Example:
        >>> slice_viewer(scan, prediction=prediction.mask)      # doctest: +SKIP
    """
    drawn = scene(volume, label, prediction, spacing)
    static = slice_strip(volume, label, prediction, spacing=spacing, window=window, title=title, name=name)
    words = "slices", "there are sliders as well", "live slices"
    return Viewer.of(static, live, lambda: LiveSlices(drawn, window).box, *words)


class LiveSlices(Live):
    """The live part (see `Live`); plane, slice, window, preset and opacity are the controls."""

    heading = ""

    def __init__(self, drawn: Scene | None, window: tuple[float, float] = WINDOW, *above: w.Widget):
        self.scene = drawn
        self.plane = control(w.ToggleButtons, "plane", options=list(PLANES), value="axial")
        self.slice = control(w.IntSlider, "slice", min=0, max=1)
        shown = [round(end) for end in window]
        self.window = control(w.IntRangeSlider, "window HU", value=shown, min=-1100, max=1500, step=10)
        self.preset = control(w.Dropdown, "preset", options=PRESETS)
        self.opacity = control(w.FloatSlider, "overlay", value=0.25, min=0, max=1, step=0.05)
        super().__init__(*above, self.plane, self.slice, self.window, self.preset, self.opacity)
        self.refresh()

    def show_scene(self, drawn: Scene) -> None:
        """Show another volume; plane, window and overlay stay as they are."""
        self.scene = drawn
        self.refresh()

    def follow(self, moved: w.Widget | None) -> None:
        if moved is self.preset and self.preset.value is not None:
            self.window.value = self.preset.value
        if moved in (None, self.plane):
            styles = {what: MASKS[what] for what in self.scene.masks}
            lines = {what: ("solid" if one.line == "solid" else "dashed", one.colour) for what, one in styles.items()}
            self.legend.value = legend(lines)
            shape, guide = self.scene.hu.shape, next(iter(self.scene.masks.values()), None)
            self.slice.max = shape[PLANES[self.plane.value].axis] - 1
            self.slice.value = best_index(guide, shape, self.plane.value)

    def draw(self) -> str:
        drawn, plane, at = self.scene, self.plane.value, self.slice.value
        axis = page_axis(self.figure, drawn, plane)
        draw_slice(axis, drawn, plane, at, self.window.value, opacity=self.opacity.value)
        text = f"{self.heading}{plane} slice {at} of {self.slice.max + 1}"
        cell = np.prod(drawn.spacing) / drawn.spacing[PLANES[plane].axis] / 100  # cm2 per voxel of this plane
        cuts = {what: to_page(mask, plane, at) for what, mask in drawn.masks.items()}
        for what, cut in cuts.items():
            text += f"<br>{what}: {cut.sum() * cell:.1f} cm²"
        if len(cuts) == 2 and any(cut.any() for cut in cuts.values()):
            text += f"<br>Dice in this slice: {dice_of(*cuts.values()):.2f}"
        return status(text)

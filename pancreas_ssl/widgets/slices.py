"""Sliders through a volume: slice, plane, window, overlay. The picture's data are replaced, never its widget."""

from typing import Any

import numpy as np

from pancreas_ssl.figures.planes import PLANES, Scene, best_index, scene
from pancreas_ssl.figures.slices import WINDOW, dice_of, orthogonal_planes
from pancreas_ssl.widgets.paint import paint
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["LiveSlices", "slice_viewer"]


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
    """Three planes as a figure; with a front end also sliders for slice, plane, window and overlay.

    Args:
        volume, label, prediction, spacing: see `pancreas_ssl.figures.planes.scene`.
        window: HU shown as black and as white at the start.
        live: see `pancreas_ssl.widgets.is_live`.

    Example:
        >>> slice_viewer(scan, prediction=prediction.mask)      # doctest: +SKIP
    """
    drawn = scene(volume, label, prediction, spacing)
    static = orthogonal_planes(
        volume, label, prediction, spacing=spacing, window=window, title=title, name=name
    )
    if not is_live(live):
        said = "Viewer: static planes (no live front end; in JupyterLab there are sliders as well)."
        return Viewer(static, None, said)
    return Viewer(
        static, LiveSlices(drawn, window).box, "Viewer: static planes, then live slices (ipywidgets)."
    )


class LiveSlices:
    """The live part: `box` is the widget, `show_scene` puts another volume into it.

    Attributes:
        box: the ipywidgets container.
        plane, slice, window, opacity: the controls (ipywidgets).
        picture: the Image widget whose `value` is the PNG.
    """

    def __init__(self, drawn: Scene, window: tuple[float, float] = WINDOW):
        import ipywidgets as w

        wide = w.Layout(width="380px")
        style = {"description_width": "85px"}
        self.plane = w.ToggleButtons(options=list(PLANES), value="axial", description="plane", style=style)
        self.plane.style.button_width = "80px"
        self.slice = w.IntSlider(min=0, max=1, description="slice", layout=wide, style=style)
        self.window = w.IntRangeSlider(
            value=[round(v) for v in window], min=-1100, max=1500, step=10, description="window HU",
            layout=wide, style=style,
        )  # fmt: skip
        self.preset = w.Dropdown(
            options={"choose": None, "soft tissue": (-150, 250), "fat and muscle": (-200, 150),
                     "lung": (-1100, 150), "bone": (-450, 1050)},
            description="preset", layout=wide, style=style,
        )  # fmt: skip
        self.opacity = w.FloatSlider(
            value=0.25, min=0, max=1, step=0.05, description="overlay", layout=wide, style=style
        )
        self.picture = w.Image(format="png", layout=w.Layout(width="520px", object_fit="contain"))
        self.caption = w.HTML()
        self.legend = w.HTML()
        controls = w.VBox(
            [self.plane, self.slice, self.window, self.preset, self.opacity, self.caption, self.legend]
        )
        self.box = w.HBox(
            [self.picture, controls], layout=w.Layout(flex_flow="row wrap", align_items="flex-start")
        )
        self._quiet = False
        self.show_scene(drawn)
        self.plane.observe(self._plane_changed, "value")
        self.preset.observe(self._preset_chosen, "value")
        for control in (self.slice, self.window, self.opacity):
            control.observe(self._redraw, "value")

    def show_scene(self, drawn: Scene) -> None:
        """Show another volume; plane, window and overlay stay as they are."""
        self.scene = drawn
        parts = [
            ("label", drawn.label, "#56B4E9", "solid"),
            ("prediction", drawn.prediction, "#E69F00", "dashed"),
        ]
        self.legend.value = " &nbsp; ".join(
            f'<span style="border:2px {line} {colour};padding:0 6px">{what}</span>'
            for what, mask, colour, line in parts
            if mask is not None
        )
        self._plane_changed()

    def _plane_changed(self, _change=None) -> None:
        guide = self.scene.label if self.scene.label is not None else self.scene.prediction
        self._quiet = True
        self.slice.max = self.scene.hu.shape[PLANES[self.plane.value].axis] - 1
        self.slice.value = best_index(guide, self.scene.hu.shape, self.plane.value)
        self._quiet = False
        self._redraw()

    def _preset_chosen(self, change) -> None:
        if change["new"] is not None:
            self.window.value = change["new"]

    def _redraw(self, _change=None) -> None:
        if self._quiet:
            return
        plane, at = self.plane.value, self.slice.value
        self.picture.value = paint(self.scene, plane, at, self.window.value, self.opacity.value)
        self.caption.value = f'<div role="status">{self._describe(plane, at)}</div>'

    def _describe(self, plane: str, at: int) -> str:
        axis = PLANES[plane].axis
        text = f"{plane} slice {at} of {self.scene.hu.shape[axis]}"
        cell = np.prod(self.scene.spacing) / self.scene.spacing[axis] / 100  # cm2 per voxel of this plane
        cuts = {}
        for what, mask in (("label", self.scene.label), ("prediction", self.scene.prediction)):
            if mask is not None:
                cuts[what] = np.moveaxis(mask, axis, 0)[at]
                text += f"<br>{what}: {cuts[what].sum() * cell:.1f} cm²"
        if len(cuts) == 2 and (cuts["label"].any() or cuts["prediction"].any()):
            text += f"<br>Dice in this slice: {dice_of(cuts['label'], cuts['prediction']):.2f}"
        return text

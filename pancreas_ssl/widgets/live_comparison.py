"""Two networks on one patient: outlines, differences, slice by slice."""

from typing import Any

import ipywidgets as w

from pancreas_ssl.evaluation import largest_component
from pancreas_ssl.figures.dial_strip import MODELS, compare_panel, draw_models
from pancreas_ssl.figures.planes import PLANES, best_index, scene, to_page
from pancreas_ssl.figures.slices import dice_of
from pancreas_ssl.figures.style import LABEL
from pancreas_ssl.inference import predict_prepared
from pancreas_ssl.widgets.live import Live, control, legend, page_axis, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveComparison", "compare_models"]


def compare_models(
    models: dict[str, Any],
    case: Any,
    *,
    device: str = "auto",
    title: str = "",
    name: str = "compared",
    live: bool | str | None = None,
) -> Viewer:
    """What two networks mark in one patient, and where they differ; with a front end slice by slice.

    Args:
        models: name -> network of `load_weights`; exactly two.
        case: prepared as both networks expect it (`prepare_cases`).

    Raises:
        InputError: not two networks.
    """
    masks = {
        what: largest_component(predict_prepared(model, case.image, overlap=0.25, device=device)[1] > 0.5) != 0
        for what, model in models.items()
    }
    static = compare_panel(case, masks, title=title, name=name)
    words = "outlines and differences", "there are sliders as well", "live slices"
    return Viewer.of(static, live, lambda: LiveComparison(case, masks).box, *words)


class LiveComparison(Live):
    """The live part (see `Live`); what is shown, plane and slice are the controls."""

    def __init__(self, case: Any, masks: dict[str, Any]):
        self.scene, self.masks = scene(case), masks
        self.shown = control(w.ToggleButtons, "show", options=["outlines", "differences"])
        self.plane = control(w.ToggleButtons, "plane", options=list(PLANES), value="axial")
        self.slice = control(w.IntSlider, "slice", min=0, max=1)
        dashes = {what: (line, style.colour) for (what, line), style in
                  zip(zip(masks, ("dashed", "dotted"), strict=True), MODELS, strict=True)}  # fmt: skip
        if self.scene.label is not None:
            dashes["label"] = "solid", LABEL.colour
        super().__init__(self.shown, self.plane, self.slice, legend=legend(dashes))
        self.refresh()

    def follow(self, moved: w.Widget | None) -> None:
        if moved in (None, self.plane):
            one, other = self.masks.values()
            shape = self.scene.hu.shape
            self.slice.max = shape[PLANES[self.plane.value].axis] - 1
            self.slice.value = best_index(one ^ other, shape, self.plane.value)

    def draw(self) -> str:
        plane, at = self.plane.value, self.slice.value
        axis = page_axis(self.figure, self.scene, plane)
        draw_models(axis, self.scene, list(self.masks.values()), plane, at, areas=self.shown.value == "differences")
        text = f"{plane} slice {at} of {self.slice.max + 1}"
        label = self.scene.label
        for what, mask in self.masks.items():
            cut = to_page(mask, plane, at)
            text += f"<br>{what}: {mask.sum() * self.scene.ml:.0f} mL"
            if label is not None:
                here = dice_of(to_page(label, plane, at), cut)
                text += f", Dice {dice_of(label, mask):.2f} (in this slice {here:.2f})"
        return status(text)

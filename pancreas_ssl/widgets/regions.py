"""The regions in the hand: threshold, width and the model's share as sliders over one labelled case."""

from typing import Any

import numpy as np
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.maps import region_panel
from pancreas_ssl.figures.planes import best_index, box_around, scene, to_page, zoomed
from pancreas_ssl.figures.slices import WINDOW
from pancreas_ssl.figures.style import REGIONS
from pancreas_ssl.uncertainty.regions import body_mask, region_counts
from pancreas_ssl.uncertainty.structural import medial_skeleton, signed_distance
from pancreas_ssl.uncertainty.training import training_regions
from pancreas_ssl.widgets.marks import region_legend
from pancreas_ssl.widgets.paint import colour_table, grey_page, paint_page, pixels
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["LiveRegions", "region_codes", "region_explorer"]

MARGIN_MM = 40.0  # around the label: the band of 15 mm and some of the far region
PAINTED = (1, 2, 3, 4)  # far is what is left over
SETTINGS = {"tau": 0.5, "s_mm": 1.5, "a": 0.0}


def region_codes(
    case: Any,
    model_map: Any = None,
    *,
    tau: float = 0.5,
    s_mm: float = 1.5,
    a: float = 1.0,
    medial: bool = True,
):
    """Codes of `Region` for a whole labelled case, `(X, Y, Z)`.

    Args:
        case: prepared, with a label.
        model_map: U_m on the same grid; None: the structural map alone.
        tau, s_mm, a: as in `regions`, `structural_map` and `training_map`.
        medial: keep the medial line in the core.

    Raises:
        InputError: no label, or a map on another grid.
    """
    return LiveRegions.parts(case, model_map).codes(tau, s_mm, a, medial).numpy()


def region_explorer(
    case: Any,
    model_map: Any = None,
    settings: dict[str, dict[str, float]] | None = None,
    *,
    title: str = "",
    name: str = "region_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """Regions of a labelled case under some settings; with a front end also sliders for all of them.

    Args:
        case: prepared, with a label.
        model_map: U_m on the same grid; None: the structural map alone.
        settings: title -> tau, s_mm, a of the static picture; what is left out is 0.5, 1.5 mm and 0.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: no label, or a map on another grid.

    Example:
        >>> region_explorer(case, doubt)      # doctest: +SKIP
    """
    parts = LiveRegions.parts(case, model_map)
    shown = settings or {"s = 1.5 mm": {}, "s = 3 mm": {"s_mm": 3.0}, "s = 1.5 mm, a = 1": {"a": 1.0}}
    codes = {what: parts.codes(**(SETTINGS | values)).numpy() for what, values in shown.items()}
    static = region_panel(case, codes, title=title, name=name)
    if not is_live(live):
        return Viewer(
            static, None, "Viewer: static regions (no live front end; in JupyterLab there are sliders)."
        )
    return Viewer(static, LiveRegions(parts).box, "Viewer: static regions, then live regions (ipywidgets).")


class _Parts:
    """What does not change while the sliders move, for the whole case."""

    def __init__(self, case: Any, model_map: Any):
        self.scene = scene(case)
        if self.scene.label is None or not self.scene.label.any():
            raise InputError("expected a case with a labelled pancreas, got none; regions need a label")
        shape = self.scene.hu.shape
        model = np.zeros(shape, np.float32) if model_map is None else np.asarray(model_map, np.float32)
        if model.shape != shape:
            raise InputError(
                f"expected a map of the case's shape {shape}, got {model.shape}; resample it first"
            )
        self.model = torch.from_numpy(np.ascontiguousarray(model))
        self.distance = torch.from_numpy(signed_distance(self.scene.label, self.scene.spacing))
        self.label = torch.from_numpy(np.ascontiguousarray(self.scene.label))
        self.medial = torch.from_numpy(medial_skeleton(self.scene.label))
        low, high = getattr(case, "window", WINDOW)
        image = np.clip((self.scene.hu - low) / (high - low) * 2 - 1, -1, 1).astype(np.float32)
        self.body = body_mask(torch.from_numpy(image))

    def cut(self) -> "_Parts":
        """The surroundings of the label only."""
        small = object.__new__(_Parts)
        box = box_around(self.scene.label, self.scene.spacing, MARGIN_MM)
        small.scene = zoomed(self.scene, box)
        for part in ("model", "distance", "label", "medial", "body"):
            setattr(small, part, getattr(self, part)[box].contiguous())
        return small

    def cut_by(self, tau: float, s_mm: float, a: float, medial: bool = True) -> tuple[torch.Tensor, ...]:
        """Codes of the regions, and the uncertainty that they were cut by."""
        line = self.medial if medial else None
        how = {"s_mm": s_mm, "a": a, "tau": tau, "medial": line}
        return training_regions(self.label, self.distance, self.model, self.body, **how)

    def codes(self, tau: float, s_mm: float, a: float, medial: bool = True) -> torch.Tensor:
        return self.cut_by(tau, s_mm, a, medial)[0]


class LiveRegions:
    """The live part.

    Attributes:
        box: the ipywidgets container.
        tau, s, a, slice, view, medial, opacity: the controls.
        picture: the Image widget whose `value` is the PNG.
        caption: HTML with the counts, in a `div role="status"`, or what is wrong, in a `div role="alert"`.
    """

    parts = _Parts

    def __init__(self, parts: _Parts):
        import ipywidgets as w

        self.cut = parts.cut()
        wide, style = w.Layout(width="380px"), {"description_width": "85px"}

        def slider(kind, **options):
            return kind(layout=wide, style=style, **options)

        self.view = w.ToggleButtons(options=["regions", "uncertainty"], description="show", style=style)
        self.view.style.button_width = "110px"
        self.tau = slider(w.FloatSlider, value=0.5, min=0.05, max=1.0, step=0.05, description="τ")
        self.s = slider(w.FloatSlider, value=1.5, min=0.5, max=6.0, step=0.1, description="s (mm)")
        self.a = slider(w.FloatSlider, value=0.5, min=0.0, max=1.0, step=0.05, description="a")
        best = best_index(self.cut.scene.label, self.cut.scene.hu.shape, "axial")
        last = self.cut.scene.hu.shape[2] - 1
        self.slice = slider(w.IntSlider, value=best, min=0, max=last, description="slice")
        self.opacity = slider(w.FloatSlider, value=0.55, min=0.0, max=1.0, step=0.05, description="overlay")
        self.medial = w.Checkbox(value=True, description="the medial line is always core", indent=False)
        self.picture = w.Image(format="png", layout=w.Layout(width="520px", object_fit="contain"))
        self.caption = w.HTML()
        legend = w.HTML(region_legend(PAINTED))
        controls = [self.view, self.tau, self.s, self.a, self.slice, self.opacity, self.medial]
        self.box = w.HBox(
            [self.picture, w.VBox([*controls, self.caption, legend])],
            layout=w.Layout(flex_flow="row wrap", align_items="flex-start"),
        )
        self._colours = colour_table()
        self._size = pixels(self.cut.scene, "axial", 520)
        for control in controls:
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, _change=None) -> None:
        try:
            codes, doubt = self.cut.cut_by(self.tau.value, self.s.value, self.a.value, self.medial.value)
            self.picture.value = self._painted(doubt, codes)
            self.caption.value = self._describe(codes)
        except Exception as error:  # a callback has no cell to fail in: say it where the reader looks
            self.caption.value = f'<div role="alert">these regions could not be made: {error}</div>'

    def _painted(self, doubt: torch.Tensor, codes: torch.Tensor) -> bytes:
        at = self.slice.value
        if self.view.value == "uncertainty":
            label = to_page(self.cut.scene.label, "axial", at)
            outline = [(label, REGIONS[2][1].colour, False, 0.0)]
            return paint_page(
                to_page(doubt.numpy(), "axial", at), "axial", self._size, outline, self._colours
            )
        grey = grey_page(self.cut.scene, "axial", at)
        page = to_page(codes.numpy(), "axial", at)
        layers = [
            (page == number, REGIONS[number][1].colour, number == 3, self.opacity.value) for number in PAINTED
        ]
        return paint_page(grey, "axial", self._size, layers)

    def _describe(self, codes: torch.Tensor) -> str:
        counts, cell = region_counts(codes), float(np.prod(self.cut.scene.spacing)) / 1000
        told = "".join(
            f"<br>{region}: {counts[region]} voxels, {counts[region] * cell:.1f} mL"
            for region, _ in (REGIONS[number] for number in PAINTED)
        )
        setting = (
            f"τ {self.tau.value:.2f}, s {self.s.value:.1f} mm, a {self.a.value:.2f}, slice {self.slice.value}"
        )
        said = f'<div role="status">{setting} of {self.slice.max + 1} around the label{told}</div>'
        if not counts["core"]:
            said += '<div role="alert">The core is empty: nothing is left that is certain pancreas.</div>'
        return said

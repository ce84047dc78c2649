"""The regions to try out: threshold, width and the model's share as sliders over one labelled case."""

from dataclasses import replace
from typing import Any

import ipywidgets as w
import numpy as np
import torch

from pancreas_ssl.errors import require
from pancreas_ssl.figures.map_panels import COLOURS, region_panel
from pancreas_ssl.figures.page_drawing import draw_regions, draw_slice
from pancreas_ssl.figures.planes import WINDOW, best_index, box_around, scene, to_page, zoomed
from pancreas_ssl.figures.style import REGIONS
from pancreas_ssl.method.regions import body_mask, region_counts, training_regions
from pancreas_ssl.method.structure import medial_skeleton, signed_distance
from pancreas_ssl.widgets.live import Live, alert, control, page_axis, region_legend, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveRegions", "region_explorer"]

MARGIN_MM = 40.0  # around the label: the band of 15 mm and some of the far region
SHOWN = (1, 2, 3, 4)  # far is the rest
SETTINGS = {"tau": 0.5, "s_mm": 1.5, "a": 0.0}


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
        settings: title -> tau, s_mm, a of the static picture; by default 0.5, 1.5 mm and 0.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: no label, or a map on another grid.

    Example:
        >>> region_explorer(case, uncertainty)      # doctest: +SKIP
    """
    parts = RegionInputs(case, model_map)
    shown = settings or {"s = 1.5 mm": {}, "s = 3 mm": {"s_mm": 3.0}, "s = 1.5 mm, a = 1": {"a": 1.0}}
    codes = {what: parts.regions(**(SETTINGS | values))[0].numpy() for what, values in shown.items()}
    static = region_panel(case, codes, title=title, name=name)
    words = "regions", "there are sliders", "live regions"
    return Viewer.of(static, live, lambda: LiveRegions(parts).box, *words)


class RegionInputs:
    """Everything that stays the same while the sliders move, for the whole case."""

    def __init__(self, case: Any, model_map: Any):
        self.scene = scene(case)
        labelled = self.scene.label is not None and self.scene.label.any()
        require(labelled, "a case with a labelled pancreas", "none", "regions need a label")
        shape = self.scene.hu.shape
        model = np.zeros(shape, np.float32) if model_map is None else np.asarray(model_map, np.float32)
        require(model.shape == shape, f"a map of the case's shape {shape}", model.shape, "resample it first")
        self.model = torch.from_numpy(np.ascontiguousarray(model))
        self.distance = torch.from_numpy(signed_distance(self.scene.label, self.scene.spacing))
        self.label = torch.from_numpy(np.ascontiguousarray(self.scene.label))
        self.medial = torch.from_numpy(medial_skeleton(self.scene.label))
        low, high = getattr(case, "window", WINDOW)
        image = np.clip((self.scene.hu - low) / (high - low) * 2 - 1, -1, 1).astype(np.float32)
        self.body = body_mask(torch.from_numpy(image))

    def cut(self) -> "RegionInputs":
        """The surroundings of the label only."""
        small = object.__new__(RegionInputs)
        box = box_around(self.scene.label, self.scene.spacing, MARGIN_MM)
        small.scene = zoomed(self.scene, box)
        for part in ("model", "distance", "label", "medial", "body"):
            setattr(small, part, getattr(self, part)[box].contiguous())
        return small

    def regions(self, tau: float, s_mm: float, a: float, medial: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes of the regions, and the uncertainty that separates them."""
        how = {"s_mm": s_mm, "a": a, "tau": tau, "medial": self.medial if medial else None}
        return training_regions(self.label, self.distance, self.model, self.body, **how)


class LiveRegions(Live):
    """The live part (see `Live`); tau, s, a, slice, view, medial and opacity are the controls."""

    failure = "these regions could not be made"

    def __init__(self, parts: RegionInputs):
        self.cut = parts.cut()
        drawn = self.cut.scene
        self.view = control(w.ToggleButtons, "show", options=["regions", "uncertainty"])
        self.tau = control(w.FloatSlider, "τ", value=0.5, min=0.05, max=1.0, step=0.05)
        self.s = control(w.FloatSlider, "s (mm)", value=1.5, min=0.5, max=6.0, step=0.1)
        self.a = control(w.FloatSlider, "a", value=0.5, min=0.0, max=1.0, step=0.05)
        best = best_index(drawn.label, drawn.hu.shape, "axial")
        self.slice = control(w.IntSlider, "slice", value=best, min=0, max=drawn.hu.shape[2] - 1)
        self.opacity = control(w.FloatSlider, "overlay", value=0.55, min=0.0, max=1.0, step=0.05)
        self.medial = w.Checkbox(value=True, description="the medial line is always core", indent=False)
        controls = [self.view, self.tau, self.s, self.a, self.slice, self.opacity, self.medial]
        super().__init__(*controls, legend=region_legend(SHOWN))
        self.refresh()

    def draw(self) -> str:
        codes, uncertainty = self.cut.regions(self.tau.value, self.s.value, self.a.value, self.medial.value)
        drawn, at = self.cut.scene, self.slice.value
        axis, page = page_axis(self.figure, drawn, "axial"), to_page(codes.numpy(), "axial", at)
        if self.view.value == "uncertainty":
            draw_slice(axis, replace(drawn, hu=uncertainty.numpy()), "axial", at, (0, 1), COLOURS)
        else:
            draw_slice(axis, drawn, "axial", at, outlines=False)
            draw_regions(axis, page, SHOWN, self.opacity.value, outlines=True)
        counts = region_counts(codes)
        told = "".join(
            f"<br>{region}: {counts[region]} voxels, {counts[region] * drawn.ml:.1f} mL"
            for region, _ in (REGIONS[number] for number in SHOWN)
        )
        setting = f"τ {self.tau.value:.2f}, s {self.s.value:.1f} mm, a {self.a.value:.2f}, slice {at}"
        said = status(f"{setting} of {self.slice.max + 1} around the label{told}")
        return said if counts["core"] else said + alert("The core is empty: nothing is left that is certain pancreas.")

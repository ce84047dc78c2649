"""The corruption playground: spoil a patch by hand, and see at once what the network paints back."""

from functools import lru_cache
from typing import Any

import numpy as np

from pancreas_ssl.devices import one_thread
from pancreas_ssl.figures.planes import best_index, scene, to_page
from pancreas_ssl.figures.restoration import DIFFERENCE, LIMIT, corruption_grid
from pancreas_ssl.figures.style import LABEL, YELLOW
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.restoration.corruptions import FAMILIES
from pancreas_ssl.restoration.quality import hu_per_unit, local_mean, psnr
from pancreas_ssl.restoration.spots import Attempt, Spot, attempt, place_on
from pancreas_ssl.widgets.paint import colour_table, paint_page, pixels
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["LiveCorruption", "corruption_playground"]

PLACES = {
    "guided by uncertainty": "guided",
    "random boxes, equal volume": "random",
    "everywhere": "everywhere",
}
MIXED = "mixed, as in training"
SHOWN = ("original", "corrupted", "restored", "difference")


def corruption_playground(
    model: Model,
    spot: Spot,
    *,
    seed: int = 0,
    families: tuple[str, ...] = ("shuffle", "remap", "noise"),
    strength: float = 0.8,
    device: str = "auto",
    precision: str = "auto",
    title: str = "",
    name: str = "playground",
    live: bool | str | None = None,
) -> Viewer:
    """A grid of settings; with a front end also controls for family, strength, place, draw, slice and view.

    Args:
        model: with a restoration head.
        spot: the patch, of `spot_of`.
        seed: of the placement.
        families, strength: of the static grid.
        device, precision: as in `restore_image`.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: a model without restoration head.

    Example:
        >>> corruption_playground(model, spot)      # doctest: +SKIP
    """
    rows = {}
    for family in families:
        tried = attempt(
            model, spot, place_on(spot, seed, "guided", family, strength), device=device, precision=precision
        )
        rows[family] = {"original": spot.image, "corrupted": tried.corrupted, "restored": tried.restored}
    static = corruption_grid(spot.case, rows, tried.placement.mask, title=title, name=name)
    if not is_live(live):
        said = "Viewer: static grid (no live front end; in JupyterLab you corrupt by hand)."
        return Viewer(static, None, said)
    playground = LiveCorruption(model, spot, seed=seed, device=device, precision=precision)
    return Viewer(static, playground.box, "Viewer: static grid, then live playground (ipywidgets).")


class LiveCorruption:
    """The live part.

    Attributes:
        box: the ipywidgets container.
        family, strength, place, draw, slice, view: the controls.
        picture: the Image widget whose `value` is the PNG.
        caption: HTML with the numbers, in a `div role="status"`, or what is wrong, in a `div role="alert"`.
    """

    def __init__(
        self, model: Model, spot: Spot, *, seed: int = 0, device: str = "auto", precision: str = "auto"
    ):
        import ipywidgets as w

        self.spot, self.scene = spot, scene(spot.case)
        wide, style = w.Layout(width="400px"), {"description_width": "70px"}
        names = {MIXED: MIXED} | {name: name for name in FAMILIES}  # a value of None would show as no choice
        self.family = w.Dropdown(options=names, description="family", layout=wide, style=style)
        self.strength = w.FloatSlider(
            value=0.8, min=0, max=1, step=0.05, description="strength", layout=wide, style=style
        )
        self.place = w.Dropdown(options=PLACES, description="place", layout=wide, style=style)
        self.draw = w.IntSlider(
            value=seed, min=0, max=max(30, seed), description="draw", layout=wide, style=style
        )
        best = best_index(spot.uncertain.numpy(), self.scene.hu.shape, "axial")
        last = self.scene.hu.shape[2] - 1
        self.slice = w.IntSlider(value=best, min=0, max=last, description="slice", layout=wide, style=style)
        self.view = w.ToggleButtons(options=SHOWN, value="restored", style=style)
        self.view.style.button_width = "96px"
        self.picture = w.Image(format="png", layout=w.Layout(width="520px", object_fit="contain"))
        self.caption = w.HTML()
        legend = w.HTML(
            f'<span style="border:2px solid {YELLOW};padding:0 6px">corrupted</span> &nbsp; '
            f'<span style="border:2px solid {LABEL.colour};padding:0 6px">label</span>'
            f"<br>difference: restored - original, purple darker, orange brighter (full at {LIMIT:.0f} HU)"
        )
        controls = [self.family, self.strength, self.place, self.draw, self.slice, self.view]
        self.box = w.HBox(
            [self.picture, w.VBox([*controls, self.caption, legend])],
            layout=w.Layout(flex_flow="row wrap", align_items="flex-start"),
        )
        self._colours, self._size = colour_table(DIFFERENCE), pixels(self.scene, "axial", 520)

        @lru_cache(maxsize=32)
        def tried(family: str, strength: float, kind: str, seed: int) -> tuple[Attempt, str]:
            with one_thread():
                placement = place_on(spot, seed, kind, None if family == MIXED else family, strength)
                made = attempt(model, spot, placement, device=device, precision=precision)
                return made, self._describe(made)

        self._tried = tried
        for control in controls:
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, _change: Any = None) -> None:
        try:
            made, said = self._tried(
                self.family.value, self.strength.value, self.place.value, self.draw.value
            )
            self.picture.value = self._painted(made)
            at = f"{self.view.value}, slice {self.slice.value} of {self.slice.max + 1}"
            self.caption.value = f'<div role="status">{at}<br>{said}</div>'
        except Exception as error:  # a callback has no cell to fail in: say it where the reader looks
            self.caption.value = f'<div role="alert">this patch could not be restored: {error}</div>'

    def _painted(self, made: Attempt) -> bytes:
        at, image = self.slice.value, self.spot.image
        layers = [(to_page(made.placement.mask[0].numpy(), "axial", at), YELLOW, False, 0.0)]
        if self.scene.label is not None:
            layers.append((to_page(self.scene.label, "axial", at), LABEL.colour, False, 0.0))
        if self.view.value == "difference":
            layers[0] = (layers[0][0], "#333333", False, 0.0)
            error = (made.restored - image)[0].numpy() * hu_per_unit(self.spot.case.window)
            page = to_page(error, "axial", at) / (2 * LIMIT) + 0.5
            return paint_page(page, "axial", self._size, layers, self._colours)
        shown = {"original": image, "corrupted": made.corrupted, "restored": made.restored}[self.view.value]
        return paint_page((to_page(shown[0].numpy(), "axial", at) + 1) / 2, "axial", self._size, layers)

    def _describe(self, made: Attempt) -> str:
        mask, image, uncertain = made.placement.mask, self.spot.image, self.spot.uncertain
        voxels = int(mask.sum())
        if not voxels:
            return "nothing is corrupted"
        images = {
            "corrupted": made.corrupted,
            "local mean": local_mean(made.corrupted, mask),
            "restored": made.restored,
        }
        unit = hu_per_unit(self.spot.case.window)
        told = []
        for what, one in images.items():
            error = float(np.abs((one[mask] - image[mask]).numpy()).mean()) * unit
            told.append(f"{what}: PSNR {psnr(one, image, mask):.1f} dB, mean error {error:.0f} HU")
        share = float((mask[0] & uncertain).sum() / max(int(uncertain.sum()), 1))
        return "<br>".join(
            [
                f"{voxels} voxels, boxes: {len(made.placement.boxes)}; {share:.0%} of the uncertain region",
                *told,
            ]
        )

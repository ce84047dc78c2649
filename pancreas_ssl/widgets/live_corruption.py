"""The corruption playground: corrupt a patch by hand, and see at once what the network restores."""

from dataclasses import replace
from functools import lru_cache

import ipywidgets as w

from pancreas_ssl.devices import one_thread
from pancreas_ssl.evaluation.restoration_quality import local_mean, mae_hu, psnr
from pancreas_ssl.figures.page_drawing import draw_outline, draw_slice
from pancreas_ssl.figures.planes import best_index, scene, to_hu, to_page
from pancreas_ssl.figures.restoration_panels import BOXES, DARK, DIFFERENCE, LIMIT, corruption_grid
from pancreas_ssl.figures.style import LABEL, YELLOW
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.lessons.inspected_patch import InspectedPatch, RestorationResult, place_boxes, restore_patch
from pancreas_ssl.method.corruptions import FAMILIES
from pancreas_ssl.widgets.live import Live, control, legend, page_axis, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveCorruption", "corruption_playground"]

PLACES = {"guided by uncertainty": "guided", "random boxes, equal volume": "random", "everywhere": "everywhere"}
MIXED = "mixed, as in training"
SHOWN = ("original", "corrupted", "restored", "difference")


def corruption_playground(
    model: Model,
    patch: InspectedPatch,
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
        patch: the patch, of `inspect_patch`.
        seed: of the placement.
        families, strength: of the static grid.
        device, precision: as in `restore_image`.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: a model without restoration head.

    Example:
        >>> corruption_playground(model, patch)      # doctest: +SKIP
    """
    how, rows = {"device": device, "precision": precision}, {}
    for family in families:
        tried = restore_patch(model, patch, place_boxes(patch, seed, "guided", family, strength), **how)
        rows[family] = {"original": patch.image, "corrupted": tried.corrupted, "restored": tried.restored}
    static = corruption_grid(patch.case, rows, tried.placement.mask, title=title, name=name)
    words = "grid", "you corrupt by hand", "live playground"
    return Viewer.of(static, live, lambda: LiveCorruption(model, patch, seed=seed, **how).box, *words)


class LiveCorruption(Live):
    """The live part (see `Live`); family, strength, place, seed, slice and view are the controls."""

    failure = "this patch could not be restored"

    def __init__(
        self, model: Model, patch: InspectedPatch, *, seed: int = 0, device: str = "auto", precision: str = "auto"
    ):
        self.patch, self.scene = patch, scene(patch.case)
        names = {MIXED: MIXED} | {name: name for name in FAMILIES}  # a value of None would show as no choice
        self.family = control(w.Dropdown, "family", options=names)
        self.strength = control(w.FloatSlider, "strength", value=0.8, min=0, max=1, step=0.05)
        self.place = control(w.Dropdown, "place", options=PLACES)
        self.seed = control(w.IntSlider, "draw", value=seed, min=0, max=max(30, seed))
        best = best_index(patch.uncertain.numpy(), self.scene.hu.shape, "axial")
        self.slice = control(w.IntSlider, "slice", value=best, min=0, max=self.scene.hu.shape[2] - 1)
        self.view = control(w.ToggleButtons, "", options=SHOWN, value="restored")
        lines = {"corrupted": ("solid", YELLOW), "label": ("solid", LABEL.colour)}
        words = f"<br>difference: restored - original, purple darker, orange brighter (full at {LIMIT:.0f} HU)"
        controls = [self.family, self.strength, self.place, self.seed, self.slice, self.view]
        super().__init__(*controls, legend=legend(lines) + words)

        @lru_cache(maxsize=32)
        def tried(family: str, strength: float, kind: str, seed: int) -> tuple[RestorationResult, str]:
            with one_thread():
                placement = place_boxes(patch, seed, kind, None if family == MIXED else family, strength)
                made = restore_patch(model, patch, placement, device=device, precision=precision)
                return made, self._describe(made)

        self._tried = tried
        self.refresh()

    def draw(self) -> str:
        made, said = self._tried(self.family.value, self.strength.value, self.place.value, self.seed.value)
        at, view, window = self.slice.value, self.view.value, self.patch.case.window
        axis, inside = page_axis(self.figure, self.scene, "axial"), to_page(made.placement.mask[0].numpy(), "axial", at)
        hu = to_hu({"original": self.patch.image, "corrupted": made.corrupted}.get(view, made.restored), window)
        how, outline = (window,), BOXES
        if view == "difference":
            hu, how, outline = hu - to_hu(self.patch.image, window), ((-LIMIT, LIMIT), DIFFERENCE), DARK
        draw_slice(axis, replace(self.scene, hu=hu), "axial", at, *how)
        draw_outline(axis, inside, outline)
        return status(f"{view}, slice {at} of {self.slice.max + 1}<br>{said}")

    def _describe(self, made: RestorationResult) -> str:
        mask, image, uncertain = made.placement.mask, self.patch.image, self.patch.uncertain
        voxels = int(mask.sum())
        if not voxels:
            return "nothing is corrupted"
        told, smooth = [], local_mean(made.corrupted, mask)
        for what, one in (("corrupted", made.corrupted), ("local mean", smooth), ("restored", made.restored)):
            error = mae_hu(one, image, mask, self.patch.case.window)
            told.append(f"{what}: PSNR {psnr(one, image, mask):.1f} dB, mean error {error:.0f} HU")
        share = float((mask[0] & uncertain).sum() / max(int(uncertain.sum()), 1))
        return "<br>".join(
            [f"{voxels} voxels, boxes: {len(made.placement.boxes)}; {share:.0%} of the uncertain region", *told]
        )

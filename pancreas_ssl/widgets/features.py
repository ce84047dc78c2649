"""From a point in feature space to its place in the body: choose a voxel, see where it lies."""

import io

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.features import feature_panel, page_places
from pancreas_ssl.figures.planes import Scene, box_around, scene, to_page, zoomed
from pancreas_ssl.figures.style import REGIONS
from pancreas_ssl.widgets.marks import draw_mark, painted_space, region_legend
from pancreas_ssl.widgets.paint import colour_table, grey_page, paint_page, pixels
from pancreas_ssl.widgets.space import FeatureSpace
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["LiveFeatures", "feature_explorer"]

MARGIN_MM = 60.0
SIZE = 480  # pixels of each half


def feature_explorer(
    spaces: dict[str, FeatureSpace],
    *,
    title: str = "",
    name: str = "feature_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """The first case's voxels in feature space and in place; with a front end also sliders to walk among them.

    Args:
        spaces: title -> voxels of one case. They should share their axes, so that they can be compared.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: no case.

    Example:
        >>> feature_explorer({"at home": space})    # doctest: +SKIP
    """
    if not spaces:
        raise InputError("expected at least one case, got none; name one")
    first = next(iter(spaces.values()))
    static = feature_panel(
        first.case, first.positions, first.regions, first.points, stars=first.stars, shares=first.shares,
        title=title, name=name,
    )  # fmt: skip
    if not is_live(live):
        said = "Viewer: static feature space (no live front end; in JupyterLab you choose voxels)."
        return Viewer(static, None, said)
    return Viewer(
        static, LiveFeatures(spaces).box, "Viewer: static feature space, then live voxels (ipywidgets)."
    )


class LiveFeatures:
    """The live part.

    Attributes:
        box: the ipywidgets container.
        which, region, voxel, view, opacity: the controls; voxels are ordered by their cosine, the lowest first.
        picture: the Image widget whose `value` is the PNG: feature space on the left, slice on the right.
        caption: HTML in words and numbers, in a `div role="status"`, or what is wrong, in a `div role="alert"`.
    """

    def __init__(self, spaces: dict[str, FeatureSpace]):
        import ipywidgets as w

        self.spaces = spaces
        wide, style = w.Layout(width="440px"), {"description_width": "85px"}
        self.which = w.Dropdown(options=list(spaces), description="patient", layout=wide, style=style)
        regions = {"all": 0} | {region: number for number, (region, _) in REGIONS.items()}
        self.region = w.Dropdown(options=regions, value=0, description="region", layout=wide, style=style)
        self.voxel = w.IntSlider(min=1, max=2, value=2, description="voxel", layout=wide, style=style)
        self.view = w.ToggleButtons(options=["CT", "cosine"], description="slice", layout=wide, style=style)
        self.view.style.button_width = "90px"
        self.opacity = w.FloatSlider(
            value=0.3, min=0, max=1, step=0.05, description="label", layout=wide, style=style
        )
        self.picture = w.Image(format="png", layout=w.Layout(width="100%", object_fit="contain"))
        self.caption = w.HTML()
        legend = w.HTML(region_legend())
        controls = w.VBox([self.which, self.region, self.voxel, self.view, self.opacity])
        self.box = w.VBox(
            [
                self.picture,
                w.HBox([controls, w.VBox([self.caption, legend])], layout=w.Layout(flex_flow="row wrap")),
            ]
        )
        self._colours, self._quiet = colour_table(), False
        self._choose()
        self.which.observe(self._choose, "value")
        self.region.observe(self._choose, "value")
        for control in (self.voxel, self.view, self.opacity):
            control.observe(self._redraw, "value")

    def _choose(self, _change=None) -> None:
        space = self.spaces[self.which.value]
        chosen = np.flatnonzero((space.regions == self.region.value) | (self.region.value == 0))
        self.order = chosen[np.argsort(space.cosines[chosen], kind="stable")]
        self._whole = scene(space.case)
        self._scene, self._offset = _cut(self._whole, space)
        self._quiet = True
        self.voxel.max = max(len(self.order), 1)
        self.voxel.value = self.voxel.max
        self._quiet = False
        self._base = painted_space(space, self.region.value, list(self.spaces.values()), SIZE)
        self._redraw()

    def _redraw(self, _change=None) -> None:
        if self._quiet:
            return
        try:
            if not len(self.order):
                self.caption.value = '<div role="alert">no voxel of this region was drawn</div>'
                return
            space, k = self.spaces[self.which.value], int(self.order[self.voxel.value - 1])
            self.picture.value = self._painted(space, k)
            self.caption.value = f'<div role="status">{self._describe(space, k)}</div>'
        except Exception as error:  # a callback has no cell to fail in: say it where the reader looks
            self.caption.value = f'<div role="alert">this voxel could not be shown: {error}</div>'

    def _painted(self, space: FeatureSpace, k: int) -> bytes:
        from PIL import Image, ImageDraw

        base, place = self._base
        canvas = base.copy()
        pen = ImageDraw.Draw(canvas)
        x, y = place(space.points[k])
        pen.ellipse([x - 13, y - 13, x + 13, y + 13], outline="black", width=4)
        at, drawn = int(space.positions[k][2]), self._scene
        if self.view.value == "cosine":
            box = self._offset
            page = (to_page(space.cosine_map[box], "axial", at) + 1) / 2
        else:
            page = grey_page(drawn, "axial", at)
        layers = []
        if drawn.label is not None:
            layers = [(to_page(drawn.label, "axial", at), REGIONS[2][1].colour, False, self.opacity.value)]
        wide_tall = pixels(drawn, "axial", SIZE)
        table = self._colours if self.view.value == "cosine" else None
        right = Image.open(io.BytesIO(paint_page(page, "axial", wide_tall, layers, table))).convert("RGB")
        px, py = page_places(space.positions[k][None], self._whole, self._offset)
        scale = wide_tall[0] / (drawn.hu.shape[0] * drawn.spacing[0])
        x, y = float(px[0]) * scale, float(py[0]) * scale
        cross = ImageDraw.Draw(right)
        for colour, width in (("black", 6), ("white", 2)):
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                cross.line([x + 9 * dx, y + 9 * dy, x + 30 * dx, y + 30 * dy], fill=colour, width=width)
        draw_mark(cross, x, y, 6, REGIONS[int(space.regions[k])][1])
        canvas.paste(right, (SIZE + 20, max((canvas.height - right.height) // 2, 0)))
        buffer = io.BytesIO()
        canvas.save(buffer, format="PNG", compress_level=1)
        return buffer.getvalue()

    def _describe(self, space: FeatureSpace, k: int) -> str:
        x, y, z = (int(v) for v in space.positions[k])
        region = REGIONS[int(space.regions[k])][0]
        rank = f"voxel {self.voxel.value} of {len(self.order)} by cosine with m_P"
        return (
            f"{rank}: a voxel of {region}<br>cosine with m_P {space.cosines[k]:.2f}<br>at ({x}, {y}, {z}), shown "
            f"on axial slice {z}"
        )


def _cut(drawn: Scene, space: FeatureSpace) -> tuple[Scene, tuple[slice, slice, slice]]:
    """The surroundings of the label in the plane, all slices, wide enough for every voxel that was drawn."""
    if drawn.label is None or not drawn.label.any():
        box = (slice(None),) * 3
    else:
        box = (*box_around(drawn.label, drawn.spacing, MARGIN_MM)[:2], slice(None))
        low, high = space.positions.min(0), space.positions.max(0) + 1
        box = (
            *(slice(min(box[i].start, int(low[i])), max(box[i].stop, int(high[i]))) for i in (0, 1)),
            slice(None),
        )
    return zoomed(drawn, box), box

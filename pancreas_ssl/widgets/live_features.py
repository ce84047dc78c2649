"""From a point in feature space to its place in the body: choose a voxel, see where it lies."""

from dataclasses import replace

import ipywidgets as w
import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.feature_space_charts import draw_points, draw_voxels, feature_panel
from pancreas_ssl.figures.map_panels import COLOURS
from pancreas_ssl.figures.page_drawing import draw_ring, draw_slice
from pancreas_ssl.figures.planes import Scene, box_around, page_places, scene, zoomed
from pancreas_ssl.figures.style import BLACK, REGIONS
from pancreas_ssl.widgets.live import Live, control, region_legend, status
from pancreas_ssl.widgets.space import FeatureSpace
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveFeatures", "feature_explorer"]

MARGIN_MM = 60.0


def feature_explorer(
    spaces: dict[str, FeatureSpace], *, title: str = "", name: str = "feature_explorer", live: bool | str | None = None
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
    require(bool(spaces), "at least one case", "none", "name one")
    first = next(iter(spaces.values()))
    shown = first.case, first.positions, first.regions, first.points
    static = feature_panel(*shown, stars=first.stars, shares=first.shares, title=title, name=name)
    words = "feature space", "you choose voxels", "live voxels"
    return Viewer.of(static, live, lambda: LiveFeatures(spaces).box, *words)


class LiveFeatures(Live):
    """The live part (see `Live`): feature space on the left, slice on the right.

    which, region, voxel, view and opacity are the controls; voxels are ordered by their cosine, the lowest first.
    """

    failure = "this voxel could not be shown"

    def __init__(self, spaces: dict[str, FeatureSpace]):
        self.spaces = spaces
        self.which = control(w.Dropdown, "patient", options=list(spaces))
        regions = {"all": 0} | {region: number for number, (region, _) in REGIONS.items()}
        self.region = control(w.Dropdown, "region", options=regions, value=0)
        self.voxel = control(w.IntSlider, "voxel", min=1, max=2, value=2)
        self.view = control(w.ToggleButtons, "slice", options=["CT", "cosine"])
        self.opacity = control(w.FloatSlider, "label", value=0.3, min=0, max=1, step=0.05)
        controls = [self.which, self.region, self.voxel, self.view, self.opacity]
        super().__init__(*controls, legend=region_legend(), width="100%")
        points = [[one.points, np.array([*one.stars.values()]).reshape(-1, 2)] for one in spaces.values()]
        every = np.concatenate([part for parts in points for part in parts])  # on one scale for all patients
        self._middle, self._reach = (every.min(0) + every.max(0)) / 2, 0.57 * float(np.ptp(every, axis=0).max())
        self.refresh()

    def follow(self, moved: w.Widget | None) -> None:
        if moved not in (None, self.which, self.region):
            return
        space = self.spaces[self.which.value]
        chosen = np.flatnonzero((space.regions == self.region.value) | (self.region.value == 0))
        self.order = chosen[np.argsort(space.cosines[chosen], kind="stable")]
        self._whole = scene(space.case)
        self._box = _box(self._whole, space)
        self.voxel.max = self.voxel.value = max(len(self.order), 1)

    def draw(self) -> str:
        require(len(self.order) > 0, "a voxel of this region", "none in the draw", "choose another region")
        space, region = self.spaces[self.which.value], self.region.value
        k = int(self.order[self.voxel.value - 1])
        x, y, z = (int(index) for index in space.positions[k])
        cut, how = zoomed(self._whole, self._box), ()
        self.figure.set_size_inches(9.6, 4.8)
        left, right = (self.figure.add_axes((start, 0, 0.495, 1)) for start in (0, 0.505))

        draw_points(left, space.points, space.regions, space.stars, size=40, highlight=region)
        draw_ring(left, *space.points[k])
        left.set_aspect("equal", adjustable="box")
        low, high = self._middle - self._reach, self._middle + self._reach
        left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
        left.spines[:].set_visible(False)

        if self.view.value == "cosine":
            cut, how = replace(cut, hu=space.cosine_map[self._box]), ((-1, 1), COLOURS)
        draw_slice(right, cut, "axial", z, *how, opacity=self.opacity.value)
        place = page_places([[x, y, z]], self._whole, self._box)
        draw_voxels(right, *place, space.regions[[k]], edge=BLACK, s=48, linewidths=0.5, zorder=5)
        draw_ring(right, *place)
        return status(
            f"voxel {self.voxel.value} of {len(self.order)} by cosine with m_P: a voxel of "
            f"{REGIONS[int(space.regions[k])][0]}<br>cosine with m_P {space.cosines[k]:.2f}<br>at ({x}, {y}, {z}), "
            f"shown on axial slice {z}"
        )


def _box(drawn: Scene, space: FeatureSpace) -> tuple[slice, slice, slice]:
    """The surroundings of the label in the plane, all slices, wide enough for every voxel that was drawn."""
    if drawn.label is None or not drawn.label.any():
        return (slice(None),) * 3
    around = box_around(drawn.label, drawn.spacing, MARGIN_MM, "axial")
    low, high = space.positions.min(0).tolist(), (space.positions.max(0) + 1).tolist()
    return tuple(slice(min(one.start, low[i]), max(one.stop, high[i])) for i, one in enumerate(around))

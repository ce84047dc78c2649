"""The contrast to try out: move groups of points on a circle, watch loss, contributions and pulls."""

import ipywidgets as w
import numpy as np

from pancreas_ssl.figures.contrast_circle import circle_panels, draw_circle, longest_pull
from pancreas_ssl.lessons.contrast_in_2d import EACH, GROUPS, START, Group, on_circle
from pancreas_ssl.widgets.live import Live, control, region_legend, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveCircle", "circle_explorer"]


def circle_explorer(
    arrangements: dict[str, dict[str, Group]],
    *,
    temperature: float = 0.1,
    margin: float = 0.3,
    title: str = "",
    name: str = "circle_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """Arrangements of twenty points as a figure; with a front end also sliders that move them.

    Args:
        arrangements: title -> region -> where its points lie; see `pancreas_ssl.lessons.contrast_in_2d.on_circle`.
        temperature, margin: of the static pictures, and the initial values of the sliders.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: no arrangement, or an unknown region.

    Example:
        >>> circle_explorer({"a young feature space": {}})    # doctest: +SKIP
    """
    how = {"temperature": temperature, "margin": margin}
    circles = {what: on_circle(groups, **how) for what, groups in arrangements.items()}
    static = circle_panels(circles, title=title, name=name)
    words = "circles", "there are sliders", "a live circle"
    return Viewer.of(static, live, lambda: LiveCircle(**how).box, *words)


class LiveCircle(Live):
    """The live part (see `Live`).

    Attributes:
        group, angle, spread, point, temperature, margin: the controls. angle and spread are those of the chosen group,
            point is one of its four.
        circle: the points as they are now.
    """

    failure = "this circle could not be made"

    def __init__(self, temperature: float = 0.1, margin: float = 0.3):
        self.groups = dict(START)
        self.group = control(w.Dropdown, "region", options=GROUPS, value="rim_out")
        self.angle = control(w.FloatSlider, "angle (°)", min=-175, max=180, step=5)
        self.spread = control(w.FloatSlider, "spread (± °)", min=0, max=90, step=5)
        self.point = control(w.IntSlider, "its point", value=2, min=1, max=EACH)
        self.temperature = control(w.FloatSlider, "temperature", value=temperature, min=0.02, max=1.0, step=0.02)
        self.margin = control(w.FloatSlider, "hinge margin", value=margin, min=-0.5, max=1.0, step=0.05)
        controls = [self.group, self.angle, self.spread, self.point, self.temperature, self.margin]
        super().__init__(*controls, legend=region_legend())
        self.refresh()

    def follow(self, moved: w.Widget | None) -> None:
        if moved in (self.angle, self.spread):
            self.groups[self.group.value] = Group(self.angle.value, self.spread.value)
        else:
            group = self.groups[self.group.value]
            self.angle.value, self.spread.value = group.angle, group.spread

    def draw(self) -> str:
        one = self.circle = on_circle(self.groups, temperature=self.temperature.value, margin=self.margin.value)
        chosen = GROUPS.index(self.group.value) * EACH + self.point.value - 1
        self.figure.set_size_inches(5.2, 5.2)
        axis, cone = self.figure.add_axes((0, 0, 1, 1)), np.arccos(np.clip(self.margin.value, -1, 1))
        draw_circle(axis, one, longest_pull(one), chosen, float(cone))
        loss, infonce, hinge = (float(v) for v in (one.terms.loss, one.terms.infonce, one.terms.hinge))
        cosine = float(one.z[chosen] @ one.prototypes.pancreas)
        pull = float(one.pull[chosen])
        way = "nowhere" if abs(pull) < 5e-4 else "anticlockwise" if pull > 0 else "clockwise"
        return status(
            f"temperature {self.temperature.value:.2f}, hinge margin {self.margin.value:.2f}"
            f"<br>loss {loss:.3f} = InfoNCE {infonce:.3f} + half the hinge {hinge:.3f}"
            f"<br>ringed: {self.group.value}, point {self.point.value}, at {one.angles[chosen]:.0f}°, cosine with m_P "
            f"{cosine:.2f}<br>its part of the loss {float(one.parts[chosen]):.3f}; pulled {way} ({abs(pull):.3f})"
        )

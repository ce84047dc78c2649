"""The contrast in the hand: move groups of points on a circle, watch loss, contributions and pulls."""

import io
import math
from typing import TYPE_CHECKING

import numpy as np

from pancreas_ssl.figures.circle import circle_panels, longest_pull, step_of
from pancreas_ssl.figures.style import GREEN, GREY, REGIONS
from pancreas_ssl.widgets.marks import draw_mark, region_legend
from pancreas_ssl.widgets.viewer import Viewer, is_live

if TYPE_CHECKING:
    from pancreas_ssl.contrast.circle import Circle, Group

__all__ = ["LiveCircle", "circle_explorer", "paint_circle"]

SIZE = 520  # pixels, painted at twice that and made smaller


def circle_explorer(
    arrangements: "dict[str, dict[str, Group]]",
    *,
    temperature: float = 0.1,
    margin: float = 0.3,
    title: str = "",
    name: str = "circle_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """Arrangements of twenty points as a figure; with a front end also sliders that move them.

    Args:
        arrangements: title -> region -> where its points lie; see `pancreas_ssl.contrast.circle.on_circle`.
        temperature, margin: of the static pictures, and where the sliders begin.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: no arrangement, or an unknown region.

    Example:
        >>> circle_explorer({"a young feature space": {}})    # doctest: +SKIP
    """
    from pancreas_ssl.contrast.circle import on_circle

    how = {"temperature": temperature, "margin": margin}
    static = circle_panels(
        {what: on_circle(groups, **how) for what, groups in arrangements.items()}, title=title, name=name
    )
    if not is_live(live):
        return Viewer(
            static, None, "Viewer: static circles (no live front end; in JupyterLab there are sliders)."
        )
    return Viewer(static, LiveCircle(**how).box, "Viewer: static circles, then a live circle (ipywidgets).")


class LiveCircle:
    """The live part.

    Attributes:
        box: the ipywidgets container.
        group, angle, spread, point, temperature, margin: the controls. angle and spread are those of the chosen group,
            point is one of its four.
        picture: the Image widget whose `value` is the PNG.
        caption: HTML in words and numbers, in a `div role="status"`, or what is wrong, in a `div role="alert"`.
        circle: the points as they are now.
    """

    def __init__(self, temperature: float = 0.1, margin: float = 0.3):
        import ipywidgets as w

        from pancreas_ssl.contrast.circle import EACH, GROUPS, START

        self.groups = dict(START)
        wide, style = w.Layout(width="380px"), {"description_width": "95px"}

        def slider(kind=w.FloatSlider, **options):
            return kind(layout=wide, style=style, **options)

        self.group = w.Dropdown(
            options=GROUPS, value="rim_out", description="region", layout=wide, style=style
        )
        first = self.groups["rim_out"]
        self.angle = slider(value=first.angle, min=-175, max=180, step=5, description="angle (°)")
        self.spread = slider(value=first.spread, min=0, max=90, step=5, description="spread (± °)")
        self.point = slider(w.IntSlider, value=2, min=1, max=EACH, description="its point")
        self.temperature = slider(value=temperature, min=0.02, max=1.0, step=0.02, description="temperature")
        self.margin = slider(value=margin, min=-0.5, max=1.0, step=0.05, description="hinge margin")
        self.picture = w.Image(format="png", layout=w.Layout(width=f"{SIZE}px", object_fit="contain"))
        self.caption = w.HTML()
        legend = w.HTML(region_legend())
        controls = [self.group, self.angle, self.spread, self.point, self.temperature, self.margin]
        self.box = w.HBox(
            [self.picture, w.VBox([*controls, self.caption, legend])],
            layout=w.Layout(flex_flow="row wrap", align_items="flex-start"),
        )
        self._quiet = False
        self.group.observe(self._group_chosen, "value")
        for control in (self.angle, self.spread):
            control.observe(self._moved, "value")
        for control in (self.point, self.temperature, self.margin):
            control.observe(self._redraw, "value")
        self._redraw()

    def _group_chosen(self, _change=None) -> None:
        self._quiet = True
        self.angle.value = self.groups[self.group.value].angle
        self.spread.value = self.groups[self.group.value].spread
        self._quiet = False
        self._redraw()

    def _moved(self, _change=None) -> None:
        from pancreas_ssl.contrast.circle import Group

        if not self._quiet:
            self.groups[self.group.value] = Group(self.angle.value, self.spread.value)
            self._redraw()

    def _redraw(self, _change=None) -> None:
        from pancreas_ssl.contrast.circle import on_circle

        if self._quiet:
            return
        try:
            how = {"temperature": self.temperature.value, "margin": self.margin.value}
            self.circle = on_circle(self.groups, **how)
            chosen = self._chosen()
            self.picture.value = paint_circle(
                self.circle, chosen, cone=math.acos(max(min(self.margin.value, 1), -1))
            )
            self.caption.value = f'<div role="status">{self._describe(chosen)}</div>'
        except Exception as error:  # a callback has no cell to fail in: say it where the reader looks
            self.caption.value = f'<div role="alert">this circle could not be made: {error}</div>'

    def _chosen(self) -> int:
        from pancreas_ssl.contrast.circle import EACH, GROUPS

        return GROUPS.index(self.group.value) * EACH + self.point.value - 1

    def _describe(self, chosen: int) -> str:
        one = self.circle
        loss, infonce, hinge = (float(v) for v in (one.terms.loss, one.terms.infonce, one.terms.hinge))
        cosine = float(one.z[chosen] @ one.prototypes.pancreas)
        pull = float(one.pull[chosen])
        way = "nowhere" if abs(pull) < 5e-4 else "anticlockwise" if pull > 0 else "clockwise"
        return (
            f"temperature {self.temperature.value:.2f}, hinge margin {self.margin.value:.2f}"
            f"<br>loss {loss:.3f} = InfoNCE {infonce:.3f} + half the hinge {hinge:.3f}"
            f"<br>ringed: {self.group.value}, point {self.point.value}, at {one.angles[chosen]:.0f}°, cosine with m_P "
            f"{cosine:.2f}<br>its part of the loss {float(one.parts[chosen]):.3f}; pulled {way} ({abs(pull):.3f})"
        )


def paint_circle(one: "Circle", chosen: int | None = None, cone: float | None = None) -> bytes:
    """The circle as PNG bytes: points by region and size by their part of the loss, prototypes, pulls as green arrows.

    Args:
        chosen: a point to be ringed.
        cone: angle (radians) around the pancreas prototype inside which the hinge works; its edges are dotted.
    """
    from PIL import Image, ImageDraw, ImageFont

    size, middle, radius = 2 * SIZE, SIZE, 0.72 * SIZE
    picture = Image.new("RGB", (size, size), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=34)

    def at(angle: float, r: float = 1.0) -> tuple[float, float]:
        return middle + r * radius * math.cos(angle), middle - r * radius * math.sin(angle)

    pen.ellipse(
        [middle - radius, middle - radius, middle + radius, middle + radius], outline="#BBBBBB", width=3
    )
    towards = math.atan2(*reversed(one.prototypes.pancreas.tolist()))
    if cone is not None:
        for angle in (towards - cone, towards + cone):
            for r in np.arange(0.1, 1.0, 0.06):
                pen.line([at(angle, r), at(angle, r + 0.025)], fill=REGIONS[3][1].colour, width=4)
    arrows = [(towards, "black", "m_P")]
    arrows += [(math.atan2(y, x), GREY, "b") for x, y in one.prototypes.background.tolist()]
    for angle, colour, what in arrows:
        _arrow(pen, [at(angle, 0.02), at(angle, 0.92)], colour, 8)
        pen.text(at(angle + 0.2, 0.62), what, fill=colour, font=font, anchor="mm")
    strongest = longest_pull(one)
    for k, (angle, region, part, pull) in enumerate(
        zip(np.radians(one.angles), one.regions.tolist(), one.parts.tolist(), one.pull.tolist(), strict=True)
    ):
        step = math.radians(step_of(pull, strongest))
        if abs(step) > 0.03:
            way = [at(angle + step * t, 1.12 + 0.03 * (k % 4)) for t in np.linspace(0, 1, 12)]
            _arrow(pen, way, GREEN, 5)
        x, y, half = *at(angle), 11 + 16 * math.sqrt(part)
        draw_mark(pen, x, y, half, REGIONS[region][1])
        if k == chosen:
            r = half + 12
            pen.ellipse([x - r, y - r, x + r, y + r], outline="black", width=5)
    buffer = io.BytesIO()
    picture.resize((SIZE, SIZE), Image.BILINEAR).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _arrow(pen, way: list[tuple[float, float]], colour: str, width: int) -> None:
    """A line along `way` with a head at its end."""
    pen.line(way, fill=colour, width=width, joint="curve")
    (x0, y0), (x1, y1) = way[-2], way[-1]
    turn, length = math.atan2(y1 - y0, x1 - x0), 4.5 * width
    sides = [(x1 - length * math.cos(turn + s), y1 - length * math.sin(turn + s)) for s in (-0.45, 0.45)]
    pen.polygon([(x1, y1), *sides], fill=colour)

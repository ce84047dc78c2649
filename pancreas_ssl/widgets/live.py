"""The base of the live pictures: controls beside a picture that is drawn again whenever one of them moves."""

import io
from typing import Any

import ipywidgets as w
from IPython.display import display

from pancreas_ssl.figures.planes import Scene, page_size
from pancreas_ssl.figures.style import REGIONS, drawing

__all__ = ["Live", "alert", "control", "legend", "page_axis", "png", "region_legend", "status"]

DOTS_PER_INCH = 100
LONG_SIDE = 520  # pixels of the longer side of a slice


class Live:
    """A picture that follows its controls. A subclass makes the controls; its `follow` brings up to date what
    depends on them, and its `draw` draws. Both may raise: the reader sees the error in an alert.

    Attributes:
        box: the ipywidgets container.
        picture: the Image widget whose `value` is the PNG; its data are replaced, never the widget.
        caption: HTML in words and numbers, in a `div role="status"`, or what is wrong, in a `div role="alert"`.
        legend: HTML below the caption.
    """

    failure = "this picture could not be drawn"

    def __init__(self, *controls: w.Widget, legend: str = "", width: str = f"{LONG_SIDE}px"):
        from matplotlib.figure import Figure

        with drawing():
            self.figure = Figure()  # without a layout engine, which would draw everything twice
        whole = width.endswith("%")  # a wide picture, with the controls above it; others shrink beside their controls
        room = {"flex": f"1 1 {width if whole else '300px'}", "max_width": width, "min_width": "0"}
        self.picture = w.Image(format="png", layout=w.Layout(height="auto", object_fit="contain", **room))
        self.caption, self.legend = w.HTML(), w.HTML(legend)
        beside = w.VBox([*controls, self.caption, self.legend], layout=w.Layout(flex="1 1 250px", max_width="440px"))
        flow = "row wrap-reverse" if whole else "row nowrap"
        self.box = w.HBox(
            [self.picture, beside], layout=w.Layout(flex_flow=flow, align_items="flex-end" if whole else "flex-start")
        )
        self._quiet = False
        for one in controls:
            one.observe(self._changed, "value")

    def _ipython_display_(self) -> None:
        display(self.box)

    def follow(self, moved: w.Widget | None) -> None:
        """Bring what depends on the control that was moved (None: everything) up to date, before the picture."""

    def draw(self) -> str:
        """Draw on the empty `self.figure`; return the caption."""
        raise NotImplementedError

    def _changed(self, change: dict[str, Any]) -> None:
        self.refresh(change["owner"])

    def refresh(self, moved: w.Widget | None = None) -> None:
        """Draw again; controls that `follow` moves do not draw a second time."""
        if self._quiet:
            return
        self._quiet = True
        try:
            self.follow(moved)
            with drawing():
                self.figure.clear()
                said = self.draw()
                self.picture.value = png(self.figure)
            self.caption.value = said
        except Exception as error:  # a callback has no cell to fail in: tell the reader here
            self.caption.value = alert(f"{self.failure}: {error}")
        finally:
            self._quiet = False


def control(kind: type, description: str, **options: Any) -> w.Widget:
    """A control in the common width."""
    if kind is w.ToggleButtons:
        return kind(description=description, style={"description_width": "95px", "button_width": "auto"}, **options)
    layout = w.Layout(width="auto", max_width="400px")
    return kind(description=description, layout=layout, style={"description_width": "95px"}, **options)


def page_axis(figure, drawn: Scene, plane: str, pixels: int = LONG_SIDE):
    """An axis that fills the figure, which gets the plane's shape; `pixels` of the longer side."""
    size = page_size(drawn, plane)
    figure.set_size_inches(*(side / max(size) * pixels / DOTS_PER_INCH for side in size))
    return figure.add_axes((0, 0, 1, 1))


def png(figure) -> bytes:
    """The figure as PNG bytes, packed lightly: speed counts, not size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor="white", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def status(words: str) -> str:
    """HTML that a screen reader reads out when it changes."""
    return f'<div role="status">{words}</div>'


def alert(words: str) -> str:
    """HTML that a screen reader reads out at once."""
    return f'<div role="alert">{words}</div>'


def legend(lines: dict[str, tuple[str, str]]) -> str:
    """Names framed in their lines, as HTML: name -> (CSS line style, colour)."""
    return " &nbsp; ".join(
        f'<span style="border:2px {line} {colour};padding:0 6px">{what}</span>'
        for what, (line, colour) in lines.items()
    )


def region_legend(regions=tuple(REGIONS)) -> str:
    """The regions' names underlined in their colours, as HTML."""
    return " &nbsp; ".join(
        f'<span style="border-bottom:5px solid {style.colour};padding:0 5px">{region}</span>'
        for region, style in (REGIONS[number] for number in regions)
    )

"""The generalisation dial: turn the scanner, and see what a network makes of the same patient."""

import time
from typing import Any

import ipywidgets as w

from pancreas_ssl.figures.dial_strip import dial_strip
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import best_index, box_around, page_size, scene, zoomed
from pancreas_ssl.figures.style import GREY, PREDICTION
from pancreas_ssl.lessons.rescanned import PRESETS, Rescanner, Setting
from pancreas_ssl.widgets.live import DOTS_PER_INCH, LONG_SIDE, Live, control, status
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["LiveDial", "generalisation_dial"]

NOISE, THICKNESS, FAT = (2.0, 40.0), (3.0, 9.0), (0.0, 0.6)  # HU, mm (the grid is of 3 mm), share
KERNELS = ("smooth", "medium", "sharp")
HISTORY = 1.5  # inches below the slice


def generalisation_dial(
    model: Any,
    home: str = "A",
    patient: int = 24,
    *,
    device: str = "auto",
    title: str = "",
    name: str = "dial",
    live: bool | str | None = None,
) -> Viewer:
    """One patient of the phantom, scanned again: phase, noise, kernel, slice thickness and fat move.

    The figure shows the patient as at home and with one thing changed at a time; with a front end there are sliders,
    and prediction, Dice and doubt follow. Arguments as `pancreas_ssl.lessons.rescanned.Rescanner`.

    Raises:
        InputError: a test source, which stays sealed.
    """
    rescanner = Rescanner(model, home, patient, device=device)
    start = rescanner.at_home()
    changed = {
        "as at home": {},
        "arterial phase": {"phase": "arterial"},
        "four times the noise": {"noise": min(4 * start.noise, NOISE[1])},
        "smooth kernel": {"kernel": "smooth"},
        "slices of 8 mm": {"thickness": 8.0},
        "40 % fat": {"fat": 0.4},
    }
    shown = {what: rescanner.turn(_with(start, **how)) for what, how in changed.items()}
    static = dial_strip(shown, title=title or f"Patient {rescanner.name}, scanned again", name=name)
    words = "settings", "you turn the scanner yourself", "the dial"
    return Viewer.of(static, live, lambda: LiveDial(rescanner).box, *words)


def _with(setting: Setting, **how: Any) -> Setting:
    return Setting(**(vars(setting) | how))


class LiveDial(Live):
    """The live part (see `Live`): phase, noise, kernel, thickness, fat and slice are controls; buttons set them all.

    Attributes:
        rescanner: makes the scans.
        tried: settings in the order in which they were tried, with their results.
    """

    failure = "this setting could not be scanned"

    def __init__(self, rescanner: Rescanner):
        self.rescanner, self.tried = rescanner, []
        start = rescanner.at_home()
        once = {"continuous_update": False}  # a scan and a prediction for each place would come too late
        self.phase = control(w.Dropdown, "phase", options=rescanner.phases(), value=start.phase)
        self.noise = control(w.FloatSlider, "noise, HU", value=start.noise, min=NOISE[0], max=NOISE[1], step=1, **once)
        self.kernel = control(w.ToggleButtons, "kernel", options=KERNELS, value=start.kernel)
        ends = {"min": THICKNESS[0], "max": THICKNESS[1], "step": 0.5}
        self.thickness = control(w.FloatSlider, "slices, mm", value=start.thickness, **ends, **once)
        self.fat = control(w.FloatSlider, "fat, share", value=start.fat, min=FAT[0], max=FAT[1], step=0.02, **once)
        self.slice = control(w.IntSlider, "slice", min=0, max=1)
        self.buttons = [w.Button(description=what, layout=w.Layout(width="auto")) for what in ("home", *PRESETS)]
        for button in self.buttons:
            source = "" if button.description == "home" else button.description
            button.tooltip = f"all settings of {source or 'the scanner at home'}"
            button.on_click(lambda _, source=source: self.choose(rescanner.preset(source)))
        moving = [self.phase, self.noise, self.kernel, self.thickness, self.fat, self.slice]
        super().__init__(w.HBox(self.buttons), *moving)
        self.refresh()

    @property
    def setting(self) -> Setting:
        """What the controls say."""
        return Setting(self.phase.value, self.noise.value, self.kernel.value, self.thickness.value, self.fat.value)

    def choose(self, setting: Setting) -> None:
        """Move all controls at once and draw once."""
        self._quiet = True
        for what, value in vars(setting).items():
            getattr(self, what).value = value
        self._quiet = False
        self.refresh()

    def follow(self, moved: w.Widget | None) -> None:
        if moved is self.slice:
            return
        begin = time.perf_counter()
        self.caption.value = status("scanning and segmenting ...")
        self.now = self.rescanner.turn(self.setting)
        self.seconds = time.perf_counter() - begin
        if not self.tried:
            shape, first = self.now.mask.shape, scene(self.now.case)
            self._box = box_around(first.label, first.spacing, 45.0, "axial")  # what is drawn; all of the scan counts
            self.slice.max, self.slice.value = shape[2] - 1, best_index(self.now.case.label[0] > 0, shape, "axial")
        self.tried.append(self.now)

    def draw(self) -> str:
        drawn = zoomed(scene(self.now.case, prediction=self.now.mask), self._box)
        wide, high = page_size(drawn, "axial")
        across = LONG_SIDE / DOTS_PER_INCH
        down = across * high / wide
        self.figure.set_size_inches(across, down + HISTORY)
        share = down / (down + HISTORY)
        draw_slice(self.figure.add_axes((0, 1 - share, 1, share)), drawn, "axial", self.slice.value)
        below = self.figure.add_axes((0.11, 0.14, 0.87, (1 - share) - 0.19))
        dice = [one.dice for one in self.tried]
        below.axhline(dice[0], color=GREY, linestyle=":")
        below.plot(range(1, len(dice) + 1), dice, color=PREDICTION.colour, marker=PREDICTION.marker, markersize=5)
        below.set(ylim=(0, 1), xlim=(0.5, max(len(dice), 9) + 0.5), ylabel="Dice", xlabel="settings tried")
        below.xaxis.get_major_locator().set_params(integer=True)
        first, now = self.tried[0], self.now
        return status(
            f"Dice <b>{now.dice:.2f}</b> (at home {first.dice:.2f}, {now.dice - first.dice:+.2f})<br>"
            f"doubt <b>{now.doubt:.2f}</b> bits (at home {first.doubt:.2f})<br>"
            f"{now.mask.sum() * drawn.ml:.0f} mL marked; {self.seconds:.1f} s"
        )

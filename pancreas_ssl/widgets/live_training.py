"""A training to watch: a curve that grows, the time left, and a button that stops it without losing anything."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np
import torch

from pancreas_ssl.errors import RunError
from pancreas_ssl.figures.style import drawing
from pancreas_ssl.figures.terms import draw_terms, loss_terms
from pancreas_ssl.progress import Progress
from pancreas_ssl.training import Fitted, Recipe, fit
from pancreas_ssl.widgets.live import Live, alert, control, png, status
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["LiveTraining", "WatchedTraining", "watch_training"]

REDRAW_EVERY = 0.5  # seconds, at most


def watch_training(
    recipe: Recipe,
    train: Sequence[Any],
    held_out: Sequence[Any] | None = None,
    *,
    out: str | Path,
    resume: bool = False,
    device: str = "auto",
    title: str = "",
    name: str = "training",
    live: bool | str | None = None,
) -> "WatchedTraining":
    """Train, and show the progress: in JupyterLab while the training runs, elsewhere when it has ended.

    With a front end the training runs beside the kernel's main thread: the cell ends at once and the button works.
    Call `wait()` before you use what is in the folder.

    Args:
        recipe, train, held_out, out, resume, device: as in `fit`.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError, RunError: as in `fit`; with a front end `wait()` raises them.

    Example:
        >>> training = watch_training(recipe, train, out="runs/dual")    # doctest: +SKIP
        >>> training.wait()    # doctest: +SKIP
        'stopped at step 40 of 120'
    """

    def run(**more) -> Fitted:
        return fit(recipe, train, held_out, out, resume=resume, device=device, **more)

    if is_live(live):
        watched = LiveTraining(run, recipe.steps)
        watched.start()
        return WatchedTraining(None, watched, "Training: live curve (ipywidgets); it continues while you read.")
    fitted = run()
    said = "Training: ended, its curve is above (no live front end; in JupyterLab it grows, and can be stopped)."
    return WatchedTraining(loss_terms(fitted.history, title, name=name), None, said, fitted.step)


@dataclass
class WatchedTraining(Viewer):
    """What `watch_training` returns: end a cell with it. `live` is the `LiveTraining`, or None; `static` is the figure
    of a training that has ended already."""

    steps: int = 0

    def wait(self) -> str:
        """Wait until the training has ended or was stopped, and say which. Jupyter's own stop button stops it too.

        Raises:
            InputError, RunError: what the training raised, other than that it was stopped.
        """
        return f"trained {self.steps} of {self.steps} steps" if self.live is None else self.live.wait()


class LiveTraining(Live):
    """The live part (see `Live`).

    Attributes:
        stop: the button; the current step is completed and a checkpoint written.
        scale: linear or logarithmic.
        smooth: how many rows of the history are averaged.
        rows: the history so far.
    """

    def __init__(self, run: Callable[..., Fitted], steps: int):
        """`run(callback=, stopping=, progress=)` trains `steps` steps."""
        self.run, self.steps, self.rows = run, steps, []
        self._clock, self._wish = Progress(steps, show=False), threading.Event()
        self._lock, self._drawn = threading.Lock(), 0.0
        self._thread: threading.Thread | None = None
        self._ended, self._error = "", None
        self.stop = w.Button(description="Stop after this step", icon="stop", layout=w.Layout(width="200px"))
        self.bar = w.IntProgress(min=0, max=steps, description="steps", layout=w.Layout(width="400px"))
        self.scale = control(w.ToggleButtons, "scale", options=["linear", "logarithmic"])
        self.smooth = control(w.IntSlider, "rows averaged", value=1, min=1, max=10)
        super().__init__(self.scale, self.smooth, width="640px")
        first, *others = self.box.children
        with drawing():
            self.figure.set_size_inches(6.4, 3.6)
            self._axis = self.figure.add_axes((0.09, 0.13, 0.66, 0.83))
        self.box.children = first, w.VBox([self.stop, self.bar, *others])
        self.stop.on_click(self._asked)
        self._say("starting: reading cases, probing the device")
        self.refresh()

    def start(self) -> None:
        """Begin to train in a thread of its own, with as many numerical threads as the caller has."""
        threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._train, args=(threads,), name="training", daemon=True)
        self._thread.start()

    def wait(self) -> str:
        """See `WatchedTraining.wait`."""
        while self._thread is not None and self._thread.is_alive():
            try:
                self._thread.join(0.2)
            except KeyboardInterrupt:
                self._asked()
        if self._error is not None:
            raise self._error
        return self._ended

    def _train(self, threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            fitted = self.run(callback=self._row, stopping=self._wish.is_set, progress=False)
            self._ended = f"trained {fitted.step} of {self.steps} steps"
        except RunError as error:
            if self._wish.is_set():
                self._ended = str(error).split(";")[0].replace("training was interrupted", "stopped")
            else:
                self._error = error
        except Exception as error:  # a thread has no cell to fail in: `wait` raises it, and the reader sees it here
            self._error = error
        self.stop.disabled = True
        if self._error is not None:
            self.caption.value = alert(f"the training failed: {self._error}")
            return
        self.refresh()
        self._say(self._ended + "; a checkpoint is kept" * self._wish.is_set())

    def _asked(self, _button=None) -> None:
        self._wish.set()
        self.stop.disabled = True
        self._say("stopping: the current step is completed, then a checkpoint is written")

    def _row(self, row: dict) -> None:
        self.rows.append(row)
        self.bar.value = row["step"]
        if not self._wish.is_set():
            terms = ", ".join(f"{name} {values[-1]:.3f}" for name, values in self._curves().items())
            self._say(self._clock.line(row["step"], "", time.perf_counter()) + f"<br>{terms}")
        if time.perf_counter() - self._drawn > REDRAW_EVERY:
            self.refresh()

    def _curves(self) -> dict[str, list[float]]:
        """Name -> values, of the rows so far; a term that has not begun counts as 0."""
        names = [n for n in (self.rows[-1] if self.rows else ()) if n == "loss" or n.startswith("loss_")]
        return {
            name.removeprefix("loss_"): smoothed([r.get(name, 0.0) for r in self.rows], self.smooth.value)
            for name in names
        }

    def refresh(self, moved: w.Widget | None = None) -> None:
        """Draw the curves again. The training's thread draws too, so this leaves matplotlib's settings alone."""
        with self._lock:
            self._drawn, axis = time.perf_counter(), self._axis
            for line in [*axis.lines]:
                line.remove()
            curves, logarithmic = self._curves(), self.scale.value == "logarithmic"
            if logarithmic:  # a term that is still 0 has no logarithm
                curves = {name: np.where(np.array(one) > 0, one, np.nan) for name, one in curves.items()}
            axis.set_yscale("log" if logarithmic else "linear")
            draw_terms(axis, [row["step"] for row in self.rows], curves, most=40)
            axis.relim()
            axis.autoscale(axis="y")
            axis.set_xlim(0, self.steps)
            if not logarithmic:
                axis.set_ylim(bottom=0)
            if curves:
                axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
            self.picture.value = png(self.figure)

    def _say(self, words: str) -> None:
        self.caption.value = status(words)


def smoothed(values: Sequence[float], over: int) -> list[float]:
    """Each value's mean with up to `over - 1` values before it.

    Example:
        >>> smoothed([1.0, 3.0, 5.0], 2)
        [1.0, 2.0, 4.0]
    """
    return [float(np.mean(values[max(0, k + 1 - over) : k + 1])) for k in range(len(values))]

"""A training to watch: a curve that grows, the time left, and a button that stops it without losing anything."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pancreas_ssl.errors import RunError
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.terms import loss_terms
from pancreas_ssl.widgets.curves import paint_curves, smoothed
from pancreas_ssl.widgets.viewer import is_live

if TYPE_CHECKING:
    from pancreas_ssl.training import Fitted, Recipe

__all__ = ["LiveTraining", "WatchedTraining", "watch_training"]

REDRAW_EVERY = 0.25  # seconds, at most


def watch_training(
    recipe: "Recipe",
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
    """Train, and show how it goes: in JupyterLab while it goes, else when it has ended.

    With a front end the training runs beside the kernel's main thread: the cell ends at once and the button is heard.
    Call `wait()` before you use what is in the folder.

    Args:
        recipe, train, held_out, out, resume, device: as `fit`.
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError, RunError: as `fit`; with a front end `wait()` raises them.

    Example:
        >>> training = watch_training(recipe, train, out="runs/dual")    # doctest: +SKIP
        >>> training.wait()    # doctest: +SKIP
        'stopped at step 40 of 120'
    """
    from pancreas_ssl.training import fit

    def run(**more) -> "Fitted":
        return fit(recipe, train, held_out, out, resume=resume, device=device, **more)

    if is_live(live):
        watched = LiveTraining(run, recipe.steps)
        watched.start()
        return WatchedTraining(None, watched, "Training: live curve (ipywidgets); it goes on while you read.")
    fitted = run()
    said = (
        "Training: ended, its curve is above (no live front end; in JupyterLab it grows, and can be stopped)."
    )
    return WatchedTraining(loss_terms(fitted.history, title, name=name), None, said, fitted)


class WatchedTraining:
    """What `watch_training` gives: end a cell with it.

    Attributes:
        static: the figure, where the training has ended already.
        live: the `LiveTraining`, or None.
        said: one line: what is shown, and why.
    """

    def __init__(
        self,
        static: Described | None,
        live: "LiveTraining | None",
        said: str,
        fitted: "Fitted | None" = None,
    ):
        self.static, self.live, self.said, self._fitted = static, live, said, fitted

    def wait(self) -> str:
        """Wait until the training has ended or was stopped, and say which. Jupyter's own stop button stops it too.

        Raises:
            InputError, RunError: what the training raised, other than that it was stopped.
        """
        if self.live is None:
            return f"trained {self._fitted.step} of {self._fitted.step} steps"
        return self.live.wait()

    def _ipython_display_(self) -> None:
        import html

        from IPython.display import display

        if self.static is not None:
            self.static.show()
        if self.live is not None:
            display(self.live.box)
        display(
            {"text/html": f"<p><small>{html.escape(self.said)}</small></p>", "text/plain": self.said},
            raw=True,
        )


class LiveTraining:
    """The live part.

    Attributes:
        box: the ipywidgets container.
        stop: the button; the step that is under way is ended and a checkpoint written.
        scale: linear or logarithmic.
        smooth: how many rows of the history are averaged.
        picture: the Image widget whose `value` is the PNG.
        caption: HTML in words and numbers, in a `div role="status"`, or what went wrong, in a `div role="alert"`.
        rows: the history so far.
    """

    def __init__(self, run: "Callable[..., Fitted]", steps: int):
        """`run(callback=, stopping=, progress=)` trains `steps` steps."""
        import ipywidgets as w

        from pancreas_ssl.training.progress import Progress

        self.run, self.steps, self.rows = run, steps, []
        self._clock, self._wish = Progress(steps, show=False), threading.Event()
        self._lock, self._drawn = threading.Lock(), 0.0
        self._thread: threading.Thread | None = None
        self._ended, self._error = "", None
        self.stop = w.Button(description="Stop after this step", icon="stop", layout=w.Layout(width="200px"))
        self.bar = w.IntProgress(min=0, max=steps, description="steps", layout=w.Layout(width="400px"))
        self.scale = w.ToggleButtons(options=["linear", "logarithmic"], description="scale")
        self.smooth = w.IntSlider(
            value=1, min=1, max=10, description="rows averaged", style={"description_width": "120px"}
        )
        self.picture = w.Image(format="png", layout=w.Layout(width="640px", object_fit="contain"))
        self.caption = w.HTML()
        controls = w.VBox([self.stop, self.bar, self.scale, self.smooth, self.caption])
        self.box = w.HBox(
            [self.picture, controls], layout=w.Layout(flex_flow="row wrap", align_items="flex-start")
        )
        self.stop.on_click(self._asked)
        for control in (self.scale, self.smooth):
            control.observe(self._redraw, "value")
        self._say("starting: cases are read, the device is probed")
        self._redraw()

    def start(self) -> None:
        """Begin to train in a thread of its own, with as many numerical threads as the caller has."""
        import torch

        self._thread = threading.Thread(
            target=self._train, args=(torch.get_num_threads(),), name="training", daemon=True
        )
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
        import torch

        torch.set_num_threads(threads)
        try:
            fitted = self.run(callback=self._row, stopping=self._wish.is_set, progress=False)
            self._ended = f"trained {fitted.step} of {self.steps} steps"
        except RunError as error:
            if self._wish.is_set():
                self._ended = str(error).split(";")[0].replace("training was interrupted", "stopped")
            else:
                self._error = error
        except (
            Exception
        ) as error:  # a thread has no cell to fail in: `wait` raises it, and the reader sees it here
            self._error = error
        self.stop.disabled = True
        if self._error is not None:
            self.caption.value = f'<div role="alert">the training failed: {self._error}</div>'
            return
        self._redraw()
        self._say(self._ended + "; a checkpoint is kept" * self._wish.is_set())

    def _asked(self, _button=None) -> None:
        self._wish.set()
        self.stop.disabled = True
        self._say("stopping: the step under way is ended, then a checkpoint is written")

    def _row(self, row: dict) -> None:
        self.rows.append(row)
        self.bar.value = row["step"]
        if not self._wish.is_set():
            terms = ", ".join(f"{name} {values[-1]:.3f}" for name, values in self._curves().items())
            self._say(self._clock.line(row["step"], "", time.perf_counter()) + f"<br>{terms}")
        if time.perf_counter() - self._drawn > REDRAW_EVERY:
            self._redraw()

    def _curves(self) -> dict[str, list[float]]:
        """Name -> values, of the rows so far; a term that has not begun counts as 0."""
        names = [n for n in (self.rows[-1] if self.rows else ()) if n == "loss" or n.startswith("loss_")]
        return {
            name.removeprefix("loss_"): smoothed([r.get(name, 0.0) for r in self.rows], self.smooth.value)
            for name in names
        }

    def _redraw(self, _change=None) -> None:
        with self._lock:
            self._drawn = time.perf_counter()
            self.picture.value = paint_curves(
                [r["step"] for r in self.rows], self._curves(), self.steps, self.scale.value == "logarithmic"
            )

    def _say(self, words: str) -> None:
        self.caption.value = f'<div role="status">{words}</div>'

"""A training to watch: the curve grows, every control moves the picture, the button stops it, nothing is lost."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl import figures, widgets
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.training import fit
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.checkpoint import checkpoint_file
from pancreas_ssl.widgets.live_training import smoothed
from tests.training.helpers import RECIPE, ball

DUAL = replace(with_arm(RECIPE, "dual"), dropout=0.0, steps=40, module_start=0.25, teacher_every=40)


def row(step: int) -> dict:
    seg, ramp = 2 / (1 + step / 30) + 0.1 * (step % 20 == 0), min(1.0, step / 60)
    terms = {"loss_segmentation": seg, "loss_contrast": 0.2 * ramp, "loss_restoration": 0.1 * ramp}
    return {"step": step, "loss": sum(terms.values()), "learning_rate": 1e-3, "seconds": step / 10} | terms


def pretended(callback, stopping, progress):
    """Twelve rows at once."""
    for step in range(10, 121, 10):
        callback(row(step))
    return SimpleNamespace(step=120)


@pytest.fixture
def live():
    watched = widgets.LiveTraining(pretended, 120)
    watched.start()
    assert watched.wait() == "trained 120 of 120 steps"
    return watched


@pytest.fixture
def cases() -> list:
    return [ball(k) for k in range(2)]


def test_without_a_front_end_it_trains_to_the_end_and_draws(cases, tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_LIVE", "0")
    training = widgets.watch_training(DUAL, cases, out=tmp_path, device="cpu", title="Toy", name="toy")
    assert training.live is None and "no live front end" in training.said and training.static.png()
    assert set(training.static.table) == {"step", "loss", "segmentation", "contrast", "restoration"}
    assert training.wait() == "trained 40 of 40 steps"
    again = fit(DUAL, cases, out=tmp_path, device="cpu", progress=False, resume=True)
    assert again.step == 40, "the checkpoint is there"


def test_the_picture_grows_while_it_trains():
    seen, go = [], threading.Event()

    def run(callback, stopping, progress):
        for step in (10, 20, 30):
            go.wait(10)
            go.clear()
            callback(row(step))
        return SimpleNamespace(step=30)

    watched = widgets.LiveTraining(run, 120)
    widget = watched.picture
    watched.start()
    for step in (10, 20, 30):
        watched._drawn = 0.0
        before = watched.picture.value
        go.set()
        until = time.monotonic() + 10
        while watched.picture.value == before and time.monotonic() < until:
            time.sleep(0.005)
        seen.append(watched.picture.value)
        assert watched.bar.value == step
    assert len(set(seen)) == 3 and watched.picture is widget
    watched.wait()
    assert 'role="status"' in watched.caption.value and "30 of 120" in watched.caption.value


@pytest.mark.parametrize("name", ["smooth", "scale"])
def test_every_control_changes_the_picture_at_both_ends(live, name):
    control, start = getattr(live, name), live.picture.value
    ends = control.options if name == "scale" else (control.min, control.max)
    for end in reversed(ends):
        before = live.picture.value
        control.value = end
        assert live.picture.value != before
    assert live.picture.value == start


def test_it_is_drawn_in_time(live):
    seconds = []
    for value in (2, 5, 10, 3, 7):
        begin = time.perf_counter()
        live.smooth.value = value
        seconds.append(time.perf_counter() - begin)
    assert np.median(seconds) < 0.2


def test_the_button_stops_a_training_that_can_be_resumed(cases, tmp_path, monkeypatch):
    training = widgets.watch_training(DUAL, cases, out=tmp_path, device="cpu", live=True)
    live, shown = training.live, []
    monkeypatch.setattr("pancreas_ssl.widgets.live.display", shown.append)
    monkeypatch.setattr("IPython.display.display", lambda one, **_: getattr(one, "_ipython_display_", lambda: None)())
    training.show()
    assert shown == [live.box]
    until = time.monotonic() + 60
    while not live.rows and time.monotonic() < until:
        time.sleep(0.005)
    live.stop.click()
    assert live.stop.disabled and "stopping" in live.caption.value
    said = training.wait()
    assert said.startswith("stopped at step ") and said.endswith(f"of {DUAL.steps}")
    assert checkpoint_file(tmp_path).exists() and "a checkpoint is kept" in live.caption.value
    resumed = fit(DUAL, cases, out=tmp_path, device="cpu", progress=False, resume=True)
    whole = fit(DUAL, cases, device="cpu", progress=False)
    assert resumed.step == 40
    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], rtol=1e-5)


def test_what_fails_is_told_in_the_widget_and_raised_by_wait(cases, tmp_path):
    fit(DUAL, cases, out=tmp_path, device="cpu", progress=False, stop_at=2)
    training = widgets.watch_training(DUAL, cases, out=tmp_path, device="cpu", live=True)
    with pytest.raises(InputError, match="has a checkpoint"):
        training.wait()
    assert 'role="alert"' in training.live.caption.value and "has a checkpoint" in training.live.caption.value

    def broken(**_):
        raise RunError("the loss is no longer a number at step 3")

    live = widgets.LiveTraining(broken, 10)
    live.start()
    with pytest.raises(RunError, match="no longer a number"):
        live.wait()


def test_curves_by_hand():
    assert smoothed([1.0, 3.0, 5.0], 3) == [1.0, 2.0, 3.0]
    live = widgets.LiveTraining(pretended, 100)
    blank = live.picture.value
    live.rows = [{"step": 10, "loss": 1.0, "loss_contrast": 0.0}, {"step": 20, "loss": 0.5, "loss_contrast": 0.1}]
    live.refresh()
    assert live.picture.value != blank
    live.scale.value = "logarithmic"
    assert live.picture.value[:4] == b"\x89PNG"
    (axis,) = live.figure.axes
    shown = {line.get_label(): line.get_ydata()[np.isfinite(line.get_ydata())].tolist() for line in axis.lines}
    assert shown == {"loss": [1.0, 0.5], "contrast": [0.1]}, "a term that is still 0 has no logarithm and is left out"


def test_the_terms_as_a_figure():
    history = pd.DataFrame([row(step) for step in range(10, 61, 10)])
    drawn = figures.loss_terms(history, "A training")
    assert drawn.png() and "contrast from" in drawn.alt
    sums = drawn.table[["segmentation", "contrast", "restoration"]].sum(axis=1)
    np.testing.assert_allclose(sums, drawn.table["loss"])
    with pytest.raises(InputError, match="expected a history with rows"):
        figures.loss_terms(history[["step", "loss"]])


def test_memory_as_a_figure():
    table = pd.DataFrame({"training": ["small", "large"], "forecast (GiB)": [0.5, 6.0], "measured (GiB)": [0.4, None]})
    drawn = figures.memory_chart(table, {"laptop, 8 GiB": 8}, "Memory")
    assert drawn.png() and "small 0.5 (measured 0.4); large 6" in drawn.alt and "laptop, 8 GiB 8" in drawn.alt
    with pytest.raises(InputError, match="above 0"):
        figures.memory_chart(table.assign(**{"forecast (GiB)": 0.0}))
    with pytest.raises(InputError, match="expected rows with the columns"):
        figures.memory_chart(table[["training"]])

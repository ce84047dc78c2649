"""Latency of the live pictures in the kernel: median and worst of 20 moves of one control, seconds."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

MOVES = 20


def run() -> list[dict]:
    rows = []
    for name, live, control, values in _widgets():
        spent = []
        for value in values:
            begin = perf_counter()
            control.value = value
            spent.append(perf_counter() - begin)
        row = {"widget": name, "control": control.description, "moves": len(spent)}
        rows.append(row | {"median s": float(np.median(spent)), "worst s": max(spent)})
        assert "alert" not in live.caption.value, f"{name}: {live.caption.value}"
    return rows


def _spread(control: Any) -> list:
    """Places of a control, to and fro, none twice in a row."""
    if hasattr(control, "options"):
        options = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return [options[(k + 1) % len(options)] for k in range(MOVES)]
    step = getattr(control, "step", 1)
    places = control.min + np.round(np.linspace(0.05, 0.95, MOVES) * (control.max - control.min) / step) * step
    return [type(control.value)(place) for place in np.random.default_rng(0).permutation(places)]


def _widgets() -> Iterator[tuple[str, Any, Any, list]]:
    from pancreas_ssl import widgets
    from pancreas_ssl.figures.planes import scene
    from pancreas_ssl.inference import load_weights, predict_prepared
    from pancreas_ssl.lessons.rescanned import Rescanner
    from pancreas_ssl.method.uncertainty import entropy
    from pancreas_ssl.widgets.live_regions import RegionInputs

    model = load_weights("baseline")
    rescanner = Rescanner(model)
    one: Callable = rescanner.turn
    case = one(rescanner.at_home()).case
    probability = predict_prepared(model, case.image)[1]
    mask = probability > 0.5

    dial = widgets.LiveDial(rescanner)
    for control in (dial.noise, dial.fat, dial.thickness, dial.phase, dial.slice):
        values = _spread(control)
        rescanner.turn.cache_clear()
        yield "generalisation dial", dial, control, values
    slices = widgets.LiveSlices(scene(case, prediction=mask))
    yield "slices", slices, slices.slice, _spread(slices.slice)
    compared = widgets.LiveComparison(case, {"one": mask, "other": np.roll(mask, 2, axis=0)})
    yield "two networks", compared, compared.slice, _spread(compared.slice)
    regions = widgets.LiveRegions(RegionInputs(case, np.asarray(entropy(probability[None]))))
    for control in (regions.tau, regions.s):
        yield "regions", regions, control, _spread(control)
    circle = widgets.LiveCircle()
    yield "circle", circle, circle.temperature, _spread(circle.temperature)

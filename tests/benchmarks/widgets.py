"""Latency of the live pictures in the kernel: median and worst of 20 moves of one control, seconds."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

MOVES, SHOWN = 20, ("phantom/A", "phantom/V")


def run() -> list[dict]:
    rows = []
    for name, live, control, values, forget in _widgets():
        spent = []
        for value in values:
            forget()  # what was shown before is not to come from a store
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
    if isinstance(control.value, tuple):  # a range: its lower end moves
        return [(control.min + k * step, control.value[1]) for k in range(MOVES)]
    places = control.min + np.round(np.linspace(0.05, 0.95, MOVES) * (control.max - control.min) / step) * step
    return [type(control.value)(place) for place in np.random.default_rng(0).permutation(places)]


def _widgets() -> Iterator[tuple[str, Any, Any, list, Callable]]:
    from pancreas_ssl import widgets
    from pancreas_ssl.figures.planes import scene
    from pancreas_ssl.inference import load_weights, predict_prepared
    from pancreas_ssl.lessons.inspected_patch import inspect_patch
    from pancreas_ssl.lessons.rescanned import Rescanner
    from pancreas_ssl.method.uncertainty import entropy
    from pancreas_ssl.widgets.live_regions import RegionInputs
    from pancreas_ssl.widgets.live_sources import LiveSources

    model = load_weights("baseline")
    rescanner = Rescanner(model)
    case = rescanner.turn(rescanner.at_home()).case
    probability = predict_prepared(model, case.image)[1]
    mask = probability > 0.5

    dial = widgets.LiveDial(rescanner)
    for control in (dial.noise, dial.fat, dial.thickness, dial.phase, dial.slice):
        yield "generalisation dial", dial, control, _spread(control), rescanner.turn.cache_clear
    live = [
        ("slices", widgets.LiveSlices(scene(case, prediction=mask)), "slice window opacity"),
        ("two networks", widgets.LiveComparison(case, {"one": mask, "other": np.roll(mask, 2, axis=0)}), "slice"),
        ("regions", widgets.LiveRegions(RegionInputs(case, np.asarray(entropy(probability[None])))), "tau s a slice"),
        ("circle", widgets.LiveCircle(), "angle temperature margin"),
        ("features", widgets.LiveFeatures({"at home": _space(case)}), "voxel opacity"),
    ]
    restoring = load_weights("restoration")
    corruption = widgets.LiveCorruption(restoring, inspect_patch(restoring, case))
    live += [("corruption", corruption, "strength seed slice"), ("sources", LiveSources([*SHOWN], 0, 16), "who slice")]
    for name, one, controls in live:
        store = getattr(one, "_tried", getattr(one, "_scan_of", None))
        for control in (getattr(one, which) for which in controls.split()):
            yield name, one, control, _spread(control), store.cache_clear if store else lambda: None


def _space(case: Any) -> Any:
    """The contrast network's features of a case."""
    from pancreas_ssl.inference import load_weights
    from pancreas_ssl.inference.feature_maps import cosine_map, feature_map
    from pancreas_ssl.inference.prototype_vote import trained_contrast
    from pancreas_ssl.lessons.inspected_features import features_of, principal_axes
    from pancreas_ssl.widgets import space_of

    model = load_weights("contrast")
    contrast = trained_contrast(model)
    features = feature_map(model, case.image)
    sampled = features_of(model, case, features=features, seed=0)
    pancreas = contrast.prototypes.pancreas
    (cosines,) = cosine_map(model, case.image, pancreas[None], contrast, features=features)
    return space_of(case, sampled, contrast, principal_axes(contrast.projection(sampled.features), pancreas), cosines)

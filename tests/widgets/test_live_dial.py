"""The dial and the comparison: every control at both ends, settings that change one thing, sealed test sources."""

import numpy as np
import pytest

from pancreas_ssl import widgets
from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.dial_strip import compare_panel
from pancreas_ssl.inference import Model
from pancreas_ssl.lessons.rescanned import Rescanner, Setting
from pancreas_ssl.method.network import SegmentationNetwork


def tiny(seed: int) -> Model:
    return Model(SegmentationNetwork((4, 8), seed=seed), (3.0,) * 3, (-150.0, 250.0), (32, 32, 32))


@pytest.fixture(scope="module")
def rescanner() -> Rescanner:
    return Rescanner(tiny(0))


def test_a_setting_changes_the_scan_and_nothing_else(rescanner):
    home = rescanner.turn(rescanner.at_home())
    assert rescanner.turn(Setting()) is home, "the same setting is remembered"
    noisy = rescanner.turn(Setting(noise=40.0))
    assert np.array_equal(noisy.case.label, home.case.label) and noisy.case.image.shape == home.case.image.shape
    inside = home.case.label[0] > 0
    assert noisy.case.image[0][inside].std() > 2 * home.case.image[0][inside].std()
    assert abs(noisy.case.image[0][inside].mean() - home.case.image[0][inside].mean()) < 0.03
    pale = rescanner.turn(Setting(phase="unenhanced"))
    assert pale.case.image[0][inside].mean() < home.case.image[0][inside].mean() - 0.1
    fat = rescanner.turn(Setting(fat=0.6))
    assert fat.case.image[0][inside].mean() < pale.case.image[0][inside].mean()
    assert 0 <= home.dice <= 1 and 0 <= home.doubt <= 1


def test_presets_are_of_development_sources(rescanner):
    assert rescanner.preset("W").fat == 0.42 and rescanner.preset("V").kernel == "smooth"
    with pytest.raises(InputError, match="sealed"):
        rescanner.preset("B")
    with pytest.raises(InputError, match="sealed"):
        Rescanner(tiny(0), "C")
    with pytest.raises(InputError, match="a phase among"):
        rescanner.turn(Setting(phase="as in D"))


def test_every_control_of_the_dial_at_both_ends(rescanner):
    live = widgets.LiveDial(rescanner)
    for name in ("noise", "thickness", "fat", "slice"):
        control = getattr(live, name)
        for end in (control.max, control.min):
            before, at = live.picture.value, control.value
            control.value = end
            assert live.picture.value != before or at == end, (name, end)
    for control in (live.phase, live.kernel):
        for option in (control.options[-1], control.options[0]):
            before = live.picture.value
            control.value = option
            assert live.picture.value != before
    tried = len(live.tried)
    for button in live.buttons:
        button.click()
    assert len(live.tried) == tried + len(live.buttons) and live.setting == rescanner.preset("X")
    assert 'role="status"' in live.caption.value and "at home" in live.caption.value


def test_static_twins(rescanner):
    viewer = widgets.generalisation_dial(tiny(0), live=False)
    assert viewer.live is None and list(viewer.static.table["setting"])[0] == "as at home"
    assert len(set(viewer.static.table["fat, share"])) == 2
    case = rescanner.turn(Setting()).case
    compared = widgets.compare_models({"one": tiny(0), "other": tiny(1)}, case, live=True)
    assert list(compared.static.table["network"]) == ["one", "other"] and "Dice" in compared.static.table
    with pytest.raises(InputError, match="two masks"):
        compare_panel(case, {"one": case.label[0]})


def test_every_control_of_the_comparison_at_both_ends(rescanner):
    case = rescanner.turn(Setting()).case
    left, right = case.label[0] > 0, np.roll(case.label[0] > 0, 4, axis=0)
    live = widgets.LiveComparison(case, {"one": left, "other": right})
    assert "one: " in live.caption.value and "Dice 1.00" in live.caption.value
    for end in (live.slice.min, live.slice.max):
        before = live.picture.value
        live.slice.value = end
        assert live.picture.value != before
    live.slice.value = (live.slice.max + 1) // 2
    for control in (live.shown, live.plane):
        for option in (control.options[-1], control.options[0]):
            before = live.picture.value
            control.value = option
            assert live.picture.value != before

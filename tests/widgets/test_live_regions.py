"""The region explorer and the measure chart: every control moves the picture in time, the words say what is shown."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from pancreas_ssl import figures, widgets
from pancreas_ssl.errors import InputError
from pancreas_ssl.method.regions import Region
from pancreas_ssl.method.structure import label_regions
from pancreas_ssl.widgets.live_regions import RegionInputs
from tests.method.shapes import ellipsoid


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    label = ellipsoid((110, 90, 70), (20, 5, 6))
    rng = np.random.default_rng(0)
    image = np.full(label.shape, -1.0, np.float32)
    image[5:105, 5:85] = 0.1 + 0.1 * rng.standard_normal((100, 80, 70), np.float32)
    image = np.clip(image, -1, 1)[None]
    return SimpleNamespace(
        image=image, label=label[None], affine=np.diag([3.0, 3, 3, 1]), spacing=(3.0,) * 3, window=(-150.0, 250.0)
    )


@pytest.fixture(scope="module")
def uncertainty(case) -> np.ndarray:
    return np.random.default_rng(1).random(case.image.shape[1:], np.float32)


@pytest.fixture
def live(case, uncertainty):
    return widgets.LiveRegions(RegionInputs(case, uncertainty))


def test_without_a_front_end_there_is_the_figure(case, uncertainty, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_LIVE", "0")
    viewer = widgets.region_explorer(case, uncertainty, title="Regions")
    assert viewer.live is None and "no live front end" in viewer.said and viewer.static.png()
    assert set(viewer.static.table["picture"]) == {"s = 1.5 mm", "s = 3 mm", "s = 1.5 mm, a = 1"}
    assert widgets.region_explorer(case, uncertainty, live=True).live is not None


@pytest.mark.parametrize("name", ["tau", "s", "a", "slice", "opacity"])
def test_every_slider_changes_the_picture_at_both_ends(live, name):
    control, widget = getattr(live, name), live.picture
    start, pictures = live.picture.value, {live.picture.value}
    for end in (control.min, control.max):
        control.value = end
        assert live.picture is widget and live.picture.value != start
        pictures.add(live.picture.value)
    assert len(pictures) == 3
    assert 'role="status"' in live.caption.value


def test_the_switches_change_the_picture(live):
    regions = live.picture.value
    live.view.value = "uncertainty"
    assert live.picture.value != regions
    live.view.value = "regions"
    assert live.picture.value == regions
    live.s.value, live.tau.value = 6.0, 0.05
    live.slice.value = int(live.cut.medial.sum((0, 1)).argmax())
    with_line = live.picture.value
    live.medial.value = False
    assert live.picture.value != with_line


def test_counts_in_the_caption_are_those_of_the_whole_case(live, case, uncertainty):
    live.tau.value, live.s.value, live.a.value = 0.4, 2.0, 0.3
    how = {"tau": 0.4, "s_mm": 2.0, "a": 0.3}
    codes, _ = label_regions(case.label[0], case.image[0], case.spacing, torch.from_numpy(uncertainty), **how)
    for region in (Region.CORE, Region.RIM_IN, Region.RIM_OUT, Region.NEAR):
        assert f"{region.name.lower()}: {int((codes == region).sum())} voxels" in live.caption.value


def test_an_empty_core_is_an_alert(live):
    assert "alert" not in live.caption.value
    live.medial.value, live.tau.value, live.s.value = False, 0.05, 6.0
    assert 'role="alert"' in live.caption.value and "core is empty" in live.caption.value


def test_redraws_in_time(live):
    seconds = []
    for k in range(9):
        start = time.process_time()
        live.s.value = 1.0 + 0.2 * k
        seconds.append(time.process_time() - start)
    assert np.median(seconds) < 0.2


def test_no_label_or_another_grid_is_said(case, uncertainty):
    with pytest.raises(InputError, match="regions need a label"):
        widgets.region_explorer(SimpleNamespace(image=case.image, affine=case.affine))
    with pytest.raises(InputError, match="resample it first"):
        widgets.region_explorer(case, uncertainty[1:])


def test_measure_chart_draws_what_the_table_says():
    table = pd.DataFrame(
        {
            "map": ["a", "a", "b", "b"],
            "source": list("AVAV"),
            "auroc": [0.6, 0.7, 0.8, 0.9],
            "ece": [0.1, 0.2, np.nan, np.nan],
        }
    )
    drawn = figures.measure_chart(
        table, "map", {"auroc": "AUROC", "ece": "ECE"}, lines={"auroc": 0.5}, title="Measures"
    )
    assert (
        "AUROC, lowest to highest: a 0.6 (A) to 0.7 (V), b 0.8 (A) to 0.9 (V)" in drawn.alt
        and "nan" not in drawn.alt.lower()
    )
    assert drawn.table.shape == (4, 4) and len(drawn.png()) > 5000
    points = [line.get_xydata() for line in drawn.figure.axes[0].lines if line.get_linestyle() == "None"]
    assert sorted(np.concatenate(points)[:, 0].tolist()) == [0.6, 0.7, 0.8, 0.9]
    with pytest.raises(InputError, match="columns map, source, dice"):
        figures.measure_chart(table, "map", {"dice": "Dice"})

"""Pictures of corruption and restoration, and the playground: every control moves the picture in time."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl import figures, widgets
from pancreas_ssl.errors import InputError
from pancreas_ssl.lessons.inspected_patch import inspect_patch, place_boxes, restore_patch
from tests.method.images import tiny_case, tiny_model

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def patch(model):
    return inspect_patch(model, tiny_case(), **CPU)


@pytest.fixture(scope="module")
def tried(model, patch):
    return restore_patch(model, patch, place_boxes(patch, 0), **CPU)


@pytest.fixture
def live(model, patch):
    return widgets.LiveCorruption(model, patch, **CPU)


def test_the_panel_says_its_errors_and_rings_the_point(patch, tried):
    mask = tried.placement.mask
    drawn = figures.restoration_panel(patch.case, tried.corrupted, tried.restored, mask, title="Panel")
    whole = drawn.table[drawn.table["where"] == "mask, patch"].set_index("picture")
    error = 200 * float((tried.restored - patch.image)[mask].abs().mean())
    assert whole.loc["restored", "mean absolute error (HU)"] == pytest.approx(error, rel=1e-3)
    assert whole.loc["original", "mean absolute error (HU)"] == 0
    assert f"{int(mask.sum())} corrupted voxels" in drawn.alt and "sky blue" in drawn.alt
    point = tuple(np.argwhere(mask[0].numpy())[0])
    ringed = figures.restoration_panel(patch.case, tried.corrupted, tried.restored, mask, point=point)
    assert f"slice {point[2]}" in ringed.alt and "ring" in ringed.alt
    assert len(ringed.png()) > 5000 and ringed.png() != drawn.png()
    bare = replace(patch.case, label=None)
    assert "sky blue" not in figures.restoration_panel(bare, tried.corrupted, tried.restored, mask).alt
    with pytest.raises(InputError, match="cut all alike"):
        figures.restoration_panel(patch.case, tried.corrupted[:, 1:], tried.restored, mask)


def test_the_ring_lies_on_its_voxel(patch, tried):
    """A single changed voxel is ringed: on the page the difference is largest under the ring."""
    point, mask = (20, 12, 8), torch.zeros_like(tried.placement.mask)
    mask[0][point] = True
    restored = patch.image.clone()
    restored[0][point] += 1.0
    drawn = figures.restoration_panel(patch.case, restored, restored, mask, point=point)
    axis = drawn.figure.axes[3]
    page = axis.images[0].get_array()
    x, y = axis.lines[-1].get_xydata()[0]
    row, column = np.unravel_index(np.abs(page).argmax(), page.shape)
    assert (int(x // 3), int(y // 3)) == (column, row)


def test_the_grid_has_a_picture_for_each_setting(patch, tried):
    images = {"a": {"was": patch.image, "is": tried.corrupted}, "b": {"was": patch.image, "is": tried.restored}}
    drawn = figures.corruption_grid(patch.case, images, tried.placement.mask, title="Grid")
    assert list(drawn.table["row"]) == ["a", "a", "b", "b"] and "a: was 0" in drawn.alt
    assert [axis.get_title(loc="left") for axis in drawn.figure.axes[:2]] == ["was", "is"]
    with pytest.raises(InputError, match="same columns"):
        figures.corruption_grid(patch.case, {"a": {"x": patch.image}, "b": {}}, tried.placement.mask)


def test_the_boxes_are_counted(patch):
    placements = {kind: place_boxes(patch, 0, kind) for kind in ("guided", "random")}
    drawn = figures.box_panel(patch, placements, title="Boxes")
    table = drawn.table.set_index("placement")
    assert table.loc["guided", "voxels"] == table.loc["random", "voxels"] == int(placements["guided"].mask.sum())
    covered = 100 * float((placements["guided"].mask[0] & patch.uncertain).sum() / patch.uncertain.sum())
    assert table.loc["guided", "% of R corrupted"] == pytest.approx(covered) and 49 < covered < 91


def test_without_a_front_end_there_is_the_grid(model, patch, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_LIVE", "0")
    viewer = widgets.corruption_playground(model, patch, title="Play", **CPU)
    assert viewer.live is None and "no live front end" in viewer.said and viewer.static.png()
    assert set(viewer.static.table["row"]) == {"shuffle", "remap", "noise"}
    assert widgets.corruption_playground(model, patch, live=True, **CPU).live is not None


@pytest.mark.parametrize("name", ["strength", "seed", "slice"])
def test_every_slider_changes_the_picture_at_both_ends(live, name):
    control, widget = getattr(live, name), live.picture
    if name == "strength":
        live.family.value = "inpaint"
        live.view.value = "corrupted"
    if name == "seed":
        control.value = 7
    start = live.picture.value
    pictures = {start}
    for end in (control.min, control.max):
        control.value = end
        assert live.picture is widget and live.picture.value != start
        pictures.add(live.picture.value)
    assert len(pictures) == 3 and 'role="status"' in live.caption.value


@pytest.mark.parametrize(("name", "view"), [("family", "corrupted"), ("place", "corrupted"), ("view", None)])
def test_every_choice_changes_the_picture(live, name, view):
    control = getattr(live, name)
    if view:
        live.view.value = view
    options = control.options.values() if isinstance(control.options, dict) else control.options
    pictures = set()
    for option in [o[1] if isinstance(o, tuple) else o for o in options]:
        control.value = option
        pictures.add(live.picture.value)
        assert 'role="status"' in live.caption.value
    assert len(pictures) == len(control.options)


def test_the_words_hold_the_numbers(live, patch):
    assert "voxels, boxes:" in live.caption.value and "restored: PSNR" in live.caption.value
    live.strength.value = 0
    assert "corrupted: PSNR inf dB, mean error 0 HU" in live.caption.value
    voxels = int(place_boxes(patch, 0).mask.sum())
    assert f"{voxels} voxels" in live.caption.value
    live.place.value = "random"
    assert f"{voxels} voxels" in live.caption.value, "equal volume"


def test_what_goes_wrong_is_said(live, monkeypatch):
    monkeypatch.setattr(live, "_tried", lambda *settings: 1 / 0)
    before = live.picture.value
    live.seed.value = 9
    assert 'role="alert"' in live.caption.value and live.picture.value == before


def test_redraws_in_time(model, patch):
    live = widgets.LiveCorruption(model, patch, **CPU)
    seconds = []
    for k in range(9):
        start = time.process_time()
        live.strength.value = 0.1 + 0.05 * k
        seconds.append(time.process_time() - start)
    assert np.median(seconds) < 0.2

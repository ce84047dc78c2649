"""A patch with its maps, corrupted again and again; boxes stay while family and strength change."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.devices import one_thread
from pancreas_ssl.errors import InputError
from pancreas_ssl.lessons.inspected_patch import inspect_patch, place_boxes, redraw_corruptions, restore_patch
from pancreas_ssl.method.corruptions import FAMILIES
from pancreas_ssl.method.regions import Region
from tests.method.images import tiny_case, tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def patch(model):
    return inspect_patch(model, tiny_case(), device="cpu", precision="fp32")


def test_the_patch_lies_where_the_label_is_and_knows_its_place(patch):
    case = tiny_case()
    assert patch.image.shape == (1, 32, 32, 16) and patch.labelled
    assert patch.case.label.sum() == case.label.sum(), "the whole organ is in the patch"
    start = np.round((patch.case.affine[:3, 3] - case.affine[:3, 3]) / 3).astype(int)
    part = tuple(slice(a, a + n) for a, n in zip(start, patch.image.shape[1:], strict=True))
    assert np.array_equal(case.image[0][part], patch.case.image[0])
    assert np.array_equal(case.label[0][part], patch.case.label[0])


def test_what_lies_beyond_the_image_is_air_without_label(model):
    case = tiny_case()
    low = replace(case, image=case.image[:, :, :, :12], label=case.label[:, :, :, :12])
    padded = inspect_patch(model, low, device="cpu", precision="fp32")
    assert padded.image.shape == (1, 32, 32, 16)
    beyond = padded.image[..., -2:]
    assert bool((beyond == -1).all()) and not padded.case.label[..., -2:].any()


def test_regions_need_the_label_unless_told_otherwise(patch, model, monkeypatch):
    assert bool((patch.regions[torch.from_numpy(patch.case.label[0] != 0)] <= Region.RIM_IN).all())
    assert bool(patch.uncertain.any())
    bare = replace(tiny_case(), label=None)
    with pytest.raises(InputError, match="labelled pancreas in case A_024"):
        inspect_patch(model, bare, device="cpu", precision="fp32")
    nothing = np.stack([np.ones(bare.image.shape[1:]), np.zeros(bare.image.shape[1:])])
    monkeypatch.setattr("pancreas_ssl.lessons.inspected_patch.predict_prepared", lambda *a, **k: nothing)
    with pytest.raises(InputError, match="some predicted pancreas"):
        inspect_patch(model, bare, use_label=False)


def test_without_label_the_maps_do_not_depend_on_it(model, monkeypatch):
    def predicted(_model, image, **_how):
        inside = np.clip((image[0] + 0.2) * 2, 0.01, 0.99).astype(np.float32)
        return np.stack([1 - inside, inside])

    monkeypatch.setattr("pancreas_ssl.lessons.inspected_patch.predict_prepared", predicted)
    case = tiny_case()
    moved = replace(case, label=np.roll(case.label, 4, axis=1))
    one, other = (inspect_patch(model, c, use_label=False) for c in (case, moved))
    assert not one.labelled and torch.equal(one.regions, other.regions)
    assert torch.equal(one.uncertainty, other.uncertainty) and torch.equal(one.image, other.image)
    assert torch.equal(one.uncertain, (one.uncertainty >= 0.5) & (one.regions != Region.OUTSIDE))


def test_boxes_stay_while_family_and_strength_change(patch):
    first = place_boxes(patch, 3)
    for family in FAMILIES:
        for strength in (0.2, 1.0):
            other = place_boxes(patch, 3, family=family, strength=strength)
            assert [b.low for b in other.boxes] == [b.low for b in first.boxes]
            assert torch.equal(other.mask, first.mask)
            assert {b.corruption.family for b in other.boxes} == {family}
            assert {b.corruption.strength for b in other.boxes} == {strength}
    weak, strong = (redraw_corruptions(first, "noise", s, 3).boxes[0].corruption for s in (0.1, 0.9))
    assert weak.parameters == strong.parameters, "only the strength changes"
    assert not torch.equal(place_boxes(patch, 4).mask, first.mask)


def test_the_control_has_the_same_volume(patch):
    guided, random = place_boxes(patch, 1), place_boxes(patch, 1, "random")
    assert int(guided.mask.sum()) == int(random.mask.sum()) > 0
    inside = [float((p.mask[0] & patch.uncertain).sum() / p.mask.sum()) for p in (guided, random)]
    assert inside[0] > inside[1]
    assert int(place_boxes(patch, 1, "everywhere").mask.sum()) == int((patch.regions != Region.OUTSIDE).sum())


def test_a_restoration_changes_the_mask_only(patch, model):
    result = restore_patch(model, patch, place_boxes(patch, 0), device="cpu", precision="fp32")
    mask = result.placement.mask
    assert torch.equal(result.restored[~mask], patch.image[~mask])
    assert not torch.equal(result.restored[mask], result.corrupted[mask])
    again = restore_patch(model, patch, place_boxes(patch, 0), device="cpu", precision="fp32")
    assert torch.equal(again.restored, result.restored)


def test_another_spacing_is_refused_and_threads_come_back(model):
    with pytest.raises(InputError, match="prepare it for this model"):
        inspect_patch(model, replace(tiny_case(), spacing=(2.0, 2.0, 2.0)))
    with pytest.raises(InputError, match="a kind out of"):
        place_boxes(inspect_patch(model, tiny_case(), device="cpu", precision="fp32"), kind="nowhere")
    threads = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads

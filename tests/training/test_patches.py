"""Patches: keyed draws, geometry that moves image and label alike, sentences for unfit cases."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.dual import keyed
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.patches import PatchDraw, Patches, cut, draw_patch
from tests.training.helpers import ball

RECIPE = Recipe(patch=(16, 16, 16), channels=(4, 8), batch=3, steps=4)


def test_a_batch_is_a_function_of_seed_step_and_sample():
    cases = [ball(k) for k in range(3)]
    one, two = Patches(cases, RECIPE), Patches(cases, RECIPE)
    two(0), two(7)
    image, again = one(3).views[0], two(3).views[0]
    assert torch.equal(image, again) and torch.equal(one(3).labels, two(3).labels)
    assert not torch.equal(image, one(4).views[0])
    assert not torch.equal(image, Patches(cases, replace(RECIPE, seed=1))(3).views[0])
    # the samples of a second process follow those of the first
    torch.testing.assert_close(one(3, first=1).views[0][0], image[1], rtol=1e-4, atol=1e-4)


def test_views_differ_in_appearance_alone_and_unlabelled_patches_hide_their_labels():
    cases = [ball(k) for k in range(2)]
    batch = Patches(cases, replace(RECIPE, views=3))(0)
    assert len(batch.views) == 3 and batch.labels.shape == batch.views[0].shape
    assert torch.equal(batch.views[0], Patches(cases, RECIPE)(0).views[0])
    apart = (batch.views[0] - batch.views[1]).abs().mean()
    assert 0.001 < apart < 0.3
    plain = replace(RECIPE, views=2, augmentation="none")
    assert torch.equal(*Patches(cases, plain)(0).views)
    others = Patches(cases, replace(RECIPE, foreground=1.0), labelled=False)(0)
    assert not others.labels.any()
    assert not torch.equal(others.views[0], Patches(cases, RECIPE)(0).views[0])
    Patches([replace(ball(0), label=None)], RECIPE, labelled=False)(0)


@pytest.mark.parametrize("binary", [True, False])
def test_organ_maps_move_with_the_image(binary):
    case = ball(0)
    organs = (case.label * 9).astype(np.uint8)
    recipe = replace(RECIPE, affine=1.0, rotation=0.4, organs_weight=0.1, n_classes=2 if binary else 3, foreground=1.0)
    batch = Patches([replace(case, organs=organs)], recipe)(0)
    assert set(batch.organs.unique().tolist()) == {0, 9}
    assert ((batch.organs == 9) == (batch.labels == 1)).float().mean() > 0.97


def test_shapes_types_and_range():
    batch = Patches([ball(0)], RECIPE)(0)
    images, labels = batch.views[0], batch.labels
    assert batch.organs is None
    assert images.shape == labels.shape == (3, 1, 16, 16, 16)
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    assert images.min() >= -1 and images.max() <= 1 and set(labels.unique().tolist()) <= {0, 1}


def test_an_unturned_patch_is_a_slice_padded_with_air():
    case = ball(0)
    image, label = torch.from_numpy(case.image), torch.from_numpy(case.label)
    draw = PatchDraw(0, np.array([11.5, 13.5, 7.5]), np.eye(3))
    moved, marks, *_ = cut([draw], [image], [label], (8, 8, 8))
    torch.testing.assert_close(moved[0], image[:, 8:16, 10:18, 4:12], rtol=0, atol=1e-5)
    assert torch.equal(marks[0], label[:, 8:16, 10:18, 4:12].long())
    edge, nothing, *_ = cut([PatchDraw(0, np.array([-0.5, 5.5, 5.5]), np.eye(3))], [image], [label], (8, 8, 8))
    assert (edge[0, 0, :4] == -1).all() and not nothing[0, 0, :4].any()
    torch.testing.assert_close(edge[0, 0, 4:], image[0, :4, 2:10, 2:10], rtol=0, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_quarter_turn_turns_the_axes(axis):
    values = np.random.default_rng(0).uniform(-1, 1, (1, 9, 9, 9)).astype(np.float32)
    image = torch.from_numpy(values)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[[i, i, j, j], [i, j, i, j]] = 0, -1, 1, 0
    moved, *_ = cut([PatchDraw(0, np.full(3, 4.0), turn)], [image], [(image > 0).byte()], (9, 9, 9))
    expected = np.empty_like(values[0])
    for index in np.ndindex(9, 9, 9):
        x, y, z = np.rint(4 + turn @ (np.array(index) - 4)).astype(int)
        expected[index] = values[0, x, y, z]
    np.testing.assert_allclose(moved[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("binary", [True, False])
def test_image_and_label_move_together(binary):
    case = ball(0)
    rng = keyed(0, 1, 2)
    recipe = replace(RECIPE, affine=1.0, rotation=0.4, scaling=0.2, foreground=1.0)
    image = 2 * torch.from_numpy(case.label).float() - 1  # the label itself, seen as an image
    draw = draw_patch(rng, recipe, [image.shape[1:]], [np.argwhere(case.label[0])])
    moved, marks, *_ = cut([draw], [image], [torch.from_numpy(case.label)], recipe.patch, binary)
    assert ((moved > 0) == marks.bool()).float().mean() > (0.9999 if binary else 0.97)


def test_foreground_centred_patches_hold_foreground():
    case = ball(0)
    inside = [np.argwhere(case.label[0])]
    recipe = replace(RECIPE, foreground=1.0, affine=0.0)
    for step in range(20):
        draw = draw_patch(keyed(0, step, 0), recipe, [case.label.shape[1:]], inside)
        x, y, z = np.rint(draw.centre).astype(int)
        assert case.label[0, x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2].any()


def test_patches_stay_inside_where_they_fit_and_small_volumes_are_centred():
    recipe = replace(RECIPE, affine=0.0, foreground=0.0)
    for step in range(20):
        draw = draw_patch(keyed(0, step, 0), recipe, [(40, 24, 10)], [np.zeros((0, 3), int)])
        start = draw.centre - 7.5
        assert (start[:2] >= 0).all() and (start[:2] + 16 <= (40, 24)).all()
        assert abs(draw.centre[2] - 4.5) <= 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(label=None), "label for every training case"),
        (dict(spacing=(2.0, 2.0, 2.0)), "prepare it again"),
        (dict(label=np.full((1, 32, 32, 24), 7, np.uint8)), "raise n_classes"),
    ],
)
def test_unfit_cases_get_a_sentence(change, words):
    with pytest.raises(InputError, match=words):
        Patches([replace(ball(0), **change)], RECIPE)
    with pytest.raises(InputError, match="at least one training case"):
        Patches([], RECIPE)
    with pytest.raises(InputError, match="organ map for every training case.*organs=True"):
        Patches([ball(0)], replace(RECIPE, augmentation="labels"))

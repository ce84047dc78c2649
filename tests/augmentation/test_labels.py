"""Label-conditioned intensities: location and scale by hand, no seams, air that stays, drawings free of the image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.augmentation.labels import LabelDraw, apply_labels, classes, draw_labels
from pancreas_ssl.errors import InputError
from tests.augmentation.helpers import keeps_the_promises, patch, same


def moves(n_classes: int = 8, **changes) -> LabelDraw:
    """A drawing in which only the named classes move: `moves(c3=(0.1, 1.5))` shifts and scales label 1."""
    shift, scale = np.zeros(n_classes, np.float32), np.ones(n_classes, np.float32)
    for name, (d, s) in changes.items():
        shift[int(name[1:])], scale[int(name[1:])] = d, s
    return LabelDraw(shift, scale)


def test_promises():
    _, organs = patch()
    keeps_the_promises(draw_labels, lambda image, draw: apply_labels(image, organs, draw))
    keeps_the_promises(draw_labels, lambda image, draw: apply_labels(image, organs.long(), draw))


def test_one_class_moves_about_its_own_mean():
    texture = 0.1 * torch.randn(1, 10, 10, 10, generator=torch.Generator().manual_seed(0))
    organs = torch.full((1, 10, 10, 10), 2, dtype=torch.uint8)  # one single label
    mean = texture.mean()
    out = apply_labels(texture, organs, moves(c4=(0.2, 1.5)))
    torch.testing.assert_close(out, mean + 0.2 + 1.5 * (texture - mean), rtol=0, atol=1e-5)


def test_each_class_of_the_patch_moves_by_its_own_shift():
    image, organs = patch()
    draw = moves(c1=(0.2, 1.0), c2=(-0.2, 1.0), c3=(0.3, 1.0), c4=(-0.3, 1.0), c7=(0.1, 1.0))
    wide = image.repeat_interleave(6, 1), organs.repeat_interleave(6, 1)  # wide enough for an inside
    change = apply_labels(*wide, draw) - wide[0]
    for x, expected in ((5, 0), (15, 0.2), (24, -0.2), (41, 0.3), (63, -0.3)):
        assert change[0, x, 6, 5].item() == pytest.approx(expected, abs=0.01)


def test_classes_by_hand():
    image = torch.tensor([-1.0, -0.96, -0.9, -0.41, -0.39, 1.0, -1.0, -0.5, 0.3]).reshape(1, 9, 1, 1)
    organs = torch.tensor([0, 0, 0, 0, 0, 0, 4, 4, 4]).reshape(1, 9, 1, 1)
    assert classes(image, organs).flatten().tolist() == [0, 0, 1, 1, 2, 2, 0, 6, 6]
    assert classes(image, organs.byte()).flatten().tolist() == [0, 0, 1, 1, 2, 2, 0, 6, 6]


def test_a_class_is_moved_to_its_new_mean_and_the_content_of_a_hollow_organ_apart_from_its_wall():
    image = torch.full((1, 24, 12, 12), 0.2)  # a wall ...
    image[:, 12:] = -0.15  # ... and what it holds
    organs = torch.full((1, 24, 12, 12), 1, dtype=torch.uint8)
    mean = np.full(5, np.nan, np.float32)
    mean[4] = 0.9
    draw = LabelDraw(np.zeros(5, np.float32), np.ones(5, np.float32), mean, hollow=(1,))
    assert draw.n_labels == 2
    out = apply_labels(image, organs, draw)
    assert out[0, 0, 6, 6].item() == pytest.approx(0.2, abs=1e-4)
    assert out[0, -1, 6, 6].item() == pytest.approx(0.9, abs=1e-4)
    solid = apply_labels(image, organs, LabelDraw(np.zeros(4, np.float32), np.ones(4, np.float32)))
    assert torch.equal(solid, image)


def test_borders_have_no_seam():
    image = torch.full((1, 16, 16, 16), 0.2)
    organs = torch.ones(1, 16, 16, 16, dtype=torch.uint8)
    organs[:, 8:] = 2
    out = apply_labels(image, organs, moves(c3=(0.3, 1.2), c4=(-0.3, 0.8)))
    assert out[0, 0, 8, 8].item() == pytest.approx(0.5, abs=1e-4)
    assert out[0, -1, 8, 8].item() == pytest.approx(-0.1, abs=1e-4)
    steps = out.diff(dim=1)
    assert steps.abs().max() <= 0.41 * 0.6 and (steps <= 1e-6).all()  # soft and monotone


def test_neighbours_on_a_textured_patch_part_by_no_more_than_a_bound():
    """x' = scale x + offset, and a blur by one voxel leaves at most 0.41 of a map's range between two neighbours."""
    image, organs = patch()
    found, axis = classes(image, organs), slice(4, -4)  # away from the ends, where the blur has fewer voxels
    present = found.unique().tolist()
    means = np.array([image[found == k].mean().item() for k in present])
    for seed in range(10):
        draw = draw_labels(
            np.random.default_rng(seed), shift=0.1, redraw=0.0, hollow=(), keep=0.0, blur=0.0, gamma=0.0, noise=0.0
        )
        scale = draw.scale[present]
        offset = draw.shift[present] + (1 - scale) * means
        bound = scale.max() * image.diff(dim=1).abs() + 0.41 * (np.ptp(offset) + np.ptp(scale) * image.abs().max())
        steps = apply_labels(image, organs, draw).diff(dim=1).abs()
        assert (steps[:, axis] <= bound[:, axis]).all()


def test_air_stays_and_so_does_gas_inside_an_organ():
    image, organs = torch.full((1, 20, 12, 12), 0.2), torch.full((1, 20, 12, 12), 3, dtype=torch.uint8)
    image[:, :10] = -1  # a stomach, half of it gas
    out = apply_labels(image, organs, moves(c5=(0.3, 1.0)))
    assert (out[:, :5] < -1 + 1e-4).all() and out[0, -1, 6, 6].item() == pytest.approx(0.5, abs=1e-4)
    assert (apply_labels(image, organs, replace(moves(), noise=0.2))[:, :10] == -1).all()


def test_patches_without_an_organ_or_without_texture():
    image, organs = patch()
    nothing = torch.zeros_like(organs)
    for seed in range(5):
        draw = draw_labels(np.random.default_rng(seed), keep=0.0)
        assert apply_labels(image, nothing, draw).isfinite().all()
        still = replace(draw, noise=0.0, gamma=1.0, mean=None)
        air = apply_labels(torch.full_like(image, -1.0), nothing, still)
        torch.testing.assert_close(air, torch.full_like(image, -1.0))
        out = apply_labels(torch.full_like(image, 0.1), nothing, still)
        torch.testing.assert_close(out, (0.1 + torch.zeros_like(out) + float(draw.shift[2])).clamp(-1, 1))


def test_no_effect_is_the_identity_and_kept_patches_get_noise_only():
    image, organs = patch()
    assert torch.equal(apply_labels(image, organs, moves()), image)
    for seed in range(5):
        draw = draw_labels(np.random.default_rng(seed), keep=1.0)
        assert draw.noise > 0 and same(replace(draw, noise=0.0, noise_seed=0), replace(moves(20), hollow=(7, 8, 9)))
        assert (apply_labels(image, organs, draw) - image).std() < 0.11


def test_drawings():
    draws = [draw_labels(np.random.default_rng(seed)) for seed in range(400)]
    kept = [draw for draw in draws if (draw.scale == 1).all()]
    assert 0.13 < len(kept) / len(draws) < 0.27
    moved = [draw for draw in draws if (draw.scale != 1).any()]
    shifts, scales = np.stack([d.shift for d in moved]), np.stack([d.scale for d in moved])
    assert shifts.shape[1] == 20 and draws[0].n_labels == 15 and draws[0].hollow == (7, 8, 9)
    means = np.stack([d.mean for d in moved])
    assert np.isnan(means[:, :2]).all()  # air and fat keep their place
    assert 0.27 < np.isfinite(means[:, 2:]).mean() < 0.33
    assert -0.6 <= np.nanmin(means) < -0.55 and 0.95 < np.nanmax(means) <= 1
    assert (shifts[:, 0] == 0).all() and (scales[:, 0] == 1).all()  # air
    assert shifts[:, 1:].std() == pytest.approx(0.25, rel=0.05)
    assert np.exp(-0.5) <= scales.min() < 0.62 and 1.63 < scales.max() <= np.exp(0.5) + 1e-6
    assert 0.4 < np.mean([d.blur > 0 for d in moved]) < 0.6 and 0.4 < np.mean([d.gamma != 1 for d in moved]) < 0.6
    assert max(d.blur for d in draws) <= 1 and 0.09 < max(d.noise for d in draws) <= 0.1


def test_more_shift_changes_more():
    image, organs = patch()

    def moved(shift):
        draws = [
            draw_labels(np.random.default_rng(k), shift=shift, spread=0.0, redraw=0.0, keep=0.0, noise=0.0)
            for k in range(8)
        ]
        return np.mean([(apply_labels(image, organs, draw) - image).abs().mean() for draw in draws])

    assert moved(0.0) < moved(0.1) < moved(0.3)


@pytest.mark.parametrize(
    "bad",
    [
        dict(n_labels=0),
        dict(shift=-1.0),
        dict(spread=-0.1),
        dict(keep=1.5),
        dict(redraw=-0.1),
        dict(hollow=(15,)),
        dict(noise=float("nan")),
    ],
)
def test_bad_parameters_get_a_sentence(bad):
    with pytest.raises(InputError, match=r"expected .* got .*; "):
        draw_labels(np.random.default_rng(0), **bad)


def test_unfit_labels_get_a_sentence():
    image, organs = patch()
    draw = draw_labels(np.random.default_rng(0), n_labels=3)
    with pytest.raises(InputError, match="labels from 0 to 2, got 0 to 5; draw with a larger n_labels"):
        apply_labels(image, organs, draw)
    with pytest.raises(InputError, match="cut labels and image together"):
        apply_labels(image, organs[:, :4], draw)
    with pytest.raises(InputError, match="in float32; cut labels"):
        apply_labels(image, organs.float(), draw)
    with pytest.raises(InputError, match="labels from 0 to 2, got -1"):
        apply_labels(image, organs.long() - 1, draw)

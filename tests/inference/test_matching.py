"""Source matching: a shifted scan comes back, air and order stay, the scan alone is asked, weights carry the source."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights, save_weights
from pancreas_ssl.inference.asking import ask, with_rules
from pancreas_ssl.inference.matching import matched, source_part, tissue_quantiles, with_source
from pancreas_ssl.training import Recipe
from pancreas_ssl.training.fit import fit

WINDOW = (-150.0, 250.0)


def scan(seed=0, gain=1.0, offset=0.0, fat=0.5):
    """A body of fat (-100 HU) and soft tissue (60 HU) in air, prepared, seen by a scanner of its own."""
    rng = np.random.default_rng(seed)
    hu = np.where(rng.random((20, 20, 20)) < fat, rng.normal(-100, 8, (20, 20, 20)), rng.normal(60, 20, (20, 20, 20)))
    image = np.full((1, 24, 24, 24), -1, np.float32)
    image[0, 2:-2, 2:-2, 2:-2] = np.clip((gain * hu + offset + 150) / 200 - 1, -1, 1)
    label = (image > 0.1).astype(np.uint8)
    return Prepared(f"{seed}", "demo", image, label, (3.0,) * 3, np.eye(4), WINDOW)


def inside(image):
    return image[0, 4:-4, 4:-4, 4:-4]


def test_a_scanner_of_another_gain_and_offset_is_undone_whatever_the_share_of_fat(threshold):
    home = with_source(threshold, [scan(seed) for seed in (1, 2, 3)])
    for fat in (0.3, 0.5):
        plain, away = scan(7, fat=fat).image, scan(7, 1.1, 12, fat=fat).image
        back = matched(away, home)
        before, after = (np.abs(inside(x) - inside(plain)).mean() * 200 for x in (away, back))
        assert before > 9 and after < 2  # HU
        assert np.abs(inside(matched(plain, home)) - inside(plain)).mean() * 200 < 1  # at home hardly anything moves
        assert back.dtype == np.float32 and back.shape == away.shape and (back[away == -1] == -1).all()
        order = np.argsort(away, axis=None)
        assert (np.diff(back.ravel()[order]) >= -1e-6).all()  # no two greys change places
        half = matched(away, home, 0.5)
        np.testing.assert_allclose(half, (away + back) / 2, atol=1e-5)
        np.testing.assert_allclose(matched(away, home, 0.0), away, atol=1e-6)


def test_quantiles_by_hand_and_of_nothing():
    values = np.linspace(-140, -40, 12**3, dtype=np.float32).reshape(1, 12, 12, 12)
    found = tissue_quantiles((values + 150) / 200 - 1)
    np.testing.assert_allclose(found[:5], [-135, -115, -90, -65, -45], atol=0.5)
    assert np.isnan(found[5:]).all() and np.isnan(tissue_quantiles(np.full((1, 9, 9, 9), -1.0))).all()
    with pytest.raises(InputError, match="with fat and soft tissue for match_weight above 0, got none"):
        source_part([replace(scan(), image=np.full((1, 9, 9, 9), -1, np.float32))])


def test_a_body_without_one_of_the_tissues_keeps_its_greys_there(threshold):
    home = with_source(threshold, [scan(1)])
    lean, nothing = np.full((1, 12, 12, 12), 0.1, np.float32), np.full((1, 12, 12, 12), -1, np.float32)
    assert np.isfinite(matched(lean, home)).all() and (matched(nothing, home) == -1).all()


def test_matching_looks_at_the_scan_alone_and_needs_the_source(threshold):
    assert list(inspect.signature(matched).parameters) == ["image", "model", "weight"]
    with pytest.raises(InputError, match="know the intensities.*with_source"):
        ask(with_rules(threshold, match_weight=1.0), scan().image)
    short = replace(threshold, parts={"source": {"quantiles": torch.zeros(3)}})
    with pytest.raises(InputError, match="know the intensities"):
        matched(scan().image, short)


def test_the_source_travels_with_weights_that_were_trained_to_match(tmp_path):
    torch.set_num_threads(1)
    recipe = Recipe(patch=(16, 16, 16), channels=(4, 8), steps=2, batch=1, precision="fp32", match_weight=1.0)
    train = [scan(1), scan(2)]
    how = {"device": "cpu", "progress": False}
    fitted, plain = fit(recipe, train, **how), fit(replace(recipe, match_weight=0.0), train, **how)
    assert plain.parts == {} and set(fitted.parts) == {"source"}
    for name, value in plain.ema.state_dict().items():
        assert torch.equal(value, fitted.ema.state_dict()[name])  # no training sees it
    header = {"spacing": 3.0, "window": WINDOW, "patch": recipe.patch, "recipe": recipe.to_dict()}
    model = load_weights(save_weights(tmp_path / "w.safetensors", fitted.ema, header, "float16", fitted.parts))
    kept = model.parts["source"]["quantiles"].numpy()
    expected = np.mean([tissue_quantiles(case.image) for case in train], axis=0)
    np.testing.assert_allclose(kept, expected, atol=0.1)  # HU
    away = scan(7, 1.1, 12).image
    answers = [ask(one, away, device="cpu") for one in (model, with_rules(model, match_weight=0.0))]
    assert np.abs(answers[0] - answers[1]).max() > 1e-4

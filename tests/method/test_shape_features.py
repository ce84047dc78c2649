"""Features of shapes: frozen for good, blind to contrast, beside the image, left out at random while training alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights, save_weights
from pancreas_ssl.method import shape_features
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.method.segmentation import PHASES, space_to_depth
from pancreas_ssl.method.shape_features import FEATURES, frozen_features, shown
from pancreas_ssl.training.extra_terms import ArmModel, ExtraTerms
from pancreas_ssl.training.memory import forecast
from pancreas_ssl.training.shape_pretraining import main, rendered, same_place

RECIPE = Recipe(patch=(16, 16, 16), channels=(4, 8), batch=2, precision="fp32", shapes="frozen")


def network(**more):
    return SegmentationNetwork((4, 8), shapes=True, **more)


def test_a_network_without_them_is_what_it_was():
    plain = SegmentationNetwork((4, 8))
    assert "shapes" not in plain.config and plain.shapes is None
    assert plain.encoder[0][0][0].weight.shape[1] == PHASES
    assert replace(RECIPE, shapes="none").network_config()["shapes"] is False


def test_no_optimiser_sees_them_and_a_file_of_weights_keeps_them(tmp_path):
    made = network()
    names = [name for name, _ in made.named_parameters() if name.startswith("shapes")]
    assert not names and made.encoder[0][0][0].weight.shape[1] == PHASES + FEATURES
    header = {"spacing": 3.0, "window": (-150.0, 250.0), "patch": (16, 16, 16)}
    again = load_weights(save_weights(tmp_path / "w.safetensors", made, header)).network
    assert again.config == made.config and again.config["shapes"] is True
    for name, value in made.shapes.named_buffers():
        assert torch.equal(value, again.shapes.get_buffer(name))  # they are in half precision from the start
    x = torch.rand(1, 1, 16, 16, 16)
    assert torch.allclose(again(x), made(x), atol=1e-2) and forecast(RECIPE).total > 0


def test_shapes_stay_while_contrast_turns_over():
    """A ball, bright on dark and dark on bright: intensities say the opposite, features nearly the same."""
    at = torch.stack(torch.meshgrid(*[torch.arange(32.0)] * 3, indexing="ij")) - 15.5
    ball = (at.square().sum(0).sqrt() < 9).long()[None]
    first, second = (rendered(ball, np.random.default_rng(seed)) for seed in (3, 4))  # the shape in two appearances
    features = frozen_features()
    one, other = (features(space_to_depth(x[None])) for x in (first, second))
    here = (one * other).sum(1).mean()
    away = (one * other.roll((5, 5, 5), (2, 3, 4))).sum(1).mean()
    assert here > away + 0.1
    assert same_place(features, volumes=3) > 5 * same_place(None, volumes=3)


def test_what_is_left_out_is_drawn_by_step_and_only_while_training():
    extra, images = ExtraTerms(RECIPE), torch.rand(8, 1, 16, 16, 16)
    first, second = (extra.arguments(images, np.random.default_rng(5))["dropped"] for _ in range(2))
    assert first.shape == (8, 1 + FEATURES) and torch.equal(first, second) and 0 < first.float().mean() < 1
    assert extra.arguments(images, np.random.default_rng(6))["dropped"].ne(first).any()
    assert "dropped" not in ExtraTerms(replace(RECIPE, shapes="none")).arguments(images, np.random.default_rng(5))
    learner, seen = ArmModel(RECIPE).eval(), []
    learner.network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    learner(images, dropped=first)
    learner.network(images)
    lost, whole = seen
    factors = shown(first)
    assert torch.equal(lost, whole * factors) and (whole.flatten(2).abs().sum(2) > 0).all()
    assert set(factors.unique().tolist()) == {0.0, 1.0} and (factors.sum((1, 2, 3, 4)) > 0).all()


def test_the_command_writes_weights_and_a_card_that_says_what_it_measured(tmp_path, monkeypatch, capsys):
    main(tmp_path, steps=2, volumes=1)
    card = (tmp_path / "features.md").read_text()
    assert "2 steps, seed 0" in card and "13,824 weights" in card and card.count("%") == 4
    assert str(tmp_path / "features.md") in capsys.readouterr().out
    monkeypatch.setattr(shape_features, "WEIGHTS", tmp_path / "features.safetensors")
    fresh = frozen_features()
    monkeypatch.undo()
    assert not torch.equal(next(fresh.buffers()), next(frozen_features().buffers()))
    monkeypatch.setattr(shape_features, "WEIGHTS", tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match="there is no such file; install again"):
        network()

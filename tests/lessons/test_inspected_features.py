"""Features as a prediction makes them, prototypes that come back, and nothing at test time that sees a label."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.feature_space import cohesion, polarity, separation
from pancreas_ssl.inference import Model, load_weights, save_weights
from pancreas_ssl.inference.feature_maps import cosine_map, feature_map
from pancreas_ssl.inference.prototype_vote import trained_contrast
from pancreas_ssl.lessons.frozen_features import compare_spaces, train_projection
from pancreas_ssl.lessons.inspected_features import core_prototype, features_of, principal_axes, separability
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.network import SegmentationNetwork
from tests.method.shapes import ellipsoid
from tests.method.voxels import drawn, voxels_of

PATCH = (32, 32, 32)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(SegmentationNetwork(channels=(8, 12), seed=0).eval(), patch=PATCH)


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    """A body with a pancreas that is brighter than what lies around; odd sizes."""
    label = ellipsoid((45, 40, 33), (12, 6, 6))
    image = np.full(label.shape, -1.0, np.float32)
    image[3:42, 3:37] = 0.05 * np.random.default_rng(0).standard_normal((39, 34, 33), np.float32)
    image[label > 0] += 0.5
    return SimpleNamespace(
        id="A_0", source="phantom/A", image=np.clip(image, -1, 1)[None], label=label[None].astype(np.uint8),
        spacing=(3.0,) * 3, affine=np.diag([3.0, 3, 3, 1]), window=(-150.0, 250.0),
    )  # fmt: skip


def test_one_window_gives_the_networks_own_features(model):
    image = torch.rand(1, *PATCH) - 0.5
    expected = model.network.taps(image[None]).features
    found = feature_map(model, image, precision="fp32", device="cpu")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lacking", [1, 2, 3, 5, 6, 7])
def test_an_image_smaller_than_a_window_keeps_its_places(model, lacking):
    image = torch.rand(1, *(size - lacking for size in PATCH)) - 0.5
    before = lacking // 4 * 2
    window = torch.full((1, *PATCH), -1.0)
    window[:, *(slice(before, before + n) for n in image.shape[1:])] = image
    half = [slice(before // 2, before // 2 + (n + 1) // 2) for n in image.shape[1:]]
    expected = model.network.taps(window[None]).features[:, :, *half]
    found = feature_map(model, image, precision="fp32", device="cpu")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_whole_images_of_odd_size_and_pure_air(model, case):
    features = feature_map(model, case.image, device="cpu")
    assert features.shape == (1, 8, 23, 20, 17) and features.isfinite().all() and features.std() > 0.1
    assert not feature_map(model, np.full((1, 20, 20, 20), -1, np.float32), device="cpu").any()
    with pytest.raises(InputError, match="prepared image"):
        feature_map(model, case.image[0])


def test_voxels_have_the_features_of_the_map_and_are_the_same_for_each_network(model, case):
    seen = features_of(model, case, seed=3, device="cpu")
    other = Model(SegmentationNetwork(channels=(8, 12), seed=5).eval(), patch=PATCH)
    again = features_of(other, case, seed=3, device="cpu")
    assert torch.equal(seen.draw.positions, again.draw.positions) and not torch.equal(seen.features, again.features)
    assert set(seen.draw.regions.tolist()) == {1, 2, 3, 4, 5} and seen.source == "phantom/A"
    towards = seen.unit[7]
    (cosines,) = cosine_map(model, case.image, towards[None], device="cpu")
    assert cosines.shape == case.image.shape[1:]
    at = tuple(seen.draw.positions[7, 1:].tolist())
    assert cosines[at] == pytest.approx(1.0, abs=0.02)
    expected = (seen.unit @ towards).numpy()
    found = np.array([cosines[tuple(p)] for p in seen.draw.positions[:, 1:].tolist()])
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_random_places_keep_the_names(model, case):
    anywhere = features_of(model, case, random=True, device="cpu")
    guided = features_of(model, case, device="cpu")
    assert torch.equal(anywhere.draw.regions, guided.draw.regions)
    inside = [case.label[0][tuple(p)] for p in anywhere.draw.positions[anywhere.draw.regions == 1, 1:].tolist()]
    assert np.mean(inside) < 0.5


def test_no_map_can_take_a_label():
    for function in (feature_map, cosine_map):
        assert not {"label", "case", "labels"} & set(inspect.signature(function).parameters)


def test_a_case_without_a_label_is_refused(model, case):
    bare = SimpleNamespace(**(vars(case) | {"label": None}))
    with pytest.raises(InputError, match="regions need a label"):
        features_of(model, bare)


def test_trained_contrast_comes_back_from_a_file(tmp_path, model):
    contrast = GlobalContrast("guided", 8, outputs=6, seed=4)
    contrast.prototypes.update(F.normalize(torch.randn(40, 6), dim=1), *voxels_of(drawn([1] * 20 + [4] * 20)))
    state = {k: v for k, v in contrast.state_dict().items() if "queue" not in k}
    how = {"spacing": 3.0, "window": (-150.0, 250.0), "patch": PATCH, "recipe": {"temperature": 0.2}}
    path = save_weights(tmp_path / "c.safetensors", model.network, how, "float32", parts={"contrast": state})
    again = trained_contrast(load_weights(path))
    features = torch.randn(5, 8)
    torch.testing.assert_close(again.projection(features), contrast.projection(features))
    torch.testing.assert_close(again.prototypes.pancreas, contrast.prototypes.pancreas)
    assert again.temperature == 0.2 and not any(p.requires_grad for p in again.parameters())
    with pytest.raises(InputError, match="trained with contrast"):
        trained_contrast(model)
    broken = Model(model.network, parts={"contrast": {k: v for k, v in state.items() if "norm" not in k}})
    with pytest.raises(InputError, match="does not fit"):
        trained_contrast(broken)


def test_prototype_is_the_weighted_mean_of_the_core():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = core_prototype(z, drawn([1, 1, 4], [0.0, 0.5, 0.0]))
    torch.testing.assert_close(found, F.normalize(torch.tensor([1.0, 0.5]), dim=0))
    with pytest.raises(InputError, match="core"):
        core_prototype(z, drawn([2, 3, 4]))


def test_principal_axes_show_most_and_have_a_sign():
    z = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 2, 0.1, 0.1, 0.1])
    towards = torch.tensor([-1.0, 0, 0, 0, 0])
    mean, axes, share = principal_axes(z, towards)
    assert share[0] > 0.75 and share.sum() <= 1 and (towards - mean) @ axes[:, 0] > 0
    torch.testing.assert_close(axes.T @ axes, torch.eye(2), atol=1e-5, rtol=0)


def clouds(n: int = 60, seed: int = 0):
    """Features in which core and rim_in lie apart from the rest, as one drawn case."""
    generator = torch.Generator().manual_seed(seed)
    regions = torch.arange(1, 6).repeat_interleave(n)
    shift = torch.where(regions <= 2, 1.5, -0.5)[:, None] * torch.tensor([1.0, 0.5, 0, 0, 0, 0, 0, 0])
    features = torch.randn(5 * n, 8, generator=generator) + shift
    return SimpleNamespace(features=features, draw=drawn(regions), id=f"A_{seed}", source="A")


def test_a_projection_alone_learns_the_regions_and_a_swap_is_told():
    train, test = [clouds(seed=1)], [clouds(seed=2)]
    right, history = train_projection(train, steps=40)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] and len(history) == 40
    swapped, _ = train_projection(train, steps=40, renamed={1: 4, 2: 5, 4: 1, 5: 2})
    how = [(k.projection(test[0].features), test[0].draw.regions, k.prototypes.pancreas) for k in (right, swapped)]
    assert separation(*how[0]) > 0.2 and polarity(*how[0]) == ""
    assert separation(*how[1]) < 0 and "swapped" in polarity(*how[1])
    table = compare_spaces({"right": (test, lambda one: right.projection(one.features), right.prototypes.pancreas)})
    assert table["cohesion"][0] == pytest.approx(cohesion(*how[0]), abs=1e-6)
    assert list(table.columns) == ["space", "source", "cohesion", "separation", "rim AUC", "effective rank"]
    with pytest.raises(InputError, match="at least one"):
        train_projection([])
    with pytest.raises(InputError, match="at least one"):
        compare_spaces({})


def test_what_is_left_to_separate(case, model):
    """Where only the pancreas is bright nothing around it looks like it; a vessel as bright does."""
    image = case.image.copy()
    image[0, 28:34, 30:34] += 0.5
    with_vessel = SimpleNamespace(**vars(case) | {"image": image.clip(-1, 1), "id": "A_1", "source": "phantom/V"})
    seen = features_of(model, with_vessel, alike=True, device="cpu").draw
    vessel = seen.positions[seen.regions >= 4, 1:3]
    assert len(vessel) and ((vessel >= torch.tensor([28, 30])) & (vessel < torch.tensor([34, 34]))).all()
    contrast = GlobalContrast("guided", 8, outputs=6, seed=4)
    contrast.prototypes.pancreas_mean.fill_(0.1)
    table = separability(
        Model(model.network, patch=PATCH, parts={"contrast": contrast.state_dict()}), [case], [with_vessel]
    )
    assert list(table["space"]) == ["decoder", "projection"] * 2 and set(table["source"]) == {"phantom/A", "phantom/V"}
    assert table["rim"].between(0, 1).all() and table["lookalikes"].iloc[2:].between(0, 1).all()
    alone = separability(model, [case], device="cpu")
    assert alone["lookalikes"].isna().all()  # nothing around it is as bright
    assert list(alone["space"]) == ["decoder"] and alone["rim"].iloc[0] == table["rim"].iloc[0]

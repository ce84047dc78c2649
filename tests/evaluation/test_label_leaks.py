"""Floors, a planted leak, a flipped label: each is found, and nothing is found where nothing is wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.calibration import band
from pancreas_ssl.evaluation.label_leaks import flipped_label, sees_label
from pancreas_ssl.evaluation.uncertainty_quality import error_auroc
from pancreas_ssl.inference import Model
from pancreas_ssl.inference.sample_predictions import sample_predictions
from pancreas_ssl.inference.uncertainty_maps import edge_distance, random_map
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.structure import signed_distance
from pancreas_ssl.method.uncertainty import entropy, structural_map
from tests.method.shapes import ellipsoid


def case(label=None, seed=0) -> Prepared:
    rng = np.random.default_rng(seed)
    label = ellipsoid() if label is None else label
    image = (0.4 * label + rng.normal(0, 0.2, label.shape)).astype(np.float32).clip(-1, 1)[None]
    organs = (3 * label).astype(np.uint8)[None]
    return Prepared("case", "A", image, label.astype(np.uint8)[None], (3.0, 3.0, 3.0), np.eye(4), (-150, 250), organs)


def test_edge_floor_by_hand_and_its_order():
    p = np.where(ellipsoid(), 0.9, 0.1)
    floor = edge_distance(p, (3, 3, 3))
    d = np.abs(signed_distance(p > 0.5, (3, 3, 3)))
    np.testing.assert_allclose(floor, np.exp(-d / 3), atol=1e-6)
    assert floor.dtype == np.float32 and floor.max() == pytest.approx(np.exp(-0.5))
    order = np.argsort(d.ravel(), kind="stable")
    assert (np.diff(floor.ravel()[order]) <= 0).all()
    for constant in (0.0, 1.0):
        flat = edge_distance(np.full((4, 4, 4), constant), (3, 3, 3))
        assert np.isfinite(flat).all() and np.ptp(flat) == 0
    with pytest.raises(InputError, match="scale above 0"):
        edge_distance(p, (3, 3, 3), 0)


def test_floors_on_a_blurred_prediction():
    label = ellipsoid((40, 32, 24), (12, 6, 5))
    rng = np.random.default_rng(0)
    phi = signed_distance(label, (3, 3, 3)) + rng.normal(0, 2, label.shape)
    p = 1 / (1 + np.exp(phi / 2))
    wrong, where = (p > 0.5) != label, band(label, (3, 3, 3))
    floor = error_auroc(edge_distance(np.where(label, 1, 0), (3, 3, 3)), wrong, where)
    random = error_auroc(random_map(label.shape, rng), wrong, where)
    assert floor > 0.9 and abs(random - 0.5) < 0.1
    np.testing.assert_array_equal(
        random_map((3, 2), np.random.default_rng(4)), random_map((3, 2), np.random.default_rng(4))
    )


LEAKS = {
    "the structural map": lambda c: structural_map(signed_distance(c.label[0], c.spacing)),
    "a thousandth of the label": lambda c: np.abs(c.image[0]) + 1e-3 * c.label[0],
    "through the organs": lambda c: (c.organs[0] == 3) * 0.5,
    "one voxel of it": lambda c: np.full(3, float(c.label[0, 12, 10, 8])),
    "as a tensor": lambda c: torch.from_numpy(c.label).float(),
    "a box around it": lambda c: np.argwhere(c.label[0]).min(0) * np.ones(3),
}


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_leak_is_caught(name, seed):
    if name == "one voxel of it":  # a step may land on the label again; several steps find it
        assert any(sees_label(LEAKS[name], case(), np.random.default_rng(s)) for s in range(10))
        return
    assert sees_label(LEAKS[name], case(), np.random.default_rng(seed))


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 4)])
@pytest.mark.parametrize("value", [0, 1])
def test_a_leak_is_caught_from_an_empty_and_a_full_label(shape, value):
    constant = case(np.full(shape, bool(value)))
    assert sees_label(lambda c: c.label * 0.5, constant, np.random.default_rng(0))
    assert not sees_label(lambda c: c.image, constant, np.random.default_rng(0))


def test_the_maps_of_this_toolkit_do_not_leak():
    model = Model(SegmentationNetwork(channels=(4, 8)), patch=(16, 16, 12))
    given = case()
    before = given.label.copy()

    def make_map(c):
        return entropy(sample_predictions(model, c.image, "tta", n=2, device="cpu", precision="fp32"))

    assert not sees_label(make_map, given, np.random.default_rng(0))
    np.testing.assert_array_equal(given.label, before)


def test_mappings_tensors_and_cases_without_organs():
    rng = np.random.default_rng(0)
    mapping = {"image": torch.rand(6, 5, 4), "label": torch.from_numpy(ellipsoid((6, 5, 4), (2, 2, 2)))}
    assert sees_label(lambda c: c["label"].float(), mapping, rng)
    assert not sees_label(lambda c: c["image"], mapping, rng)


def test_leak_check_refuses():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="a case with a label"):
        sees_label(lambda c: c, SimpleNamespace(label=None), rng)
    noise = np.random.default_rng(1)
    with pytest.raises(InputError, match="seed the map's random draws"):
        sees_label(lambda c: noise.random(3), case(), rng)


@pytest.mark.parametrize(
    "axes, name",
    [
        ((), "as it is"), ((0,), "mirrored x"), ((1,), "mirrored y"), ((2,), "mirrored z"),
        ((0, 1), "mirrored x y"), ((0, 1, 2), "mirrored x y z"),
    ],
)  # fmt: skip
def test_a_flipped_label_is_caught(axes, name):
    truth = ellipsoid((24, 20, 16), (6, 4, 3), centre=(14, 8, 6))
    rng = np.random.default_rng(0)
    p = np.clip(0.7 * np.roll(truth, 1, 0) + rng.uniform(0, 0.3, truth.shape), 0, 1)  # a middling prediction
    table = flipped_label(p, np.flip(truth, axes), (3, 3, 3))
    assert table.index[0] == name and len(table) == 9
    best = table.iloc[0]
    assert best["correlation"] == pytest.approx(np.corrcoef(p.ravel(), truth.ravel())[0, 1])
    assert best["dice"] == pytest.approx(2 * p[truth].sum() / (p.sum() + truth.sum()))


def test_a_swapped_label_is_caught():
    truth = ellipsoid()
    table = flipped_label(0.8 * truth + 0.1, ~truth, (3, 3, 3))
    assert table.index[0] == "swapped" and table.loc["as it is", "correlation"] == pytest.approx(-1)


def test_distance_is_in_mm():
    label = np.zeros((12, 12, 12))
    label[4, 5, 6] = 1
    table = flipped_label(np.roll(label, (1, 2), (0, 2)), label, (1, 2, 5))
    assert table.loc["as it is", "distance_mm"] == pytest.approx(np.hypot(1, 10))


@pytest.mark.parametrize("p, label", [(0.0, 0), (0.0, 1), (1.0, 1), (0.3, 0)])
def test_without_any_contrast_the_label_is_left_alone(p, label):
    table = flipped_label(np.full((4, 4, 4), p), np.full((4, 4, 4), label), (3, 3, 3))
    assert table.index[0] == "as it is" and np.isfinite(table[["correlation", "dice"]].values).all()


def test_symmetric_labels_stay_as_they_are():
    label = np.zeros((7, 7, 7))
    label[2:5, 2:5, 2:5] = 1
    assert flipped_label(label, label, (3, 3, 3)).index[0] == "as it is"
    with pytest.raises(InputError, match="on one grid"):
        flipped_label(label, label[1:], (3, 3, 3))

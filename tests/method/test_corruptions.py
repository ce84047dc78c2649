"""Corruptions: by hand, what each of them keeps, and how they grow with the strength."""

from dataclasses import InitVar, dataclass, field, replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.corruptions import DEFAULT_FAMILIES, FAMILIES, Corruption, bezier, corrupt, draw_corruption
from tests.augmentation.helpers import keeps_the_promises
from tests.method.images import drawn, image

CONTENT = image()[:, 3:11, 3:10, 2:8].contiguous()  # 8 x 7 x 6 voxels with an edge


@pytest.mark.parametrize("family", FAMILIES)
def test_promises(family):
    keeps_the_promises(lambda rng: Flat(draw_corruption(rng, (family,))), lambda x, draw: corrupt(x, draw.whole))


@dataclass
class Flat:
    """A corruption whose numbers lie side by side, so that two of them can be compared."""

    whole: InitVar[Corruption]
    named: tuple[str, float] = field(init=False)
    numbers: np.ndarray = field(init=False)

    def __post_init__(self, whole: Corruption):
        self.whole, self.named = whole, (whole.family, whole.strength)
        self.numbers = np.concatenate([np.ravel(value).astype(float) for value in whole.parameters.values()])


@pytest.mark.parametrize("family", FAMILIES)
def test_strength_zero_is_the_identity_and_more_strength_changes_more(family):
    changes = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        draws = [drawn(family, seed, strength) for seed in range(40)]
        changes.append(np.mean([float((corrupt(CONTENT, draw) - CONTENT).abs().mean()) for draw in draws]))
    assert torch.equal(corrupt(CONTENT, drawn(family, 0, 0.0)), CONTENT)
    assert changes[0] == 0 and np.diff(changes).min() > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 2), (7, 8, 3)])
def test_any_size_of_box(family, shape):
    for seed in range(5):
        out = corrupt(torch.full((1, *shape), 0.4), drawn(family, seed))
        assert out.shape == (1, *shape) and out.isfinite().all() and out.abs().max() <= 1


def test_shuffle_keeps_the_histogram_of_each_block_and_moves_within_it():
    x = torch.arange(8 * 7 * 6, dtype=torch.float32).reshape(1, 8, 7, 6) / 400
    for strength in (0.3, 1.0):
        out = corrupt(x, drawn("shuffle", 1, strength))
        assert not torch.equal(out, x)
        for a in range(0, 8, 3):
            for b in range(0, 7, 3):
                for c in range(0, 6, 3):
                    block = (0, slice(a, a + 3), slice(b, b + 3), slice(c, c + 3))
                    assert torch.equal(out[block].flatten().sort()[0], x[block].flatten().sort()[0])
    moved = (corrupt(x, drawn("shuffle", 1, 0.3)) != x).float().mean()
    assert 0.15 < moved <= 0.36  # a share of 0.3, of which few stay by chance


def test_shuffle_treats_all_orders_alike():
    x = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)
    orders = [tuple(corrupt(x, drawn("shuffle", seed, 1.0)).flatten().tolist()) for seed in range(300)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6 and counts.min() > 25


def test_bezier_by_hand():
    points = np.array([[-1, -1], [-1 / 3, 1], [1 / 3, 1], [1, 1]])  # before: a straight run, t = (x + 1) / 2
    t = np.linspace(0, 1, 256)
    expected = -((1 - t) ** 3) + 3 * t * (1 - t) ** 2 + 3 * t**2 * (1 - t) + t**3
    np.testing.assert_allclose(bezier(points), expected, atol=1e-4)
    out = corrupt(torch.zeros(1, 1, 1, 1), Corruption("remap", 1.0, {"curve": bezier(points)}))
    assert out.item() == pytest.approx(-1 / 8 + 7 / 8, abs=1e-4)


def test_remap_maps_equal_greys_to_equal_greys_and_half_of_the_curves_rise():
    x = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4)
    rising, falling = 0, 0
    for seed in range(200):
        draw = drawn("remap", seed, 1.0)
        steps = corrupt(x, draw).flatten().diff()
        rising += bool((steps >= -1e-6).all())
        falling += bool(draw.parameters["curve"][-1] < draw.parameters["curve"][0])
        at = torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
        assert corrupt(at, draw).abs().flatten().tolist() == [1.0, 1.0]
    assert 100 < rising < 160 and 30 < falling < 75
    same = corrupt(torch.full((1, 3, 3, 3), 0.37), drawn("remap", 3))
    assert same.min() == same.max()


def test_lowpass_keeps_a_constant_and_lessens_the_spread():
    constant = torch.full((1, 5, 5, 5), 0.2)
    torch.testing.assert_close(corrupt(constant, drawn("lowpass")), constant)
    assert corrupt(CONTENT, drawn("lowpass")).std() < 0.8 * CONTENT.std()


def test_noise_has_the_drawn_spread_and_leaves_air():
    draw = Corruption("noise", 0.5, {"seed": 4, "spread": 0.2})
    out = corrupt(torch.zeros(1, 20, 20, 20), draw)
    assert float(out.std()) == pytest.approx(0.1, rel=0.03) and abs(float(out.mean())) < 0.005
    assert torch.equal(corrupt(torch.full((1, 4, 4, 4), -1.0), draw), torch.full((1, 4, 4, 4), -1.0))


def test_randconv_by_hand():
    weight = -np.ones((1, 1, 1), np.float32)
    for strength in (0.25, 1.0):
        out = corrupt(CONTENT, Corruption("randconv", strength, {"weight": weight}))
        torch.testing.assert_close(out, (1 - 2 * strength) * CONTENT)


def test_inpainting_leaves_nothing():
    for seed in range(8):
        draw = drawn("inpaint", seed, 1.0)
        assert torch.equal(corrupt(CONTENT, draw), corrupt(-CONTENT, draw))
    draws = [drawn("inpaint", seed).parameters["grey"] for seed in range(100)]
    assert 30 < sum(grey is None for grey in draws) < 70


def test_what_is_drawn():
    rngs = [np.random.default_rng(seed) for seed in range(400)]
    draws = [draw_corruption(rng) for rng in rngs]
    names, counts = np.unique([draw.family for draw in draws], return_counts=True)
    assert sorted(names) == sorted(DEFAULT_FAMILIES) and "inpaint" not in names and counts.min() > 55
    strengths = [draw.strength for draw in draws]
    assert 0.5 <= min(strengths) < 0.52 and 0.98 < max(strengths) <= 1


@pytest.mark.parametrize("families", [(), ("blur",), ("noise", "cutout")])
def test_unknown_families_get_a_sentence(families):
    with pytest.raises(InputError, match="expected families among shuffle, remap.*name at least one"):
        draw_corruption(np.random.default_rng(0), families)


def test_bad_strengths_and_contents_get_a_sentence():
    with pytest.raises(InputError, match="expected a strength from 0 to 1, got 1.5"):
        draw_corruption(np.random.default_rng(0), strength=1.5)
    with pytest.raises(InputError, match="make it with draw_corruption"):
        corrupt(CONTENT, replace(drawn("noise"), strength=2.0))
    with pytest.raises(InputError, match="make it with draw_corruption"):
        corrupt(CONTENT, replace(drawn("noise"), family="blur"))
    with pytest.raises(InputError, match="the content of a box"):
        corrupt(CONTENT[0], drawn("noise"))
    with pytest.raises(InputError, match="float32"):
        corrupt(CONTENT.double(), drawn("noise"))

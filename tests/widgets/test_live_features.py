"""Feature spaces and the circle: figures say what they show, every control moves the picture in time."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pancreas_ssl import figures, widgets
from pancreas_ssl.errors import InputError
from pancreas_ssl.figures.feature_space_charts import joined_names
from pancreas_ssl.figures.planes import page_places, scene, to_page
from pancreas_ssl.lessons.contrast_in_2d import Group, on_circle
from pancreas_ssl.lessons.inspected_features import InspectedFeatures, principal_axes
from pancreas_ssl.method.contrast import GlobalContrast
from tests.method.shapes import ellipsoid
from tests.method.voxels import drawn, voxels_of

SHAPE = (60, 50, 40)


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    label = ellipsoid(SHAPE, (14, 6, 6))
    rng = np.random.default_rng(0)
    image = np.clip(0.1 * rng.standard_normal(SHAPE).astype(np.float32) + 0.4 * label, -1, 1)[None]
    return SimpleNamespace(
        id="A_0", image=image, label=label[None], affine=np.diag([3.0, 3, 3, 1]), window=(-150.0, 250.0)
    )


def space(case, seed: int) -> widgets.FeatureSpace:
    generator = torch.Generator().manual_seed(seed)
    regions = torch.arange(1, 6).repeat_interleave(12)
    draw = drawn(regions)
    places = torch.stack([torch.randint(8, n - 8, (60,), generator=generator) for n in SHAPE], 1)
    draw.positions[:, 1:] = places
    contrast = GlobalContrast("guided", 8, outputs=6, seed=1)
    sampled = InspectedFeatures(torch.randn(60, 8, generator=generator), draw, "A_0", "A")
    contrast.prototypes.update(contrast.projection(sampled.features), *voxels_of(draw))
    contrast.requires_grad_(False)
    plane = principal_axes(contrast.projection(sampled.features), contrast.prototypes.pancreas)
    cosines = np.random.default_rng(seed).uniform(-1, 1, SHAPE).astype(np.float32)
    return widgets.space_of(case, sampled, contrast, plane, cosines)


@pytest.fixture(scope="module")
def spaces(case) -> dict[str, widgets.FeatureSpace]:
    return {"home": space(case, 0), "away": space(case, 1)}


@pytest.fixture
def explorer(spaces):
    return widgets.LiveFeatures(spaces)


@pytest.fixture
def circle():
    return widgets.LiveCircle()


def test_places_on_the_page_are_those_of_the_slice(case):
    drawn_scene = scene(case)
    marked = np.zeros(SHAPE)
    marked[41, 12, 7] = 1
    row, column = np.argwhere(to_page(marked, "axial", 7))[0]
    x, y = page_places(np.array([[41, 12, 7]]), drawn_scene)
    assert (x[0], y[0]) == pytest.approx(((column + 0.5) * 3, (row + 0.5) * 3))
    box = (slice(5, 50), slice(2, 45), slice(None))
    row, column = np.argwhere(to_page(marked[box], "axial", 7))[0]
    x, y = page_places(np.array([[41, 12, 7]]), drawn_scene, box)
    assert (x[0], y[0]) == pytest.approx(((column + 0.5) * 3, (row + 0.5) * 3))


def test_figures_have_words_tables_and_pictures(case, spaces):
    one = spaces["home"]
    numbers = np.where(case.label[0], 1, 5)
    drawn_figures = [
        figures.feature_panel(
            case, one.positions, one.regions, one.points, stars=one.stars, shares=one.shares, title="Space"
        ),
        figures.space_panels({"a": (one.points, one.regions), "b": (one.points * 2, one.regions)}, title="Two"),
        figures.sampling_panel(case, {"guided": (one.positions, one.regions)}, numbers, title="Drawn"),
        figures.circle_panels({"start": on_circle(), "far": on_circle({"far": Group(0, 5)})}, title="Circle"),
    ]
    for figure in drawn_figures:
        assert len(figure.alt) > 40 and "nan" not in figure.alt and len(figure.png()) > 5000
    table = drawn_figures[0].table.set_index("region")
    core = one.points[one.regions == 1]
    assert table.loc["core", "first axis"] == pytest.approx(core[:, 0].mean(), rel=1e-5)
    counts = drawn_figures[2].table
    inside = case.label[0][tuple(one.positions[one.regions <= 2].T)].sum()
    assert counts.iloc[0]["core"] == inside and counts["voxels"].tolist() == [24, 36]
    parts = drawn_figures[3].table.groupby("arrangement")["part of the loss"].sum()
    assert parts["start"] == pytest.approx(float(on_circle().terms.loss), rel=1e-4)


def test_names_of_prototypes_that_lie_together_are_joined():
    found = joined_names({"m": (0.0, 0.0), "b1": (1.0, 1.0), "b2": (1.01, 1.0)}, 0.1)
    assert list(found) == ["m", "b1, b2"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c, s: figures.feature_panel(c, s.positions[1:], s.regions, s.points), "for each voxel"),
        (lambda c, s: figures.space_panels({}), "at least one feature space"),
        (lambda c, s: figures.sampling_panel(c, {}, np.zeros(SHAPE)), "at least one draw"),
        (lambda c, s: figures.circle_panels({}), "at least one arrangement"),
        (lambda c, s: widgets.feature_explorer({}), "at least one case"),
        (lambda c, s: widgets.circle_explorer({"a": {"organ": Group(0, 0)}}), "expected regions out of"),
    ],
)
def test_bad_input_gets_one_sentence(case, spaces, call, sentence):
    with pytest.raises(InputError, match=sentence):
        call(case, spaces["home"])


def test_without_a_front_end_there_is_the_figure(spaces):
    for viewer in (widgets.feature_explorer(spaces, live=False), widgets.circle_explorer({"start": {}}, live=False)):
        assert viewer.live is None and "no live front end" in viewer.said and viewer.static.png()
    assert widgets.feature_explorer(spaces, live=True).live is not None
    assert widgets.circle_explorer({"start": {}}, live=True).live is not None


@pytest.mark.parametrize("name", ["angle", "spread", "point", "temperature", "margin"])
def test_every_slider_of_the_circle_changes_the_picture_at_both_ends(circle, name):
    control, widget, start = getattr(circle, name), circle.picture, circle.picture.value
    pictures = {start}
    for end in (control.min, control.max):
        control.value = end
        assert circle.picture is widget and 'role="status"' in circle.caption.value
        pictures.add(circle.picture.value)
    assert len(pictures) == 3


def test_a_region_keeps_its_place_while_another_is_moved(circle):
    circle.angle.value = 120
    circle.group.value = "far"
    assert circle.angle.value == -150 and circle.groups["rim_out"].angle == 120
    circle.group.value = "rim_out"
    assert circle.angle.value == 120
    loss = float(circle.circle.terms.loss)
    assert f"loss {loss:.3f}" in circle.caption.value and "rim_out, point 2" in circle.caption.value


@pytest.mark.parametrize("name", ["voxel", "opacity"])
def test_every_slider_of_the_explorer_changes_the_picture_at_both_ends(explorer, name):
    explorer.region.value = 1
    explorer.voxel.value = 5
    if name == "opacity":  # on a slice that shows some of the label
        inside = [k for k, z in enumerate(explorer.order) if explorer.spaces["home"].positions[z][2] in range(16, 24)]
        explorer.voxel.value = inside[0] + 1 if inside else 5
    control, pictures = getattr(explorer, name), {explorer.picture.value}
    for end in (control.min, control.max):
        control.value = end
        pictures.add(explorer.picture.value)
    assert len(pictures) == 3


def test_patient_region_and_view_change_the_picture(explorer):
    pictures = [explorer.picture.value]
    for control, value in ((explorer.view, "cosine"), (explorer.region, 4), (explorer.which, "away")):
        control.value = value
        pictures.append(explorer.picture.value)
    assert len(set(pictures)) == 4
    assert "voxel 12 of 12" in explorer.caption.value and "a voxel of near" in explorer.caption.value


def test_voxels_are_in_the_order_of_their_cosine(explorer, spaces):
    explorer.voxel.value = 1
    explorer.voxel.value = 60
    ordered = np.sort(spaces["home"].cosines)
    assert "60 of 60" in explorer.caption.value
    k = int(explorer.order[-1])
    assert spaces["home"].cosines[k] == ordered[-1]
    x, y, z = spaces["home"].positions[k]
    assert f"({x}, {y}, {z})" in explorer.caption.value


def test_what_goes_wrong_is_said_in_the_widget(circle, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no loss today")

    monkeypatch.setattr("pancreas_ssl.lessons.contrast_in_2d.contrast_loss", broken)
    circle.angle.value = 0
    assert 'role="alert"' in circle.caption.value and "no loss today" in circle.caption.value


def test_redraws_in_time(circle, explorer):
    for control, values in ((circle.angle, range(0, 90, 10)), (explorer.voxel, range(2, 20, 2))):
        seconds = []
        for value in values:
            start = time.process_time()
            control.value = value
            seconds.append(time.process_time() - start)
        assert np.median(seconds) < 0.2


def test_cosines_of_a_space_are_with_the_prototype(spaces):
    one = spaces["home"]
    assert np.abs(one.cosines).max() <= 1 + 1e-5 and set(one.stars) == {"m_P", "b1", "b2", "b3", "b4"}
    assert one.points.shape == (60, 2) and one.stars["m_P"][0] > 0

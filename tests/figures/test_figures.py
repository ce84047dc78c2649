"""Every figure: a description, a table, a PNG; the patient's right on the left; numbers as counted by hand."""

import base64
import io
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl import figures
from pancreas_ssl.errors import InputError
from pancreas_ssl.figures import Described
from pancreas_ssl.figures.planes import best_index, scene, to_page
from pancreas_ssl.figures.style import ORANGE, series_styles
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.phantom.cohort import make_case


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    """A body of 40 HU with a pancreas of 100 HU that is 4 voxels long, 2 mm voxels; and a prediction one voxel off."""
    hu = np.full((20, 16, 12), -1000, np.int16)
    hu[3:17, 3:13] = 40
    label = np.zeros(hu.shape, np.uint8)
    label[6:10, 6:8, 5:7] = 1
    hu[label > 0] = 100
    return SimpleNamespace(array=hu, label=label, affine=np.diag([2.0, 2, 2, 1]), prediction=np.roll(label, 1, axis=0))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"source": s, "patient": f"{s}_{i}", "model": m, "dice": rng.uniform(0.3, 0.9)}
        for s in "AV"
        for i in range(6)
        for m in ("shipped", "mine")
    )


def every_figure(case, rows) -> list[Described]:
    history = pd.DataFrame(
        {"step": [1, 2, 3, 4], "loss": [1.0, 0.7, 0.5, 0.4], "held_out_dice": [None, 0.2, None, 0.6]}
    )
    differences = pd.DataFrame(
        {"source": ["V", "W"], "difference": [0.1, -0.02], "low": [0.05, -0.1], "high": [0.2, 0.1]}
    )
    return [
        figures.slice_panel(case, prediction=case.prediction, title="One slice"),
        figures.orthogonal_planes(case, title="Planes"),
        figures.slice_strip(case, slices=3),
        figures.projections(case),
        figures.window_strip(case, {"soft tissue": (-150, 250), "bone": (-450, 1050)}),
        figures.error_map(case, prediction=case.prediction),
        figures.source_sheet({"A": case, "real CT": case, "B": case}, subtitles={"A": "portal venous"}),
        figures.geometry({"A": case, "B": case}),
        figures.hu_histograms({"pancreas": case.array[case.label > 0], "none": np.zeros(0)}),
        figures.training_curve(history),
        figures.dice_dots(rows),
        figures.dice_dots(rows, compare="model", name="compared"),
        figures.interval_chart(differences, what="source"),
    ]


def test_every_figure_has_words_a_table_and_a_picture(case, rows):
    from matplotlib.image import imread

    names = set()
    for described in every_figure(case, rows):
        names.add(described.name)
        assert len(described.alt) > 40 and described.alt.rstrip().endswith("."), described.alt
        assert "nan" not in described.alt.lower(), described.alt
        assert not described.table.empty
        picture = imread(io.BytesIO(described.png()))
        assert picture.std() > 0.02, f"{described.name} is blank"
    assert len(names) == 13


def test_the_patients_right_is_on_the_left_and_the_front_on_top():
    body = np.zeros((4, 5, 6))
    body[3, 4, 0] = 1  # right, front, lowest
    assert to_page(body, "axial", 0)[0, 0] == 1
    assert to_page(body, "coronal", 4)[-1, 0] == 1
    assert to_page(body, "sagittal", 3)[-1, 0] == 1
    assert to_page(body, "axial", 0).shape == (5, 4)


def test_colours_of_sources_do_not_depend_on_company():
    assert series_styles(["A", "D"])["D"] == series_styles(["phantom/D", "B"])["phantom/D"]
    looks = series_styles(["A", "V", "W", "X", "B", "C", "D", "real CT"])
    assert len({(m.colour, m.line, m.marker) for m in looks.values()}) == 8
    assert len({m.line for m in looks.values()}) == 8, "colour alone must not tell sources apart"


def test_table_counts_what_is_under_the_label(case):
    table = figures.slice_panel(case).table
    whole = table[(table["under"] == "label") & (table["where"] == "whole volume")].iloc[0]
    assert (whole["voxels"], whole["mL"], whole["mean HU"]) == (16, 0.128, 100.0)
    assert best_index(case.label > 0, case.label.shape, "axial") == 5


def test_error_map_counts_found_missed_and_false(case):
    described = figures.error_map(case, prediction=case.prediction)
    assert described.table["whole volume, mL"].tolist() == pytest.approx([12 * 0.008, 4 * 0.008, 4 * 0.008])
    assert "0.750" in described.alt


def test_prepared_images_are_shown_in_hu(case):
    prepared = SimpleNamespace(
        image=(np.clip(case.array, -150, 250)[None].astype(np.float32) + 150) / 200 - 1,
        label=case.label[None],
        affine=case.affine,
        window=(-150.0, 250.0),
    )
    assert scene(prepared).hu[scene(prepared).label].mean() == pytest.approx(100, abs=0.1)


def test_dots_count_failures_and_their_interval_holds_the_mean(rows):
    table = figures.dice_dots(rows, failure=0.5).table.set_index("source")
    for source, part in rows.groupby("source"):
        line = table.loc[source]
        assert line["below 0.5"] == (part["dice"] < 0.5).sum()
        assert line["95 % from"] < part["dice"].mean() < line["95 % to"]
    again = figures.dice_dots(rows, failure=0.5)
    assert again.png() == figures.dice_dots(rows, failure=0.5).png(), "same rows, same picture"


def test_shown_as_png_with_alt_and_a_folded_table(case, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    monkeypatch.setenv("PANCREAS_SSL_FIGURES", str(tmp_path / "figures"))
    described = figures.slice_panel(case, title="A <b>title</b>")
    described._ipython_display_()
    (png, picture), (twin, _) = shown
    assert base64.b64decode(png["image/png"]).startswith(b"\x89PNG") and png["text/plain"] == described.alt
    assert picture["metadata"]["image/png"]["alt"] == described.alt
    assert twin["text/html"].startswith("<details><summary>Table</summary>")
    assert "&lt;b&gt;" in twin["text/html"] and "<b>title" not in twin["text/html"]
    saved = {p.name for p in (tmp_path / "figures").iterdir() if p.name != MANIFEST}
    assert saved == {"slice.png", "slice.csv", "slice.txt"}
    assert (tmp_path / "figures" / "slice.txt").read_text().strip() == described.alt
    monkeypatch.setenv("PANCREAS_SSL_FIGURE_FORMATS", "svg,pdf")
    described.show()
    assert (tmp_path / "figures" / "slice.pdf").read_bytes().startswith(b"%PDF")
    assert "<text" in (tmp_path / "figures" / "slice.svg").read_text()
    with pytest.raises(InputError, match="PNG, SVG or PDF, got gif"):
        described.save(tmp_path, ["gif"])


def test_more_series_than_styles_are_still_told_apart():
    looks = series_styles([f"arm {k}" for k in range(20)]).values()
    assert len({(look.colour, str(look.line)) for look in looks}) == len({(x.colour, x.marker) for x in looks}) == 20


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c: figures.slice_panel(c, index=99), "axial slice from 0 to 11, got 99"),
        (lambda c: figures.slice_panel(c, plane="oblique"), "expected a plane among"),
        (lambda c: figures.slice_panel(c, np.zeros((3, 3, 3))), r"label of the image's shape \(20, 16, 12\)"),
        (lambda c: figures.slice_panel(np.zeros((4, 4))), "three axes"),
        (lambda c: figures.error_map(c), "one is missing"),
        (lambda c: figures.source_sheet({}), "at least one volume"),
        (lambda c: figures.hu_histograms({"a": np.zeros(0)}), "all are empty"),
        (lambda c: figures.training_curve(pd.DataFrame({"step": [1]})), "columns step, loss"),
        (lambda c: figures.dice_dots(pd.DataFrame({"source": ["A"]})), "columns source, dice"),
    ],
)
def test_bad_input_gets_one_sentence(case, call, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        call(case)
    assert "\n" not in str(caught.value) and re.search(r"; .|pass|got", str(caught.value))


def test_a_figure_without_words_or_numbers_is_refused():
    from matplotlib.figure import Figure

    table = pd.DataFrame({"a": [1]})
    with pytest.raises(InputError, match="in words"):
        Described(Figure(), "too short", table, "x")
    with pytest.raises(InputError, match="no rows"):
        Described(Figure(), "a description that is long enough", table.iloc[:0], "x")
    with pytest.raises(InputError, match="rename"):
        Described(Figure(), "a description that is long enough", table, "../x")


def test_importing_figures_does_not_import_matplotlib():
    code = (
        "import sys, pancreas_ssl.figures, pancreas_ssl.widgets; "
        "print({'matplotlib', 'torch', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def _ball():
    """A small volume in HU with a labelled ball, and a map that falls off from its surface."""
    at = np.indices((30, 26, 20)).transpose(1, 2, 3, 0) - (15, 13, 10)
    r = np.linalg.norm(at, axis=-1)
    hu = np.where(r < 5, 90, 40).astype(np.int16)
    return hu, (r < 5).astype(np.uint8), np.exp(-((r - 5) ** 2) / 4).astype(np.float32)


def test_maps_stand_beside_the_slice_with_numbers():
    hu, label, uncertainty = _ball()
    at = best_index(label, label.shape, "axial")
    drawn = figures.map_panel(
        hu, {"uncertainty": uncertainty, "none": 0 * uncertainty}, label=label, margin_mm=2, title="Uncertainty"
    )
    assert list(drawn.table["map"]) == ["uncertainty", "none"] and drawn.table["slice"].tolist() == [at, at]
    row = drawn.table.iloc[0]
    inside = label[..., at] > 0
    assert row["mean in label"] == pytest.approx(uncertainty[..., at][inside].mean(), rel=1e-5)
    assert "sky blue" in drawn.alt and drawn.png()[:4] == b"\x89PNG"
    whole = figures.map_panel(hu, {"uncertainty": uncertainty}, label=label, margin_mm=None).table
    assert whole["mean"][0] < row["mean"]  # zoomed in, there is less of nothing
    with pytest.raises(InputError, match="expected maps of the image's shape"):
        figures.map_panel(hu, {"uncertainty": uncertainty[1:]})
    with pytest.raises(InputError, match="at least one map"):
        figures.map_panel(hu, {})


def test_regions_are_counted_in_the_whole_volume():
    hu, label, _ = _ball()
    numbers = np.where(label, 1, 5)
    drawn = figures.region_panel(hu, {"all core": numbers})
    table = drawn.table.set_index("region")
    assert table.loc["core", "voxels"] == label.sum() and table.loc["rim_in", "voxels"] == 0
    assert table["voxels"].sum() == hu.size and "core" in drawn.alt


def test_lines_tell_their_ends():
    table = pd.DataFrame({"t": [0, 1, 0, 1], "y": [1.0, 0.5, 2.0, 1.5], "who": ["a", "a", "b", "b"]})
    drawn = figures.line_chart(table, "t", "y", by="who", panels="who", diagonal=True, title="Lines")
    assert "a (a) from 1 to 0.5" in drawn.alt and len(drawn.table) == 4
    table = table.assign(low=table["y"] - 0.1, high=table["y"] + 0.1)
    drawn = figures.line_chart(table, "t", "y", by="who", highlight="b", interval=("low", "high"))
    (axis,) = drawn.figure.axes
    looks = {line.get_label(): (line.get_color(), line.get_marker()) for line in axis.lines}
    assert looks["b"] == (ORANGE, "D") and looks["a"][0] != ORANGE
    bars = [segment for bars in axis.collections for segment in bars.get_segments()]
    assert [round(bar[1][1] - bar[0][1], 6) for bar in bars] == [0.2] * 4
    with pytest.raises(InputError, match="expected rows with the columns"):
        figures.line_chart(table, "t", "nothing")


def test_the_page_of_anatomy_names_parts_and_neighbours():
    shown = figures.anatomy_page(make_case("A", 0)[0])
    table = shown.table.set_index("structure")
    parts = table.loc[["pancreas: head", "pancreas: body", "pancreas: tail"]]
    assert (parts["mL"] > 0).all() and {"liver", "stomach", "duodenum", "spleen"} <= set(table.index)
    words = shown.alt.split("in the axial slice")[1].split(";")[0]
    assert words.index("liver") < words.index("pancreas: tail") < words.index("spleen")  # the right is on the left
    with pytest.raises(InputError, match="whose tissues are known"):
        figures.anatomy_page(SimpleNamespace(tissue=None))

"""Arms in rows, sources in panels: every number of the table is drawn where it belongs, and said in words."""

import pandas as pd
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures import arms_chart
from pancreas_ssl.figures.style import ORANGE


@pytest.fixture
def table():
    rows = [
        ("supervised", "B", 0.50, 0.40, 0.60, 0.48, 0.52),
        ("dual", "B", 0.60, 0.55, 0.65, 0.59, 0.61),
        ("supervised", "C", 0.70, 0.60, 0.80, 0.69, 0.71),
        ("dual", "C", 0.65, float("nan"), float("nan"), 0.65, float("nan")),
        ("oracle", "C", 0.80, 0.75, 0.85, 0.79, 0.81),
    ]
    return pd.DataFrame(rows, columns=["arm", "source", "mean", "low", "high", "seed 0", "seed 1"])


def test_dots_bars_and_strokes_are_where_the_table_says(table):
    chart = arms_chart(table, "Dice by arm", baseline="supervised", highlight="dual")
    first, second = chart.figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["supervised", "dual", "oracle"]
    assert [axis.get_title(loc="left") for axis in (first, second)] == ["B", "C"]
    dots = {(round(float(x), 3), int(y)) for x, y in _points(first, "o", "D")}
    assert dots == {(0.5, 0), (0.6, 1)}
    bars = [tuple(line.get_xdata()) for line in first.lines if line.get_linewidth() == 2.5]
    assert bars == [(0.4, 0.6), (0.55, 0.65)]
    assert sorted(round(float(x), 2) for x, _ in _points(first, "|")) == [0.48, 0.52, 0.59, 0.61]
    assert len(_points(second, "|")) == 5, "a seed that is not there has no stroke"
    (diamond,) = [line for line in first.lines if line.get_marker() == "D"]
    assert diamond.get_color() == ORANGE
    (dashed,) = [line for line in first.lines if line.get_linestyle() == "--"]
    assert set(dashed.get_xdata()) == {0.5}


def test_words_name_every_mean_and_no_interval_that_is_not_there(table):
    chart = arms_chart(table, "Dice by arm")
    assert "B: supervised 0.500 (0.400 to 0.600), dual 0.600 (0.550 to 0.650)" in chart.alt
    assert "dual 0.650, oracle 0.800" in chart.alt and "nan" not in chart.alt
    assert chart.table.equals(table) and len(chart.png()) > 1000


def test_a_table_of_another_kind_gets_a_sentence(table):
    with pytest.raises(InputError, match="expected rows with the columns arm, source, mean, low, high"):
        arms_chart(table.drop(columns="low"))
    with pytest.raises(InputError, match="0 rows"):
        arms_chart(table.iloc[:0])


def _points(axis, *markers):
    lines = [line for line in axis.lines if line.get_marker() in markers]
    return [point for line in lines for point in zip(line.get_xdata(), line.get_ydata(), strict=True)]

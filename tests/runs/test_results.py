"""Key results: plain values, kept in order, readable."""

import json

import nbformat
import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.runs import record
from pancreas_ssl.runs.results import MIME, recorded


def test_outside_a_notebook_the_table_is_printed(capsys):
    record(dice=np.float32(0.8312), cases=8)
    assert capsys.readouterr().out == "dice   0.8312\ncases  8\n"
    record()
    assert capsys.readouterr().out == ""


def test_in_a_kernel_the_values_travel_as_json_in_their_order(monkeypatch):
    shown = []
    monkeypatch.setattr("pancreas_ssl.runs.results.in_kernel", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    record(z=np.int64(3), a=[np.float64(0.5), float("nan")], b={"x": True}, c=None, d="<b>", e=np.arange(3))
    (data,) = shown
    assert [r["name"] for r in data[MIME]["results"]] == ["z", "a", "b", "c", "d", "e"]
    assert json.loads(json.dumps(data[MIME])) == data[MIME]
    assert data[MIME]["results"][1]["value"] == [0.5, None]
    assert "&lt;b&gt;" in data["text/html"] and data["text/plain"].startswith("z  3\n")


@pytest.mark.parametrize("value", [object(), np.zeros(101), {"x": {1, 2}}])
def test_what_is_no_plain_value_is_refused(value):
    with pytest.raises(InputError, match="figure is a|figure expects|, figure"):
        record(figure=value)


def test_results_of_a_notebook_are_merged_and_the_last_wins():
    def output(**values):
        results = [{"name": k, "value": v} for k, v in values.items()]
        return nbformat.v4.new_output("display_data", data={MIME: {"results": results}})

    cell = nbformat.v4.new_code_cell("x")
    cell.outputs = [output(b=1, a=1), output(a=2), nbformat.v4.new_output("stream", text="words")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("words"), cell])
    assert list(recorded(notebook).items()) == [("b", 1), ("a", 2)]

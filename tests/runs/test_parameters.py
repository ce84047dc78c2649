"""The `parameters` cell is read strictly, and values are checked before a kernel starts."""

import nbformat
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.runs.parameters import Parameter, check_parameters, declared_parameters, parse_parameters, read_value

CELL = """# Sizes of this notebook
STEPS = 300  # optimiser steps
RATE = 3e-3  # learning rate, peak
SOURCES = ["A", "B"]  # read in this order
PATCH = (64, 64, 48)
OFFSET = -4  # HU
VIEWER = "auto"  # auto, static: a # in the help
FAST = False
LIMIT = None  # no limit
TABLE = {
    "a": 1,
}  # over several lines
"""


def test_names_types_and_help_are_read_without_running_anything():
    found = {p.name: p for p in parse_parameters(CELL)}
    assert list(found) == ["STEPS", "RATE", "SOURCES", "PATCH", "OFFSET", "VIEWER", "FAST", "LIMIT", "TABLE"]
    assert found["STEPS"] == Parameter("STEPS", 300, "optimiser steps")
    assert found["PATCH"].default == (64, 64, 48) and found["PATCH"].help == ""
    assert found["OFFSET"].default == -4
    assert found["VIEWER"].help == "auto, static: a # in the help"
    assert found["TABLE"].default == {"a": 1} and found["TABLE"].help == "over several lines"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("STEPS = 10 * 30", "literal"),
        ("STEPS = compute()", "literal"),
        ("import os", "plain lines"),
        ("STEPS: int = 3", "plain lines"),
        ("A = B = 3", "plain lines"),
        ("A, B = 1, 2", "plain lines"),
        ("STEPS = ", "line 2 is not Python"),
        ("X = 2", "sets X twice"),
    ],
)
def test_anything_else_in_the_cell_is_refused(line, reason):
    with pytest.raises(InputError, match=reason) as caught:
        parse_parameters("X = 1\n" + line, "02_baseline.ipynb")
    assert "02_baseline.ipynb" in str(caught.value) and "line 2" in str(caught.value)


def test_two_parameter_cells_are_refused_and_none_is_fine():
    notebook = nbformat.v4.new_notebook()
    assert declared_parameters(notebook) == {}
    notebook.cells = [nbformat.v4.new_code_cell("A = 1", metadata={"tags": ["parameters"]}) for _ in range(2)]
    with pytest.raises(InputError, match="one cell tagged 'parameters'"):
        declared_parameters(notebook)


def test_an_unknown_name_lists_the_known_ones_and_the_closest():
    declared = {p.name: p for p in parse_parameters(CELL)}
    with pytest.raises(InputError) as caught:
        check_parameters({"STEP": 3}, declared, "02_baseline.ipynb")
    message = str(caught.value)
    assert "02_baseline.ipynb has no parameter STEP" in message
    assert "did you mean STEPS?" in message and "knows: STEPS, RATE, SOURCES" in message
    with pytest.raises(InputError, match="knows: none"):
        check_parameters({"STEP": 3}, {})


@pytest.mark.parametrize(
    ("default", "text", "expected"),
    [
        (300, "20", 20),
        (300, "-20", -20),
        (0.1, "1e-3", 1e-3),
        (0.1, "2", 2.0),
        (False, "true", True),
        (True, "No", False),
        (True, "False", False),
        ("auto", "static", "static"),
        ("auto", "3", "3"),
        (["A"], "['B', 'C']", ["B", "C"]),
        ((64, 64), "[32, 32]", (32, 32)),
        ((1.5, 2.0), "(1, 2)", (1, 2)),
        (None, "12", 12),
        (None, "word", "word"),
    ],
)
def test_text_is_read_as_the_default_asks(default, text, expected):
    value = read_value(text, Parameter("X", default))
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (300, "20.5"),
        (300, "many"),
        (300, True),
        (300, None),
        (0.1, "fast"),
        (True, "1"),
        (True, 1),
        ("auto", 3),
        (["A"], "B"),
        (["A"], [1]),
        ((64, 64), "(64, 'x')"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_default_shown(default, value):
    with pytest.raises(InputError) as caught:
        read_value(value, Parameter("X", default), "nb.ipynb")
    assert "for X of nb.ipynb" in str(caught.value) and repr(default) in str(caught.value)


RANGES = """STEPS = 360  # optimiser steps [1..100000]
SHARE = 0.5  # of all [0..1]
LATE = 3  # from 2 on [2..]
COLD = -4.5  # degrees [..-1e-1]
VIEWER = "auto"  # how to show it [auto|static | niivue]
SIZES = [8, 16]  # widths [1..64]
WORDS = ["a"]  # some [a|b]
WIDTH = 2.0  # of a voxel [mm]
"""


def test_what_a_comment_allows_is_read():
    found = {p.name: p for p in parse_parameters(RANGES)}
    assert found["STEPS"] == Parameter("STEPS", 360, "optimiser steps", 1, 100000)
    assert (found["LATE"].low, found["LATE"].high, found["COLD"].high) == (2, None, -0.1)
    assert found["VIEWER"].choices == ("auto", "static", "niivue") and found["VIEWER"].help == "how to show it"
    allowed = {name: p.allowed for name, p in found.items()}
    assert allowed["STEPS"] == "[1..100000]" and allowed["LATE"] == "[2..]" and allowed["COLD"] == "[..-0.1]"
    assert allowed["VIEWER"] == "[auto|static|niivue]" and allowed["WIDTH"] == ""
    assert found["WIDTH"].help == "of a voxel [mm]"


@pytest.mark.parametrize(
    ("name", "value"),
    [("STEPS", "0"), ("STEPS", 100001), ("SHARE", "1.01"), ("LATE", 1), ("COLD", 0), ("VIEWER", "itk"),
     ("SIZES", "[8, 65]"), ("SIZES", [0]), ("WORDS", ["a", "c"])],
)  # fmt: skip
def test_a_value_outside_is_refused_and_the_range_named(name, value):
    found = {p.name: p for p in parse_parameters(RANGES)}
    with pytest.raises(InputError, match=rf"expected {name} of nb.ipynb inside \[.*\], got") as caught:
        check_parameters({name: value}, found, "nb.ipynb")
    assert found[name].allowed in str(caught.value)
    for edge in (found[name].low, found[name].high):
        if edge is not None and isinstance(found[name].default, int | float):
            assert check_parameters({name: edge}, found) == {name: edge}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A = 3  # x [4..5]", "default of A inside"),
        ("A = 3  # x [5..4]", "a range of numbers for A"),
        ("A = 3  # x [..]", "a range of numbers for A"),
        ("A = 3  # x [1..2..3]", "a range of numbers for A"),
        ("A = 3  # x [one..two]", "a range of numbers for A"),
        ("A = 3  # x [0..inf]", "a range of numbers for A"),
        ("A = 'b'  # x [1..2]", "a range of numbers for A"),
        ("A = True  # x [0..1]", "a range of numbers for A"),
        ("A = 3  # x [a|b]", "choices of A, which is text"),
        ("A = 'a'  # x [a||b]", "different words as choices"),
        ("A = 'a'  # x [a|a]", "different words as choices"),
        ("A = 'c'  # x [a|b]", "default of A inside"),
        ("A = [1, 9]  # x [1..8]", "default of A inside"),
    ],
)
def test_a_wrong_declaration_is_an_error(line, reason):
    with pytest.raises(InputError, match=reason) as caught:
        parse_parameters(line, "nb.ipynb")
    assert "nb.ipynb" in str(caught.value) and "line 1" in str(caught.value)

"""Numbers in words."""

import pytest

from pancreas_ssl.progress import duration
from pancreas_ssl.runs.formatting import megabytes, readable


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds, tenths=True) == words


def test_sizes():
    assert megabytes(850e6) == "850 MB" and megabytes(1.44e9) == "1.4 GB"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (None, "n/a"),
        (0.123456, "0.1235"),
        (123456.7, "123457"),
        (-123456.7, "-123457"),
        ([1, 0.5], "1, 0.5"),
        ({"A": 0.5}, "A: 0.5"),
        (133, "133"),
    ],
)
def test_readable(value, words):
    assert readable(value) == words

"""Small notebooks, made on the spot."""

from pathlib import Path

import nbformat
import pytest


def make_notebook(path: Path, *sources: str, parameters: str | None = None) -> Path:
    """Write a notebook. A source that begins with `#md ` is Markdown; `parameters` becomes the tagged cell."""
    notebook = nbformat.v4.new_notebook()
    for source in sources:
        if source.startswith("#md "):
            notebook.cells.append(nbformat.v4.new_markdown_cell(source[4:]))
        else:
            notebook.cells.append(nbformat.v4.new_code_cell(source))
    if parameters is not None:
        cell = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
        notebook.cells.insert(1, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


FIGURE = """
import matplotlib.pyplot as plt, pandas as pd
from pancreas_ssl.figures.described import Described
figure, axis = plt.subplots(figsize=(4, 3))
axis.plot([1, 2, 3], [4, 5, 7])
plt.close(figure)
alt = "A line that rises from 4 to 7 over three steps, faster at its end."
Described(figure, alt, pd.DataFrame({"step": [1, 2, 3], "value": [4.0, 5.0, 7.123456]}), "rising-line")
"""


@pytest.fixture(scope="session")
def make():
    return make_notebook


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A folder with three notebooks and profiles: one fine with everything in it, one that fails, one fine."""
    folder = tmp_path_factory.mktemp("course")
    make_notebook(
        folder / "00_fine.ipynb",
        "#md # A notebook that is fine\n\nSome words.",
        "import os, sys\nx = STEPS * 2",
        "#md ## A slow cell",
        "import time\ntime.sleep(SECONDS)",
        "#md ## The figure",
        FIGURE,
        "from pancreas_ssl.runs import record\nrecord(steps=STEPS, dice=0.83125, python=sys.prefix, cases=[1, 2])",
        "get = os.environ.get\nrecord(live=get('JPY_SESSION_NAME', ''), backend=get('MPLBACKEND', ''), at=os.getcwd())",
        parameters="STEPS = 300  # optimiser steps\nSECONDS = 0.6  # how long to sleep",
    )
    make_notebook(
        folder / "01_failing.ipynb",
        "#md # A notebook that fails",
        "from pancreas_ssl.runs import record\nrecord(before=1)",
        "#md ## Where it breaks",
        "# a comment first\nraise ValueError('the two grids\\ndiffer')",
        "print('never')",
        parameters="STEPS = 5  # steps",
    )
    make_notebook(folder / "02_plain.ipynb", "#md # The last", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    (folder / "profiles.yml").write_text(
        "smoke:\n  00_fine:\n    STEPS: 3\n    SECONDS: 0\nfull:\n  01_failing: {STEPS: 9}\n"
    )
    return folder


@pytest.fixture(scope="session")
def toured(course, tmp_path_factory):
    """The course run once, profile `class`, without fetching anything: (Tour, lines said)."""
    from pancreas_ssl.runs.tour import tour

    said: list[str] = []
    patch = pytest.MonkeyPatch()
    patch.setenv("JPY_SESSION_NAME", "inherited from a server")
    patch.setenv("MPLBACKEND", "Agg")
    try:
        result = tour("class", tmp_path_factory.mktemp("out") / "run", course, say=said.append, fetch=False)
    finally:
        patch.undo()
    return result, said

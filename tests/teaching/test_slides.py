"""Slides: dealt from headings and outputs, and nothing in them is fetched."""

import re

import nbformat.v4 as v4
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.teaching.slides import dealt

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def executed():
    figure = v4.new_output("display_data", data={"image/png": PNG, "text/plain": "figure"})
    text = "## A section\n\n" + "Long. " * 60 + "\n\n" + "Longer. " * 60 + "\n\n<details>the solution</details>"
    cells = [
        v4.new_markdown_cell("# Title\n\nWith $p_k$ and $$\\frac1K \\sum_k p_k$$ and `$HOME`."),
        v4.new_code_cell("N = 1", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("SECRET = 1", outputs=[v4.new_output("stream", name="stderr", text="progress")]),
        v4.new_markdown_cell(text),
        v4.new_code_cell("show()", outputs=[figure, v4.new_output("stream", text="in /home/ann/scans/x.nii")]),
        v4.new_code_cell("show()", outputs=[figure]),
    ]
    return v4.new_notebook(cells=cells)


def test_cells_become_slides_by_headings_and_outputs():
    before = executed()
    copy = dealt(before)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in copy.cells]
    assert kinds == ["slide", "slide", "notes", "-", "subslide"]
    assert "Longer" in copy.cells[2].source and "the solution" not in str(copy)
    assert "/home/ann" not in str(copy) and "slideshow" not in str(before), "the notebook itself is as it was"
    assert "<math" in copy.cells[0].source and "`$HOME`" in copy.cells[0].source


@pytest.mark.parametrize("code, there", [("hidden", False), ("folded", True), ("shown", True)])
def test_slides_on_disk_need_no_network(tmp_path, capsys, code, there):
    import nbformat

    nbformat.write(executed(), tmp_path / "00_x.ipynb")
    assert main(["slides", str(tmp_path / "00_x.ipynb"), "--out", str(tmp_path / "out"), "--code", code]) == 0
    page = (tmp_path / "out" / "00_x.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["']https?:|@import""", page)
    for name in re.findall(r'(?:src|href)="(reveal/[^"]+)"', page):
        assert (tmp_path / "out" / name).is_file(), name
    assert ("show" in page.split("<main>")[1].split("<script")[0]) >= there
    assert ("<summary>Code" in page) == (code == "folded") and ("SECRET" in page) == there


def test_what_cannot_become_slides_is_a_sentence(tmp_path, capsys):
    (tmp_path / "broken.ipynb").write_text("{")
    for run, more in ((tmp_path / "none", []), (tmp_path, []), (tmp_path, ["--code", "pink"])):
        assert main(["slides", str(run), "--out", str(tmp_path / "out"), *more]) == 2
    assert capsys.readouterr().err.count("pancreas-ssl: expected") == 3 and not (tmp_path / "out").exists()

"""A study for a paper: LaTeX that can be read, figures for print, and captions that hide nothing."""

import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.figures import dice_dots, printed
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.study import paper
from pancreas_ssl.study.config import load_study
from pancreas_ssl.study.paper import tex
from pancreas_ssl.study.tables import comparisons_table, summary_table
from tests.study.helpers import settings, write, write_card
from tests.study.test_tables import rows


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("paper") / "out"
    assert main(["paper", "controls", "--out", str(out)]) == 0
    return out


@pytest.fixture
def odd(tmp_path):
    """A finished study with names that LaTeX would stumble over, a difference below zero, and leaks."""
    values = settings(write_card(tmp_path))
    values["arms"] = {"supervised": {}, "noisy_2": {"noise": 0.3}}
    compared = {"name": "50 % & more_#1 {~^\\}", "arm": "noisy_2", "against": "supervised", "target": 0.05}
    values["comparisons"] = [compared, compared | {"name": "HD", "metric": "hd95", "sources": [values["measure"][0]]}]
    study, table = load_study(write(tmp_path / "study.yml", values)), rows(-0.1, arms=("supervised", "noisy_2"))
    folder = tmp_path / "odd"
    folder.mkdir()
    curves = pd.DataFrame({"arm": ["noisy_2"], "seed": [0], "step": [20], "loss": [0.5], "held_out_dice": [0.6]})
    tables = {"rows": table, "summary": summary_table(table), "comparisons": comparisons_table(study, table)}
    for name, one in (tables | {"curves": curves}).items():
        one.to_csv(folder / f"{name}.csv", index=False)
    facts = {"command": "pancreas-ssl study --config odd.yml --out odd", "config": study.plain(), "leaks": 7}
    (folder / "study.json").write_text(json.dumps(facts))
    return folder


def parsed(text: str) -> list[list[str]]:
    """The rows of a LaTeX table; its environments are closed in order, and every row has the same number of cells."""
    opened = []
    for what, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", text):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened and {"\\toprule", "\\midrule", "\\bottomrule"} <= set(re.findall(r"\\[a-z]+rule", text))
    plain = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    found = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]
    columns = re.search(r"\\begin\{(?:tabular|longtable)\}\{([lr]+)\}", text).group(1)
    assert {len(row) for row in found} == {len(columns)}
    return found


def test_tables_have_the_numbers_of_the_study(written):
    summary = pd.read_csv(written / "summary.csv")
    head, *body = parsed((written / "summary.tex").read_text())
    assert head[:2] == ["Arm", "Source"] and len(body) == len(summary)
    first = dict(zip(head, body[0], strict=True))
    assert first["Dice"] == rf"{summary['dice_mean'][0]:.3f} $\pm$ {summary['dice_sd'][0]:.3f}"
    assert first["Misses"] == f"{summary['misses'][0]}/{summary['predictions'][0]}"
    compared = pd.read_csv(written / "comparisons.csv")
    head, *body = parsed((written / "comparisons.tex").read_text())
    deciding = [row for row in body if "textbf" in row[1]]
    assert len(body) == len(compared) and len(deciding) == compared["decides"].sum()
    said = (written / "comparisons.tex").read_text()
    counts = compared[compared["decides"]]["shown"].eq(True).sum(), compared[compared["decides"]]["met"].eq(False).sum()
    assert f"{counts[0]} met and shown" in said and f"{counts[1]} not met" in said and "a check of mechanism" in said


def test_figures_are_vectors_for_print_and_have_their_twins(written):
    names = {path.stem for path in written.glob("*.pdf")}
    assert {"convergence", "differences", "dice_phantom_A"} <= names
    for name in names:
        drawn, scalable = (written / f"{name}.pdf").read_bytes(), (written / f"{name}.svg").read_text()
        assert b"/FontFile2" in drawn and b"/Type3" not in drawn and b"Date" not in drawn
        assert "<text" in scalable and "<dc:date>" not in scalable
        assert len((written / f"{name}.txt").read_text()) > 40 and len(pd.read_csv(written / f"{name}.csv"))
        assert f"## Figure `{name}`" in (written / "CAPTIONS.md").read_text()
    assert "Dice on phantom/A" not in (written / "dice_phantom_A.svg").read_text().split("<text", 1)[1]
    with printed(3.3):
        narrow = dice_dots(pd.DataFrame({"source": list("AB") * 3, "dice": [0.7] * 6})).figure
        wide = dice_dots(pd.DataFrame({"source": list("ABVWXCD"), "dice": [0.7] * 7})).figure
    assert (narrow.get_figwidth(), wide.get_figwidth()) == (3.3, pytest.approx(2 * 3.3 + 0.16))
    smallest = min(text.get_fontsize() for text in wide.axes[0].get_xticklabels())
    assert smallest >= 7


def test_the_same_study_gives_the_same_bytes_and_nothing_foreign_is_replaced(written, tmp_path, capsys):
    paper("controls", tmp_path / "again")
    for path in written.iterdir():
        assert path.name == MANIFEST or path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    (tmp_path / "again" / "summary.tex").write_text("by hand")
    arguments = ["paper", "controls", "--out", str(tmp_path / "again")]
    assert main(arguments) == 2 and (tmp_path / "again" / "summary.tex").read_text() == "by hand"
    assert main([*arguments, "--overwrite", "--format", "svg"]) == 0
    assert "input{figures}" not in (tmp_path / "again" / "tables.tex").read_text()
    assert main(["paper", "controls", "--out", str(tmp_path / "x"), "--format", "gif"]) == 2
    assert main(["paper", "none such", "--out", str(tmp_path / "x")]) == 2 and not (tmp_path / "x").exists()
    assert "figures as PDF or SVG, got gif" in capsys.readouterr().err


def test_odd_names_losses_and_leaks_are_told(odd, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in odd.iterdir()}
    assert main(["paper", str(odd), "--out", str(odd), "--overwrite"]) == 2
    assert "input" in capsys.readouterr().err and before == {path.name: path.read_bytes() for path in odd.iterdir()}
    paper(odd, tmp_path / "out", formats=["pdf"])
    head, *body = parsed((tmp_path / "out" / "comparisons.tex").read_text())
    assert body[0][0] == tex("50 % & more_#1 {~^\\}") and r"\quad noisy\_2 $-$ supervised" in body[1]
    assert body[-1][0] == r"HD: noisy\_2 $-$ supervised (hd95)" and body[0][4] == "$-$0.100"
    captions = (tmp_path / "out" / "CAPTIONS.md").read_text()
    assert "Leak: 7 rows" in captions and "mechanism" not in captions and "2 not met" in captions
    assert str(tmp_path) not in captions


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here; the tables are parsed all the same")
def test_latex_reads_all_of_it(odd, tmp_path):
    paper(odd, tmp_path / "out", formats=["pdf"])
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0 and "Overfull" not in done.stdout, done.stdout[-1500:]

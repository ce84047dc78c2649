"""Every notebook keeps the course's form: parameters that are read, minutes, exercises, no outputs, no loose words."""

import ast
import importlib.util
import pkgutil
import re
from pathlib import Path

import nbformat
import pytest

from pancreas_ssl.course.catalogue import exercises
from pancreas_ssl.course.glossary import terms
from pancreas_ssl.runs.notebook_profiles import load_profiles
from pancreas_ssl.runs.parameters import check_parameters, declared_parameters

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FORBIDDEN = (
    r"pip install", r"\bTODO\b", r"cuda:0", r"\bif TEST\b", r"/work/", r"/tmp/", r"/home/",
    r"\bobviously\b", r"\btrivial(ly)?\b", r"\bof course\b",
)  # fmt: skip


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    read = nbformat.read(request.param, as_version=4)
    read.metadata["path"] = request.param
    return read


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_course_begins_here():
    assert [path.stem for path in NOTEBOOKS][:3] == ["00_start_here", "01_data", "02_baseline"]
    assert NOTEBOOKS[3].stem == "02b_causes_and_remedies"


def test_format_ids_and_no_outputs(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    number = notebook.metadata["path"].stem.split("_")[0]
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and all(cell_id.startswith(f"{number}-") for cell_id in ids)
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None, f"{cell.id} keeps outputs: run nbstripout"
    assert notebook.metadata["kernelspec"]["name"] == "python3"


def test_first_cell_has_title_aims_and_minutes(notebook):
    first = notebook.cells[0].source
    number = notebook.metadata["path"].stem.split("_")[0]
    assert first.startswith(f"# {number} · ")
    assert "After this notebook you can" in first
    assert re.search(r"Time: \d+ minutes to read and try; the cells run in about [^@]*minute", first), first
    assert "not for clinical use" in first


def test_parameters_are_plain_explained_and_read(notebook):
    declared = declared_parameters(notebook, notebook.metadata["path"].name)
    assert declared, "one cell tagged 'parameters' is needed"
    used = set()
    for cell in code(notebook):
        if "parameters" not in cell.metadata.get("tags", []):
            used |= {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
    for name, parameter in declared.items():
        assert name.isupper() and len(parameter.help) > 10, f"{name} needs a comment that explains it"
        assert name in used, f"{name} is declared and never read"


def test_profiles_set_only_what_exists():
    profiles = load_profiles(FOLDER)
    assert {"smoke", "full"} <= set(profiles)
    for profile, notebooks in profiles.items():
        for stem, values in notebooks.items():
            path = FOLDER / f"{stem}.ipynb"
            declared = declared_parameters(nbformat.read(path, as_version=4), path.name)
            check_parameters(values, declared, f"{path.name} ({profile})")


def test_exercises_have_cells_hints_and_checks(notebook):
    prose, number = text(notebook), notebook.metadata["path"].stem.split("_")[0]
    stubs = [cell for cell in code(notebook) if "exercise" in cell.metadata.get("tags", [])]
    known = exercises(number) if number in {one.notebook for one in exercises()} else []
    if stubs:
        assert [re.findall(r'check\("([\w-]+)"', cell.source) for cell in stubs] == [[one.id] for one in known]
        assert prose.count("<details><summary>Hint</summary>") == len(stubs) >= 2
        assert f'quiz("{number}", live=LIVE)' in "\n".join(cell.source for cell in code(notebook))
        assert "*Before this:*" in notebook.cells[0].source and "## Easily mistaken" in prose
        below = notebook.cells[notebook.cells.index(stubs[-1]) + 1 :]
        assert not [c for c in below if c.cell_type == "code" and "exercise" not in c.metadata.get("tags", [])
                    and "quiz(" not in c.source], "nothing below depends on the exercises"  # fmt: skip
    else:
        old = len(re.findall(r"\*\*Exercise \d+ \(\d+ minutes\)\.\*\*", prose))
        assert old >= 1 and prose.count("<details><summary>Solution</summary>") == old
    assert prose.count("<details>") == prose.count("</details>")
    assert "## What you have seen" in prose and "**Next:**" in prose


def test_a_figure_comes_early(notebook):
    from pancreas_ssl import figures, widgets

    drawing = set(figures.__all__) | set(widgets.__all__)
    first = next(
        (i for i, cell in enumerate(code(notebook)) if any(f"{name}(" in cell.source for name in drawing)), None
    )
    assert first is not None and first <= 3


def test_cells_are_short_and_words_are_fit(notebook):
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 30, f"{cell.id} is long: move code into the library"
    for cell in notebook.cells:
        for words in FORBIDDEN:
            assert not re.search(words, cell.source, re.I), f"{cell.id} says {words}"


def test_figures_of_a_notebook_have_names_of_their_own(notebook):
    names = [
        keyword.value.value
        for cell in code(notebook)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    ]
    assert len(set(names)) == len(names)


def test_links_lead_to_notebooks_that_exist(notebook):
    for target in re.findall(r"\]\(([^)]+\.ipynb)\)", text(notebook)):
        assert (FOLDER / target).is_file(), target
    for anchor in re.findall(r"\]\(glossary\.md#([^)]+)\)", text(notebook)):
        assert anchor in terms(), f"the glossary has no {anchor}"


def test_results_are_computed_not_typed(notebook):
    """No sentence of prose states a Dice of its own, apart from the ends of its scale."""
    for match in re.finditer(r"Dice[^.\n|]{0,40}?\b(0?\.\d+|\d\d\.\d)\b", text(notebook)):
        pytest.fail(f"a typed result: {match.group(0)!r}; compute it in a cell")


def test_solutions_are_python(notebook):
    for block in re.findall(r"```python\n(.*?)```", text(notebook), re.S):
        ast.parse(block)


def test_prose_names_modules_and_files_that_exist(notebook):
    prose = text(notebook)
    for module, name in re.findall(r"from (pancreas_ssl[.\w]*) import (\w+)", prose):
        pkgutil.resolve_name(f"{module}:{name}")
    for module in re.findall(r"`(pancreas_ssl(?:\.\w+)+)`", prose):
        assert importlib.util.find_spec(module), module
    for path in re.findall(r"`(pancreas_ssl/[^`]+)`", prose):
        assert (FOLDER.parent / path).exists(), path


def test_examples_of_the_readme_run():
    page = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page):
        assert (FOLDER.parent / target).exists(), target

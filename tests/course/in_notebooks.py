"""Exercises proven where they stand: in a copy of a notebook, each stub is followed by a cell that tries all answers.

    python -m tests.course.in_notebooks notebooks/03_uncertainty_maps.ipynb /tmp/proven    # then run the copy

The stub runs first, untouched; then the solution and every catalogued mistake, on the givens of the notebook's own run.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

from pancreas_ssl.course.catalogue import exercise
from pancreas_ssl.course.exercise import judge
from pancreas_ssl.runs.notebook_profiles import load_profiles

ROOT = Path(__file__).resolve().parents[2]


def prove(id: str, /, **given: Any) -> str:
    """Try the solution, its claims and all catalogued mistakes of an exercise on these givens; a line that says so."""
    one = exercise(id)
    space = dict(given)
    exec(compile(one.solution, id, "exec"), space)
    verdict = judge(one, space["answer"], given)
    assert verdict.kind == "right", f"{id}: the solution is {verdict.kind}: {verdict.said}"
    assert len(verdict.said) > 40 and not re.search(r"\{|\bnan\b", verdict.said), f"{id} teaches: {verdict.said}"
    for claim, holds in one.claims(**given).items():
        assert holds, f"{id}: the claim '{claim}' does not hold here"
    for wrong in one.wrong:
        verdict = judge(one, wrong.answer(**given), given)
        found = (verdict.kind, verdict.name)
        assert found == ("wrong", wrong.name), f"{id}: '{wrong.name}' is taken for {found}: {verdict.said}"
    return f"proven: {id}, {len(one.wrong)} mistakes"


def proven_copy(notebook: Path, folder: Path) -> Path:
    """A copy of the same name in `folder`, with a proof after each stub, beside the notebook's own profiles.

    A notebook without exercises of this kind is returned as it is.
    """
    read = nbformat.read(notebook, as_version=4)
    cells = []
    for cell in read.cells:
        cells.append(cell)
        if "exercise" in cell.metadata.get("tags", []):
            cells.append(_proof(cell))
    if len(cells) == len(read.cells):
        return notebook
    folder.mkdir(parents=True, exist_ok=True)
    read.cells = cells
    nbformat.write(read, folder / notebook.name)
    own = {profile: {k: v for k, v in values.items() if k == notebook.stem}
           for profile, values in load_profiles(notebook.parent).items()}  # fmt: skip
    (folder / "profiles.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return folder / notebook.name


def _proof(stub) -> Any:
    """The cell after a stub: no name of the notebook is set by it."""
    call = ast.parse(stub.source).body[-1].value
    given = ", ".join(ast.unparse(part) for part in [call.args[0], *call.keywords])
    prove = "__import__('tests.course.in_notebooks', fromlist=['prove']).prove"
    source = f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n{prove}({given})"
    return nbformat.v4.new_code_cell(source, id=f"{stub.id}-proof", metadata={"tags": ["proof"]})


if __name__ == "__main__":
    print(proven_copy(Path(sys.argv[1]), Path(sys.argv[2])))

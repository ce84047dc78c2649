"""Every exercise answers: its stub politely, its solution with "right", each catalogued mistake with its own hint."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from pancreas_ssl.course import check, solution
from pancreas_ssl.course.catalogue import exercises, questions
from pancreas_ssl.course.exercise import judge
from pancreas_ssl.errors import InputError

NOTEBOOKS = {path.stem.split("_")[0]: path for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb")}
ALL = exercises()
MISTAKES = [(one, wrong) for one in ALL for wrong in one.wrong]
each = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)


def stub(one) -> str | None:
    """The exercise's cell in its notebook."""
    cells = nbformat.read(NOTEBOOKS[one.notebook], as_version=4).cells
    found = [c.source for c in cells if "exercise" in c.metadata.get("tags", []) and f'check("{one.id}"' in c.source]
    assert len(found) <= 1
    return found[0] if found else None


def task(one) -> str:
    """The exercise's task in its notebook, from its heading on."""
    cells = nbformat.read(NOTEBOOKS[one.notebook], as_version=4).cells
    heading = f"### Exercise {one.id} · {one.title}\n\n*{one.level} · {one.minutes} minutes*\n"
    (found,) = [c.source for c in cells if heading in c.source]
    return found.split(heading)[1]


@each
def test_stub_is_refused_politely(one):
    source = stub(one)
    if source is None:
        pytest.skip("stands in no notebook yet")
    *body, call = ast.parse(source).body
    space, given = dict(one.example()), one.example()
    exec(compile(ast.Module(body, []), one.id, "exec"), space)
    assert {keyword.arg for keyword in call.value.keywords} == set(given)
    verdict = check(one.id, space[call.value.args[1].id], **given)
    assert verdict.kind == "open" and not verdict and len(verdict.said) > 20


@each
def test_task_stands_in_the_notebook_with_a_hint(one):
    if stub(one) is None:
        pytest.skip("stands in no notebook yet")
    assert "<details><summary>Hint</summary>" in task(one)


@each
def test_solution_is_right_and_its_claims_hold(one):
    given = one.example()
    space = dict(given)
    exec(compile(one.solution, one.id, "exec"), space)
    verdict = judge(one, space["answer"], given)
    assert verdict.kind == "right", verdict
    assert len(verdict.said) > 40 and not re.search(r"\{|\bnan\b", verdict.said), verdict.said
    for claim, holds in one.claims(**given).items():
        assert holds, claim


@pytest.mark.parametrize(("one", "wrong"), MISTAKES, ids=lambda x: getattr(x, "id", None) or x.name.replace(" ", "_"))
def test_each_mistake_gets_its_own_hint(one, wrong):
    given = one.example()
    verdict = judge(one, wrong.answer(**given), given)
    assert (verdict.kind, verdict.name) == ("wrong", wrong.name), verdict
    assert verdict.said == wrong.hint and len(wrong.hint) > 30


@each
def test_an_answer_that_nobody_foresaw_gets_a_sentence(one):
    for odd in ("", [], {}, object(), float("nan"), -123.456, lambda *a: 1 / 0, lambda: None):
        verdict = judge(one, odd, one.example())
        assert not verdict and verdict.said


@each
def test_solution_shows_code_and_words(one):
    shown = solution(one.id)._repr_markdown_()
    assert "```python" in shown and "answer" in shown


def test_ids_are_in_order_and_givens_are_named():
    for notebook in {one.notebook for one in ALL}:
        numbers = [one.id for one in exercises(notebook)]
        assert numbers == [f"{notebook}-{n}" for n in range(1, len(numbers) + 1)]
        asked = [one.id for one in questions(notebook)]
        assert asked == [f"{notebook}-q{n}" for n in range(1, len(asked) + 1)]
    with pytest.raises(InputError, match=r'expected the call check\("00-2", answer, mask=mask\)'):
        check("00-2", 0.5)
    with pytest.raises(InputError, match="did you mean 00-2"):
        check("00-22", 0.5)

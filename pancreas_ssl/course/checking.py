"""Check an answer, show a solution; both leave a line in the reader's own progress."""

from typing import Any

from pancreas_ssl.course.catalogue import exercise
from pancreas_ssl.course.exercise import Exercise, Verdict, judge
from pancreas_ssl.course.kept_progress import keep

__all__ = ["Solution", "check", "solution", "solved"]


def check(id: str, answer: Any, **given: Any) -> Verdict:
    """Say whether an answer is right; a common mistake gets a hint of its own.

    Args:
        id: the exercise, such as "03-3".
        answer: a value, or the function that the exercise asks for.
        **given: what the exercise works on, as its cell passes it.

    Raises:
        InputError: no such exercise, or other givens than the exercise's.

    Example:
        >>> check("00-1", ...)
        … Not answered yet. Put your answer in place of the dots and run the cell again.
    """
    verdict = judge(exercise(id), answer, given)
    if verdict.kind != "open":
        keep(id, verdict.kind, verdict.name)
    return verdict


class Solution:
    """Code and words of a solution, as Markdown."""

    def __init__(self, code: str, words: str):
        self.code, self.words = code, words

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code.strip()}\n```\n\n{self.words}"

    def __repr__(self) -> str:
        return f"{self.code.strip()}\n\n{self.words}"


def solution(id: str, **given: Any) -> Solution:
    """One solution of an exercise and what it teaches; with the givens, in the reader's own numbers.

    Without the givens, the numbers are those of a small example, and the words say so.
    """
    shown = solved(exercise(id), **given)
    keep(id, "solution")
    return shown


def solved(one: Exercise, **given: Any) -> Solution:
    """The solution of an exercise as `solution` shows it, without a line in the reader's progress."""
    example = one.example()
    words = one.teaches(**(given or example))
    if example and not given:
        words += " (Numbers, where there are any, belong to a small example.)"
    return Solution(one.solution, words)

"""An exercise: what is right, which wrong answers are common, and what each of them shows."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pancreas_ssl.errors import InputError

__all__ = ["Exercise", "Verdict", "Wrong", "judge"]

_NOTHING = (None, ...)  # a stub that was left as it is


@dataclass(frozen=True)
class Wrong:
    """A common wrong answer.

    Args:
        name: the misconception in a few words, such as "counts background".
        answer: what somebody with this misconception answers; called with the exercise's givens.
        hint: one to three sentences that lead away from it, without giving the answer away.
        when: whether an answer shows this misconception, called with the answer and the givens; by default, whether
            it behaves like `answer`.
    """

    name: str
    answer: Callable[..., Any]
    hint: str
    when: Callable[..., bool] | None = None


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook; its task and stub stand there, in a cell tagged `exercise`.

    Args:
        id: notebook and number, such as "03-3".
        level: how hard.
        minutes: for a reader who has followed the notebook.
        right: the right answer; called with the givens.
        wrong: common wrong answers, the most telling first.
        solution: Python that uses only the givens and its own imports, and ends with `answer` (or a function of the
            stub's name) assigned.
        teaches: what the solution teaches; called with the givens, so that sentences are chosen by numbers.
        example: small givens for those who have none at hand, and for the tests; {} where the exercise needs none.
        probes: for an answer that is a function: the arguments it is tried on; called with the givens.
        accepts: whether an answer is right, where more than one is; by default it must behave like `right`.
        claims: sentences that `teaches` relies on, and whether each holds; called with the givens.
        tolerance: by how much a number may differ from the right one, relative and absolute.
    """

    id: str
    title: str
    level: Literal["easy", "medium", "hard"]
    minutes: int
    right: Callable[..., Any]
    wrong: Sequence[Wrong]
    solution: str
    teaches: Callable[..., str]
    example: Callable[[], dict[str, Any]] = dict
    probes: Callable[..., Sequence[tuple]] | None = None
    accepts: Callable[..., bool] | None = None
    claims: Callable[..., Mapping[str, bool]] = lambda **given: {}
    tolerance: float = 1e-3

    @property
    def notebook(self) -> str:
        """The number of the notebook: "03"."""
        return self.id.rsplit("-", 1)[0]


@dataclass(frozen=True)
class Verdict:
    """What `check` found: `kind` is right, wrong (a known mistake, `name`), unknown, failed or open."""

    kind: Literal["right", "wrong", "unknown", "failed", "open"]
    said: str
    name: str = ""

    def __bool__(self) -> bool:
        return self.kind == "right"

    def _repr_markdown_(self) -> str:
        return f"**{_HEADS[self.kind]}** {self.said}"

    def __repr__(self) -> str:
        return f"{_HEADS[self.kind]} {self.said}"


_HEADS = {
    "right": "✓ Right.",
    "wrong": "✗ Not yet.",
    "unknown": "✗ Not yet.",
    "failed": "! It stopped.",
    "open": "… Not answered yet.",
}


def judge(exercise: Exercise, answer: Any, given: Mapping[str, Any]) -> Verdict:
    """Whether an answer is right, a known mistake, or something else.

    Raises:
        InputError: a given is missing, or one is not known.
    """
    names = set(exercise.example())
    if names != set(given):
        wanted = ", ".join(f"{name}={name}" for name in sorted(names))
        call = f'check("{exercise.id}", answer{", " + wanted if wanted else ""})'
        raise InputError(f"expected the call {call}, got {', '.join(sorted(given)) or 'no givens'}; write it like that")
    if any(answer is nothing for nothing in _NOTHING):
        return _open()
    if exercise.probes is not None and not callable(answer):
        return Verdict("unknown", "A function was expected: pass its name, without brackets.")
    try:
        seen = _behaviour(exercise, answer, given)
    except Exception as error:  # whatever a reader's function may do
        where = exercise.probes(**given)[0]
        return Verdict("failed", f"Called with {_shown(where)}, your function raised {type(error).__name__}: {error}.")
    if exercise.probes is not None and all(any(one is nothing for nothing in _NOTHING) for one in seen):
        return _open()
    if exercise.accepts is not None:
        fine = _quietly(exercise.accepts, seen, answer, exercise, given)
    else:
        fine = _same(seen, _behaviour(exercise, exercise.right(**given), given), exercise.tolerance)
    if fine:
        return Verdict("right", exercise.teaches(**given))
    for wrong in exercise.wrong:
        if _is(exercise, wrong, answer, seen, given):
            return Verdict("wrong", wrong.hint, wrong.name)
    return Verdict("unknown", _difference(exercise, seen, given))


def _open() -> Verdict:
    return Verdict("open", "Put your answer in place of the dots and run the cell again.")


def _behaviour(exercise: Exercise, answer: Any, given: Mapping[str, Any]) -> Any:
    """What an answer does: its value, or its results on the probes."""
    if exercise.probes is None:
        return answer
    return [answer(*copy.deepcopy(probe)) for probe in exercise.probes(**given)]


def _is(exercise: Exercise, wrong: Wrong, answer: Any, seen: Any, given: Mapping[str, Any]) -> bool:
    if wrong.when is not None:
        return _quietly(wrong.when, seen, answer, exercise, given)
    return _same(seen, _behaviour(exercise, wrong.answer(**given), given), exercise.tolerance)


def _quietly(asked: Callable[..., bool], seen: Any, answer: Any, exercise: Exercise, given: Mapping[str, Any]) -> bool:
    """A question about an answer; one of a form that it cannot deal with gets no."""
    try:
        return bool(asked(answer if exercise.probes is None else seen, **given))
    except Exception:
        return False


def _same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two answers agree: numbers within the tolerance, texts without case, sets and lists by parts."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and _plain(one) == _plain(other)
    if isinstance(other, set | frozenset):
        try:
            return {_plain(x) for x in one} == {_plain(x) for x in other}
        except TypeError:
            return False
    if isinstance(other, Mapping):
        fine = isinstance(one, Mapping) and set(one) == set(other)
        return fine and all(_same(one[key], other[key], tolerance) for key in other)
    if isinstance(other, list | tuple):
        fine = isinstance(one, list | tuple) and len(one) == len(other)
        return fine and all(_same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    try:
        a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    except (TypeError, ValueError):
        return one == other
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))


def _plain(text: Any) -> Any:
    return re.sub(r"[\s_]+", " ", text.strip().lower()) if isinstance(text, str) else text


def _difference(exercise: Exercise, seen: Any, given: Mapping[str, Any]) -> str:
    """What an answer that nobody foresaw did, and where to look."""
    if exercise.probes is None:
        return f"Your answer is {_shown(seen)}. This mistake is not known here: look at the hint, and try again."
    right = _behaviour(exercise, exercise.right(**given), given)
    for probe, got, wanted in zip(exercise.probes(**given), seen, right, strict=True):
        if not _same(got, wanted, exercise.tolerance):
            if np.shape(got) != np.shape(wanted):
                return f"Given {_shown(probe)}, the shape {np.shape(wanted)} was expected, got {np.shape(got)}."
            return f"Given {_shown(probe)}, your function returns {_shown(got)}; that should be another value."
    return "Your function differs from what was expected."


def _shown(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, tuple):
        return ", ".join(_shown(part) for part in value)
    if hasattr(value, "shape") and np.size(value) > 6:
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    text = np.array2string(value, precision=3) if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) < 80 else text[:77] + "..."

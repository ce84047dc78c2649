"""All exercises and questions, by notebook: one module `exercises_NN` for each."""

import importlib
import pkgutil
from difflib import get_close_matches
from functools import lru_cache

import pancreas_ssl.course as course
from pancreas_ssl.course.exercise import Exercise
from pancreas_ssl.course.question import Question
from pancreas_ssl.errors import InputError

__all__ = ["exercise", "exercises", "questions"]


@lru_cache(maxsize=1)
def _modules() -> dict[str, object]:
    names = sorted(m.name for m in pkgutil.iter_modules(course.__path__) if m.name.startswith("exercises_"))
    return {name.removeprefix("exercises_"): importlib.import_module(f"{course.__name__}.{name}") for name in names}


def exercises(notebook: str | None = None) -> list[Exercise]:
    """The exercises of a notebook ("03"), or all of them in the course's order.

    Example:
        >>> [one.id for one in exercises("00")][:2]
        ['00-1', '00-2']
    """
    return [one for part in _parts(notebook) for one in part.EXERCISES]


def questions(notebook: str | None = None) -> list[Question]:
    """The questions with choices of a notebook, or all of them."""
    return [one for part in _parts(notebook) for one in part.QUESTIONS]


def exercise(id: str) -> Exercise:
    """The exercise with this id, such as "03-3".

    Raises:
        InputError: there is none.
    """
    known = {one.id: one for one in exercises()}
    if id in known:
        return known[id]
    close = get_close_matches(str(id), list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(known)}"
    raise InputError(f"there is no exercise {id}; {hint}")


def _parts(notebook: str | None) -> list:
    if notebook is None:
        return list(_modules().values())
    if notebook not in _modules():
        raise InputError(f"notebook {notebook} has no exercises; choose one of: {', '.join(_modules())}")
    return [_modules()[notebook]]

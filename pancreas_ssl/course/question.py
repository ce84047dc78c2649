"""A question with choices: each choice, right or wrong, has a sentence that says why."""

from collections.abc import Sequence
from dataclasses import dataclass

from pancreas_ssl.errors import InputError

__all__ = ["Choice", "Question"]


@dataclass(frozen=True)
class Choice:
    """An answer to choose; `why` says why it is right, or what is wrong with it."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question of a notebook's self-test, such as "03-q1"; exactly one choice is right.

    Raises:
        InputError: fewer than two choices, or not one that is right.
    """

    id: str
    text: str
    choices: Sequence[Choice]

    def __post_init__(self):
        if len(self.choices) < 2 or sum(one.right for one in self.choices) != 1:
            raise InputError(f"expected several choices of {self.id}, one of them right; correct the question")

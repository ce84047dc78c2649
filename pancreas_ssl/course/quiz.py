"""A notebook's self-test: questions with choices as widgets, or, without a front end, as a list to unfold."""

import html
from dataclasses import dataclass
from typing import Any

import ipywidgets as w
from IPython.display import display

from pancreas_ssl.course.catalogue import questions
from pancreas_ssl.course.kept_progress import keep, kept
from pancreas_ssl.course.question import Question
from pancreas_ssl.widgets import is_live
from pancreas_ssl.widgets.live import alert, status

__all__ = ["Quiz", "quiz"]


@dataclass
class Quiz:
    """What `quiz` returns: HTML with the questions and answers folded away, or widgets."""

    static: str
    live: Any | None

    def _ipython_display_(self) -> None:
        if self.live is not None:
            display(self.live)
        else:
            words = "Questions with choices; in JupyterLab you answer them here."
            display({"text/html": self.static, "text/plain": words}, raw=True)


def quiz(notebook: str, *, live: bool | str | None = None) -> Quiz:
    """The self-test of a notebook; answers are kept (see `pancreas-ssl progress`) and shown again.

    Args:
        notebook: its number, such as "03".
        live: see `pancreas_ssl.widgets.is_live`.
    """
    asked = questions(notebook)
    static = "".join(_folded(number, one) for number, one in enumerate(asked, 1))
    if not is_live(live):
        return Quiz(static, None)
    before = {line["id"]: line.get("name") for line in kept() if line["kind"] in ("right", "wrong")}
    return Quiz(static, w.VBox([_asked(number, one, before.get(one.id)) for number, one in enumerate(asked, 1)]))


def _folded(number: int, one: Question) -> str:
    choices = "".join(f"<li>{html.escape(choice.text)}</li>" for choice in one.choices)
    answers = "".join(
        f"<li>{'Right' if choice.right else 'Not so'}: {html.escape(choice.why)}</li>" for choice in one.choices
    )
    lists = '<ol type="a">{}</ol>'
    folded = f"<details><summary>Answers</summary>{lists.format(answers)}</details>"
    return f"<p><strong>{number}.</strong> {html.escape(one.text)}</p>{lists.format(choices)}{folded}"


def _asked(number: int, one: Question, before: str | None) -> w.Widget:
    """The question with radio buttons; a choice is answered at once. `before`: the text chosen an earlier time."""
    texts = [choice.text for choice in one.choices]
    buttons = w.RadioButtons(options=texts, value=before if before in texts else None, layout=w.Layout(width="auto"))
    answer = w.HTML()

    def said(keeping: bool) -> None:
        choice = next(choice for choice in one.choices if choice.text == buttons.value)
        words = f"<strong>{'✓ Right.' if choice.right else '✗ Not so.'}</strong> {html.escape(choice.why)}"
        answer.value = status(words) if choice.right else alert(words)
        if keeping:
            keep(one.id, "right" if choice.right else "wrong", choice.text)

    buttons.observe(lambda change: said(True), "value")
    if buttons.value is not None:
        said(False)
    return w.VBox([w.HTML(f"<strong>{number}.</strong> {html.escape(one.text)}"), buttons, answer])

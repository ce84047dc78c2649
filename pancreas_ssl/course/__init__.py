"""The course beside the notebooks: exercises that answer, questions with choices, progress, the glossary.

In a notebook:

    from pancreas_ssl.course import check, quiz, solution, term
    check("00-2", answer, label=label)       # right, a known mistake with a hint, or not answered yet
    solution("00-2")                         # one solution, and what it teaches
    quiz("00")                               # the notebook's questions
    term("HD95")                             # what the word means
"""

from pancreas_ssl.course.checking import check, solution
from pancreas_ssl.course.glossary import term
from pancreas_ssl.course.quiz import quiz

__all__ = ["check", "quiz", "solution", "term"]

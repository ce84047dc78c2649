"""How far a reader is: a table of exercises and questions, from the lines that are kept on this machine."""

from collections import Counter

import pandas as pd

from pancreas_ssl.course.catalogue import exercises, questions
from pancreas_ssl.course.kept_progress import kept

__all__ = ["progress", "summary"]


def progress() -> pd.DataFrame:
    """One row per exercise and question: `id`, `notebook`, `what`, `state`, `tries`, `minutes`.

    The state is done, tried, solution read, or open.
    """
    lines = {}
    for line in kept():
        lines.setdefault(line["id"], []).append(line["kind"])
    rows = [(one.id, one.notebook, one.title, one.minutes) for one in exercises()]
    rows += [(one.id, one.id.rsplit("-", 1)[0], "question", 1) for one in questions()]
    found = []
    for id, notebook, what, minutes in rows:
        said = Counter(lines.get(id, []))
        tries = sum(said.values()) - said["solution"]
        state = "done" if said["right"] else "tried" if tries else "solution read" if said["solution"] else "open"
        row = {"id": id, "notebook": notebook, "what": what, "state": state, "tries": tries, "minutes": minutes}
        found.append(row)
    return pd.DataFrame(found).sort_values("notebook", kind="stable", ignore_index=True)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row per notebook: exercises and questions done, of how many, and the minutes that the open ones take."""
    asked = table["what"] == "question"
    rows = []
    for notebook, part in table.groupby("notebook"):
        done, is_question = part["state"] == "done", asked[part.index]
        rows.append(
            {
                "notebook": notebook,
                "exercises done": f"{(done & ~is_question).sum()} of {(~is_question).sum()}",
                "questions done": f"{(done & is_question).sum()} of {is_question.sum()}",
                "minutes left": int(part.loc[~done, "minutes"].sum()),
            }
        )
    return pd.DataFrame(rows)

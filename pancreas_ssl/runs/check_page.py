"""What `data check` found, as one HTML page with a picture of every case; the template is `check_page.html`.

The page may be passed on: cases of a folder of the user's are numbered, and no path stands in it, unless
`errors.show_identifiers` allows it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader

from pancreas_ssl import __version__
from pancreas_ssl.data.preflight import Examined
from pancreas_ssl.errors import show_identifiers, without_paths
from pancreas_ssl.figures.planes import WINDOW

if TYPE_CHECKING:
    import pandas

__all__ = ["check_page"]

ORDER = ("error", "warning", "ok")


def check_page(table: "pandas.DataFrame", examined: Sequence[Examined], named: set[str]) -> str:
    """The page.

    Args:
        table, examined: of `preflight.check_sets`, with pictures.
        named: cards whose case ids are public, so that they may be shown.

    Example:
        >>> html = check_page(*check_sets("phantom/A", look=thumbnail), {"phantom"})    # doctest: +SKIP
    """
    several = len({one.case.card for one in examined}) > 1
    shown, hidden = [], {}
    for number, one in enumerate(examined, 1):
        case, open_ = one.case, one.case.card in named or show_identifiers()
        name = f"{case.source}/{case.id}" if several else case.id
        title = name if open_ else f"case {number}"
        shown.append((name, title))
        hidden |= {} if open_ else dict.fromkeys((name, case.id, case.patient, case.image.name), title)
    rows = [row._asdict() for row in table.astype(str).itertuples(index=False)]
    rows = [row | {"message": _without(without_paths(row["message"]), hidden)} for row in rows]
    cases = []
    for one, (name, title) in zip(examined, shown, strict=True):
        mine = [row for row in rows if row["case"] == name]
        level = min((row["level"] for row in mine), key=ORDER.index, default="ok")
        cases.append({"name": title, "level": level, "rows": mine, "picture": one.picture, "words": one.words})
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    told = [row | {"case": hidden.get(row["case"], row["case"])} for row in rows if row["level"] != "ok"]
    return templates.get_template("check_page.html").render(
        title=f"Check of {' and '.join(sorted({one.case.card for one in examined}))}",
        counts={level: sum(row["level"] == level for row in rows) for level in ORDER},
        cases=sorted(cases, key=lambda case: ORDER.index(case["level"])),
        findings=sorted(told, key=lambda row: ORDER.index(row["level"])),
        window=[f"{edge:g}" for edge in WINDOW],
        version=__version__,
    )


def _without(message: str, hidden: dict[str, str]) -> str:
    """A message in which what could name a patient is a number: as a word of its own, and where a case is meant."""
    for text in sorted(hidden, key=len, reverse=True):
        telling = len(text) > 3 or re.search(r"[^\W\d]", text)  # "7" may be a count
        before = r"(?<![\w.])" if telling else r"(?<=case )|(?<=patient )|(?<=/)"
        message = re.sub(rf"(?:{before}){re.escape(text)}(?!\w)", hidden[text], message)
    return message.replace("case case ", "case ").replace("patient case ", "the patient of case ")

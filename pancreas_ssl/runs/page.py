"""report.html: one file that needs nothing else, readable on a phone, by a screen reader and in print.

The page itself is the template `page.html`, its style `page.css`.
"""

import base64
import csv
import struct
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from pancreas_ssl.progress import duration
from pancreas_ssl.runs.formatting import megabytes, readable

__all__ = ["STATUS", "machine_facts", "page", "shown_size", "templates"]

ROWS_SHOWN = 60
STATUS = {"ok": "Done", "failed": "Failed", "interrupted": "Interrupted", "unfinished": "Unfinished",
          "not run": "Not run"}  # fmt: skip


def page(report: dict[str, Any], folder: Path) -> str:
    """The report as one HTML page. Figures are read from `folder` and put into the page.

    Args:
        report: of `build_report`.
        folder: the run's folder, to which the report's paths are relative.
    """
    filters = {"picture": partial(_picture, folder=folder), "shortened": _shortened}
    return (
        templates(**filters)
        .get_template("page.html")
        .render(
            report=report,
            machine=machine_facts(report["environment"]),
            started=f"{datetime.fromisoformat(report['started']):%A, %d %B %Y, %H:%M (UTC%z)}",
            status_names=STATUS,
            rows_shown=ROWS_SHOWN,
        )
    )


def templates(**filters: Any) -> Environment:
    """The room's templates, with filters for times, sizes and values and these further ones."""
    folder = FileSystemLoader(Path(__file__).parent)
    made = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "duration": partial(duration, tenths=True),
        "literals": lambda values: {name: repr(value) for name, value in values.items()},
        "megabytes": megabytes,
        "readable": lambda values: {name: readable(value) for name, value in values.items()},
    }
    made.filters |= filters
    return made


def machine_facts(environment: dict[str, Any]) -> dict[str, Any]:
    """What is known of the machine, under the names that the page shows."""
    names = ["pancreas_ssl", "Commit", "Python", "System", "Cores", "Memory", "Device"]
    size = environment.get("memory_bytes")
    facts = environment | {"memory": megabytes(size) if size else None}
    return {name: facts[name.lower()] for name in names if facts.get(name.lower()) is not None}


def _picture(figure: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the page shows of a figure: the PNG as base64, its size, and the rows of its table as text."""
    png, rows = (folder / figure["file"]).read_bytes(), []
    if figure["table"]:
        with open(folder / figure["table"], encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
    width, height = shown_size(png, figure["width"])
    table = Path(figure["table"] or "").name
    return {"data": base64.b64encode(png).decode(), "width": width, "height": height, "rows": rows, "table": table}


def _shortened(text: str) -> str:
    """A number of a CSV with four significant digits, other text as it is."""
    try:
        return f"{float(text):.4g}" if "." in text or "e" in text.lower() else text
    except ValueError:
        return text


def shown_size(png: bytes, width: int | None) -> tuple[int, int]:
    """Width and height on the page, from the PNG's header, so that the page does not jump while it loads."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        return (width or 0, 0)
    own_width, own_height = struct.unpack(">II", png[16:24])
    shown = width or own_width
    return shown, round(own_height * shown / own_width)

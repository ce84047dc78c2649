"""report.html: one file that needs nothing else, readable on a phone, by a screen reader and in print."""

import base64
import csv
import struct
from collections.abc import Iterable
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from pancreas_ssl.runs.words import duration, megabytes, readable

__all__ = ["page"]

ROWS_SHOWN = 60
STATUS = {"ok": "Done", "failed": "Failed", "interrupted": "Interrupted", "unfinished": "Unfinished"}


def page(report: dict[str, Any], folder: Path) -> str:
    """The report as one HTML page. Figures are read from `folder` and put into the page.

    Args:
        report: of `build_report`.
        folder: the run's folder, to which the report's paths are relative.
    """
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    notebooks = "\n".join(_notebook(entry, folder) for entry in report["notebooks"])
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report["notes"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report["title"])}: {STATUS[report["status"]]}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#notebooks">Skip to the notebooks</a>
<header>
<h1>{escape(report["title"])}</h1>
{_headline(report)}
{notes}
</header>
<main id="notebooks">
{_contents(report)}
{notebooks}
</main>
<footer>
{_surroundings(report["environment"])}
<p class="soft">The same facts for machines: <a href="report.json">report.json</a>; in short:
<a href="report.md">report.md</a>. For teaching and research, not for clinical use.</p>
</footer>
</body>
</html>
"""


def _headline(report: dict[str, Any]) -> str:
    done = sum(entry["status"] == "ok" for entry in report["notebooks"])
    every = len(report["notebooks"]) + len(report["not_run"])
    return (
        f"<p>{_status(report['status'])}: {done} of {every} notebooks ran through in {duration(report['seconds'])}. "
        f"Peak memory {megabytes(report['peak_memory_bytes'])}, "
        f"device {escape(str(report['environment'].get('device', 'unknown')))}, "
        f"profile <code>{escape(report['profile'])}</code>.</p>"
        f'<p class="soft">Started {datetime.fromisoformat(report["started"]):%A, %d %B %Y, %H:%M (UTC%z)}.</p>'
    )


def _contents(report: dict[str, Any]) -> str:
    """The overview: one row per notebook."""
    rows = "".join(
        f'<tr><th scope="row"><a href="#{escape(e["name"])}">{escape(e["title"])}</a></th>'
        f'<td>{_status(e["status"])}</td><td class="number">{duration(e["seconds"])}</td>'
        f'<td class="number">{megabytes(e["peak_memory_bytes"])}</td><td class="number">{len(e["figures"])}</td></tr>'
        for e in report["notebooks"]
    )
    rows += "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>not run</td><td></td><td></td><td></td></tr>'
        for name in report["not_run"]
    )
    return _scroll(
        "The notebooks of this run",
        '<table class="wide"><caption>The notebooks of this run</caption><thead><tr><th scope="col">Notebook</th>'
        '<th scope="col">Status</th><th scope="col" class="number">Time</th>'
        '<th scope="col" class="number">Peak memory</th><th scope="col" class="number">Figures</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>",
    )


def _notebook(entry: dict[str, Any], folder: Path) -> str:
    """One notebook's section."""
    name = escape(entry["name"])
    parts = [
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(entry["title"])}</h2>',
        _facts(entry),
    ]
    if entry["message"]:
        parts.append(f'<p class="note">{escape(entry["message"])}.</p>')
    if entry["results"]:
        parts.append("<h3>Key results</h3>" + _pairs("Key results", _words(entry["results"])))
    if entry["figures"]:
        parts.append("<h3>Figures</h3>" + "".join(_picture(figure, folder) for figure in entry["figures"]))
    if entry["cells"]:
        parts.append(f"<details><summary>Seconds per cell</summary>{_cells(entry['cells'])}</details>")
    if entry["parameters"]:
        values = {key: repr(value) for key, value in entry["parameters"].items()}
        table = _pairs("Parameters", values, code=True)
        parts.append(f"<details><summary>Parameters</summary>{table}</details>")
    return "\n".join([*parts, "</section>"])


def _facts(entry: dict[str, Any]) -> str:
    facts = [
        _status(entry["status"]),
        f"{duration(entry['seconds'])}",
        f"peak memory {megabytes(entry['peak_memory_bytes'])}",
    ]
    if entry["device"]:
        facts.append(f"device {escape(str(entry['device']))}")
    if entry["data_digest"]:
        facts.append(f"data <code>{escape(entry['data_digest'][:12])}</code>")
    if entry["executed"]:
        facts.append(f'<a href="{escape(entry["executed"])}">executed notebook</a>')
    return f'<p class="soft">{" &middot; ".join(facts)}</p>'


def _picture(figure: dict[str, Any], folder: Path) -> str:
    """A figure with its words below it and its numbers folded away."""
    path = folder / figure["file"]
    data = path.read_bytes()
    width, height = _shown_size(data, figure["width"])
    alt = figure["alt"] or ""
    words = (
        f'<p class="words">{escape(alt)}</p>'
        if alt
        else '<p class="words">This figure has no description.</p>'
    )
    heading = f"<strong>{escape(figure['heading'])}</strong>" if figure["heading"] else ""
    table = _twin(folder, figure["table"]) if figure["table"] else ""
    return (
        f'<figure><img src="data:image/png;base64,{base64.b64encode(data).decode()}" loading="lazy" '
        f'width="{width}" height="{height}" alt="{escape(alt or "Figure without a description")}">'
        f"<figcaption>{heading}{words}{table}</figcaption></figure>"
    )


def _twin(folder: Path, table: str) -> str:
    """The numbers behind a figure: a folded table and a link to the CSV."""
    with open(folder / table, encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    shown = rows[1 : 1 + ROWS_SHOWN]
    body = "".join("<tr>" + "".join(f"<td>{_shown(c)}</td>" for c in row) + "</tr>" for row in shown)
    more = "" if len(rows) - 1 <= ROWS_SHOWN else f", the first {ROWS_SHOWN} of {len(rows) - 1} rows"
    link = f'<a href="{escape(table)}">{escape(Path(table).name)}</a>'
    inner = _scroll(
        "Numbers behind the figure", f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    return f"<details><summary>The same as a table</summary><p>As CSV: {link}{more}.</p>{inner}</details>"


def _cells(cells: list[dict[str, Any]]) -> str:
    """Seconds per cell, with a bar each."""
    longest = max((cell["seconds"] or 0 for cell in cells), default=0) or 1
    rows = ""
    for cell in cells:
        share = 100 * (cell["seconds"] or 0) / longest
        state = "" if cell["status"] == "ok" else f" ({cell['status']})"
        rows += (
            f'<tr><th scope="row" class="number">{cell["number"]}</th><td>{escape(cell["heading"])}{state}<br>'
            f"<code>{escape(cell['first_line'])}</code></td>"
            f'<td class="number">{duration(cell["seconds"])}</td>'
            f'<td class="bars"><span class="bar" style="width:{share:.1f}%"></span></td></tr>'
        )
    return _scroll(
        "Seconds per cell",
        '<table class="wide"><thead><tr><th scope="col" class="number">Cell</th><th scope="col">What</th>'
        '<th scope="col" class="number">Time</th><td></td></tr></thead>'
        f"<tbody>{rows}</tbody></table>",
    )


def _surroundings(environment: dict[str, Any]) -> str:
    """Machine and versions, folded away."""
    versions = environment.get("versions", {})
    machine = {
        "pancreas_ssl": environment.get("pancreas_ssl"),
        "Commit": environment.get("commit"),
        "Python": environment.get("python"),
        "System": environment.get("system"),
        "Cores": environment.get("cores"),
        "Memory": megabytes(environment["memory_bytes"]) if environment.get("memory_bytes") else None,
        "Device": environment.get("device"),
    }
    known = {key: value for key, value in machine.items() if value is not None}
    return (
        "<details><summary>Machine and versions</summary>"
        + _pairs("Machine", known)
        + _pairs("Versions", versions)
        + "</details>"
    )


def _pairs(label: str, values: dict[str, Any], code: bool = False) -> str:
    """A two-column table of names and values."""
    tag = ("<code>", "</code>") if code else ("", "")
    rows: Iterable[str] = (
        f'<tr><th scope="row">{escape(str(key))}</th><td>{tag[0]}{escape(str(value))}{tag[1]}</td></tr>'
        for key, value in values.items()
    )
    return _scroll(label, f"<table><tbody>{''.join(rows)}</tbody></table>")


def _words(results: dict[str, Any]) -> dict[str, str]:
    return {name: readable(value) for name, value in results.items()}


def _scroll(label: str, inner: str) -> str:
    """A region that scrolls sideways on a narrow screen, reachable by keyboard."""
    return f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">{inner}</div>'


def _status(status: str) -> str:
    return f'<span class="status {status}">{STATUS[status]}</span>'


def _shown(text: str) -> str:
    """A number of a CSV with four significant digits, other text as it is."""
    try:
        return f"{float(text):.4g}" if "." in text or "e" in text.lower() else escape(text)
    except ValueError:
        return escape(text)


def _shown_size(data: bytes, width: int | None) -> tuple[int, int]:
    """Width and height on the page, from the PNG's header, so that the page does not jump while it loads."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return (width or 0, 0)
    own_width, own_height = struct.unpack(">II", data[16:24])
    shown = width or own_width
    return shown, round(own_height * shown / own_width)

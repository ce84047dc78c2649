"""The run report: report.json for machines, report.md in short, report.html for readers, from the same facts."""

import html
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import without_paths
from pancreas_ssl.files import make_folder, write_text
from pancreas_ssl.progress import duration
from pancreas_ssl.runs.formatting import megabytes, readable
from pancreas_ssl.runs.notebook import NotebookRun
from pancreas_ssl.runs.outputs import notebook_facts, relative
from pancreas_ssl.runs.page import page

__all__ = ["REPORTS", "build_report", "escaped", "notebook_entry", "write_report"]


REPORTS = ("report.json", "report.md", "report.html")


def notebook_entry(run: NotebookRun, folder: str | Path, data_digest: str | None = None) -> dict[str, Any]:
    """One notebook's part of the report, as plain values; paths are relative to `folder`."""
    facts: dict[str, Any] = {"title": run.name, "cells": [], "results": {}, "figures": []}
    if run.executed is not None:
        facts = notebook_facts(run.executed, run.figures, Path(folder))
    return {
        "name": run.name,
        "title": facts["title"],
        "status": run.status,
        "message": run.message,
        "seconds": round(run.seconds, 2),
        "peak_memory_bytes": run.peak_memory,
        "profile": run.profile,
        "parameters": {name: _finite(value) for name, value in run.parameters.items()},
        "device": facts["results"].get("device"),
        "data_digest": facts["results"].get("data_digest", data_digest),
        **facts,
        "executed": relative(run.executed, Path(folder)),
    }


def build_report(
    entries: Sequence[dict[str, Any]],
    *,
    title: str,
    profile: str,
    started: datetime,
    environment: dict[str, Any],
    planned: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The whole report as plain values.

    Args:
        entries: of `notebook_entry`, in the order they ran.
        planned: names of all notebooks of the run; those without an entry are listed as not run.
        notes: sentences that the reader should see first (data that could not be fetched, an interruption).
    """
    entries = [{**entry, "device": entry["device"] or environment.get("device")} for entry in entries]
    done = {entry["name"] for entry in entries}
    missing = [name for name in planned if name not in done]
    statuses = {entry["status"] for entry in entries}
    status = "failed" if "failed" in statuses else "interrupted" if "interrupted" in statuses else "ok"
    return {
        "schema": 1,
        "title": title,
        "status": "unfinished" if missing and status == "ok" else status,
        "profile": profile,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(sum(entry["seconds"] for entry in entries), 2),
        "peak_memory_bytes": max((entry["peak_memory_bytes"] for entry in entries), default=0),
        "notes": list(notes),
        "not_run": missing,
        "environment": environment,
        "notebooks": entries,
    }


def write_report(report: dict[str, Any], folder: str | Path) -> Path:
    """Write report.json, report.md and report.html into `folder`; returns the path of report.html.

    Absolute paths are cut to their last names, unless identifiers are to be shown (`errors.show_identifiers`).
    """
    folder, report = make_folder(folder), without_paths(report)
    texts = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n",
        "report.md": summary(report),
        "report.html": page(report, folder),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "report.html"


def summary(report: dict[str, Any]) -> str:
    """The report in short, as Markdown; HTML in titles, messages and results is shown, not interpreted."""
    report = escaped(report)
    lines = [
        f"# {report['title']}: {report['status']}",
        "",
        f"Started {report['started']}, profile `{report['profile']}`, {duration(report['seconds'], tenths=True)}, "
        f"peak memory {megabytes(report['peak_memory_bytes'])}, on {report['environment'].get('device', '?')}.",
        "",
        *[f"- {note}" for note in report["notes"]],
        *([""] if report["notes"] else []),
        "| Notebook | Status | Time | Peak memory | Figures |",
        "|---|---|---|---|---|",
    ]
    for entry in report["notebooks"]:
        lines.append(
            f"| {entry['name']} | {entry['status']} | {duration(entry['seconds'], tenths=True)} "
            f"| {megabytes(entry['peak_memory_bytes'])} | {len(entry['figures'])} |"
        )
    lines += [f"| {name} | not run | | | |" for name in report["not_run"]]
    for entry in report["notebooks"]:
        if entry["message"] or entry["results"]:
            lines += ["", f"## {entry['title']}", ""]
        if entry["message"]:
            lines += [entry["message"] + ".", ""]
        lines += [f"- {name}: {readable(value)}" for name, value in entry["results"].items()]
    return "\n".join(lines) + "\n"


def escaped(value: Any) -> Any:
    """Texts without HTML's signs, line breaks and the bars of a table."""
    if isinstance(value, dict):
        return {escaped(key): escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return " ".join(html.escape(value, quote=False).replace("|", "&#124;").split()) if isinstance(value, str) else value


def _finite(value: Any) -> Any:
    """JSON has no infinity: such a number is written as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

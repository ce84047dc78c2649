"""The report of a sweep: all runs, means over seeds, failures, and small pictures of some figures side by side."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import without_paths
from pancreas_ssl.files import write_text
from pancreas_ssl.progress import duration
from pancreas_ssl.runs.collect import flat, means_over_seeds, run_table
from pancreas_ssl.runs.formatting import readable
from pancreas_ssl.runs.page import STATUS, machine_facts, shown_size, templates
from pancreas_ssl.runs.run_report import REPORTS, escaped
from pancreas_ssl.runs.sweep_plan import SEED, SweepPlan

__all__ = ["changing", "setting", "sweep_report", "write_sweep_report"]

COLUMNS = 8  # results at most in a table for people
PICTURES = 4_000_000  # bytes of small pictures in a page
WIDE = 480  # pixels of one of them
FIGURES = 2  # shown where none were chosen


def sweep_report(
    plan: SweepPlan, entries: Mapping[str, Mapping[str, Any]], started: datetime, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The report as plain values.

    Args:
        entries: folder's name -> what `result.json` holds, for those that ran; of one that could not be run at least
            `status` and `message`.
        notes: sentences to be seen first.
    """
    runs = []
    for name, values in plan.runs.items():
        entry = {"status": "not run", "message": "", "seconds": 0.0, "peak_memory_bytes": 0, "results": {}}
        entry |= {"figures": [], "executed": None, "device": None, "environment": {}} | dict(entries.get(name, {}))
        run = {"name": plan.notebook.stem, "folder": name, "varied": plan.varied(name)}
        run |= {"parameters": plan.defaults | values, **{key: value for key, value in entry.items() if key not in
                ("name", "cells", "parameters", "title")}}  # fmt: skip
        runs.append(run)
    statuses = {run["status"] for run in runs}
    table = run_table([(run["folder"], run) for run in runs])
    devices = list(dict.fromkeys(run["device"] for run in runs if run["device"]))
    notes = [*notes, *([f"The runs took place on {len(devices)} kinds of device: {', '.join(devices)}."]
                       if len(devices) > 1 else [])]  # fmt: skip
    return without_paths(
        {
            "schema": 1,
            "title": f"Sweep of {next((e['title'] for e in entries.values() if e.get('title')), plan.notebook.stem)}",
            "status": "failed" if "failed" in statuses else "unfinished" if statuses != {"ok"} else "ok",
            "notebook": plan.notebook.name,
            "profile": plan.profile,
            "fixed": plan.fixed,
            "grid": plan.grid,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(sum(run["seconds"] for run in runs), 2),
            "notes": notes,
            "environment": next((run["environment"] for run in runs if run["environment"]), {}),
            "runs": runs,
            "means": [_plain(row) for row in means_over_seeds(table).to_dict("records")],
            "shown": changing(runs),
            "figures": list(plan.figures),
        }
    )


def changing(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the results that a table for people shows: numbers that differ between runs, times last."""
    values: dict[str, list[Any]] = {}
    for run in runs:
        for name, value in flat(run["results"]).items():
            parameter = name.upper() in run["varied"]  # such as steps, where STEPS varies
            if isinstance(value, int | float) and not isinstance(value, bool) and not parameter:
                values.setdefault(name, []).append(value)
    differing = [name for name, found in values.items() if len(set(found)) > 1]
    return sorted(differing or values, key=lambda name: "seconds" in name)[:COLUMNS]


def setting(varied: Mapping[str, Any], seed: bool = True) -> str:
    """What sets a run apart, in words: `STEPS 50, SEED 0`."""
    parts = [f"{name} {readable(value)}" for name, value in varied.items() if seed or name != SEED]
    return ", ".join(parts) or "all runs"


def write_sweep_report(report: Mapping[str, Any], folder: Path, about: Mapping[str, Any] | None = None) -> Path:
    """Write report.json, report.md and report.html (`about` goes to the manifest); returns the path of the last."""
    plain = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"
    for name, text in zip(REPORTS, (plain, _markdown(report), _page(report, folder)), strict=True):
        write_text(folder / name, text, about)
    return folder / REPORTS[-1]


def _tables(report: Mapping[str, Any]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Head and rows, as texts, of the means and of all runs."""
    shown, runs = report["shown"], report["runs"]
    keys = [name for name in report["grid"] if name != SEED]
    means: dict[tuple, dict[str, str]] = {}
    for row in report["means"]:
        ends = f" [{readable(row['low'])}, {readable(row['high'])}]" if row["low"] != row["high"] else ""
        cells = means.setdefault(tuple(_text(row[key]) for key in keys), {})
        cells |= {"n": str(row["n"]), "failed": str(row["failed"]), row["result"]: readable(row["mean"]) + ends}
    head = [*keys, "n", "failed", *shown]
    rows = [[*key, *(cells.get(name, "") for name in head[len(keys) :])] for key, cells in means.items()]
    results = [flat(run["results"]) for run in runs]
    every = [
        [*(_text(value) for value in run["varied"].values()), STATUS[run["status"]].lower(),
         duration(run["seconds"], tenths=True) if run["seconds"] else "",
         *(readable(found[name]) if name in found else "" for name in shown)]
        for run, found in zip(runs, results, strict=True)
    ]  # fmt: skip
    return {"means": (head, rows), "runs": ([*report["grid"], "state", "time", *shown], every)}


def _markdown(report: Mapping[str, Any]) -> str:
    """The report in short; HTML in names and messages is shown, not interpreted."""
    report = escaped(dict(report))
    tables = _tables(report)
    well = sum(run["status"] == "ok" for run in report["runs"])
    lines = [f"# {report['title']}: {report['status']}", ""]
    lines += [f"{well} of {len(report['runs'])} runs, profile `{report['profile']}`, started {report['started']}.", ""]
    lines += [f"- {note}" for note in report["notes"]]
    for name, title in (("means", "Means over seeds, with 95 % intervals"), ("runs", "All runs")):
        if name == "means" and SEED not in report["grid"]:
            continue
        head, rows = tables[name]
        lines += ["", f"## {title}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    failures = [run for run in report["runs"] if run["message"]]
    lines += ["", "## Failures", ""] if failures else []
    lines += [f"- {setting(run['varied'])}: {run['message']}" for run in failures]
    return "\n".join(lines) + "\n"


def _page(report: Mapping[str, Any], folder: Path) -> str:
    seeds = len(report["grid"].get(SEED, [0]))
    there = [figure["name"] for run in report["runs"] for figure in run["figures"]]
    there = list(dict.fromkeys(there))
    wanted = [name for name in report["figures"] if name in there] or _differing(report, folder, there)[:FIGURES]
    absent = [name for name in report["figures"] if name not in there]
    pictures, cut = _pictures(report, folder, wanted)
    return (
        templates(setting=setting)
        .get_template("sweep.html")
        .render(
            report=report,
            tables=_tables(report),
            pictures=pictures,
            cut=cut,
            seeds=seeds,
            others=[name for name in there if name not in wanted],
            absent=absent if there else [],
            failures=[run for run in report["runs"] if run["message"]],
            well=sum(run["status"] == "ok" for run in report["runs"]),
            numbers=set(report["shown"]) | {"n", "failed", "time"},
            machine=machine_facts(report["environment"]),
            started=f"{datetime.fromisoformat(report['started']):%A, %d %B %Y, %H:%M (UTC%z)}",
            status_names=STATUS,
        )
    )


def _differing(report: Mapping[str, Any], folder: Path, there: Sequence[str]) -> list[str]:
    """Figures that are not the same in the first few runs; all where there is none."""
    seen: dict[str, set[bytes]] = {name: set() for name in there}
    for run in [run for run in report["runs"] if run["figures"]][:4]:
        for figure in run["figures"]:
            path = folder / run["folder"] / figure["file"]
            seen[figure["name"]] |= {path.read_bytes()} if path.is_file() else set()
    return [name for name, pictures in seen.items() if len(pictures) > 1] or list(there)


def _pictures(report: Mapping[str, Any], folder: Path, wanted: Sequence[str]) -> tuple[dict[str, list], int]:
    """Figure's name -> (setting, [picture, ...]) for each setting without seed; runs without room in the page."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in wanted}
    size, cut = 0, 0
    for run in report["runs"]:
        mine = {figure["name"]: figure for figure in run["figures"]}
        if size > PICTURES:
            cut += bool(mine)
            continue
        for name in wanted:
            words = setting(run["varied"], seed=False) if SEED in run["varied"] else ""
            row = found[name].setdefault(words, [])
            shown = {"run": run, "label": setting({k: v for k, v in run["varied"].items() if k == SEED or not words})}
            path = folder / run["folder"] / mine[name]["file"] if name in mine else None
            if path is not None and path.is_file():
                png = _small(path.read_bytes())
                size += len(png)
                width, height = shown_size(png, None)
                shown |= {"data": base64.b64encode(png).decode(), "width": width, "height": height}
                shown |= {"alt": mine[name]["alt"] or "Figure without a description"}
            row.append(shown)
    return {name: list(rows.items()) for name, rows in found.items()}, cut


def _small(png: bytes) -> bytes:
    """A picture of at most `WIDE` pixels' width."""
    from matplotlib.image import thumbnail

    scale, buffer = min(1.0, WIDE / max(1, shown_size(png, None)[0])), io.BytesIO()
    if scale == 1.0:
        return png
    thumbnail(io.BytesIO(png), buffer, scale)
    return min(png, buffer.getvalue(), key=len)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else readable(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row for JSON, which knows no NaN."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}

"""What an executed notebook holds: seconds per cell, recorded results, figures with their descriptions and tables."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import nbformat

from pancreas_ssl.files import atomic_path
from pancreas_ssl.runs.notebook import code_cells, first_line, heading_above
from pancreas_ssl.runs.results import recorded

__all__ = ["alt_text", "notebook_facts", "relative"]

_PAPERMILL_OWN = {"injected-parameters", "papermill-error-cell-tag"}


def notebook_facts(executed: Path, figures: Path, folder: Path) -> dict[str, Any]:
    """Facts of an executed notebook as plain values: `title`, `cells`, `results`, `figures`.

    Cells are numbered as progress and messages number them (`code_cells`). Each PNG output
    becomes a file: the one that the notebook's figure helper saved in `figures` under its name, with NAME.csv as
    its table, or a new one.

    Args:
        executed: notebook written by `run_notebook`.
        figures: folder of the notebook's figures.
        folder: of the run, to which the figures' paths are relative.
    """
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not _PAPERMILL_OWN & set(cell.metadata.get("tags", []))]
    return {
        "title": _title(notebook) or executed.stem,
        "cells": _cells(notebook),
        "results": recorded(notebook),
        "figures": _figures(notebook, figures, folder),
    }


def _title(notebook) -> str:
    """The first level-1 heading."""
    lines = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def _cells(notebook) -> list[dict[str, Any]]:
    """Code cells with their seconds; a cell never reached has none and the status 'not run'."""
    cells = []
    for index, number in code_cells(notebook.cells).items():
        cell = notebook.cells[index]
        papermill = cell.metadata.get("papermill", {})
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        ran = papermill.get("start_time") is not None
        cells.append(
            {
                "number": number,
                "heading": heading_above(notebook.cells, index),
                "first_line": first_line(cell.source),
                "seconds": round(papermill.get("duration") or 0.0, 3) if ran else None,
                "status": "failed" if errors else "ok" if papermill.get("end_time") else "not run",
            }
        )
    return cells


def _figures(notebook, figures: Path, folder: Path) -> list[dict[str, Any]]:
    """PNG outputs in order: file, alternative text (None when there is none), table (None when there is none)."""
    saved = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(figures.glob("*.png"))}
    found: dict[Path, dict[str, Any]] = {}
    for index, number in code_cells(notebook.cells).items():
        pictures = [o for o in notebook.cells[index].get("outputs", []) if "image/png" in o.get("data", {})]
        for count, output in enumerate(pictures, 1):
            png = base64.b64decode(output.data["image/png"])
            path = saved.get(hashlib.sha256(png).hexdigest())
            if path is None:
                path = figures / f"cell-{number:02d}-{count}.png"
                with atomic_path(path) as temporary:
                    temporary.write_bytes(png)
            shown = {"width": _width(output), "cell": number, "heading": heading_above(notebook.cells, index)}
            found[path] = _figure(path, folder, alt_text(output), **shown)
    for path in sorted(set(saved.values()) - set(found)):  # saved, but shown by a widget only
        found[path] = _figure(path, folder)
    return list(found.values())


def _figure(path: Path, folder: Path, alt: str | None = None, **shown: Any) -> dict[str, Any]:
    """One figure's facts; `shown` holds width, cell and heading of a figure that a cell shows."""
    description, table = path.with_suffix(".txt"), path.with_suffix(".csv")
    if not alt and description.is_file():
        alt = description.read_text(encoding="utf-8").strip()
    return {
        "name": path.stem,
        "file": relative(path, folder),
        "alt": alt or None,
        "table": relative(table, folder) if table.is_file() else None,
    } | ({"width": None, "cell": None, "heading": ""} | shown)


def relative(path: Path | None, folder: Path) -> str | None:
    """The path as the report names it: below the run's folder where it lies there; None stays None."""
    if path is None:
        return None
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def alt_text(output) -> str | None:
    """Alternative text: of the PNG's metadata, else the plain text, unless it is matplotlib's `<Figure size ...>`."""
    metadata = output.get("metadata", {})
    plain = output.data.get("text/plain", "")
    described = metadata.get("image/png", {}).get("alt") or metadata.get("alt")
    return described or (plain if plain and not plain.startswith("<") else None)


def _width(output) -> int | None:
    """Width in CSS pixels at which the notebook shows the picture, where it says so."""
    width = output.get("metadata", {}).get("image/png", {}).get("width")
    return int(width) if isinstance(width, int | float) else None

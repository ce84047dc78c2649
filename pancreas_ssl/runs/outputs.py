"""What an executed notebook holds: seconds per cell, recorded results, figures with their words and numbers."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from pancreas_ssl.files import atomic_path, make_folder
from pancreas_ssl.runs.notebook import first_line, heading_above
from pancreas_ssl.runs.results import recorded

__all__ = ["notebook_facts"]

_PAPERMILL_OWN = {"injected-parameters", "papermill-error-cell-tag"}


def notebook_facts(executed: str | Path, figures: str | Path) -> dict[str, Any]:
    """Facts of an executed notebook as plain values: `title`, `cells`, `results`, `figures`.

    Cells are counted from 1 as in the notebook that was run, without those that papermill inserts. Each PNG output
    becomes a file: the one that the notebook's figure helper saved in `figures` under its name, with NAME.csv as
    its table, or a new one.

    Args:
        executed: notebook written by `run_notebook`.
        figures: folder of the notebook's figures.
    """
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    notebook.cells = [
        cell for cell in notebook.cells if not _PAPERMILL_OWN & set(cell.metadata.get("tags", []))
    ]
    return {
        "title": _title(notebook) or Path(executed).stem,
        "cells": _cells(notebook),
        "results": recorded(notebook),
        "figures": _figures(notebook, Path(figures)),
    }


def _title(notebook) -> str:
    """The first level-1 heading."""
    lines = [
        line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()
    ]
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def _cells(notebook) -> list[dict[str, Any]]:
    """Code cells with their seconds; a cell never reached has none and the status 'not run'."""
    cells = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        papermill = cell.metadata.get("papermill", {})
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        ran = papermill.get("start_time") is not None
        cells.append(
            {
                "number": index + 1,
                "heading": heading_above(notebook.cells, index),
                "first_line": first_line(cell.source),
                "seconds": round(papermill.get("duration") or 0.0, 3) if ran else None,
                "status": "failed" if errors else "ok" if papermill.get("end_time") else "not run",
            }
        )
    return cells


def _figures(notebook, folder: Path) -> list[dict[str, Any]]:
    """PNG outputs in order: file, alternative text (None when there is none), table (None when there is none)."""
    saved = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.glob("*.png"))}
    found: dict[Path, dict[str, Any]] = {}
    for index, cell in enumerate(notebook.cells):
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        for count, output in enumerate(pictures, 1):
            png = base64.b64decode(output.data["image/png"])
            path = saved.get(hashlib.sha256(png).hexdigest())
            if path is None:
                path = folder / f"cell-{index + 1:02d}-{count}.png"
                make_folder(folder)
                with atomic_path(path) as temporary:
                    temporary.write_bytes(png)
            heading = heading_above(notebook.cells, index)
            found[path] = _figure(path, index + 1, heading, _alt(output), _width(output))
    for path in sorted(set(saved.values()) - set(found)):  # saved, but shown by a widget only
        found[path] = _figure(path, None, "", None)
    return list(found.values())


def _figure(
    path: Path, cell: int | None, heading: str, alt: str | None, width: int | None = None
) -> dict[str, Any]:
    words, table = path.with_suffix(".txt"), path.with_suffix(".csv")
    if not alt and words.is_file():
        alt = words.read_text(encoding="utf-8").strip()
    return {
        "name": path.stem,
        "file": path,
        "alt": alt or None,
        "table": table if table.is_file() else None,
        "width": width,
        "cell": cell,
        "heading": heading,
    }


def _alt(output) -> str | None:
    """Alternative text: of the PNG's metadata, else the plain text, unless it is matplotlib's `<Figure size ...>`."""
    metadata = output.get("metadata", {})
    plain = output.data.get("text/plain", "")
    described = metadata.get("image/png", {}).get("alt") or metadata.get("alt")
    return described or (plain if plain and not plain.startswith("<") else None)


def _width(output) -> int | None:
    """Width in CSS pixels at which the notebook shows the picture, where it says so."""
    width = output.get("metadata", {}).get("image/png", {}).get("width")
    return int(width) if isinstance(width, int | float) else None

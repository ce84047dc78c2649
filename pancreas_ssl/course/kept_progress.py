"""The reader's progress: lines in a file on this machine, sent nowhere."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_dir

from pancreas_ssl.files import open_to_append

__all__ = ["keep", "kept", "progress_file"]


def progress_file() -> Path:
    """Where progress is kept: PANCREAS_SSL_PROGRESS, else `progress.jsonl` in the user's data folder."""
    chosen = os.environ.get("PANCREAS_SSL_PROGRESS")
    return Path(chosen) if chosen else Path(user_data_dir("pancreas_ssl")) / "progress.jsonl"


def keep(id: str, kind: str, name: str = "") -> None:
    """Add a line; where the file cannot be written, the exercise works all the same."""
    line = {"id": id, "kind": kind, "name": name, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        with open_to_append(progress_file()) as file:
            file.write(json.dumps(line) + "\n")
    except Exception:
        return


def kept() -> list[dict[str, Any]]:
    """The lines in order of time; one that is broken is left out."""
    try:
        text = progress_file().read_text(encoding="utf-8")
    except OSError:
        return []
    lines = []
    for raw in text.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict) and {"id", "kind"} <= set(line):
            lines.append(line)
    return lines

"""A small study as users run one: two cells side by side, seconds of training and of measuring, all in all."""

import json
import tempfile
from datetime import datetime
from pathlib import Path
from time import perf_counter

CONFIG = """
name: bench
train: phantom/A
recipe: {steps: 100}
arms:
  supervised: {}
  strong: {augmentation: strong}
seeds: [0]
measure: [phantom/A, phantom/V]
patients: 4
"""


def run() -> list[dict]:
    from pancreas_ssl.study import run_study

    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "bench.yml", Path(folder) / "study"
        config.write_text(CONFIG)
        start = perf_counter()
        run_study(config, out, say=lambda line: None)
        whole = perf_counter() - start
        rows = [_cell(done.parent) | {"whole study, s": whole} for done in sorted(out.glob("cells/*/done.json"))]
    return rows


def _cell(folder: Path) -> dict:
    done = json.loads((folder / "done.json").read_text())
    lines = [line.split(maxsplit=2) for line in (folder / "log.txt").read_text().splitlines()]
    at = {what: datetime.fromisoformat(when) for when, _, what in lines}
    first = next(when for what, when in at.items() if what.startswith("trained"))
    return {
        "cell": folder.name,
        "training s": done["seconds"],
        "ms a step": 1000 * done["seconds"] / done["steps"],
        "s a measured patient": (at["done"] - first).total_seconds() / done["rows"],
        "cell s": (at["done"] - at["trains"]).total_seconds(),
    }

"""`python -m tests.benchmarks [PART ...]`: timings of this machine, ours beside the stock alternative, in one run.

Parts: phantom, steps, arms, contrast, uncertainty, processes, study, quality, inference, cohort, widgets, engines
(all by default).
Prints one table per part and writes runs/bench.json.
"""

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

PARTS = (
    "phantom", "steps", "arms", "contrast", "uncertainty", "processes", "study", "quality", "inference", "cohort",
    "widgets", "engines",
)  # fmt: skip


def environment() -> dict:
    """What the figures depend on: processor, threads, versions."""
    import monai
    import torch

    from pancreas_ssl import __version__

    names = (
        [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        if (Path("/proc/cpuinfo").exists())
        else []
    )
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
        "pancreas_ssl": __version__,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(title: str, rows: list[dict]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console(width=150).print(table)


def main() -> None:
    from importlib import import_module

    from pancreas_ssl.files import atomic_path

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"))
    chosen = parser.parse_args()
    result = {"environment": environment()}
    show("environment", [result["environment"]])
    for part in chosen.parts or PARTS:
        module = import_module(f"tests.benchmarks.{part}")
        result[part] = module.run()
        show(f"{part}: {module.__doc__.splitlines()[0]}", result[part])
        with atomic_path(chosen.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1))
    print(f"written to {chosen.out}")


if __name__ == "__main__":
    main()

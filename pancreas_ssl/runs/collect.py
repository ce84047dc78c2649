"""Many runs as one table: a row for each notebook that ran, and means over seeds with intervals.

Runs, tours and sweeps keep what they found in `report.json` and `result.json`; these are read wherever they lie.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pancreas_ssl.errors import InputError, without_paths
from pancreas_ssl.runs.sweep_plan import SEED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["collect", "flat", "means_over_seeds", "run_table"]

FACTS = ("notebook", "folder", "status", "message", "seconds", "peak_memory_bytes", "device", "version", "commit",
         "profile")  # fmt: skip


def collect(folders: Iterable[str | Path]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The table of all notebooks that ran in these folders, and the means over seeds.

    Args:
        folders: of runs, tours and sweeps, or folders that hold such folders.

    Returns:
        `run_table` and `means_over_seeds` of its rows.

    Raises:
        InputError: no such folder, or one in which nothing was run.

    Example:
        >>> table, means = collect(["runs/2026-11-28_09-00-00-sweep-02_baseline"])    # doctest: +SKIP
    """
    entries: dict[tuple[Path, str], tuple[str, dict[str, Any]]] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"expected a folder of runs, there is none at {folder}; check the path")
        before = len(entries)
        read: dict[tuple[Path, str], tuple[str, dict[str, Any]]] = {}
        for path in sorted((*folder.rglob("report.json"), *folder.rglob("result.json")), key=_natural):
            for place, entry in _entries(path):
                inside = place.resolve().relative_to(folder.resolve()).as_posix()
                shown = folder.resolve().name + ("" if inside == "." else f"/{inside}")
                key = (place.resolve(), str(entry.get("name")))
                if key not in read or path.name == "result.json":
                    read[key] = (shown, entry)
        entries |= {key: value for key, value in read.items() if key not in entries}
        if len(entries) == before and not read:
            remedy = "name the folder that a run, a tour or a sweep has written"
            raise InputError(f"expected runs in {folder}, found no report.json or result.json of one; {remedy}")
    table = run_table(list(entries.values()))
    return table, means_over_seeds(table)


def _entries(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """(folder, notebook's entry) of each notebook in a report or a result; none where the file is something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(found, dict):
        return []
    if path.name == "result.json":
        listed = [(path.parent, found)]
    else:
        shared = {"environment": found.get("environment"), "profile": found.get("profile")}
        parts = [*_list(found.get("notebooks")), *_list(found.get("runs"))]
        parts = [
            part for part in parts if isinstance(part, dict) and part.get("status") in ("ok", "failed", "interrupted")
        ]
        listed = [(path.parent / str(part.get("folder") or "."), shared | part) for part in parts]
        listed = [(place, entry) for place, entry in listed if place.resolve().is_relative_to(path.parent.resolve())]
    needed = {"name": str, "status": str, "parameters": dict, "results": dict}
    return [(place, e) for place, e in listed if all(isinstance(e.get(key), kind) for key, kind in needed.items())]


def _natural(path: Path) -> list[tuple[str, int]]:
    """A key for sorting in which 50 comes before 100."""
    parts = re.findall(r"(\D*)(\d{1,18}|$)", path.as_posix())
    return [(words, int(number or 0)) for words, number in parts]


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def run_table(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> "pd.DataFrame":
    """One row for each (folder's name, notebook's entry of a report): facts, parameters, results.

    Parameters have their own names, results those of `flat`; one whose name is taken gets `parameter.` or `result.` in
    front. `attrs` of the table names both: `parameters` and `results`.
    """
    import pandas as pd

    rows, parameters, results = [], {}, {}
    names = {name for _, entry in entries for name in entry["parameters"]}
    for folder, entry in entries:
        environment = entry.get("environment") or {}
        row = {"notebook": entry["name"], "folder": folder, "version": environment.get("pancreas_ssl")}
        row |= {"commit": environment.get("commit"), "device": entry.get("device") or environment.get("device")}
        row = {name: row.get(name, entry.get(name)) for name in FACTS}
        for name, value in entry["parameters"].items():
            column = f"parameter.{name}" if name in FACTS else name
            row[column], parameters[column] = _cell(value), None
        for name, value in flat(entry["results"]).items():
            column = f"result.{name}" if name in FACTS or name in names else name
            row[column], results[column] = _cell(value), None
        rows.append(row)
    table = pd.DataFrame(rows, columns=[*FACTS, *parameters, *results], dtype=object)  # 50 stays 50
    table.attrs = {"parameters": list(parameters), "results": list(results)}
    return table


def flat(results: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested results in one level: `dice.A` for a dictionary, `dice.0` for a list.

    Example:
        >>> flat({"dice": {"A": 0.8, "B": 0.6}, "volumes": [80, 95], "steps": 20})
        {'dice.A': 0.8, 'dice.B': 0.6, 'volumes.0': 80, 'volumes.1': 95, 'steps': 20}
    """
    found: dict[str, Any] = {}
    for name, value in results.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        parts = flat(inner, f"{before}{name}.") if isinstance(inner, dict) else {f"{before}{name}": value}
        for key, part in parts.items():
            while key in found:
                key = f"result.{key}"
            found[key] = part
    return found


def means_over_seeds(table: "pd.DataFrame") -> "pd.DataFrame":
    """Mean of every numeric result over seeds, for each combination of the parameters that vary within a notebook.

    Runs that failed are left out and counted. Of runs with the same parameters only the last counts, since a repetition
    tells nothing of another seed. The interval is Student's, of the mean over seeds: it holds the patients fixed.

    Args:
        table: of `run_table`.

    Returns:
        One row for each notebook, combination and result: the parameters, then result, n, mean, sd, low, high (the 95 %
        interval; empty for a single seed), failed (runs of this combination).
    """
    import pandas as pd
    from scipy import stats

    parameters, rows, varying = table.attrs["parameters"], [], {}
    for notebook, runs in table.groupby("notebook", sort=False):
        differing = [name for name in parameters if name != SEED and runs[name].nunique(dropna=False) > 1]
        varying |= dict.fromkeys(differing)
        runs = runs.drop_duplicates(["status", *parameters], keep="last")
        groups = runs.groupby(differing, sort=False, dropna=False) if differing else [((), runs)]
        for key, group in groups:
            well = group[group["status"] == "ok"]
            shared = {"notebook": notebook} | dict(zip(differing, key, strict=True))
            failed = int((group["status"] == "failed").sum())
            for name in table.attrs["results"]:
                values = [value for value in well[name] if _is_number(value)]
                if not values or len(values) < well[name].notna().sum():  # a word, or no value at all
                    continue
                n, mean = len(values), values[0] if len(set(values)) == 1 else math.fsum(values) / len(values)
                sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
                half = None if sd is None else float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
                ends = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
                rows.append(shared | {"result": name, "n": n, "mean": mean, "sd": sd} | ends | {"failed": failed})
    return pd.DataFrame(rows, columns=["notebook", *varying, "result", "n", "mean", "sd", "low", "high", "failed"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cell(value: Any) -> Any:
    """A value as a cell of a table: lists and dictionaries as JSON."""
    return json.dumps(without_paths(value), ensure_ascii=False) if isinstance(value, list | dict | tuple) else value

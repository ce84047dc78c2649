"""One run of a sweep, in a process of its own: the notebook, its figures, and at its end `result.json`."""

import contextlib
import functools
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil

from pancreas_ssl.data.access import data_dir, parse_source, root_for
from pancreas_ssl.data.access_methods import FolderAccess
from pancreas_ssl.data.cards import list_cards, load_card
from pancreas_ssl.engines import Stopped, alone, stopping
from pancreas_ssl.errors import InputError, RunError, without_paths
from pancreas_ssl.files import write_text
from pancreas_ssl.manifest import key_of, record_of, states_of
from pancreas_ssl.runs.machine import data_digest, run_environment
from pancreas_ssl.runs.notebook import code_cells, run_notebook
from pancreas_ssl.runs.run_report import notebook_entry
from pancreas_ssl.versions import code_digest

__all__ = ["RESULT", "SweepRun", "digest_of", "finished", "result_text", "run_one"]

RESULT = "result.json"


@dataclass(frozen=True)
class SweepRun:
    """A job: the notebook with these values, its folder, and the digest of all that it depends on."""

    notebook: Path
    profile: str
    values: dict[str, Any]
    folder: Path
    digest: str


def run_one(job: SweepRun) -> dict[str, Any]:
    """Run the notebook and write `result.json`; returns what that holds. A failing cell is a result, too.

    Raises:
        Stopped: the sweep was stopped: the kernel has ended, and there is no `result.json`.
    """
    with alone(job.folder, wait=True):  # one that a killed sweep has left may still be ending
        return finished(job.folder, job.digest) or _run(job)


def _run(job: SweepRun) -> dict[str, Any]:
    result = job.folder / RESULT
    for old in (result, *(job.folder / "figures" / job.notebook.stem).glob("*")):
        if record_of(old) is not None:  # of an earlier run, of other code, perhaps
            old.unlink()
    kernels: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        how = {"started": kernels.append, "quiet": True}
        future = pool.submit(run_notebook, job.notebook, job.values, job.folder, job.profile, **how)
        while not wait([future], timeout=0.3).done:
            for pid in kernels if stopping() else ():
                _kill(pid)
    run = future.result()
    if run.status != "ok" and stopping():
        raise Stopped
    try:
        entry = notebook_entry(run, job.folder, _data_digest()) | {"environment": _environment()}
        entry["device"] = entry["device"] or entry["environment"]["device"]
    except (OSError, ValueError) as error:
        raise RunError(f"{job.folder.name} ran, its results cannot be read ({error}); start the sweep again") from error
    write_text(result, result_text(entry), {"digest": job.digest})
    return entry


def result_text(entry: Mapping[str, Any]) -> str:
    """The JSON of a result: no folder of this machine, no number that JSON does not know."""
    return json.dumps(without_paths(dict(entry)), indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def finished(folder: Path, digest: str) -> dict[str, Any] | None:
    """The result that a folder holds, if all went well with the same notebook, values, code and data."""
    if (record_of(folder / RESULT) or {}).get("digest") != digest:
        return None
    entry = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return entry if entry["status"] == "ok" else None


def digest_of(notebook: Path, values: Mapping[str, Any]) -> str:
    """24 hex digits over the notebook's code, every parameter's value, the package's code, the cards and phantoms, and
    name, size and time of each file of the user's that a value names (also through a card; `OUT` is written, not read).
    """
    texts = [part for name, value in values.items() if name != "OUT" for part in _texts(value)]
    states = [_states(text, notebook.parent) for text in sorted(set(texts))]
    return key_of(_code(notebook), dict(sorted(values.items())), code_digest("."), _data_digest(), states)


_data_digest = functools.cache(data_digest)
_environment = functools.cache(run_environment)


@functools.lru_cache(4)
def _code(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [cells[index].source for index in code_cells(cells)]


def _texts(value: Any) -> list[str]:
    parts = value if isinstance(value, list | tuple) else [value]
    return [part for part in parts if isinstance(part, str) and part]


@functools.lru_cache(1000)
def _states(text: str, folder: Path) -> list:
    """What would change if a file of the user's changed that this text names: a path, or a card of a folder."""
    found: list = []
    with contextlib.suppress(InputError, OSError, RuntimeError, ValueError):
        path = (folder / Path(text).expanduser()).resolve()
        if path.exists() and not folder.is_relative_to(path):
            return states_of(path)
        name = parse_source(text)[0]
        if name not in list_cards():
            name = folder / name
            found += states_of(name) if name.is_file() else []
        card = load_card(name)
        if isinstance(card.access, FolderAccess):
            files = Path(root_for(card, None) or card.access.root or data_dir() / card.name).expanduser()
            found += states_of(folder / files)
    return found


def _kill(pid: int) -> None:
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it would tell that the kernel died
    with contextlib.suppress(psutil.Error):
        kernel = psutil.Process(pid)
        for process in (*kernel.children(recursive=True), kernel):
            with contextlib.suppress(psutil.Error):
                process.kill()

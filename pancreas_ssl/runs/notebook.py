"""One notebook, executed by papermill: strict parameters, one kernel, an error reported in one sentence.

The executed copy appears in the output folder when the run has ended, also after a failure. No widget state is
kept in it (a volume viewer would add megabytes); figures are PNGs.
"""

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from pancreas_ssl.errors import InputError, RunError, require, show_identifiers, without_paths
from pancreas_ssl.files import atomic_path, claim, make_folder, workspace
from pancreas_ssl.runs.kernel import KERNEL, kernel_environment, kernel_manager
from pancreas_ssl.runs.notebook_profiles import CLASS, profile_parameters
from pancreas_ssl.runs.parameters import Parameter, check_parameters, declared_parameters
from pancreas_ssl.runs.peak_memory import PeakMemory

__all__ = ["CellStarted", "NotebookRun", "code_cells", "notebook_parameters", "read_notebook", "run_notebook"]

BYTES = 64_000_000  # of a notebook, outputs included
CellStarted = Callable[[int, int, str], None]
"""Called when a code cell starts: its place among the code cells (from 1), their number, the heading above it."""


@dataclass(frozen=True)
class NotebookRun:
    """The result of one notebook.

    Attributes:
        name: file name without suffix.
        status: 'ok', 'failed' or 'interrupted'.
        message: one sentence about a failure, else "".
        executed: the executed copy; None when the kernel did not start.
        figures: folder where the notebook's figure helper saved PNG, CSV and alternative text.
        parameters: every declared parameter with the value it had.
        seconds: wall time, the kernel's start included.
        peak_memory: largest resident memory of kernel and children, in bytes.
    """

    name: str
    source: Path
    status: str
    message: str
    executed: Path | None
    figures: Path
    seconds: float
    peak_memory: int
    profile: str = CLASS
    parameters: dict[str, Any] = field(default_factory=dict)

    def check(self) -> "NotebookRun":
        """Itself when all went well, else a `RunError` with the message."""
        if self.status != "ok":
            raise RunError(self.message)
        return self


def read_notebook(path: str | Path):
    """Read a notebook of up to 64 MB as nbformat version 4.

    Raises:
        InputError: no such file, no notebook, or one whose cells lack a type, a source, metadata or tags as Jupyter
            writes them.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no notebook {path}; check the path")
    size = path.stat().st_size
    require(size <= BYTES, "a notebook of at most 64 MB", f"{size / 1e6:.0f} MB in {path}", "clear its outputs")
    try:
        notebook = nbformat.read(path, as_version=4)
        json.dumps(notebook, ensure_ascii=False).encode()
        problem = _fault(notebook)
    except Exception as error:  # nbformat raises JSON, validation and attribute errors of its own
        raise InputError(
            f"expected a Jupyter notebook, {path} cannot be read as one ({type(error).__name__}); open it in Jupyter "
            f"and save it again"
        ) from error
    require(not problem, "a Jupyter notebook", f"{problem} in {path}", "open it in Jupyter and save it again")
    return notebook


def _fault(notebook) -> str:
    """What is wrong with the parts of a notebook that a run needs, or ""."""
    if not isinstance(notebook.get("cells"), list) or not isinstance(notebook.get("metadata"), dict):
        return "no list of cells or no metadata"
    if not _shallow(notebook):
        return "something nested too deeply"
    for name in ("kernelspec", "language_info", "papermill"):
        if not isinstance(notebook["metadata"].get(name, {}), dict):
            return f"{name} that is no dictionary"
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            return f"cell {number} of an unknown type"
        if not isinstance(cell.get("source"), str):
            return f"cell {number} without source"
        metadata = cell.get("metadata")
        tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
        if isinstance(metadata, dict) and not isinstance(metadata.get("papermill", {}), dict):
            return f"cell {number} with papermill that is no dictionary"
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            return f"cell {number} without metadata, or with tags that are no list of text,"
        if cell["cell_type"] == "code" and not isinstance(cell.get("outputs"), list):
            return f"cell {number} without outputs"
    return ""


def _shallow(value: Any, depth: int = 0) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 50 and all(_shallow(part, depth + 1) for part in parts)


def notebook_parameters(
    path: Path, profile: str = CLASS, given: Mapping[str, Any] | None = None
) -> tuple[dict[str, Parameter], dict[str, Any]]:
    """The parameters that a notebook declares, and the values to set: the profile's, and `given` ones over them.

    Raises:
        InputError: no notebook, an unknown parameter or profile, a value of another type.
    """
    declared = declared_parameters(read_notebook(path), path.name)
    from_profile = check_parameters(profile_parameters(profile, path), declared, f"{path.name} (profile {profile})")
    return declared, from_profile | check_parameters(given or {}, declared, path.name)


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path = ".",
    profile: str = CLASS,
    *,
    progress: CellStarted | None = None,
    environment: Mapping[str, str] | None = None,
    started: Callable[[int], Any] = lambda pid: None,
    quiet: bool = False,
    overwrite: bool = False,
) -> NotebookRun:
    """Execute a notebook with these parameters; the executed copy and its figures go to `out`.

    The profile's parameters are set first, then `parameters`. The kernel works in the notebook's own folder, as it
    does in JupyterLab. A failing cell, or Ctrl-C, ends in a result with that status: call `.check()` to raise.

    Args:
        path: the notebook.
        parameters: values by name; text is read as the declared type asks.
        out: folder for `<name>.ipynb` and `figures/<name>/`.
        profile: 'class' (the notebook's defaults) or one of profiles.yml beside the notebook.
        progress: called as each code cell starts.
        environment: more environment variables for the kernel.
        started, quiet: as of `kernel_manager`.
        overwrite: replace a file of that name that this tool did not write, too; never the notebook itself.

    Raises:
        InputError: no notebook, an unknown parameter or profile, a value of another type, a foreign file where the
            executed copy goes. No kernel was started.
        RunError: the output folder cannot be written.

    Example:
        >>> run_notebook("notebooks/02_baseline.ipynb", {"STEPS": 20}, "out").check()   # doctest: +SKIP
    """
    path = Path(path).resolve()
    declared, values = notebook_parameters(path, profile, parameters)
    out = Path(out).resolve()
    claim([out / path.name], overwrite=overwrite, inputs=[path])
    figures = make_folder(out / "figures" / path.stem)

    counter = _CellCounter(read_notebook(path), progress)
    begin, executed = time.perf_counter(), out / path.name
    status, message = "ok", ""
    with PeakMemory() as memory, workspace(out) as holder:
        temporary = holder / path.name
        try:
            begun = lambda pid: (memory.watch(pid), started(pid))  # noqa: E731
            manager = kernel_manager(kernel_environment(figures, environment), path.parent, begun, quiet)
            _execute(path, temporary, values, manager, counter)
        except KeyboardInterrupt:
            status, message = "interrupted", f"{path.name} was interrupted {counter.place()}"
        except Exception as error:
            status, message = "failed", _failure(path.name, error, counter)
        kept = _keep(temporary, executed)
    with contextlib.suppress(OSError):  # it holds figures
        figures.rmdir()
        figures.parent.rmdir()
    if status != "ok" and kept:
        message += f"; the notebook as far as it ran is {executed}"
    return NotebookRun(
        name=path.stem,
        source=path,
        status=status,
        message=message,
        executed=executed if kept else None,
        figures=figures,
        seconds=time.perf_counter() - begin,
        peak_memory=memory.peak,
        profile=profile,
        parameters={name: values.get(name, p.default) for name, p in declared.items()},
    )


def _execute(path: Path, output: Path, values: dict[str, Any], manager: type, counter: "_CellCounter") -> None:
    """Papermill's own call. Braces in a path would be taken for a template, so they are doubled."""
    import papermill

    papermill.execute_notebook(
        str(path).replace("{", "{{").replace("}", "}}"),
        str(output).replace("{", "{{").replace("}", "}}"),
        parameters=values,
        kernel_name=KERNEL,
        language="python",
        progress_bar=False,
        store_widget_state=False,
        kernel_manager_class=manager,
        on_cell_start=counter.cell,
    )


def _keep(temporary: Path, executed: Path) -> bool:
    """Move a whole executed notebook to its place; one cut off while being written is dropped."""
    try:
        notebook = nbformat.read(temporary, as_version=4)
    except Exception:  # not there, or not whole
        return False
    notebook.metadata.papermill["output_path"] = str(executed)
    notebook.metadata.papermill = without_paths(notebook.metadata.papermill)
    with atomic_path(executed) as whole:
        nbformat.write(notebook, whole)
    return True


def code_cells(cells: list) -> dict[int, int]:
    """The number of each cell, by its index: its place, from 1, among the code cells that are not blank."""
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
    return {index: number for number, index in enumerate(code, 1)}


class _CellCounter:
    """Which cell is running, counted as in the notebook that the reader opens (the injected cell not counted)."""

    def __init__(self, notebook, progress: CellStarted | None):
        self.progress, self.index, self.injected = progress, None, 0
        self.cells = list(notebook.cells)
        self.code = code_cells(self.cells)

    def cell(self, cell, cell_index: int) -> None:
        if "injected-parameters" in cell.metadata.get("tags", []):
            self.injected = 1
            return
        index = cell_index - self.injected
        if index in self.code:
            self.index = index
            if self.progress is not None:
                self.progress(self.code[index], len(self.code), heading_above(self.cells, index))

    def place(self) -> str:
        """`in cell 7 of 9 ("history = fit(...)")`, code cells alone, or `before its first cell`."""
        if self.index is None:
            return "before its first cell"
        number, line = self.code[self.index], first_line(self.cells[self.index].source)
        return f'in cell {number} of {len(self.code)} ("{line}")'


def heading_above(cells: list, index: int) -> str:
    """Text of the nearest Markdown heading above a cell, or ""."""
    for cell in reversed(cells[: index + 1]):
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            if lines:
                return lines[-1].lstrip("# ").strip()
    return ""


def first_line(source: str, width: int = 70) -> str:
    """The first line of code that is neither blank nor a comment, shortened."""
    lines = [line.strip() for line in source.splitlines()]
    code = [line for line in lines if line and not line.startswith(("#", "%"))] or [*lines, ""]
    return code[0] if len(code[0]) <= width else code[0][: width - 3] + "..."


def _failure(name: str, error: Exception, counter: _CellCounter) -> str:
    """A failure of papermill, of the kernel or of a cell in one sentence; of errors that are not this package's own the
    text, which may name a patient, stays in the executed notebook."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        if not show_identifiers() and error.ename not in (InputError.__name__, RunError.__name__):
            return f"{name} stopped {counter.place()} with {error.ename} (--show-identifiers shows its text)"
        text = " ".join(str(error.evalue).split())
        text = text if len(text) <= 400 else text[:397] + "..."
        return f"{name} stopped {counter.place()} with {error.ename}: {text or 'no message'}"
    if isinstance(error, DeadKernelError):
        return f"{name} stopped {counter.place()} because its kernel died, most often for lack of memory"
    text = " ".join(str(error).split()) or "no message"
    return f"{name} could not be run {counter.place()} ({type(error).__name__}: {text}); try pancreas-ssl doctor"

"""The tour: every notebook in order, one folder, one report.

The report is rewritten after each notebook, so that an interrupted tour leaves one of what was done. A failing
notebook does not stop the others.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pancreas_ssl.errors import InputError, RunError, without_paths
from pancreas_ssl.files import claim, make_folder
from pancreas_ssl.progress import Progress, duration
from pancreas_ssl.runs.machine import data_digest, run_environment
from pancreas_ssl.runs.notebook import NotebookRun, notebook_parameters, run_notebook
from pancreas_ssl.runs.notebook_profiles import CLASS, find_notebooks
from pancreas_ssl.runs.run_report import REPORTS, build_report, notebook_entry, write_report
from pancreas_ssl.signals import handling, interrupt

__all__ = ["Tour", "claim_run", "fetch_real_ct", "new_run_folder", "run_and_report", "tour"]

REAL_CT = "lidc_idri_0001"


@dataclass(frozen=True)
class Tour:
    """The result of a tour: its folder, report.html, and the report's status ('ok' when all went well)."""

    folder: Path
    report: Path
    status: str


def tour(
    profile: str = CLASS,
    out: str | Path | None = None,
    notebooks: str | Path | None = None,
    *,
    say: Callable[[str], None] = print,
    fetch: bool = True,
    overwrite: bool = False,
) -> Tour:
    """Run all notebooks of a folder in order of their names and report.

    Args:
        profile: 'class' (the notebooks' own defaults), or one of profiles.yml ('smoke', 'full').
        out: the run's folder; by default `runs/<date>_<time>-tour`.
        notebooks: folder of the notebooks; by default the course's.
        say: called with each line for the reader.
        fetch: fetch the real CT before. When that fails, a sentence says so, also in the report.
        overwrite: replace files of the run's names that this tool did not write, too; never a notebook.

    Raises:
        InputError: no notebooks, an unknown profile, or a profile that sets what a notebook does not declare;
            all of them are checked before the first kernel starts. Foreign files where its outputs go.
    """
    paths = find_notebooks(notebooks)
    for path in paths:
        notebook_parameters(path, profile)
    folder = new_run_folder("tour", out)
    claim_run(paths, folder, overwrite)
    notes = fetch_real_ct(say) if fetch else []
    return run_and_report(paths, profile, folder, title="Run report: the tour", notes=notes, say=say)


def claim_run(paths: Sequence[Path], folder: Path, overwrite: bool = False) -> None:
    """Make sure that a run of these notebooks may write into `folder`, before any work (`files.claim`)."""
    claim([folder / name for name in (*(path.name for path in paths), *REPORTS)], overwrite=overwrite, inputs=paths)


def run_and_report(
    paths: Sequence[Path],
    profile: str,
    folder: Path,
    *,
    title: str,
    parameters: dict | None = None,
    notes: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Tour:
    """Run these notebooks one after the other into `folder`; the report is rewritten after each."""
    claim_run(paths, folder)
    started, entries, notes = datetime.now().astimezone(), [], list(notes)
    about = {"title": title, "profile": profile, "started": started, "environment": run_environment()}
    say(f"{len(paths)} notebook{'s' * (len(paths) > 1)}, profile {profile}, device {about['environment']['device']}")
    with handling(interrupt, signal.SIGTERM):  # taken like Ctrl-C, so that the report is still written
        for path in paths:
            run = _run_shown(path, parameters, folder, profile)
            entries.append(notebook_entry(run, folder, data_digest()))
            spent = duration(run.seconds, tenths=True)
            say(f"{run.status:>11}  {path.stem}  {spent}" + (f"  {without_paths(run.message)}" if run.message else ""))
            if run.status == "interrupted":
                notes.append("The run was interrupted; this report covers what was done until then.")
            report = build_report(entries, notes=notes, planned=[path.stem for path in paths], **about)
            page = write_report(report, folder)
            if run.status == "interrupted":
                break
    return Tour(folder, page, report["status"])


def _run_shown(path: Path, parameters: dict | None, folder: Path, profile: str) -> NotebookRun:
    """Run a notebook while standard error shows the cell that is running."""
    with Progress(0, title=path.stem, unit="cell", stream=sys.stderr, estimate=False) as bar:

        def show(place: int, cells: int, heading: str) -> None:
            bar.update(place, heading, total=cells)

        return run_notebook(path, parameters, folder, profile, progress=show)


def new_run_folder(kind: str, out: str | Path | None = None) -> Path:
    """`out`, or a new `runs/<date>_<time>-<kind>` in the current folder; made at once."""
    if out is not None:
        return make_folder(Path(out).resolve())
    stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{kind}"
    folder = Path("runs").resolve() / stem
    count = 2
    while folder.exists():
        folder = folder.with_name(f"{stem}-{count}")
        count += 1
    return make_folder(folder)


def fetch_real_ct(say: Callable[[str], None] = print) -> list[str]:
    """Fetch the real CT; a list with one sentence when that fails, else an empty one."""
    from pancreas_ssl.data.access import fetch

    try:
        fetch(REAL_CT)
    except (InputError, RunError, OSError) as error:
        sentence = f"The real CT could not be fetched ({error}); the notebooks run without it and say so."
        say(sentence)
        return [sentence]
    return []

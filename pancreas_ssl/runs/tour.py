"""The tour: every notebook in order, one folder, one report.

The report is written anew after each notebook, so that an interrupted tour leaves one for what was done. A failing
notebook does not stop the others.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import make_folder
from pancreas_ssl.runs.data_used import data_digest
from pancreas_ssl.runs.notebook import read_notebook, run_notebook
from pancreas_ssl.runs.parameters import check_parameters, declared_parameters
from pancreas_ssl.runs.profiles import CLASS, find_notebooks, profile_parameters
from pancreas_ssl.runs.progress import show_progress
from pancreas_ssl.runs.report import build_report, notebook_entry, write_report
from pancreas_ssl.runs.surroundings import surroundings
from pancreas_ssl.runs.words import duration

__all__ = ["Tour", "fetch_real_ct", "new_run_folder", "run_and_report", "tour"]

REAL_CT = "lidc_idri_0001"


@dataclass(frozen=True)
class Tour:
    """What came of a tour: its folder, report.html, and the report's status ('ok' when all went well)."""

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
) -> Tour:
    """Run all notebooks of a folder in order of their names and report.

    Args:
        profile: 'class' (the notebooks' own defaults), or one of profiles.yml ('smoke', 'full').
        out: the run's folder; by default `runs/<date>_<time>-tour`.
        notebooks: folder of the notebooks; by default the course's.
        say: called with each line for the reader.
        fetch: fetch the real CT before. When it cannot be had, a sentence says so, also in the report.

    Raises:
        InputError: no notebooks, an unknown profile, or a profile that sets what a notebook does not declare;
            all of them are checked before the first kernel starts.
    """
    paths = find_notebooks(notebooks)
    for path in paths:
        declared = declared_parameters(read_notebook(path), path.name)
        check_parameters(profile_parameters(profile, path), declared, f"{path.name} (profile {profile})")
    folder = new_run_folder("tour", out)
    notes = fetch_real_ct(say) if fetch else []
    return run_and_report(paths, profile, folder, title="Run report: the tour", notes=notes, say=say)


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
    """Run these notebooks one after the other into `folder`; the report is renewed after each."""
    started, entries, notes = datetime.now().astimezone(), [], list(notes)
    environment, planned = surroundings(), [path.stem for path in paths]

    def write() -> tuple[Path, str]:
        report = build_report(
            entries,
            title=title,
            profile=profile,
            started=started,
            environment=environment,
            planned=planned,
            notes=notes,
        )
        return write_report(report, folder), report["status"]

    say(f"{len(paths)} notebook{'s' * (len(paths) > 1)}, profile {profile}, device {environment['device']}")
    with _terminate_as_interrupt():
        for path in paths:
            with show_progress(path.stem) as progress:
                run = run_notebook(path, parameters, folder, profile, progress=progress)
            entries.append(notebook_entry(run, folder, data_digest()))
            say(
                f"{run.status:>11}  {path.stem}  {duration(run.seconds)}"
                + (f"  {run.message}" if run.message else "")
            )
            if run.status == "interrupted":
                notes.append("The run was interrupted; this report tells what was done until then.")
            page, status = write()
            if run.status == "interrupted":
                break
    return Tour(folder, page, status)


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
    """Fetch the real CT; a list with one sentence when it cannot be had, else an empty one."""
    from pancreas_ssl.data.access import fetch

    try:
        fetch(REAL_CT)
    except (InputError, RunError, OSError) as error:
        sentence = f"The real CT could not be fetched ({error}); the notebooks run without it and say so."
        say(sentence)
        return [sentence]
    return []


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """A polite request to end (SIGTERM) is taken like Ctrl-C, so that the report is still written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

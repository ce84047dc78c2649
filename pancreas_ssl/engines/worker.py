"""What stands around a job where it runs: the caller's settings and code, whether to end, nobody else in its folder."""

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pancreas_ssl.errors import DataWarning, InputError, RunError
from pancreas_ssl.files import make_folder
from pancreas_ssl.versions import code_digest

__all__ = ["Call", "Stopped", "alone", "asking", "stopping"]

SETTINGS = "PANCREAS_SSL_"  # environment variables that travel with a job
_here = threading.local()


class Stopped(Exception):
    """Raised by a job that was asked to end and has left its state in order."""


def stopping() -> bool:
    """Whether the job that this code runs in should end: its run was stopped, or is gone.

    Example:
        >>> stopping()
        False
    """
    return getattr(_here, "asks", bool)()


@contextlib.contextmanager
def asking(asks: Callable[[], bool]) -> Iterator[None]:
    """While the context is open, `stopping` in this thread asks this function."""
    before, _here.asks = getattr(_here, "asks", bool), asks
    try:
        yield
    finally:
        _here.asks = before


@dataclass(frozen=True)
class Call:
    """A job's function as it travels to a worker; called there, it returns (result, sentence of a problem, stopped).

    Attributes:
        token: a folder that exists as long as the run goes on.
    """

    function: Callable[[Any], Any]
    token: Path
    code: str = field(default_factory=lambda: code_digest("."))
    folder: str = field(default_factory=os.getcwd)
    settings: dict[str, str] = field(
        default_factory=lambda: {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
    )

    def __call__(self, job: Any) -> tuple[Any, str, bool]:
        if not self.token.parent.is_dir():
            return None, f"expected {self.token.parent} on every worker, one lacks it; use a shared folder", False
        if code_digest(".") != self.code:
            return None, "a worker has other code than the caller; install the same version, start workers again", False
        if not self.token.exists():
            return None, "", True
        with _as_of_caller(self.folder, self.settings), asking(lambda: not self.token.exists()):
            try:
                return self.function(job), "", False
            except (InputError, RunError) as error:
                return None, str(error), False
            except Stopped:
                return None, "", True

    def checkpoint(self, *arguments: Any):
        """Asked by submitit when a job's time is nearly over: it is queued again, and goes on where it was."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


@contextlib.contextmanager
def _as_of_caller(folder: str, settings: dict[str, str]) -> Iterator[None]:
    """The caller's working folder and settings; one thread; what the caller was told of the data is not told again."""
    before = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # of Dask; kernels would inherit it, and be slow
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        if os.getcwd() != folder and os.path.isdir(folder):
            os.chdir(folder)
        for name in before:
            del os.environ[name]
        os.environ.update(settings)
        try:
            yield
        finally:
            for name in settings:
                os.environ.pop(name, None)
            os.environ.update(before)


@contextlib.contextmanager
def alone(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold a folder: whoever else asks is refused, or waits (where the system can lock files).

    Args:
        wait: wait until the folder is free, or until the job should end (`Stopped`).

    Raises:
        RunError: it is held already.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    make_folder(folder)
    with open(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "rb") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if not wait:
                    raise RunError(f"{folder} is being worked in by another run; wait for it, or end it") from error
            if stopping():
                raise Stopped
            time.sleep(0.2)
        yield

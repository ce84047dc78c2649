"""The `pancreas-ssl` command.

Exit codes: 0 done, 1 a check or a run failed, 2 bad input or usage, 130 interrupted. A failure is one sentence on
standard error; with `--debug` the traceback comes before it. Every command imports what it needs when it runs, so that
help is quick.
"""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from functools import partial

import typer

from pancreas_ssl.cli import clinical, course, data, many_runs, model, study, teaching  # noqa: F401 (clinical adds to `data`)
from pancreas_ssl.engines import Planned
from pancreas_ssl.errors import IDENTIFIERS, DataWarning, InputError, RunError, show_identifiers, without_paths
from pancreas_ssl.files import told
from pancreas_ssl.signals import handling, interrupt

__all__ = ["app", "main"]

INTERRUPTED = 130  # as shells count a process ended by Ctrl-C

app = typer.Typer(
    name="pancreas-ssl",
    help="Learn, explore and measure generalisable pancreas segmentation in CT. Not for clinical use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    show_identifiers: bool = typer.Option(
        False, "--show-identifiers", help="Let reports and messages hold folders, DICOM texts and errors in full."
    ),
) -> None:
    """Options of every command; `main` removes them beforehand, wherever they stand."""


for part in (course, many_runs, data, model, study, teaching):
    app.add_typer(part.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (those of the process by default) and return its exit code.

    Example:
        >>> main(["version"])
        0.1.0
        0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    if hasattr(sys.stdout, "reconfigure"):  # names that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    before = os.environ.get(IDENTIFIERS)
    if "--show-identifiers" in arguments:
        os.environ[IDENTIFIERS] = "1"
    arguments = [argument for argument in arguments if argument not in ("--debug", "--show-identifiers")]
    try:
        with warnings.catch_warnings(), handling(interrupt, signal.SIGTERM):  # a polite kill cleans up, as Ctrl-C does
            warnings.showwarning = partial(_shown, set())
            if not debug:  # what libraries tell programmers about their next version
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
            app(args=arguments, prog_name="pancreas-ssl")
    except SystemExit as finished:
        if finished.code == INTERRUPTED:
            return _report("interrupted; nothing half-written is left, run it again to go on", INTERRUPTED, debug)
        return finished.code if isinstance(finished.code, int) else int(finished.code is not None)
    except Planned as plan:
        print(plan)
    except InputError as error:
        return _report(str(error), 2, debug)
    except RunError as error:
        return _report(str(error), 1, debug)
    except OSError as error:
        sentence = told(error, error.filename or "a file")
        return _report(str(sentence), 2 if isinstance(sentence, InputError) else 1, debug)
    except MemoryError:
        return _report("the memory of this machine is too small; close other programs or use smaller sizes", 1, debug)
    except Exception as error:
        what = type(error).__name__ + (f": {error}" if show_identifiers() else "")
        return _report(f"something unexpected happened ({what})" + "; --debug shows where" * (not debug), 1, debug)
    finally:
        os.environ.pop(IDENTIFIERS, None)
        os.environ.update({} if before is None else {IDENTIFIERS: before})
    return 0


def _shown(before: set[str], message, category, filename, lineno, file=None, line=None) -> None:
    """A warning about the user's data is one line on standard error, once; others look as Python shows them."""
    if issubclass(category, DataWarning):
        if str(message) not in before:
            print(f"pancreas-ssl: warning: {_line(str(message))}", file=sys.stderr)
        before.add(str(message))
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=sys.stderr)


def _report(sentence: str, code: int, debug: bool) -> int:
    """One line on standard error, of at most 900 letters, after the traceback where asked for."""
    if debug:
        traceback.print_exc()
    sys.stdout.flush()
    print(f"pancreas-ssl: {_line(sentence)}", file=sys.stderr)
    return code


def _line(sentence: str) -> str:
    """The sentence as one line that can be shown to anybody: folders, which may name people, are cut off."""
    whole = " ".join(sentence.split())
    line = without_paths(whole)
    line = line if len(line) <= 900 else f"{line[:600]} [...] {line[-250:]}"
    return line if line == whole or "..." not in line else f"{line} (--show-identifiers shows whole paths)"

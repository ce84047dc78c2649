"""The `pancreas-ssl` command.

Exit codes: 0 done, 1 a check or a run failed, 2 bad input or usage. A failure is one sentence on standard error; with
`--debug` the traceback comes before it. Every command imports what it needs when it runs, so that help is quick.
"""

import sys
import traceback
import warnings
from collections.abc import Sequence

import typer

from pancreas_ssl.cli import course, data, model, study
from pancreas_ssl.errors import InputError, RunError

__all__ = ["app", "main"]

app = typer.Typer(
    name="pancreas-ssl",
    help="Learn, explore and measure generalisable pancreas segmentation in CT. Not for clinical use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error.")) -> None:
    """Options of every command; `main` removes --debug beforehand, wherever it stands."""


for part in (course, data, model, study):
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
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        with warnings.catch_warnings():
            if not debug:  # what libraries tell programmers about their next version
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
            app(args=arguments, prog_name="pancreas-ssl")
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else int(finished.code is not None)
    except InputError as error:
        return _report(str(error), 2, debug)
    except RunError as error:
        return _report(str(error), 1, debug)
    except MemoryError:
        return _report("the memory of this machine is too small; close other programs or use smaller sizes", 1, debug)
    except Exception as error:
        hint = "" if debug else "; run again with --debug to see where"
        return _report(f"something unexpected happened ({type(error).__name__}: {error}){hint}", 1, debug)
    return 0


def _report(sentence: str, code: int, debug: bool) -> int:
    """One line on standard error, after the traceback where asked for."""
    if debug:
        traceback.print_exc()
    sys.stdout.flush()
    print(f"pancreas-ssl: {' '.join(sentence.split())}", file=sys.stderr)
    return code

"""Key results of a notebook: shown to the reader as a small table, kept for the run report as JSON."""

import html
import json
import math
from typing import Any

from pancreas_ssl.errors import InputError
from pancreas_ssl.progress import in_kernel
from pancreas_ssl.runs.formatting import readable

__all__ = ["MIME", "record", "recorded"]

MIME = "application/vnd.pancreas-ssl.results+json"


def record(**values: Any) -> None:
    """Show key results and keep them for the run report.

    Values: numbers, strings, booleans, None, and lists or dictionaries of these; numpy scalars and arrays of up
    to 100 values are converted, NaN and infinity become null. A name recorded twice keeps its last value. A name
    should say its unit (`volume_ml`, `seconds`).

    In a notebook the output carries the MIME type `application/vnd.pancreas-ssl.results+json` beside an HTML
    table and plain text; elsewhere the text is printed.

    Raises:
        InputError: a value that is none of these.

    Example:
        >>> record(dice=0.8312, cases=8)
        dice   0.8312
        cases  8
    """
    plain = {name: _plain(name, value) for name, value in values.items()}
    if not plain:
        return
    width = max(len(name) for name in plain)
    text = "\n".join(f"{name:<{width}}  {readable(value)}" for name, value in plain.items())
    if not in_kernel():
        print(text)
        return
    from IPython.display import display

    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(readable(value))}</td></tr>'
        for name, value in plain.items()
    )
    results = [{"name": name, "value": value} for name, value in plain.items()]  # a list keeps the order
    display({MIME: {"results": results}, "text/html": f"<table>{rows}</table>", "text/plain": text}, raw=True)


def recorded(notebook) -> dict[str, Any]:
    """All results recorded in an executed notebook (an nbformat node), in order; the last value of a name wins."""
    results: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found = output.get("data", {}).get(MIME)
            if isinstance(found, str):
                found = json.loads(found)
            if found:
                results.update({result["name"]: result["value"] for result in found["results"]})
    return results


def _plain(name: str, value: Any) -> Any:
    """The JSON form of a value, or an `InputError` naming the result."""
    if hasattr(value, "tolist") and getattr(value, "size", 1) <= 100:  # numpy scalars and small arrays
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(name, item) for key, item in value.items()}
    raise InputError(
        f"record expects numbers, strings, booleans or short lists of them, {name} is a {type(value).__name__}; "
        f"record a number that summarises it"
    )

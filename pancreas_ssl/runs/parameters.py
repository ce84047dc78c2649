"""A notebook's parameters: the cell tagged `parameters`, read strictly, and values checked against it.

The cell holds comments and plain lines `NAME = literal  # help`. The literal gives the type. Nothing is executed:
the cell is parsed with `ast`, so a name that the notebook does not declare, or a value of another type, is refused
before a kernel starts (papermill itself would only warn).
"""

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pancreas_ssl.errors import InputError

__all__ = ["Parameter", "check_parameters", "declared_parameters", "parse_parameters", "read_value"]

FORM = "plain lines NAME = literal  # help"


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: its name, default (whose type is the parameter's type) and one line of help."""

    name: str
    default: Any
    help: str = ""

    @property
    def kind(self) -> str:
        """A description of the expected type."""
        return _KINDS.get(type(self.default), "anything")


_KINDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a tuple",
    dict: "a dictionary",
}


def declared_parameters(notebook, title: str = "the notebook") -> dict[str, Parameter]:
    """Parameters of an nbformat notebook by name; empty without a cell tagged `parameters`.

    Raises:
        InputError: two such cells, or a line that is not `NAME = literal`.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(cells) > 1:
        raise InputError(f"expected one cell tagged 'parameters' in {title}, found {len(cells)}; keep one of them")
    return {p.name: p for p in parse_parameters(cells[0].source, title)} if cells else {}


def parse_parameters(source: str, title: str = "the notebook") -> list[Parameter]:
    """Parse the source of a `parameters` cell.

    Example:
        >>> parse_parameters("STEPS = 300  # optimiser steps")
        [Parameter(name='STEPS', default=300, help='optimiser steps')]
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InputError(
            f"expected {FORM} in the parameters cell of {title}, line {error.lineno} is not Python: {error.msg}"
        ) from error
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree.body:
        line = source.splitlines()[node.lineno - 1].strip()
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise InputError(
                f"expected {FORM} in the parameters cell of {title}, line {node.lineno} is '{line}'; "
                f"move other code to the next cell"
            )
        name = node.targets[0].id
        try:
            default = ast.literal_eval(node.value)
        except ValueError as error:
            raise InputError(
                f"expected a literal as default of {name} in the parameters cell of {title}, line {node.lineno} "
                f"is '{line}'; write the value out and compute with it in the next cell"
            ) from error
        if name in found:
            raise InputError(f"the parameters cell of {title} sets {name} twice (line {node.lineno}); keep one line")
        found[name] = Parameter(name, default, comments.get(node.end_lineno, ""))
    return list(found.values())


def check_parameters(
    given: Mapping[str, Any], declared: Mapping[str, Parameter], title: str = "the notebook"
) -> dict[str, Any]:
    """Values for papermill: every name declared, every value of its type. Text is read as the type asks.

    Raises:
        InputError: an unknown name (the closest and all known ones are listed) or a value of another type.
    """
    values = {}
    for name, value in given.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            close = get_close_matches(name.upper(), list(declared), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InputError(f"{title} has no parameter {name}{hint} (it knows: {known})")
        values[name] = read_value(value, declared[name], title)
    return values


def read_value(value: Any, parameter: Parameter, title: str = "the notebook") -> Any:
    """One value as the parameter's type; text from the command line is read as a literal of that type.

    Example:
        >>> read_value("1e-3", Parameter("RATE", 0.1))
        0.001
    """
    kind = type(parameter.default)
    result = _from_text(value, kind) if isinstance(value, str) and kind is not str else value
    if kind is float and isinstance(result, int) and not isinstance(result, bool):
        result = float(result)
    if kind in (list, tuple) and isinstance(result, list | tuple):
        result = kind(result)
    if kind is type(None):
        return result
    wrong_element = (
        kind in (list, tuple)
        and isinstance(result, kind)
        and parameter.default
        and not all(_like(item, parameter.default) for item in result)
    )
    if type(result) is not kind or wrong_element:
        raise InputError(
            f"expected {parameter.kind} for {parameter.name} of {title} (its default is {parameter.default!r}), "
            f"got {value!r}; pass a value like the default"
        )
    return result


def _like(item: Any, defaults: Any) -> bool:
    """Whether an element has the type of some element of the default (a whole number may stand for a number)."""
    kinds = {type(default) for default in defaults}
    return type(item) in kinds or (type(item) is int and float in kinds)


def _from_text(text: str, kind: type) -> Any:
    """Text as a literal, also yes, no, on and off for booleans; the text itself when it is no literal."""
    if kind is bool and text.strip().lower() in ("true", "yes", "on", "false", "no", "off"):
        return text.strip().lower() in ("true", "yes", "on")
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text


def _comments(source: str) -> dict[int, str]:
    """Comment text by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}

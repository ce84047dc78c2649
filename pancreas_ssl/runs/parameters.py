"""A notebook's parameters: the cell tagged `parameters`, read strictly, and values checked against it.

The cell holds comments and plain lines `NAME = literal  # help`. The literal gives the type. Nothing is executed:
the cell is parsed with `ast`, so a name that the notebook does not declare, or a value of another type, is refused
before a kernel starts (papermill itself would only warn).
"""

import ast
import io
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pancreas_ssl.errors import InputError, require

__all__ = ["Parameter", "check_parameters", "declared_parameters", "parse_parameters", "read_value"]

FORM = "plain lines NAME = literal  # help"
LETTERS = 100_000  # at most so many in a parameters cell, and in a value
DEPTH = 20  # at most so many lists in one another
_UNREADABLE = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError)  # of Python's parser


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
    cell = f"the parameters cell of {title}"
    shown = f"{len(source)}, and some that are no characters" if len(source) <= LETTERS else str(len(source))
    fine = len(source) <= LETTERS and not re.search("[\0\ud800-\udfff]", source)
    require(fine, f"at most {LETTERS:,} letters in {cell}", shown, "shorten and correct it")
    try:
        tree, comments = ast.parse(source), _comments(source)
    except (*_UNREADABLE, tokenize.TokenError) as error:
        line, why = getattr(error, "lineno", None), getattr(error, "msg", None) or "nested too deeply"
        raise InputError(f"expected {FORM} in {cell}, line {line or 1} is not Python: {why}; correct it") from error
    lines, found = re.split("\r\n|\r|\n", source), {}
    for node in tree.body:
        line = lines[node.lineno - 1].strip()[:80]
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise InputError(
                f"expected {FORM} in {cell}, line {node.lineno} is '{line}'; move other code to the next cell"
            )
        name, at = node.targets[0].id, f"in {cell}, line {node.lineno} is '{line}'"
        try:
            default = ast.literal_eval(node.value)
        except _UNREADABLE as error:
            remedy = "write the value out and compute with it in the next cell"
            raise InputError(f"expected a literal as default of {name} {at}; {remedy}") from error
        kinds = "text, finite numbers, True, False, None, lists, tuples or dictionaries of these"
        require(_plain(default), f"{kinds} as default of {name}", f"another value ({at})", "correct it")
        if name in found:
            raise InputError(f"{cell} sets {name} twice (line {node.lineno}); keep one line")
        found[name] = Parameter(name, default, comments.get(node.end_lineno, ""))
    return list(found.values())


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is text, a finite number below 2 ** 63, a truth value, None, or a shallow collection of these."""
    if isinstance(value, str):
        return len(value) <= LETTERS and not re.search("[\0\ud800-\udfff]", value)
    if isinstance(value, int | float):
        return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)
    if isinstance(value, list | tuple | dict) and depth < DEPTH:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return all(_plain(part, depth + 1) for part in parts)
    return value is None


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
            close = get_close_matches(str(name)[:60].upper(), list(declared), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InputError(f"{title} has no parameter {str(name)[:60]}{hint} (it knows: {known[:400]})")
        values[name] = read_value(value, declared[name], title)
    return values


def read_value(value: Any, parameter: Parameter, title: str = "the notebook") -> Any:
    """One value as the parameter's type; text from the command line is read as a literal of that type.

    Example:
        >>> read_value("1e-3", Parameter("RATE", 0.1))
        0.001
    """
    kind = type(parameter.default)
    shown = value if isinstance(value, int | float | bool | None) else str(value)
    shown = shown if len(repr(shown)) <= 60 else f"{str(shown)[:60]}..."
    fine, wanted = (
        _plain(value),
        f"a plain, finite value of at most {LETTERS:,} letters for {parameter.name} of {title}",
    )
    require(fine, wanted, repr(shown), "pass a value like the default")
    result = _from_text(value, kind) if isinstance(value, str) and kind is not str else value
    require(_plain(result), wanted, repr(shown), "pass a value like the default")
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
            f"expected {parameter.kind} for {parameter.name} of {title} (its default is "
            f"{repr(parameter.default)[:80]}), got {shown!r}; pass a value like the default"
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
    except _UNREADABLE:
        return text


def _comments(source: str) -> dict[int, str]:
    """Comment text by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}

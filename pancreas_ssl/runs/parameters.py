"""A notebook's parameters: the cell tagged `parameters`, read strictly, and values checked against it.

The cell holds comments and plain lines `NAME = literal  # help`. The literal gives the type. Nothing is executed:
the cell is parsed with `ast`, so a name that the notebook does not declare, or a value of another type, is refused
before a kernel starts (papermill itself would only warn).

A help may end with what is allowed, in square brackets: a range with both ends, of which one may be left out, or the
words to choose from. Of a list each element is checked.

    STEPS = 360  # optimiser steps of your own training [1..100000]
    STRENGTH = 0.8  # of the corruptions shown [0..1]
    PATIENTS = 3  # patients of each source, at most [1..]
    VIEWER = "auto"  # how to show the volume [auto|static|niivue|itk]
"""

import ast
import contextlib
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


_ALLOWED = re.compile(r"(.*?)\s*\[([^\[\]]*(?:\.\.|\|)[^\[\]]*)\]")  # a help that ends with what is allowed


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: as the notebook spells it.
        default: its type is the parameter's type.
        help: one line, without what is allowed.
        low, high: ends of a number's range, which belong to it; None where it is open.
        choices: the texts to choose from; none where any will do.
    """

    name: str
    default: Any
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What is allowed as the notebook writes it: `[1..100]`, `[auto|yes|no]`, or "" where any value will do.

        Example:
            >>> Parameter("STEPS", 360, low=1).allowed
            '[1..]'
        """
        if self.choices:
            return f"[{'|'.join(self.choices)}]"
        ends = ["" if end is None else f"{end:.12g}" for end in (self.low, self.high)]
        return f"[{'..'.join(ends)}]" if any(ends) else ""

    def outside(self, value: Any) -> list[Any]:
        """The value, or those elements of it, that are not allowed."""
        parts = value if isinstance(value, list | tuple) else [value]
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        if self.choices:
            return [part for part in parts if part not in self.choices]
        return [part for part in parts if isinstance(part, int | float) and not low <= part <= high]

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
        [Parameter(name='STEPS', default=300, help='optimiser steps', low=None, high=None, choices=())]
        >>> parse_parameters("STEPS = 300  # optimiser steps [1..5000]")[0].high
        5000

    Raises:
        InputError: a line that is not `NAME = literal`, a name twice, a range that is none, a default outside its own.
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
        found[name] = _with_allowed(name, default, comments.get(node.end_lineno, ""), at)
    return list(found.values())


def _with_allowed(name: str, default: Any, comment: str, at: str) -> Parameter:
    """The parameter, with what its comment allows."""
    match = _ALLOWED.fullmatch(comment)
    if not match:
        return Parameter(name, default, comment)
    text, values = match[2].strip(), default if isinstance(default, list | tuple) else [default]
    if "|" in text:
        words = tuple(word.strip().strip("'\"") for word in text.split("|"))
        fine = all(words) and len(set(words)) == len(words) and all(isinstance(value, str) for value in values)
        require(fine, f"different words as choices of {name}, which is text", f"[{text[:60]}] ({at})", "correct it")
        parameter = Parameter(name, default, match[1], choices=words)
    else:
        low, high, *more = (_number(end) for end in text.split(".."))
        fine = not more and not {low, high} & {math.nan} and {low, high} != {None}
        fine = fine and (low is None or high is None or low <= high)
        fine = fine and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        remedy = "write [LOW..HIGH], [LOW..] or [..HIGH]"
        require(fine, f"a range of numbers for {name}, which is one", f"[{text[:60]}] ({at})", remedy)
        parameter = Parameter(name, default, match[1], low, high)
    wrong = parameter.outside(default)
    require(
        not wrong, f"the default of {name} inside {parameter.allowed}", f"{wrong[:1]} ({at})", "correct one of them"
    )
    return parameter


def _number(text: str) -> float | None:
    """An end of a range: None where it is open, NaN where the text is no finite number."""
    for kind in (int, float) if text.strip() else ():
        with contextlib.suppress(ValueError):
            return value if math.isfinite(value := kind(text)) else math.nan
    return math.nan if text.strip() else None


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
    """Values for papermill: every name declared, every value of its type and allowed. Text is read as the type asks.

    Raises:
        InputError: an unknown name (the closest and all known ones are listed), a value of another type or outside.
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
    wrong = parameter.outside(result)
    if wrong:
        raise InputError(
            f"expected {parameter.name} of {title} inside {parameter.allowed}, got {str(wrong[0])[:60]}; "
            f"{'choose one of them' if parameter.choices else 'choose a value inside'}"
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

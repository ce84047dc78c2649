"""YAML whose mistakes can be pointed at: every key keeps its line, every error names file, line and field."""

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from pancreas_ssl.errors import InputError, complaint

__all__ = ["Place", "empty_is_no_keys", "parse_yaml", "read_yaml", "split_front_matter", "validate", "where"]

Place = tuple[str | int, ...]
Lines = dict[Place, int]
T = TypeVar("T")
empty_is_no_keys = BeforeValidator(lambda value: {} if value is None else value)


def read_text(path: Path, what: str) -> str:
    """The text of a file; `what` says in the error what was expected there."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected {what} in {path}, it cannot be read ({error}); check the name") from error


def read_yaml(path: Path, what: str) -> tuple[dict[str, Any], Lines]:
    """`parse_yaml` of a whole file; `what` says in the error what was expected there."""
    return parse_yaml(read_text(path, what), path)


def split_front_matter(path: Path) -> tuple[str, str]:
    """The YAML between the two `---` lines at the top of a Markdown file, and the Markdown below it."""
    lines = read_text(path, "a data card").split("\n")
    marks = [i for i, line in enumerate(lines) if line.rstrip() == "---"]
    if len(marks) < 2 or marks[0] != 0:
        raise InputError(f"expected {path} to begin with a YAML header between two lines of ---, it does not; add it")
    return "\n".join(lines[1 : marks[1]]), "\n".join(lines[marks[1] + 1 :]).strip("\n") + "\n"


def parse_yaml(text: str, path: Path, first: int = 1) -> tuple[dict[str, Any], Lines]:
    """The keys and values of a YAML text, and the line in the file of every key and list item.

    Args:
        path: of the file, for the sentences.
        first: number of the line on which the YAML begins.

    Raises:
        InputError: the text is no YAML, holds something other than keys and values, or repeats a key.
    """
    try:
        node, values = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        begun = f" (begun on line {context.line + first})" if context and context.line != mark.line else ""
        line = f"line {mark.line + first}{begun} of " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read the YAML on {line}{path}: {problem}; correct that line") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise InputError(f"expected keys and values in {path}, got {type(values).__name__}; write key: value")
    lines: Lines = {}
    _collect_lines(node, (), lines, path, first)
    return values, lines


def _collect_lines(node: yaml.Node, place: Place, lines: Lines, path: Path, first: int) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here, line = (*place, key.value), key.start_mark.line + first
            if here in lines:
                raise InputError(f'key "{key.value}" on line {line} of {path} repeats line {lines[here]}; keep one')
            lines[here] = line
            _collect_lines(value, here, lines, path, first)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + first
            _collect_lines(value, (*place, index), lines, path, first)


def where(place: Place, lines: Lines, path: Path) -> str:
    """`arms.labels on line 7 of study.yml`, for the deepest key of the place that stands in the file."""
    found = _nearest(place, lines)
    return f"{'.'.join(map(str, found))} on line {lines[found]} of {path}" if found else str(path)


def _nearest(place: Place, lines: Lines) -> Place:
    """The deepest key of the place that stands in the file (pydantic adds names of variants in between)."""
    found: Place = ()
    for part in place:
        found = (*found, part) if (*found, part) in lines else found
    return found


def validate(kind: type[T], values: dict[str, Any], lines: Lines, path: Path) -> T:
    """The values as a model, or another type that pydantic understands.

    Raises:
        InputError: an unknown key (with the nearest known one), a missing key, or a value that does not fit.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]  # most often the cause of a missing key, too
    problem = (unknown or problems)[0]
    place, at = problem["loc"], where(problem["loc"], lines, path)
    if unknown:
        known = _known_keys(kind, _nearest(place[:-1], lines))
        close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.6)
        advice = f"did you mean {close[0]}?" if close else f"the keys known there are {', '.join(known)}"
        raise InputError(f"unknown key {at}; {advice}")
    if problem["type"] == "missing":
        raise InputError(f"the key {place[-1]} is missing in {at}; add it")
    raise InputError(f"{at}: {complaint(problem)}; correct it")


def _known_keys(kind: Any, place: Place) -> list[str]:
    """Names of the keys that a mapping at this place may hold."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not place:
            return list(kind.model_fields)
        field = kind.model_fields.get(str(place[0]))
        return _known_keys(field.annotation, place[1:]) if field else []
    inside = place[1:] if get_origin(kind) in (dict, list) else place  # a union's variants lie at the same place
    return [name for part in get_args(kind) for name in _known_keys(part, inside)]

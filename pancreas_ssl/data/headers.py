"""YAML headers whose mistakes can be pointed at: every key keeps its line, every error names file, line and field."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pancreas_ssl.errors import InputError

__all__ = ["Place", "collect_lines", "complaint", "nearest", "parse_header", "split_front_matter", "validate"]

Place = tuple[str | int, ...]


def split_front_matter(path: Path) -> tuple[str, str]:
    """The YAML between the two `---` lines at the top of a Markdown file, and the Markdown below it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"expected a data card at {path}, it cannot be read ({error}); check the name"
        ) from error
    lines = text.split("\n")
    marks = [i for i, line in enumerate(lines) if line.rstrip() == "---"]
    if len(marks) < 2 or marks[0] != 0:
        raise InputError(
            f"expected {path} to begin with a YAML header between two lines of ---, it does not; add it"
        )
    return "\n".join(lines[1 : marks[1]]), "\n".join(lines[marks[1] + 1 :]).strip("\n") + "\n"


def collect_lines(node: yaml.Node, path: Path, first: int = 1) -> dict[Place, int]:
    """The line in the file of every key and list item; a repeated key is an error.

    Args:
        path: of the file, for the sentence.
        first: number of the line on which the YAML begins.
    """
    lines: dict[Place, int] = {}
    _collect(node, (), lines, path, first)
    return lines


def _collect(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path, first: int) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here, line = (*place, key.value), key.start_mark.line + first
            if here in lines:
                raise InputError(
                    f'key "{key.value}" on line {line} of {path} repeats line {lines[here]}; keep one'
                )
            lines[here] = line
            _collect(value, here, lines, path, first)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + first
            _collect(value, (*place, index), lines, path, first)


def parse_header(text: str, path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    """The header's values, and the line in the file of each of its keys."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise InputError(
                f"expected keys and values in the header of {path}, it has none; see data_cards/folder.md"
            )
        return yaml.safe_load(text), collect_lines(node, path, first=2)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        context = getattr(error, "context_mark", None)
        begun = f" (begun on line {context.line + 2})" if context and context.line != mark.line else ""
        where = f"line {mark.line + 2}{begun} of " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(
            f"cannot read the YAML header on {where}{path}: {problem}; correct that line"
        ) from error


def nearest(lines: dict[Place, int], loc: Place) -> Place:
    """The deepest key of an error's place that stands in the file (pydantic adds names of variants in between)."""
    found: Place = ()
    for part in loc:
        if (*found, part) in lines:
            found = (*found, part)
    return found


def validate(
    model: type[BaseModel], values: dict[str, Any], lines: dict[Place, int], path: Path
) -> BaseModel:
    """Build `model`; its first error becomes a sentence with file, line, field and, for a misspelt key, advice."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    unknown = [
        p for p in problems if p["type"] == "extra_forbidden"
    ]  # most often the cause of a missing key, too
    problem = (unknown or problems)[0]
    place = nearest(lines, problem["loc"])
    line = lines.get(place, 1)
    name = ".".join(map(str, place)) or "the header"
    if unknown:
        missing = [str(p["loc"][-1]) for p in problems if p["type"] == "missing"]
        candidates = missing + _field_names(model)
        close = difflib.get_close_matches(str(place[-1]), candidates, n=1, cutoff=0.6)
        advice = (
            f'did you mean "{close[0]}"?' if close else "remove it, or see data_cards/folder.md for the keys"
        )
        raise InputError(f'unknown key "{place[-1]}" on line {line} of {path}; {advice}')
    if problem["type"] == "missing":
        block = f"under {name} (line {line}) " if place else ""
        raise InputError(f'the key "{problem["loc"][-1]}" is missing {block}in {path}; add it')
    raise InputError(f'field "{name}" on line {line} of {path}: {complaint(problem)}; correct it')


def complaint(problem: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, and the value that came where it is a simple one."""
    message = problem["msg"].removeprefix("Value error, ")
    given = problem["input"]
    came = f", it is {given!r}" if isinstance(given, str | int | float | bool | None) else ""
    return f"{message[0].lower()}{message[1:]}{came}"


def _field_names(model: type[BaseModel]) -> list[str]:
    """Names of all fields of a model and of the models inside it."""
    names: list[str] = []
    todo: list[Any] = [model]
    while todo:
        kind = todo.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += list(kind.model_fields)
            todo += [f.annotation for f in kind.model_fields.values()]
        else:
            todo += [a for a in getattr(kind, "__args__", ()) if a is not kind]
    return names

"""A YAML file into a model; whatever does not fit becomes one sentence with file, line and field."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pancreas_ssl.data.headers import Place, collect_lines, complaint, nearest
from pancreas_ssl.errors import InputError

__all__ = ["Lines", "build", "read_yaml", "where"]

Lines = dict[Place, int]
M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path) -> tuple[dict[str, Any], Lines]:
    """Keys and values of a YAML file, and the line of each key and list item.

    Raises:
        InputError: the file cannot be read, is no YAML, holds no mapping, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"expected a study's configuration in {path}, it cannot be read ({error}); check the name"
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise InputError(
                f"expected keys and values in {path}, there are none; write name, train, arms, seeds ..."
            )
        return yaml.safe_load(text), collect_lines(node, path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1} of {path}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read the YAML on {place}: {problem}; correct that line") from error


def where(place: Place, lines: Lines, path: Path) -> str:
    """`arms.labels on line 7 of study.yml`, for the deepest key of the place that stands in the file."""
    found = nearest(lines, place)
    name = ".".join(map(str, found))
    return f"{name} on line {lines[found]} of {path}" if found else str(path)


def build(model: type[M], values: dict[str, Any], lines: Lines, path: Path) -> M:
    """The model with these values.

    Raises:
        InputError: an unknown key (with the nearest known one), a missing key, or a value that does not fit.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]  # often the cause of a missing key, too
    problem = (unknown or problems)[0]
    at = where(problem["loc"], lines, path)
    if unknown:
        known = _fields_at(model, problem["loc"][:-1])
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.6)
        advice = f"did you mean {close[0]}?" if close else f"known there are {', '.join(known)}"
        raise InputError(f"unknown key {at}; {advice}")
    if problem["type"] == "missing":
        raise InputError(f"the key {problem['loc'][-1]} is missing in {at}; add it")
    raise InputError(f"{at}: {complaint(problem)}; correct it")


def _fields_at(model: type[BaseModel], place: Place) -> list[str]:
    """Names of the keys that a mapping at this place may hold."""
    kind: Any = model
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation if str(part) in kind.model_fields else kind
        elif arguments := getattr(kind, "__args__", ()):
            kind = arguments[-1]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []

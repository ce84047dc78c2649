"""YAML whose mistakes can be pointed at: every key keeps its line, every error names file, line and field.

The file may come from anybody, so its size, its depth and what its aliases expand to are limited before anything is
built, and only text, finite numbers, true, false and null are taken as values.
"""

import difflib
import math
import re
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from pancreas_ssl.errors import InputError, complaint, require
from pancreas_ssl.files import shortened, told

__all__ = ["Place", "empty_is_no_keys", "parse_yaml", "read_yaml", "split_front_matter", "validate", "where"]

Place = tuple[str | int, ...]
Lines = dict[Place, int]
T = TypeVar("T")
empty_is_no_keys = BeforeValidator(lambda value: {} if value is None else value)
BYTES, NODES, DEPTH, KEY = 1_000_000, 20_000, 20, 200  # limits: of a file, its entries, their nesting, a key's letters
_PLAIN = ("map", "seq", "str", "int", "float", "bool", "null", "merge", "timestamp")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # and lone surrogates; not tab and line end
_TAGS = {f"tag:yaml.org,2002:{name}" for name in _PLAIN}


def read_text(path: Path, what: str) -> str:
    """The text of a file of up to 1 MB; `what` says in the error what was expected there.

    Raises:
        InputError: no file, a larger one, bytes that are not UTF-8, control characters.
    """
    try:
        if not path.is_file():
            raise InputError(f"expected {what} in {shortened(path)}, it cannot be read (no such file); check the name")
        with open(path, "rb") as handle:
            data = handle.read(BYTES + 1)
    except OSError as error:
        raise told(error, path) from error
    require(len(data) <= BYTES, f"{what} of at most 1 MB", f"more in {path}", "name another file")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"expected {what} in UTF-8, line {line} of {path} is not; save it as UTF-8") from error
    if found := _CONTROL.search(text):
        character, line = f"U+{ord(found[0]):04X}", text.count("\n", 0, found.start()) + 1
        raise InputError(f"expected {what}, line {line} of {path} has the control character {character}; remove it")
    return text


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
        InputError: the text is no YAML, holds something other than keys and values, repeats a key, exceeds a limit
            (20,000 entries with all aliases written out, 20 levels), or has a key or value of another kind.
    """
    loader, lines = None, {}
    try:
        loader = _Bounded(text, path, first)
        node = loader.get_single_node()
        if node is not None:
            _expanded(node, {}, loader)
            _check_values(node, (), loader, set())
            _collect_lines(node, (), lines, path, first)
        values = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        begun = f" (begun on line {context.line + first})" if context and mark and context.line != mark.line else ""
        line = f"line {mark.line + first}{begun} of " if mark else ""
        problem = (getattr(error, "problem", None) or str(error).splitlines()[0])[:200]
        raise InputError(f"cannot read the YAML on {line}{path}: {problem}; correct that line") from error
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:  # such as an escape that is no character
        line = f"line {loader.line + first} of {path}" if loader else path
        raise InputError(f"cannot read the YAML on {line} ({str(error)[:200]}); correct that line") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise InputError(f"expected keys and values in {path}, got {type(values).__name__}; write key: value")
    return values, lines


class _Bounded(yaml.SafeLoader):
    """A loader that stops at too many entries and at too deep a nesting while it reads."""

    def __init__(self, text: str, path: Path, first: int):
        self.path, self.first, self.nodes, self.depth = path, first, 0, 0
        super().__init__(text)

    def compose_node(self, parent, index):
        self.nodes += 1
        self.check(self.nodes <= NODES, self.line, f"at most {NODES:,} entries", "more", "shorten it")
        self.check(self.depth < DEPTH, self.line, f"at most {DEPTH} levels", "deeper nesting", "flatten it")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def check(self, fine: bool, line: int, expected: str, got: str, remedy: str) -> None:
        if not fine:
            raise InputError(f"expected {expected}, got {got} on line {line + self.first} of {self.path}; {remedy}")


def _expanded(node: yaml.Node, known: dict[int, tuple[int, int]], loader: _Bounded) -> tuple[int, int]:
    """Entries below a node with all aliases written out, and levels; each node is counted once."""
    if id(node) in known:
        size, depth = known[id(node)]
        loader.check(size > 0, node.start_mark.line, "entries that end", "an alias inside its own anchor", "remove it")
        return size, depth
    known[id(node)] = (0, 0)  # it is being counted
    inside = node.value if isinstance(node.value, list) else []
    parts = [part for entry in inside for part in (entry if isinstance(entry, tuple) else (entry,))]
    counts = [_expanded(part, known, loader) for part in parts]
    size, depth = 1 + sum(n for n, _ in counts), 1 + max((d for _, d in counts), default=0)
    line, aliases = node.start_mark.line, "with all aliases written out"
    loader.check(size <= NODES, line, f"at most {NODES:,} entries {aliases}", "more", "shorten it")
    loader.check(depth <= DEPTH, line, f"at most {DEPTH} levels {aliases}", "deeper nesting", "flatten it")
    known[id(node)] = (size, depth)
    return size, depth


def _check_values(node: yaml.Node, place: Place, loader: _Bounded, seen: set[int]) -> None:
    """Refuse keys other than text, and values other than text, finite numbers, true, false and null."""
    if id(node) in seen:
        return
    seen.add(id(node))
    line, at = node.start_mark.line, ".".join(map(str, place)) or "the file"
    tag, plain = node.tag.removeprefix("tag:yaml.org,2002:"), "text, a number, true, false, a list or keys and values"
    loader.check(node.tag in _TAGS, line, f"{plain} as {at}", f"something tagged {tag[:60]}", "remove the tag")
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _check_values(value, (*place, index), loader, seen)
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            text = isinstance(key, yaml.ScalarNode) and key.tag.rpartition(":")[2] in ("str", "merge")
            shown = key.value if isinstance(key.value, str) else "a list or keys and values"
            line, remedy = key.start_mark.line, "put the key into quotes or name it otherwise"
            loader.check(text, line, f"text as a key in {at}", shown[:60], remedy)
            short = 0 < len(key.value) <= KEY and not _CONTROL.search(key.value)
            wanted = f"a key of 1 to {KEY} letters without control characters in {at}"
            loader.check(short, line, wanted, repr(key.value[:60]), remedy)
            _check_values(value, (*place, key.value), loader, seen)
        return
    shown, remedy = node.value[:60], "correct it, or put it into quotes if it is text"
    loader.check(tag != "timestamp", line, f"text or a number as {at}", f"the date {shown}", remedy)
    if tag == "str":
        loader.check(
            not _CONTROL.search(node.value), line, f"text without control characters as {at}", repr(shown), remedy
        )
    elif tag in ("int", "float"):
        wanted = f"a finite number below 2 to the power of 63 as {at}"
        loader.check(len(node.value) <= 40, line, wanted, f"{shown}...", remedy)
        try:
            value = float(loader.construct_object(node))
        except (ValueError, OverflowError, IndexError):
            value = math.nan
        loader.check(abs(value) < 2.0**63 or (tag == "float" and math.isfinite(value)), line, wanted, shown, remedy)


def _collect_lines(node: yaml.Node, place: Place, lines: Lines, path: Path, first: int) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here, line = (*place, key.value), key.start_mark.line + first
            if here in lines and key.value != "<<":
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
    if problem["type"] == "union_tag_not_found":
        raise InputError(f"the key {problem['ctx']['discriminator'].strip(chr(39))} is missing in {at}; add it")
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

"""Fields of a data card that come from anybody: names and paths that stay where they belong, bounded lists, patterns.

A name becomes part of a file's name, so it holds no separator and cannot lead upwards, hide or be taken for an option.
"""

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any

import regex
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pancreas_ssl.errors import InputError

__all__ = ["Axes", "Excluded", "Expression", "Hub", "Ids", "Name", "Package", "Patient", "Pattern", "Patterns",
           "RelativePath", "Strict", "Values", "excluded", "in_time", "patient_in"]  # fmt: skip

LETTERS = 100  # of a name
MOST = 100_000  # ids of a card, or values of its labels
SECONDS = 0.1  # of processor time, to find the patient in one id


class Strict(BaseModel):
    """A model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hub(Strict):
    """What the Hugging Face Hub reads in a card's header, by its names; nothing here depends on it."""

    license: Annotated[str, Field(max_length=60)] | None = None
    pretty_name: Annotated[str, Field(max_length=200)] | None = None
    task_categories: list[Annotated[str, Field(max_length=60)]] = Field([], max_length=20)
    size_categories: list[Annotated[str, Field(max_length=60)]] = Field([], max_length=20)
    tags: list[str] = []


def plain_name(name: str) -> str:
    """The name itself if it can be part of a file's name, else a `ValueError`.

    Example:
        >>> plain_name("p 01")
        'p 01'
    """
    odd = [letter for letter in name if unicodedata.category(letter).startswith("C") or letter in "/\\"]
    if not 1 <= len(name) <= LETTERS or odd or name[0] in ".-" or ".." in name or name != name.strip():
        rest = "no slash, control character or .., and does not begin with . or -"
        raise ValueError(f"a name has 1 to {LETTERS} letters, {rest}")
    return name


def _relative(path: str) -> str:
    if path.startswith("/") or len(path) > 2 * LETTERS or "\0" in path:
        raise ValueError(f"a path is relative, with at most {2 * LETTERS} letters")
    return "/".join(plain_name(part) for part in path.split("/"))


def _pattern(pattern: str) -> str:
    bare = re.sub("{(id|source)}", "", pattern)
    if {"{", "}"} & set(bare):
        raise ValueError("the placeholders are {id} and {source}, and no others")
    if "{id}" not in pattern:
        raise ValueError("a pattern holds {id}")
    if PurePosixPath(pattern).is_absolute() or ".." in pattern:
        raise ValueError("patterns stay below the root")
    if len(pattern) > 2 * LETTERS or set(bare) & set("*?[]\\\0") or pattern.count("{") > 8:
        raise ValueError(f"a pattern has at most {2 * LETTERS} letters and eight placeholders, and none of * ? [ ] \\")
    return pattern


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _range(item: Any) -> tuple[str, int, int, int] | None:
    """Head, width, first and last number of `A_000..A_023` or `1..118`; None for what is no range."""
    if not isinstance(item, str) or len(item) > 2 * LETTERS + 2:
        return None
    if (match := re.fullmatch(r"(.*?)([0-9]{1,12})\.\.(.*?)([0-9]{1,12})", item)) is None:
        return None
    head, first, head_again, last = match.groups()
    if head != head_again or int(last) < int(first):
        raise ValueError(f"a range reads like A_000..A_023 or 1..118, not {item[:60]!r}")
    return head, len(first), int(first), int(last)


def at_most(value: Any) -> Any:
    """The value unless its lists, at whatever depth, stand for more than 100,000 entries together."""

    def count(part: Any) -> int:
        if isinstance(part, dict | list):
            return sum(count(one) for one in (part.values() if isinstance(part, dict) else part))
        ends = _range(part)
        return 1 if ends is None else ends[3] - ends[2] + 1

    if (found := count(value)) > MOST:
        raise ValueError(f"at most {MOST:,} entries are read, these are {found:,}")
    return value


def _expand(value: Any) -> Any:
    """`A_000..A_023` stands for the twenty-four ids between."""
    if not isinstance(value, list):
        return value
    at_most(value)
    expanded: list = []
    for item in value:
        ends = _range(item)
        expanded += [item] if ends is None else [f"{ends[0]}{i:0{ends[1]}d}" for i in range(ends[2], ends[3] + 1)]
    return expanded


def _numbers(value: Any) -> Any:
    """As `_expand`, with numbers for the ends of a range."""
    if not isinstance(value, list):
        return value
    return [n for item in value for n in ([item] if _range(item) is None else map(int, _expand([item])))]


def _package(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", text):
        raise ValueError("a package's name holds letters and digits, and . _ - between them")
    return text


def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError("a version reads like 0.6.1") from error
    return plain_name(text)


def _expression(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"not a regular expression ({error})") from error
    return pattern


def _one_group(pattern: str) -> str:
    if regex.compile(_expression(pattern)).groups != 1:
        raise ValueError("a regular expression with exactly one group, around the patient, is needed")
    return pattern


def _excluded(items: list[str]) -> list[str]:
    """Each entry a name, or a regular expression between slashes."""
    return [_expression(item) and item if _is_expression(item) else plain_name(item) for item in items]


def _is_expression(item: str) -> bool:
    return len(item) > 2 and item[0] == item[-1] == "/"


def _axes(codes: str) -> str:
    if sorted({"L": "R", "P": "A", "I": "S"}.get(code, code) for code in codes) != ["A", "R", "S"]:
        raise ValueError(f"axes are three letters, one each of L R, A P and S I, such as LAI, not {codes[:20]!r}")
    return codes


def in_time(find: Callable[..., Any], pattern: str, text: str, too_slow: str, flags: int = 0) -> Any:
    """What a function of `regex` finds, within 0.1 s.

    Raises:
        InputError: it takes longer, or cannot be compiled; the sentence is `too_slow`.

    Example:
        >>> in_time(regex.search, "portal", "a portal venous series", "too slow").start()
        2
    """
    try:
        return find(pattern, text, flags, timeout=SECONDS)
    except (TimeoutError, MemoryError, regex.error) as error:
        raise InputError(too_slow) from error


def _slow(pattern: str, text: str, what: str) -> str:
    return (
        f"expected a pattern {what} that is quick, {pattern[:60]} takes more than {SECONDS} s for "
        f"{text[:60]}; write it without nested repetitions"
    )


def excluded(entries: list[str], case_id: str) -> bool:
    """Whether a card's `exclude` names a case or has a /pattern/ that fits the whole of its id.

    Example:
        >>> excluded(["0025", "/amos_0[5-9].*/"], "amos_0507"), excluded(["0025"], "0026")
        (True, False)
    """
    patterns = (entry[1:-1] for entry in entries if _is_expression(entry))
    return case_id in entries or any(
        in_time(regex.fullmatch, one, case_id, _slow(one, case_id, "under exclude")) for one in patterns
    )


def patient_in(pattern: str, case_id: str) -> str:
    """The patient that a pattern's group finds in a case id; the whole id where it finds none.

    Raises:
        InputError: the pattern takes more than 0.1 s.

    Example:
        >>> patient_in("(.+)_scan[0-9]+", "p01_scan2")
        'p01'
    """
    match = in_time(regex.match, pattern, case_id, _slow(pattern, case_id, "of patients"))
    return (match and match[1]) or case_id


Name = Annotated[str, AfterValidator(plain_name)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Patterns = Annotated[list[Pattern], BeforeValidator(_as_list), Field(max_length=50)]
Ids = Annotated[list[Name], BeforeValidator(_expand)]
Splits = Annotated[dict[Name, dict[Name, Ids]], BeforeValidator(at_most)]
Values = Annotated[list[Annotated[int, Field(strict=True)]], BeforeValidator(_numbers)]
Labels = Annotated[dict[str, Values], BeforeValidator(at_most)]
Package = Annotated[str, AfterValidator(_package)]
PackageVersion = Annotated[str, Field(max_length=60), AfterValidator(_version)]
Expression = Annotated[str, Field(max_length=200), AfterValidator(_expression)]
Excluded = Annotated[list[str], BeforeValidator(_expand), AfterValidator(_excluded)]
Axes = Annotated[str, AfterValidator(_axes)]
Patient = Annotated[str, Field(max_length=200), AfterValidator(_one_group)]

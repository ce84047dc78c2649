"""Words are spelt as British English does: notebooks, glossary, cards, README, docstrings and sentences of errors."""

import ast
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import codespell_lib
import nbformat
import pytest
import spylls
from spylls.hunspell import Dictionary

from pancreas_ssl.course.catalogue import exercises, questions

REPOSITORY = Path(__file__).resolve().parents[1]
HUNSPELL = Path(spylls.__file__).parent / "hunspell" / "data" / "en" / "en_US"
BRITISH = Path(codespell_lib.__file__).parent / "data" / "dictionary_en-GB_to_en-US.txt"
OWN = {
    word
    for line in (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for word in line.split()
}
AMERICAN_TOO = {"practice", "program", "story", "writable"}  # right in British English, too, in another sense
NO_PROSE = [
    r"^---\n.*?\n---\n",
    r"^( *)```.*?^\1```",
    r"``.*?``",
    r"`[^`]*`",
    r"\$[^$]+\$",
    r"<[^>]+>",
    r"\]\([^)]*\)",
    r"https?://\S+",
    r"doi:\S+",
    r"^\s*(?:>>>|\.\.\. ).*$",
    r"\S*[_/\\@=]\S*",
    r"\w+\.\w+\S*",
]  # fmt: skip  headers, code, formulas, tags, links, examples, names
MARKDOWN = [
    REPOSITORY / "README.md",
    *(REPOSITORY / "notebooks").glob("*.md"),
    *(REPOSITORY / "data_cards").glob("*.md"),
    *(REPOSITORY / "pancreas_ssl" / "assets").rglob("*.md"),
]


@lru_cache(maxsize=1)
def british() -> dict[str, str]:
    """British words and what they are in America."""
    lines = (line.split("->") for line in BRITISH.read_text(encoding="utf-8").splitlines())
    return {ours.lower(): theirs.split(",")[0].strip().lower() for ours, theirs in lines}


@lru_cache(maxsize=1)
def dictionary() -> Dictionary:
    return Dictionary.from_files(str(HUNSPELL))


@cache
def fault(word: str) -> str:
    """What is wrong with a word, or an empty string."""
    plain = re.sub(r"'s?$", "", word)
    if {plain, plain.lower()} & (OWN | set(british()) | AMERICAN_TOO):
        return ""
    if plain.lower() in set(british().values()) or re.fullmatch(r"\w{3,}iz(e[sd]?|ing|ations?)", plain.lower()):
        return f"{word} (American)"
    return "" if dictionary().lookup(plain) or dictionary().lookup(plain.lower()) else word


def faults(text: str) -> list[str]:
    for pattern in NO_PROSE:
        text = re.sub(pattern, " ", text, flags=re.S | re.M if pattern.startswith("^") and ".*?" in pattern else re.M)
    words = re.findall(r"(?<!\w)[A-Za-z]+(?:['’][a-z]+)?(?!\w)", text)
    words = {word.replace("’", "'") for word in words if len(word) > 2 and (word.islower() or word.istitle())}
    return sorted(filter(None, map(fault, words)))


def sentences(path: Path) -> Iterator[str]:
    """Docstrings, and texts of four words or more."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) > 3:
            yield node.value


@pytest.mark.parametrize("path", sorted((REPOSITORY / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks(path):
    cells = nbformat.read(path, as_version=4).cells
    assert faults("\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")) == []


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.stem)
def test_pages(path):
    assert faults(path.read_text(encoding="utf-8")) == []


def test_docstrings_and_messages():
    found = {}
    for path in sorted((REPOSITORY / "pancreas_ssl").rglob("*.py")):
        if wrong := faults("\n\n".join(sentences(path))):
            found[path.relative_to(REPOSITORY).as_posix()] = wrong
    assert found == {}


def test_what_exercises_teach():
    told = [one.teaches(**one.example()) for one in exercises()] + [
        wrong.hint for one in exercises() for wrong in one.wrong
    ]
    told += [choice.why for one in questions() for choice in one.choices]
    assert faults("\n\n".join(told)) == []


def test_a_mistake_would_be_found():
    assert faults("The colour of the pancraes is `gray`, its center organized.") == [
        "center (American)", "organized (American)", "pancraes"
    ]  # fmt: skip


def test_the_list_of_own_words_is_tidy():
    assert not [word for word in OWN if word.islower() and dictionary().lookup(word)], "known without the list"

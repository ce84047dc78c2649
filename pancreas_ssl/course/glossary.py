"""The course's words, read from `notebooks/glossary.md`: a heading of the third level for each, and its meaning."""

import re
from difflib import get_close_matches
from functools import lru_cache

from pancreas_ssl.errors import InputError
from pancreas_ssl.runs.notebook_profiles import notebook_folder

__all__ = ["Term", "slug", "term", "terms"]


class Term:
    """A word and its meaning, as Markdown."""

    def __init__(self, word: str, meaning: str):
        self.word, self.meaning = word, meaning

    def _repr_markdown_(self) -> str:
        return f"**{self.word}**: {self.meaning}"

    def __repr__(self) -> str:
        return f"{self.word}: {self.meaning}"


@lru_cache(maxsize=1)
def terms() -> dict[str, Term]:
    """Anchor of a term (as in `glossary.md#hd95`) -> the term."""
    text = (notebook_folder() / "glossary.md").read_text(encoding="utf-8")
    parts = re.findall(r"^### (.+?)\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    return {slug(word): Term(word.strip(), " ".join(meaning.split())) for word, meaning in parts}


def term(word: str) -> Term:
    """What a word of the course means.

    Raises:
        InputError: the glossary does not have it.

    Example:
        >>> term("HU").word
        'HU'
    """
    known = terms()
    if slug(word) in known:
        return known[slug(word)]
    close = get_close_matches(slug(word), list(known), n=3)
    hint = f"did you mean {' or '.join(known[one].word for one in close)}?" if close else "look into glossary.md"
    raise InputError(f"the glossary has no {word}; {hint}")


def slug(word: str) -> str:
    """The anchor of a heading: "Region codes" -> "region-codes"."""
    return re.sub(r"[^\w-]+", "-", word.strip().lower()).strip("-")

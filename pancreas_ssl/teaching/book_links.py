"""Links of the project's texts as links of the book, and a check that each leads to a page that is there."""

import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links", "relinked"]

_ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
_PAGES = [  # files of the project, and their pages
    (r"notebooks/([^/]+\.(?:ipynb|md))", r"\1"),
    (r"data_cards/([^/]+\.md)", r"data/\1"),
    (r"pancreas_ssl/assets/((?:study|teaching)/[^/]+\.md)", r"\1"),
    (r"pancreas_ssl/assets/([^/]+\.md)", r"models/\1"),
    (r"pancreas_ssl/(\w+)/(\w+)\.py", r"api/\1.md#\2"),
    (r"pancreas_ssl/(\w+)\.py", r"api/ground.md#\1"),
]


def relinked(text: str, source: Path, page: str) -> str:
    """Markdown whose links to files of the project lead to their pages; where the book has none, the words stay.

    Args:
        source: the file that the text stands in.
        page: its name in the book, such as "study/notes".

    Example:
        >>> relinked("the [cards](data_cards/msd.md)", _ROOT / "README.md", "teaching/start")
        'the [cards](../data/msd.md)'
    """

    def led(link: re.Match) -> str:
        goal = (source.parent / link[2]).resolve()
        if not goal.exists() or not goal.is_relative_to(_ROOT):
            return link[0]  # the check of the built pages will find it
        name = goal.relative_to(_ROOT).as_posix()
        for file, there in _PAGES:
            if match := re.fullmatch(file, name):
                place, sign, anchor = match.expand(there).partition("#")
                place = place.lower() if place.startswith("study/") else place
                place = posixpath.relpath(place, posixpath.dirname(page) or ".")
                return f"[{link[1]}]({place}{link[3] or sign + anchor})"
        return link[1]

    return _LINK.sub(led, text)


class _Page(HTMLParser):
    def __init__(self, path: Path):
        super().__init__()
        self.anchors, self.links, self.unnamed = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        self.links += [given[key] for key in ("href", "src") if given.get(key)]
        if tag == "img" and not given.get("alt"):
            self.unnamed.append(given.get("src", "")[:80])


def broken_links(folder: Path) -> list[str]:
    """One sentence for each link that leads nowhere, loads from a network, or picture without a description.

    Args:
        folder: of HTML pages that link to each other.

    Example:
        >>> broken_links(Path("runs/book"))    # doctest: +SKIP
        ['index.html: no words for the picture cover.png']
    """
    pages = {path.resolve(): _Page(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve()).as_posix()
        found += [f"{name}: no words for the picture {source}" for source in page.unnamed]
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not goal.exists():
                found.append(f"{name}: {link} does not exist")
            elif anchor and goal in pages and anchor not in pages[goal].anchors:
                found.append(f"{name}: {link} has no such anchor")
    return found

"""The book's pages beside the notebooks: start page, cards, the study, the teacher's part, and where all comes from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pancreas_ssl.data.cards import Card, list_cards, load_card
from pancreas_ssl.data.yaml_errors import split_front_matter
from pancreas_ssl.inference import known_weights
from pancreas_ssl.progress import duration
from pancreas_ssl.runs.formatting import megabytes
from pancreas_ssl.teaching.book_chapters import Chapter
from pancreas_ssl.teaching.book_links import relinked

__all__ = ["ASSETS", "about_page", "card_page", "contents", "pages_of_texts", "start_page"]

ASSETS = Path(__file__).parents[1] / "assets"
BOOK = ASSETS / "book"


def pages_of_texts(glossary: Path) -> dict[str, str]:
    """Pages that stand as Markdown in the package or its clone: name in the book -> text."""
    files = {"glossary": glossary, "changelog": BOOK / "changelog.md"}
    files |= {f"models/{name}": ASSETS / f"{name}.md" for name in _model_cards()}
    files |= {f"study/{name.lower()}": ASSETS / "study" / f"{name}.md" for name in ("PROTOCOL", "NOTES")}
    files["study/protocol-2"] = ASSETS / "study2" / "PROTOCOL.md"
    files |= {f"teaching/{path.stem}": path for path in sorted((ASSETS / "teaching").glob("*.md"))}
    pages = {name: relinked(path.read_text(encoding="utf-8"), path, name) for name, path in files.items()}
    cards = {name: load_card(name) for name in list_cards()}
    for name, card in cards.items():
        pages[f"data/{name}"] = relinked(card_page(card), card.path, f"data/{name}")
    pages["data/index"] = _list("Data sets", _DATA, {name: card.summary for name, card in cards.items()})
    networks = {name: _facts_of_network(pages[f"models/{name}"]) for name in _model_cards()}
    pages["models/index"] = _list("Networks", _NETWORKS, networks)
    return pages


_DATA = (
    "Every data set takes one path, the simulated one included: its card says how the data come to disk, what the "
    "labels mean, what is known to be wrong, and with which sets it shares patients."
)
_NETWORKS = (
    "Weights that come with the package, each with its card. All of them were trained on simulated CT. None is best on "
    "real scans: notebook 07 shows what became of `real`, whose recipe two real scans chose."
)


def _list(title: str, intro: str, lines: Mapping[str, str]) -> str:
    """A page that leads to others of its folder."""
    links = "\n".join(f"- [{name}]({name}.md): {about}" for name, about in lines.items())
    return f"# {title}\n\n{intro}\n\n{links}\n\n{_tree(lines)}"


def _facts_of_network(card: str) -> str:
    facts = dict(re.findall(r"^\| (arm, seed, steps|trained on) \| (.+?) \|$", card, re.M))
    return f"arm {facts['arm, seed, steps'].split(',')[0]}, trained on {facts['trained on'].rsplit(', ', 1)[0]}."


def _model_cards() -> list[str]:
    return [name for name in known_weights() if (ASSETS / f"{name}.md").is_file()]


def card_page(card: Card) -> str:
    """A data card for readers: its facts in a table, defects and overlaps, its text, and the header folded away."""
    header, body = split_front_matter(card.path)
    title, _, text = body.partition("\n")
    sources = ", ".join(f"`{name}` ({about.role}): {about.title}" for name, about in card.sources.items())
    facts = {
        "In a command": f"`{card.name}`",
        "Sources": sources,
        "Licence": card.licence.statement,
        "Homepage": card.homepage,
        "Cite": "<br>".join(card.citation),
    }
    rows = [f"| {name} | {_cell(value)} |" for name, value in facts.items() if value]
    parts = [title, card.summary, "\n".join(["| | |", "|---|---|", *rows])]
    if card.known_defects:
        parts += ["## Known defects", "\n".join(f"- {one}" for one in card.known_defects)]
    if card.overlaps:
        parts += ["## Overlaps", "\n".join(f"- [{name}]({name}.md): {why}" for name, why in card.overlaps.items())]
    fold = f"<details><summary>The card's header, as it drives access</summary>\n\n```yaml\n{header}\n```\n\n</details>"
    return "\n\n".join([*parts, text.strip(), fold]) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"(?<![<(])\bhttps?://[^\s|)]+", r"<\g<0>>", " ".join(text.split()).replace("|", "\\|"))


def start_page(chapters: Sequence[Chapter]) -> str:
    """The first page: what the course asks, and a picture of each chapter."""
    tiles = "\n".join(_tile(one) for one in chapters)
    return (
        (BOOK / "index.md").read_text(encoding="utf-8").replace("CHAPTERS", f'<div class="tiles">\n\n{tiles}\n</div>')
    )


def _tile(one: Chapter) -> str:
    picture = f"![](tiles/{sha256(one.picture).hexdigest()}.png)\n\n" if one.picture else ""  # words: by the digest
    return f'<div class="tile">\n\n{picture}**[{one.title}]({one.name}.ipynb)**\n\n{one.question}\n\n</div>\n'


def contents(pages: Iterable[str], chapters: Sequence[Chapter]) -> str:
    """The table of contents: a toctree for each part of the book."""
    pages = list(pages)
    parts = {
        "The course": [*(one.name for one in chapters), "glossary"],
        "For teachers": [page for page in pages if page.startswith("teaching/")],
        "Data, networks, study": ["data/index", "models/index", "study/protocol-2", "study/protocol", "study/notes"],
        "Reference": [page for page in ("api/commands", "api/index", "changelog", "about") if page in pages],
    }
    return "\n".join(_tree(names, title) for title, names in parts.items() if names)


def _tree(names: Iterable[str], caption: str = "") -> str:
    caption = f":caption: {caption}\n" if caption else ""
    return "\n".join([f"```{{toctree}}\n{caption}:hidden:\n:maxdepth: 1\n", *names, "```\n"])


def about_page(report: Mapping[str, Any], executed: Sequence[str], missing: Sequence[str]) -> str:
    """From which run the pages come, on which machine, with which versions."""
    environment = report.get("environment", {})
    facts = {
        "Executed": report.get("started", "")[:10],
        "Profile": report.get("profile"),
        "Notebooks": f"{len(executed)} of {len(executed) + len(missing)}",
        "Time": duration(report["seconds"]) if "seconds" in report else None,
        "Device": environment.get("device"),
        "Cores": environment.get("cores"),
        "Memory": megabytes(environment["memory_bytes"]) if environment.get("memory_bytes") else None,
        "Python": environment.get("python"),
        "Commit": environment.get("commit"),
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items() if value is not None]
    versions = ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())
    told = [f"- {note}" for note in report.get("notes", [])]
    text = (BOOK / "about.md").read_text(encoding="utf-8")
    return text.replace("FACTS", "\n".join(["| | |", "|---|---|", *rows, "", *told, "", versions]))

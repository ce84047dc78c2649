"""The reference from docstrings: a page for each room, and docstrings read as the plain text that they are."""

import ast
import importlib
import pkgutil
import re
import textwrap
from collections.abc import Iterable, Iterator

__all__ = ["api_pages", "as_rst", "rooms"]

GROUND = ("errors", "files", "manifest", "progress", "signals", "versions", "devices", "doctor")
ORDER = (
    "engines",
    "phantom",
    "data",
    "method",
    "augmentation",
    "training",
    "inference",
    "evaluation",
    "study",
    "lessons",
    "figures",
    "widgets",
    "runs",
    "course",
    "teaching",
)  # fmt: skip  in the order in which a reader meets them; `cli` has a page of commands


def rooms() -> dict[str, list[str]]:
    """Each room of the package with its modules, and `ground` for the modules that stand alone."""
    found = {room: [f"pancreas_ssl.{room}.{one}" for one in _names(room)] for room in ORDER}
    return found | {"ground": [f"pancreas_ssl.{one}" for one in GROUND]}


def _names(room: str) -> list[str]:
    path = importlib.import_module(f"pancreas_ssl.{room}").__path__
    return [one.name for one in pkgutil.iter_modules(path)]


def api_pages(chosen: Iterable[str] | None = None) -> dict[str, str]:
    """Pages of the reference: name in the book -> MyST Markdown.

    Args:
        chosen: names of rooms, all by default.

    Example:
        >>> sorted(api_pages(["method"]))
        ['api/index', 'api/method']
    """
    known = rooms()
    known = known if chosen is None else {room: known[room] for room in chosen}
    pages = {f"api/{room}": _page(room, modules) for room, modules in known.items()}
    lines = [f"- [{room}]({room}.md): {_first_sentence(room)}" for room in known]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *known, "```"])
    pages["api/index"] = f"# The library, room by room\n\n{_ABOUT}\n\n" + "\n".join(lines) + f"\n\n{tree}\n"
    return pages


_ABOUT = (
    "Rooms import only from rooms below them: the phantom and the data know nothing of the method, and the method "
    "knows nothing of data sets, trainings or pictures. Begin with `method`, whose module `dual` is one training step "
    "from top to bottom. Shapes stand in the signatures: `Float[Tensor, 'B C X Y Z']` is a batch of volumes with C "
    "channels."
)


def _first_sentence(room: str) -> str:
    if room == "ground":
        return "what every room stands on: errors, files that appear whole, progress, devices, the doctor."
    text = importlib.import_module(f"pancreas_ssl.{room}").__doc__ or ""
    return " ".join(text.split("\n\n")[0].split())


def _page(room: str, modules: list[str]) -> str:
    package = "pancreas_ssl" if room == "ground" else f"pancreas_ssl.{room}"
    intro = _first_sentence(room) if room == "ground" else _directive(package, members=False)
    blocks = [f"# {room}", intro[0].upper() + intro[1:]]
    for module in modules:
        blocks += [f"## {module.rsplit('.', 1)[1]}", _directive(module, members=True)]
    return "\n\n".join(blocks) + "\n"


def _directive(module: str, members: bool) -> str:
    return "```{eval-rst}\n.. automodule:: " + module + ("\n   :members:" if members else "") + "\n```"


def as_rst(lines: list[str]) -> list[str]:
    """A docstring's lines in reStructuredText: `code` as literals, signs that it would read as markup escaped.

    Columns of words that stand below each other, and code that is set apart, stay as they are written.

    Example:
        >>> as_rst(["Voxels `x*y` where a * b > 0."])
        ['Voxels ``x*y`` where a \\\\* b > 0.']
    """
    return [line for block, literal in _blocks(lines) for line in (_literal(block) if literal else _prose(block))]


def _blocks(lines: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Paragraphs with the empty lines after them, and whether each is code or a table to be kept as written."""
    block, before, kept = [], "", False
    for line in [*lines, None]:
        if line is None or (block and not block[-1].strip() and line.strip()):
            first = block[0] if block else ""
            columns = first.startswith("|") or sum(bool(re.search(r"\S {3,}\S", one)) for one in block) >= 2
            apart = (
                first.startswith("    ")
                and ">>>" not in first
                and (kept or before.endswith(":") and not before[:1].isspace())
            )
            kept = bool(apart)
            yield block, bool(columns or apart) and ">>>" not in first
            before = next((one for one in reversed(block) if one.strip()), before)
            block = []
        if line is not None:
            block.append(line)


def _literal(block: list[str]) -> list[str]:
    code = textwrap.dedent("\n".join(block))
    return [f".. code-block:: {_language(code)}", "", *(f"    {line}" for line in code.split("\n")), ""]


def _language(code: str) -> str:
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python"


def _prose(block: list[str]) -> list[str]:
    example, found = False, []
    for line in block:
        example = line.strip().startswith((">>>", "...")) or example and bool(line.strip())
        if re.match(r"\s*- ", line) and found and found[-1].strip() and not re.match(r"\s*- |\s{2,}", found[-1]):
            found.append("")
        found.append(line if example else _escaped(line))
    return found


def _escaped(line: str) -> str:
    argument = re.match(r"\s*\*{1,2}\w+:", line)  # `**given: ...` is read by napoleon
    head = argument.group() if argument else ""
    parts = re.split(r"(``[^`]+``|`[^`]+`|(?<![\w*])\*[\w(][^*\n]*\*(?![\w*]))", line[len(head) :])
    for place, part in enumerate(parts):
        if place % 2 and part.startswith("`"):
            parts[place] = f"``{part.strip('`')}``"
        elif place % 2 == 0:
            part = re.sub(r"\[([^]]+)\]\((\S+)\)", r"\1 (\2)", part)  # a link of Markdown
            part = re.sub(r"(?<=\w)_(?!\w)|[*|\\]", r"\\\g<0>", part)
            before, after = place > 0 and part[:1].isalnum(), place + 1 < len(parts) and part[-1:].isalnum()
            parts[place] = "\\ " * before + part + "\\ " * after  # markup ends where no letter touches it
    return head + "".join(parts)

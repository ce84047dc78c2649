"""Slides from executed notebooks: reveal.js on disk, formulas as MathML, so that nothing is fetched while they show.

A section begins a column of slides, each figure or table gets its own, and the rest of a long text becomes the
speaker's notes (key S). The notebooks stay as they are: types are set on a copy, from headings and outputs.
"""

import re
from pathlib import Path

from pancreas_ssl.errors import InputError, require, without_paths
from pancreas_ssl.files import claim, copy_whole, write_text

__all__ = ["CODE", "dealt", "slides"]

REVEAL = Path(__file__).resolve().parents[1] / "assets" / "teaching" / "reveal"  # reveal.js, MIT licence
CODE = ("hidden", "folded", "shown")
LONG = 420  # characters of a text that a room can read
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w`])\$(?!\s)([^$\n`]+?)(?<!\s)\$(?![\w$])", re.S)
LIST = re.compile(r"[-*] |\d+\. |\||\$\$")  # a list, a table or a formula stays with the words that announce it
SKIPPED = {"injected-parameters", "parameters", "exercise"}
TEMPLATE = REVEAL.with_name("slides.html.j2")


def slides(run: str | Path, out: str | Path, code: str = "hidden", *, overwrite: bool = False) -> list[Path]:
    """Write the slides of each executed notebook of a run (a folder, or one notebook) into a folder.

    Args:
        code: hidden, folded (behind a word to click) or shown.

    Raises:
        InputError: no executed notebook there, another word for the code, or a foreign file in the way.

    Example:
        >>> slides("runs/tour", "slides")    # doctest: +SKIP
    """
    import nbformat

    require(code in CODE, f"the code {', '.join(CODE)}", code, "choose one")
    run, out = Path(run), Path(out)
    paths = [run] if run.is_file() else sorted(run.glob("*.ipynb"))
    require(bool(paths), "a folder with executed notebooks", f"none in {run}", "run pancreas-ssl tour --out RUN first")
    copied = [path.relative_to(REVEAL) for path in sorted(REVEAL.rglob("*")) if path.is_file()]
    made = [out / f"{path.stem}.html" for path in paths]
    claim([*made, *(out / "reveal" / name for name in copied)], overwrite=overwrite, inputs=paths)
    for path, page in zip(paths, made, strict=True):
        try:
            notebook = nbformat.read(path, as_version=4)
        except Exception as error:
            raise InputError(f"expected a notebook, got {path} ({type(error).__name__}); run it again") from error
        ran = any(cell.get("outputs") for cell in notebook.cells)
        require(ran, "an executed notebook", f"{path} without outputs", f"pancreas-ssl run {path.stem} first")
        write_text(page, _page(dealt(notebook, code), path.stem, code))
    for name in copied:
        copy_whole(REVEAL / name, out / "reveal" / name)
    return made


def dealt(notebook, code: str = "hidden"):
    """A copy of an executed notebook with slide types, without what does not belong on a slide."""
    import nbformat

    cells, copy = [], nbformat.from_dict(notebook)
    for cell in copy.cells:
        if SKIPPED & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "markdown":
            cells += _texts(cell.source)
        elif cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.output_type in ("display_data", "execute_result") or _said(o)]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = without_paths(output.text)
            if cell.outputs or code != "hidden":
                large = any({"image/png", "text/html"} & set(o.get("data", {})) for o in cell.outputs)
                alone = (large or code == "shown") and not _leads(cells)
                cell.metadata["slideshow"] = {"slide_type": "subslide" if alone else "-"}
                cells.append(cell)
    copy.cells = cells
    return copy


def _leads(cells: list) -> bool:
    """Whether what comes next shares the slide of a short text."""
    shown = [cell for cell in cells[-2:] if cell.metadata["slideshow"]["slide_type"] != "notes"]
    last = shown[-1] if shown else None
    return (
        last is not None
        and last.cell_type == "markdown"
        and len(last.source) <= 1.3 * LONG
        and "<math" not in last.source
    )


def _said(output) -> bool:
    """Whether an output is a text for the reader, and not progress."""
    return output.output_type == "stream" and output.name == "stdout" and bool(output.text.strip())


def _texts(source: str) -> list:
    """The cells for one text: what shows, and the rest as notes."""
    from nbformat.v4 import new_markdown_cell

    source = re.sub(r"<details>.*?</details>", "", source, flags=re.S).strip()
    source = re.sub(r"\[([^]]+)\]\((?!https?:)[^)]+\)", r"\1", source)  # links to files that are not beside the slides
    parts, cells = re.split(r"(?m)^(?=#{1,3} )", source), []
    for part in (part.strip() for part in parts if part.strip()):
        depth = len(part) - len(part.lstrip("#"))
        paragraphs = part.split("\n\n")
        shown, length = [], 0
        while paragraphs and (length < LONG / 2 or length + len(paragraphs[0]) <= LONG or LIST.match(paragraphs[0])):
            length += 0 if paragraphs[0].startswith("#") else len(paragraphs[0])
            shown.append(paragraphs.pop(0))
        kind = {0: "-", 1: "slide", 2: "slide", 3: "subslide"}[depth]
        if not depth and length > LONG / 2:
            kind = "subslide"
        for text, slide in (("\n\n".join(shown), kind), ("\n\n".join(paragraphs), "notes")):
            if text:
                cells.append(new_markdown_cell(_formulas(text), metadata={"slideshow": {"slide_type": slide}}))
    return cells


def _formulas(text: str) -> str:
    """LaTeX as MathML, which browsers draw by themselves; what cannot be read stays as it is."""
    from latex2mathml.converter import convert

    def drawn(found: re.Match) -> str:
        try:
            return convert(found[1] or found[2], display="block" if found[1] else "inline").replace("\n", " ")
        except Exception:  # whatever the library does not know
            return found[0]

    return MATH.sub(drawn, text)


def _page(notebook, name: str, code: str) -> str:
    from nbconvert.exporters import SlidesExporter
    from traitlets.config import Config

    hide = {"exclude_input": code == "hidden", "exclude_input_prompt": True, "exclude_output_prompt": True}
    config = Config(
        {"SlidesExporter": {"reveal_url_prefix": "reveal", "reveal_theme": "white"}, "TemplateExporter": hide}
    )
    exporter = SlidesExporter(config=config, raw_template=TEMPLATE.read_text(encoding="utf-8"))
    resources = {"metadata": {"name": name}, "folded": code == "folded"}
    return exporter.from_notebook_node(notebook, resources=resources)[0]

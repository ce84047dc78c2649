"""What the book asks of Sphinx: its settings, words for pictures, formulas without a network, readable signatures."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

from pancreas_ssl import __version__
from pancreas_ssl.teaching.api_pages import as_rst
from pancreas_ssl.teaching.book_pages import BOOK

__all__ = ["mathjax", "settings", "setup"]

_COLON = "\N{MODIFIER LETTER COLON}"


def mathjax() -> Path:
    """MathJax in one file with its glyphs (3.2.2, as the extra `book` installs it)."""
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    return Path(next(file for file in files if file.name == "tex-svg.js").locate())


def settings(alts: dict[str, str]) -> dict[str, Any]:
    """Sphinx's settings.

    Args:
        alts: sha256 of a picture -> what it shows, in words.
    """
    return {
        "project": "pancreas_ssl",
        "author": "the pancreas_ssl authors",
        "version": __version__,
        "language": "en",
        "extensions": [
            "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx.ext.mathjax",
            __name__,
        ],
        "nb_execution_mode": "off",
        "nb_merge_streams": True,
        "myst_enable_extensions": ["dollarmath", "colon_fence"],
        "myst_heading_anchors": 4,
        "myst_heading_slug_func": "pancreas_ssl.course.glossary.slug",
        "autodoc_member_order": "bysource",
        "autodoc_preserve_defaults": True,
        "autodoc_default_options": {"exclude-members": "model_config, model_post_init"},
        "add_module_names": False,
        "toc_object_entries_show_parents": "hide",
        "python_maximum_signature_line_length": 90,
        "napoleon_numpy_docstring": False,
        "viewcode_follow_imported_members": False,
        "mathjax_path": "tex-svg.js",
        "html_theme": "furo",
        "html_title": "pancreas_ssl",
        "html_static_path": [str(BOOK / "book.css"), str(mathjax())],
        "html_css_files": ["book.css"],
        "html_copy_source": False,
        "html_show_copyright": False,
        "html_show_sourcelink": False,
        "html_show_sphinx": False,
        "html_show_search_summary": False,  # it would fetch pages, which a page from a disk may not
        "html_theme_options": {"top_of_page_buttons": []},
        "pygments_style": "default",
        "suppress_warnings": ["myst.header", "ref.python"],
        "book_alts": alts,
    }  # fmt: skip


def setup(app) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_config_value("book_alts", {}, "env", dict)
    app.connect("autodoc-process-docstring", _docstring, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _colons_again, priority=900)  # and after it
    app.connect("autodoc-process-signature", _signature)
    app.connect("doctree-read", _words_for_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = as_rst(lines)
    if what in ("attribute", "data", "property"):  # napoleon takes the words before a colon for a type
        lines[:] = [line.replace(":", _COLON) for line in lines]


def _colons_again(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = [line.replace(_COLON, ":") for line in lines]


def _signature(app, what, name, obj, options, arguments, returns):
    """Shapes as one reads them in the code; a model of pydantic lists its fields in words."""
    if what == "class" and hasattr(obj, "model_fields"):
        return "", None
    short = [(r"\bjaxtyping\.(?=[A-Z])", ""), (r"= f([\"']).*?\1", "= ...")]  # Sphinx cannot parse f-strings, nor
    short += [(r"= <[^<>]*(?:<[^<>]*>[^<>]*)*>", "= ...")]  # objects without a literal
    for pattern, instead in short:
        arguments, returns = (text and re.sub(pattern, instead, text) for text in (arguments, returns))
    return arguments, returns


def _words_for_pictures(app, doctree) -> None:
    from docutils import nodes

    for image in doctree.findall(nodes.image):
        digest = Path(image["uri"]).stem
        if digest in app.config.book_alts:
            image["alt"] = app.config.book_alts[digest]

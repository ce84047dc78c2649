"""A picture that can also be read: the figure, its description in words, and the numbers behind it as a table."""

import base64
import html
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pancreas_ssl.errors import InputError, require
from pancreas_ssl.figures.style import drawing
from pancreas_ssl.files import atomic_path, claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
else:
    DataFrame = Any  # pandas is loaded with the first table

__all__ = ["Described", "require_columns"]

_DOTS_PER_INCH = 144  # drawn at twice the size at which it is shown: sharp on a dense screen
_SHOWN_PER_INCH = 84
# Vector formats, and what of their metadata is left out: no date, so that the same figure is the same file.
_ABOUT: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass
class Described:
    """A figure with its twins.

    Args:
        figure: the matplotlib figure.
        alt: what the figure shows, in one to four sentences, for readers who cannot see it.
        table: the numbers behind the figure; rows become a DataFrame.
        name: letters, digits, `-` and `_`; the stem of the files it is saved under.

    Raises:
        InputError: the description or the table is empty, or the name cannot be a file name.

    Example:
        >>> from pancreas_ssl.figures import hu_histograms
        >>> import numpy as np
        >>> drawn = hu_histograms({"A": np.zeros(100)}, "Pancreas")
        >>> drawn.table["mean HU"].tolist()
        [0.0]
    """

    figure: "Figure"
    alt: str
    table: DataFrame | list[dict[str, Any]]
    name: str
    _png: bytes | None = field(default=None, repr=False)

    def __post_init__(self):
        import pandas as pd

        described = len(self.alt.strip()) >= 20
        require(described, f"a description of the figure {self.name!r} in words", repr(self.alt), "write one")
        legal = re.fullmatch(r"[A-Za-z0-9_-]+", self.name) is not None
        require(legal, "a name of letters, digits, - and _", repr(self.name), "rename the figure")
        if isinstance(self.table, list):
            self.table = pd.DataFrame(self.table)
        if self.table is None or self.table.empty:
            raise InputError(f"the figure {self.name!r} has no rows in its table; give the numbers that it draws")

    def png(self) -> bytes:
        """The picture as PNG (drawn once)."""
        if self._png is None:
            buffer = io.BytesIO()
            with drawing():
                self.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
            self._png = buffer.getvalue()
        return self._png

    def table_html(self) -> str:
        """The description and the table as HTML, folded away until it is asked for."""
        table = self.table.to_html(index=False, border=0, na_rep="n/a", float_format=_short)
        return f"<details><summary>Table</summary><p><em>In words:</em> {html.escape(self.alt)}</p>{table}</details>"

    def show(self) -> None:
        """Display the PNG (its alt text in the metadata) and the folded table; save both where asked.

        With the environment variable PANCREAS_SSL_FIGURES set to a folder, NAME.png, NAME.csv and NAME.txt (the
        alt text) are written there as well; PANCREAS_SSL_FIGURE_FORMATS, such as `svg,pdf`, adds these.
        """
        from IPython.display import display

        width = round(self.figure.get_figwidth() * _SHOWN_PER_INCH)
        display(
            {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt},
            metadata={
                "image/png": {"alt": self.alt, "width": width},
                "pancreas_ssl": {"figure": self.name, "alt": self.alt},
            },
            raw=True,
        )
        display(
            {"text/html": self.table_html(), "text/plain": self.table.to_string(index=False)},
            metadata={"pancreas_ssl": {"table_of": self.name}},
            raw=True,
        )
        if folder := os.environ.get("PANCREAS_SSL_FIGURES"):
            more = os.environ.get("PANCREAS_SSL_FIGURE_FORMATS", "").replace(",", " ").split()
            self.save(folder, dict.fromkeys(("png", *more)))

    def save(self, folder: str | Path, formats: Iterable[str] = ("png",)) -> dict[str, Path]:
        """Write NAME.csv, NAME.txt (the alt text) and NAME in each format to `folder`; the files appear whole.

        Args:
            formats: of `png`, `svg` (text as text) and `pdf` (fonts embedded).

        Raises:
            InputError: another format; foreign files in the folder.

        Example:
            >>> drawn.save("figures", formats=["pdf"])    # doctest: +SKIP
        """
        strange = sorted(set(formats) - {"png", *_ABOUT})
        require(not strange, "figures as PNG, SVG or PDF", ", ".join(strange), "name one of these")
        writers: dict[str, Any] = {
            **{f".{kind}": partial(self._draw, kind) for kind in formats},
            ".csv": lambda path: self.table.to_csv(path, index=False),
            ".txt": lambda path: path.write_text(self.alt + "\n", encoding="utf-8"),
        }
        paths = {suffix: Path(folder) / (self.name + suffix) for suffix in writers}
        claim(paths.values())
        for suffix, write in writers.items():
            with atomic_path(paths[suffix]) as temporary:
                write(temporary)
        return paths

    def _draw(self, kind: str, path: Path) -> None:
        if kind == "png":
            path.write_bytes(self.png())
            return
        with drawing():
            self.figure.savefig(path, format=kind, metadata=_ABOUT[kind] | {"Title": self.name})

    def _ipython_display_(self) -> None:
        self.show()


def require_columns(table: DataFrame, *columns: str, remedy: str = "pass a table of that kind") -> None:
    """Complain (`InputError`) about a table without rows or without one of these columns."""
    fine = not table.empty and set(columns) <= set(table.columns)
    got = f"{list(table.columns)} with {len(table)} rows"
    require(fine, f"rows with the columns {', '.join(columns)}", got, remedy)


def _short(value: float) -> str:
    """Four significant digits, whole numbers from 1000 on."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"

"""Values, sizes and tables as a reader wants them."""

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["megabytes", "print_table", "readable"]


def readable(value: Any) -> str:
    """One value as a reader wants it: four significant digits, lists with commas."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "n/a"}[value]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(readable(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {readable(item)}" for key, item in value.items())
    return str(value)


def megabytes(size: float) -> str:
    """Bytes for a person: `850 MB`, `1.4 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def print_table(names: Sequence[str], rows: Iterable[Sequence[str]], colours: dict[str, str] | None = None) -> None:
    """Print rows of text under bold names; `colours` holds styles for words of the first column."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for first, *others in rows:
        table.add_row(Text(first, (colours or {}).get(first, "")), *map(Text, others))
    Console().print(table)

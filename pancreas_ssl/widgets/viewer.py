"""What every widget returns: a static figure, a live part where a front end is there, and a line that says which."""

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pancreas_ssl.errors import InputError
from pancreas_ssl.figures import Described

__all__ = ["Viewer", "is_live"]

_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def is_live(live: bool | str | None = None) -> bool:
    """Whether a front end listens, so that sliders would work.

    An explicit `live` (True, False, "yes", "no") decides. With None or "auto" it is the environment variable
    PANCREAS_SSL_LIVE (0 or 1), else whether JPY_SESSION_NAME is set, which Jupyter Server does and papermill does
    not. VS Code, Colab and Voila do not set it either: there, pass `live="yes"` or set PANCREAS_SSL_LIVE=1.

    Raises:
        InputError: a text that is neither yes, no nor auto.
    """
    if isinstance(live, bool):
        return live
    for where, said in (("live", live), ("PANCREAS_SSL_LIVE", os.environ.get("PANCREAS_SSL_LIVE"))):
        said = "auto" if said is None else str(said).strip().lower()
        if said in _YES | _NO:
            return said in _YES
        if said not in ("", "auto"):
            raise InputError(f"expected {where} to be yes, no or auto, got {said!r}; choose one of them")
    return "JPY_SESSION_NAME" in os.environ


@dataclass
class Viewer:
    """A picture that may also be live.

    Attributes:
        static: the figure; None only where there is nothing to draw yet.
        live: the widget, or None without a front end.
        said: one line: which viewer is shown, and why no other.
    """

    static: Described | None
    live: Any | None
    said: str

    @classmethod
    def of(
        cls, static: Described, live: bool | str | None, make: Callable[[], Any], shown: str, offer: str, then: str
    ) -> "Viewer":
        """The figure, and what `make` gives where a front end is there (see `is_live`).

        Args:
            shown, offer, then: words for the line: what the figure is, what JupyterLab would offer, what the live part
                is.
        """
        if is_live(live):
            return cls(static, make(), f"Viewer: static {shown}, then {then} (ipywidgets).")
        return cls(static, None, f"Viewer: static {shown} (no live front end; in JupyterLab {offer}).")

    def show(self) -> None:
        """Display the static figure, then the live part, then the line."""
        from IPython.display import display

        if self.static is not None:
            self.static.show()
        if self.live is not None:
            display(self.live)
        display({"text/html": f"<p><small>{html.escape(self.said)}</small></p>", "text/plain": self.said}, raw=True)

    def _ipython_display_(self) -> None:
        self.show()

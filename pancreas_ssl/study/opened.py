"""What a cell of a study opens, and who stands on which side of it: nobody trains and is measured."""

from collections.abc import Mapping

from pancreas_ssl.data.access import Case, Root
from pancreas_ssl.data.image_checks import leak_of
from pancreas_ssl.data.roles import find_source, open_cases, role_of
from pancreas_ssl.errors import InputError, warn

__all__ = ["Sides", "cases_for", "root_of", "root_options"]


def root_of(source: str, root: Root) -> Root:
    """`root` for a card that reads a folder; other cards know where their files are."""
    return root if find_source(source)[0].access.method == "folder" else None


def root_options(root: Root) -> list[str]:
    """What follows each --root of a command line, so that it names the same folders."""
    by_card = root if isinstance(root, Mapping) else {"": root} if root else {}
    return [f"{card}={folder}" if card else str(folder) for card, folder in by_card.items()]


def cases_for(
    source: str,
    use: str,
    *,
    train: str | None,
    fold: int | None,
    reveal: bool,
    most: int | None = None,
    root: Root = None,
) -> list[Case]:
    """`open_cases`, with the fold where the source has any: held-out patients at home, all of them elsewhere."""
    folds = {"fold": fold, "home": train} if role_of(source) == "any" else {}
    return open_cases(source, use, reveal=reveal, most=most, root=root_of(source, root), **folds)


class Sides:
    """Which patients and scans train, and which are held out or measured, in one fold; nobody may be both."""

    def __init__(self, allow_leak: bool):
        self.allow_leak, self.keys, self.leaks = allow_leak, set(), []
        self.patients: dict[tuple[str, str], str] = {}
        self.scans: dict[str, tuple[str, str, str]] = {}

    def add_patients(self, found: list[Case], side: str, source: str) -> None:
        for case in found:
            if self.patients.setdefault((case.card, case.patient), side) != side:
                raise InputError(
                    f"expected patients on one side only, {case.patient} of {source} trains and is measured; "
                    f"correct the splits of the card"
                )

    def add_scans(self, found: list[tuple[Case, str]], side: str) -> None:
        for case, voxels in found:
            if leak := leak_of(case, side, voxels, self.scans, allow_leak=self.allow_leak):
                self.leaks.append(leak)

    def tell(self) -> None:
        """Warn about what was overruled."""
        if self.leaks:
            warn(f"{len(self.leaks)} scans stand twice, first {self.leaks[0]}; leaks are allowed")

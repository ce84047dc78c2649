"""Explore the phantom's sources: another patient, another scanner, or the same patient in another scanner."""

from functools import lru_cache
from typing import Any

import ipywidgets as w

from pancreas_ssl.figures.planes import WINDOW, scene
from pancreas_ssl.figures.source_sheet import source_sheet
from pancreas_ssl.phantom.cohort import SOURCES, make_case, patient_seeds
from pancreas_ssl.phantom.scanner import scan
from pancreas_ssl.widgets.live import control, status
from pancreas_ssl.widgets.live_slices import LiveSlices
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["same_patient", "source_explorer"]

SHOWN = 4  # patients on the static sheet


def same_patient(home: str, patient: int, sources: list[str]) -> dict[str, Any]:
    """One patient of the source `home`, scanned by each of `sources`: source -> `Scan`.

    Only the scanner differs: anatomy, organs and pancreas are the same (the field of view may be cropped differently).

    Example:
        >>> scans = same_patient("A", 0, ["A", "V"])      # doctest: +SKIP
    """
    _, anatomy = make_case(home, patient)
    _, scan_seed = patient_seeds(home, patient)
    return {source: scan(anatomy, source, scan_seed) for source in sources}


def source_explorer(
    sources: list[str] | None = None,
    patient: int = 0,
    *,
    patients: int = 16,
    title: str = "",
    name: str = "source_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """Four patients of the first source; with a front end also a choice of source and patient, and sliders.

    Args:
        sources: names in `pancreas_ssl.phantom.cohort.SOURCES`; default: all.
        patient: number of the first patient shown.
        patients: how many of each source the slider reaches.
        live: see `pancreas_ssl.widgets.is_live`.
    """
    names = list(SOURCES) if sources is None else list(sources)
    first = {f"{names[0]}, patient {p}": make_case(names[0], p)[0] for p in range(patient, patient + SHOWN)}
    static = source_sheet(first, title=title, name=name)
    words = "sheet", "you choose source and patient", "live explorer"
    return Viewer.of(static, live, lambda: LiveSources(names, patient, patients).box, *words)


class LiveSources(LiveSlices):
    """The live part: slices, and above their controls a choice of source and patient."""

    failure = "this scan could not be made"

    def __init__(self, names: list[str], patient: int, patients: int):
        titles = {f"{source}: {SOURCES[source].title}": source for source in names}
        self.which = control(w.Dropdown, "source", options=titles)
        last = {"min": 0, "max": patients - 1, "continuous_update": False}
        self.who = control(w.IntSlider, "patient", value=patient, **last)
        self.same = w.Checkbox(description=f"keep {names[0]}'s patient, change only the scanner", indent=False)

        @lru_cache(maxsize=8)
        def scan_of(source: str, index: int, same: bool) -> Any:
            return same_patient(names[0], index, [source])[source] if same else make_case(source, index)[0]

        self._scan_of = scan_of
        super().__init__(None, WINDOW, self.which, self.who, self.same)

    def follow(self, moved: w.Widget | None) -> None:
        if moved in (None, self.which, self.who, self.same):
            self.caption.value = status("making the scan ...")
            self.heading = f"patient {self.who.value}, {SOURCES[self.which.value].title}<br>"
            self.scene, moved = scene(self._scan_of(self.which.value, self.who.value, self.same.value)), None
        super().follow(moved)

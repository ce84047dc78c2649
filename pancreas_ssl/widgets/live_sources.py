"""Explore sources: another patient, another source, or (of the phantom) the same patient in another scanner."""

from functools import lru_cache
from typing import Any

import ipywidgets as w

from pancreas_ssl.data.roles import full_name, open_cases
from pancreas_ssl.figures.planes import WINDOW, scene
from pancreas_ssl.figures.source_sheet import source_sheet
from pancreas_ssl.lessons.home_and_away import look_at, phantom_key, title_of
from pancreas_ssl.phantom.cohort import make_case, patient_seeds
from pancreas_ssl.phantom.scanner import scan
from pancreas_ssl.widgets.live import control, status
from pancreas_ssl.widgets.live_slices import LiveSlices
from pancreas_ssl.widgets.viewer import Viewer

__all__ = ["same_patient", "source_explorer"]

SHOWN = 4  # patients on the static sheet


def same_patient(home: str, patient: int, sources: list[str]) -> dict[str, Any]:
    """One patient of the phantom's source `home`, scanned by each of its `sources`: source -> `Scan`.

    Only the scanner differs: anatomy, organs and pancreas are the same (the field of view may be cropped differently).

    Example:
        >>> scans = same_patient("phantom/A", 0, ["phantom/A", "phantom/V"])      # doctest: +SKIP
    """
    _, anatomy = make_case(phantom_key(home), patient)
    _, scan_seed = patient_seeds(phantom_key(home), patient)
    return {source: scan(anatomy, phantom_key(source), scan_seed) for source in sources}


def source_explorer(
    sources: list[str],
    patient: int = 0,
    *,
    patients: int = 16,
    title: str = "",
    name: str = "source_explorer",
    live: bool | str | None = None,
) -> Viewer:
    """Four patients of the first source; with a front end also a choice of source and patient, and sliders.

    Args:
        sources: `card/source` of each; the first is home (see `look_at`).
        patient: number of the first patient shown.
        patients: how many of each source the slider reaches.
        live: see `pancreas_ssl.widgets.is_live`.
    """
    home = sources[0]
    end = patient + SHOWN
    if phantom_key(home) is None:  # a set of files has so many and no more
        patients = len(open_cases(home, "train"))
        end = max(patient + 1, min(end, patients))
    first = {f"{full_name(home)}, patient {p}": look_at(home, p, home) for p in range(patient, end)}
    static = source_sheet(first, title=title, name=name)
    words = "sheet", "you choose source and patient", "live explorer"
    return Viewer.of(static, live, lambda: LiveSources(list(sources), patient, patients).box, *words)


class LiveSources(LiveSlices):
    """The live part: slices, and above their controls a choice of source and patient."""

    failure = "this scan cannot be shown"

    def __init__(self, names: list[str], patient: int, patients: int):
        home = names[0]
        self.which = control(w.Dropdown, "source", options={title_of(one): one for one in names})
        last = {"min": 0, "max": max(patients - 1, patient), "continuous_update": False}
        self.who = control(w.IntSlider, "patient", value=patient, **last)
        keep = f"keep the patient of {full_name(home)}, change only the scanner (of the phantom)"
        self.same = w.Checkbox(description=keep, indent=False, disabled=phantom_key(home) is None)

        @lru_cache(maxsize=4)
        def scan_of(source: str, index: int, same: bool) -> Any:
            return same_patient(home, index, [source])[source] if same else look_at(source, index, home)

        self._scan_of = scan_of
        super().__init__(None, WINDOW, self.which, self.who, self.same)

    def follow(self, moved: w.Widget | None) -> None:
        if moved in (None, self.which, self.who, self.same):
            self.caption.value = status("making the scan ...")
            self.heading = f"patient {self.who.value}, {title_of(self.which.value)}<br>"
            same = self.same.value and phantom_key(self.which.value) is not None
            self.scene, moved = scene(self._scan_of(self.which.value, self.who.value, same)), None
        super().follow(moved)

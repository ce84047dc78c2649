"""Wander through the phantom's sources: another patient, another scanner, or the same patient in another scanner."""

from functools import lru_cache
from typing import Any

from pancreas_ssl.figures.planes import scene
from pancreas_ssl.figures.slices import WINDOW
from pancreas_ssl.figures.source_sheet import source_sheet
from pancreas_ssl.widgets.slices import LiveSlices
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["same_patient", "source_explorer"]

SHOWN = 4  # patients on the static sheet


def same_patient(home: str, patient: int, sources: list[str]) -> dict[str, Any]:
    """One patient of the source `home`, scanned by each of `sources`: source -> `Scan`.

    Only the scanner differs: anatomy, organs and pancreas are the same (the field of view may be cropped otherwise).

    Example:
        >>> scans = same_patient("A", 0, ["A", "V"])      # doctest: +SKIP
    """
    from pancreas_ssl.phantom.cohort import make_case, patient_seeds
    from pancreas_ssl.phantom.scanner import scan

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
    from pancreas_ssl.phantom.cohort import SOURCES, make_case

    names = list(SOURCES) if sources is None else list(sources)
    first = {f"{names[0]}, patient {p}": make_case(names[0], p)[0] for p in range(patient, patient + SHOWN)}
    static = source_sheet(first, title=title, name=name)
    if not is_live(live):
        said = "Viewer: static sheet (no live front end; in JupyterLab you choose source and patient)."
        return Viewer(static, None, said)
    return Viewer(
        static, _explorer(names, patient, patients), "Viewer: static sheet, then live explorer (ipywidgets)."
    )


def _explorer(names: list[str], patient: int, patients: int):
    import ipywidgets as w

    from pancreas_ssl.phantom.cohort import SOURCES, make_case

    @lru_cache(maxsize=8)
    def get(source: str, index: int, home: str | None):
        return same_patient(home, index, [source])[source] if home else make_case(source, index)[0]

    style = {"description_width": "70px"}
    which = w.Dropdown(
        options={f"{s}: {SOURCES[s].title}": s for s in names},
        description="source",
        style=style,
        layout=w.Layout(width="440px"),
    )
    who = w.IntSlider(
        value=patient, min=0, max=patients - 1, description="patient", continuous_update=False, style=style
    )
    same = w.Checkbox(
        value=False, description=f"keep {names[0]}'s patient, change only the scanner", indent=False
    )
    state = w.HTML()
    slices = LiveSlices(scene(get(names[0], patient, None)), WINDOW)

    def changed(_change=None):
        state.value = '<div role="status">making the scan ...</div>'
        try:
            slices.show_scene(scene(get(which.value, who.value, names[0] if same.value else None)))
            state.value = f'<div role="status">patient {who.value}, {SOURCES[which.value].title}</div>'
        except Exception as error:  # a callback has no cell to fail in: say it where the reader looks
            state.value = f'<div role="alert">this scan could not be made: {error}</div>'

    for control in (which, who, same):
        control.observe(changed, "value")
    return w.VBox([w.HBox([which, who, same], layout=w.Layout(flex_flow="row wrap")), state, slices.box])

"""Is the label of this image, of this patient, and the right way round? Checks and gate as in `image_checks`."""

import itertools
from collections.abc import Iterator

import numpy as np

from pancreas_ssl.data.access import Case, cache_dir
from pancreas_ssl.data.dicom_labels import is_dicom_label
from pancreas_ssl.data.image_checks import Check, passed
from pancreas_ssl.data.nifti import forms_disagree
from pancreas_ssl.data.reading import grid_difference, read_image, read_label
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import write_text
from pancreas_ssl.manifest import key_of, states_of
from pancreas_ssl.versions import code_digest

__all__ = ["check_label", "checked_label", "examine_label", "holds_pancreas", "read_case_label", "spread_under_flips"]

METAL = 300  # HU: brighter than any pancreas


def spread_under_flips(image: Volume, label: Volume, most: int = 20_000) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (HU) under the label as it lies ("as stored") and under its seven mirror images.

    A label in the right place covers one kind of tissue, so its spread is the smallest of the eight, unless label and
    image disagree about their axes. What is brighter than 300 HU counts as 300: a metal stent must not decide.
    """
    voxels = np.argwhere(label.array.T)[:, ::-1]  # files keep x together in memory; turned, numpy walks along it
    voxels = voxels[:: max(1, len(voxels) // most)]
    last = np.array(image.shape) - 1
    result = {}
    for axes in itertools.product((False, True), repeat=3):
        where = np.where(axes, last - voxels, voxels)
        hu = np.minimum(image.array[tuple(where.T)], METAL)
        name = ", ".join(n for n, on in zip(("left-right", "back-front", "top-bottom"), axes, strict=True) if on)
        result[name or "as stored"] = (float(hu.mean()), float(hu.std()))
    return result


def _remedy(case: Case, label: Volume, flip: str) -> str:
    """What to do about a label that fits when it is mirrored."""
    if case.geometry == "own":
        return "it is likely mirrored, turn it back"
    turned = {"left-right": "LR", "back-front": "PA", "top-bottom": "SI"}
    swap = {a: b for name in flip.split(", ") for a, b in (turned[name], turned[name][::-1])}
    fitting = "".join(swap.get(code, code) for code in label.original.orientation)
    return f"set label_axes: {fitting} in a copy of the card"


def _orientation(case: Case, image: Volume, label: Volume, name: str) -> tuple[str, str]:
    spreads = spread_under_flips(image, label)
    mean, spread = spreads.pop("as stored")
    flip, (_, least) = min(spreads.items(), key=lambda item: item[1][1])
    here = f"{mean:.0f} +- {spread:.0f} HU under the label"
    if not -60 <= mean <= 250:
        remedy = "image and label may differ in their axes"
        return "error", f"expected soft tissue (-60 to 250 HU) under the label, {name} has {here}; {remedy}"
    if least < 0.75 * spread:
        found = f"{name} has {here}, but only +- {least:.0f} when mirrored {flip}"
        return "error", f"expected the label where its organ lies, {found}; {_remedy(case, label, flip)}"
    if least < spread:
        return "warning", f"{name} has {here}, slightly less (+- {least:.0f}) when mirrored {flip}; look at it"
    return "ok", f"{here}, at least +- {least:.0f} under its mirror images"


def _edges(label: Volume, name: str) -> tuple[str, str]:
    ends = zip(("left", "right", "back", "front", "lowest", "highest"), np.ndindex(3, 2), strict=True)
    # A view; `take` copies the whole volume where it is Fortran-ordered
    touched = [name for name, (axis, end) in ends if np.moveaxis(label.array, axis, 0)[-end].any()]
    if touched:
        slices = " and ".join(touched)
        return "warning", f"{name} touches the {slices} slice, so part of the pancreas may lie outside"
    return "ok", "the whole pancreas lies inside the scan"


def _label_checks(case: Case, label: Volume, image: Volume) -> Iterator[Check]:
    if difference := grid_difference(label, image):
        yield "label grid", "error", difference
        return
    name = f"the label of case {case.id}"
    if not label.original.oriented and image.original.oriented:
        yield "label grid", "warning", f"{name} stores no orientation; that of its image is taken"
    elif forms_disagree(label.original.header):
        yield "label grid", "warning", f"sform and qform of {name} disagree by more than 0.1 voxel; the sform is used"
    else:
        yield "label grid", "ok", "label and image have one grid"
    volume, (low, high) = float(np.count_nonzero(label.array)) * label.voxel_ml, case.limits.pancreas_ml
    if volume == 0:
        if case.require_pancreas:
            yield "pancreas volume", "ok", f"{name} holds no pancreas, so the card leaves it out"
            return
        needed = case.split in ("train", "held_out", "oracle", "all")
        wanted = " or ".join(map(str, case.label_values))
        said = f"expected a pancreas (label value {wanted}), {name} holds no pancreas"
        remedy = "leave it out or check label_values"
        yield "pancreas volume", "error" if needed else "warning", f"{said}; {remedy}"
        return
    usual = low <= volume <= high
    outside = f"{name} has {volume:.1f} mL, outside the usual {low:g} to {high:g} mL"
    yield "pancreas volume", "ok" if usual else "warning", f"{volume:.1f} mL" if usual else outside
    yield "field of view", *_edges(label, name)
    yield "orientation", *_orientation(case, image, label, name)


def read_case_label(
    case: Case, image: Volume, values: tuple[int, ...] | None = None, *, other_grid: bool = False
) -> Volume:
    """The label of a case that has one, as its card says: one file or several joined, by its own affine or its image's.

    Args:
        values: what counts, by default all that means pancreas; those of one of `case.parts`, say.
        other_grid: let a label on another grid pass, to be told about in full.

    Raises:
        InputError: as `read_label`.
    """
    how = {
        "known": case.known_values,
        "structures": dict(case.structures),
        "placed_as_image": case.geometry == "image",
        "axes": case.axes,
    }
    return read_label(case.joined or case.label, values or case.label_values, image, other_grid=other_grid, **how)


def holds_pancreas(case: Case) -> bool:
    """Whether a case has a label with a pancreas in it; remembered in the cache until its files change.

    Raises:
        InputError: a label that cannot be read.
    """
    if case.label is None:
        return False
    values = case.label_values
    how = values, [value for value, _ in case.joined], case.structures
    kept = cache_dir() / "pancreas" / key_of(code_digest("data"), *how, *map(states_of, case.labels))
    if kept.is_file() and (said := kept.read_text()) in ("yes", "no"):
        return said == "yes"
    if is_dicom_label(case.label) or case.geometry == "image":  # then a label is nothing without its image
        found = bool(read_case_label(case, read_image(case.image, case.series), values).array.any())
    else:
        found = bool(read_label(case.joined or case.label, values, known=case.known_values).array.any())
    write_text(kept, "yes" if found else "no")
    return found


def examine_label(case: Case, image: Volume) -> tuple[Volume | None, list[Check]]:
    """A case's label, where there is one that can be read, and the checks about it, as `check_label`."""
    if case.label is None:
        return None, [("label", "ok", "no label: this case can be segmented, not evaluated")]
    try:
        label = read_case_label(case, image, other_grid=True)
    except InputError as error:
        return None, [("label values", "error", str(error))]
    known = f"pancreas is {' or '.join(map(str, case.label_values))}, no unknown value"
    return label, [("label values", "ok", known), *_label_checks(case, label, image)]


def check_label(case: Case, image: Volume) -> list[Check]:
    """(check, level, message) about a case's label: values, grid, volume, border, orientation."""
    return examine_label(case, image)[1]


def checked_label(case: Case, image: Volume) -> tuple[Volume | None, list[str]]:
    """Read a case's label through the gate; returns it (None: the case has none) and the warnings, given as well.

    Raises:
        InputError: as `read_label`, and another grid, a mirrored label, no pancreas in a case that trains.
    """
    if case.label is None:
        return None, []
    label = read_case_label(case, image, other_grid=True)
    return label, passed(_label_checks(case, label, image))

"""Is the label of this image, of this patient, and the right way round? A part of the preflight."""

import itertools
from collections.abc import Iterator

import numpy as np

from pancreas_ssl.data.access import Case
from pancreas_ssl.data.cards import Limits
from pancreas_ssl.data.reading import grid_difference, read_label
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError

__all__ = ["check_label", "spread_under_flips"]


def spread_under_flips(image: Volume, label: Volume, most: int = 20_000) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (HU) under the label as it lies ("as stored") and under its seven mirror images.

    A label in the right place covers one kind of tissue, so its spread is the smallest of the eight, unless label and
    image disagree about their axes.
    """
    voxels = np.argwhere(label.array.T)[:, ::-1]  # files keep x together in memory; turned, numpy walks along it
    voxels = voxels[:: max(1, len(voxels) // most)]
    last = np.array(image.shape) - 1
    result = {}
    for axes in itertools.product((False, True), repeat=3):
        where = np.where(axes, last - voxels, voxels)
        hu = image.array[tuple(where.T)]
        name = ", ".join(n for n, on in zip(("left-right", "back-front", "top-bottom"), axes, strict=True) if on)
        result[name or "as stored"] = (float(hu.mean()), float(hu.std()))
    return result


def _orientation(image: Volume, label: Volume) -> tuple[str, str]:
    spreads = spread_under_flips(image, label)
    mean, spread = spreads.pop("as stored")
    flip, (_, least) = min(spreads.items(), key=lambda item: item[1][1])
    here = f"{mean:.0f} +- {spread:.0f} HU under the label"
    if not -60 <= mean <= 250:
        return "error", f"{here}, which is no soft tissue; image and label may differ in their axes"
    if least < 0.75 * spread:
        return "error", f"{here}, but only +- {least:.0f} when mirrored {flip}; the label is likely mirrored"
    if least < spread:
        return "warning", f"{here}, slightly less (+- {least:.0f}) when mirrored {flip}; look at the overlay"
    return "ok", f"{here}, at least +- {least:.0f} under its mirror images"


def _edges(label: Volume) -> tuple[str, str]:
    ends = zip(("left", "right", "back", "front", "lowest", "highest"), np.ndindex(3, 2), strict=True)
    touched = [name for name, (axis, end) in ends if label.array.take(-end, axis).any()]
    if touched:
        return "warning", f"the pancreas touches the {' and '.join(touched)} slice, so part of it may lie outside"
    return "ok", "the whole pancreas lies inside the scan"


def check_label(case: Case, image: Volume, limits: Limits) -> Iterator[tuple[str, str, str]]:
    """(check, level, message) about a case's label: values, grid, volume, border, orientation."""
    if case.label is None:
        yield "label", "ok", "no label: this case can be segmented, not evaluated"
        return
    try:
        label = read_label(case.label, case.label_values, known=case.known_values)
    except InputError as error:
        yield "label values", "error", str(error)
        return
    yield "label values", "ok", f"pancreas is {' or '.join(map(str, case.label_values))}, no unknown value"
    if difference := grid_difference(label, image):
        yield "label grid", "error", difference
        return
    yield "label grid", "ok", "label and image have one grid"
    volume, (low, high) = float(np.count_nonzero(label.array)) * label.voxel_ml, limits.pancreas_ml
    if volume == 0:
        level = "error" if case.split in ("train", "held_out") else "warning"
        yield "pancreas volume", level, "the label holds no pancreas"
        return
    usual = low <= volume <= high
    aside = "" if usual else f", outside the usual {low:g} to {high:g} mL"
    yield "pancreas volume", "ok" if usual else "warning", f"{volume:.1f} mL{aside}"
    yield "field of view", *_edges(label)
    yield "orientation", *_orientation(image, label)

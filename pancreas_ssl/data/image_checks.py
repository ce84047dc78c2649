"""What makes a scan fit for use: the checks that `preflight` shows as a table, and the gate that all commands pass.

A check is (name, level, message). At the gate an error is raised as an `InputError`, a warning is given as a
`DataWarning`, so that one defect is told in one sentence wherever it is met.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from pancreas_ssl.data.cards import Limits
from pancreas_ssl.data.hounsfield import HUFacts, check_image
from pancreas_ssl.data.nifti import forms_disagree
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError, warn

__all__ = ["Check", "checked_image", "geometry_checks", "image_checks", "name_of", "passed", "refuse_twins", "twins",
           "voxel_hash"]  # fmt: skip

Check = tuple[str, str, str]


def name_of(volume: Volume, otherwise: str = "the image") -> str:
    """The file a volume was read from."""
    return volume.original.path if volume.original and volume.original.path else otherwise


def geometry_checks(volume: Volume, limits: Limits) -> Iterator[Check]:
    """(check, level, message) about orientation and spacing; for images and labels alike."""
    name, original, (low, high) = name_of(volume), volume.original, limits.spacing_mm
    if original is not None and not original.oriented:
        yield "reading", "warning", f"{name} stores no orientation, so left and right are a guess"
    elif original is not None and forms_disagree(original.header):
        yield "reading", "warning", f"sform and qform of {name} disagree by more than 0.1 voxel; the sform is used"
    elif original is not None:
        yield "reading", "ok", f"{'x'.join(map(str, original.shape))}, axes {''.join(original.orientation)}"
    spacing = " x ".join(f"{s:.3g}" for s in volume.spacing) + " mm"
    if low <= min(volume.spacing) and max(volume.spacing) <= high:
        yield "spacing", "ok", spacing
    else:
        said = f"{name} has {spacing}, outside {low:g} to {high:g} mm"
        yield "spacing", "error", f"expected the spacing of a CT, {said}; correct its header or the card's limits"


def image_checks(volume: Volume, limits: Limits) -> Iterator[Check]:
    """(check, level, message) about a read image: orientation, spacing, HU."""
    yield from geometry_checks(volume, limits)
    try:
        yield "HU", *_hu(check_image(volume), name_of(volume))
    except InputError as error:
        yield "HU", "error", str(error)


def _hu(facts: HUFacts, name: str) -> tuple[str, str]:
    air = "no air" if np.isnan(facts.air) else f"air at {facts.air:.0f}"
    text = f"{facts.low:.0f} to {facts.high:.0f} HU, {air}, {facts.padding:.0%} padding left out"
    if facts.high <= 700 and facts.low > -700 and facts.clipped > 0.02:
        return "warning", f"the HU of {name} look clipped to a window ({text})"
    return "ok", text


def passed(checks: Iterable[Check]) -> list[str]:
    """The gate: raise the first error as an `InputError`, else give each warning; returns the warnings' sentences."""
    found = list(checks)
    for _, level, message in found:
        if level == "error":
            raise InputError(message)
    warnings = [message for _, level, message in found if level == "warning"]
    for message in warnings:
        warn(message)
    return warnings


def checked_image(path: str | Path, limits: Limits | None = None) -> tuple[Volume, list[str]]:
    """Read a CT through the gate; `limits` are those of its card, by default the usual ones.

    Returns:
        The volume and the warnings about it, which have been given as well.

    Raises:
        InputError: as `read_image`, and for a spacing outside the limits or voxels that are no HU.

    Example:
        >>> volume, warnings = checked_image("scan.nii.gz")    # doctest: +SKIP
    """
    volume = read_image(path)
    return volume, passed(image_checks(volume, limits or Limits()))


def voxel_hash(array: Num[np.ndarray, "X Y Z"]) -> str:
    """Digest of whole HU in RAS order: equal for one scan stored twice, whatever its file name, axes or compression."""
    digest = hashlib.blake2b(str(array.shape).encode(), digest_size=16)
    for k in range(array.shape[2]):
        digest.update(np.clip(array[:, :, k], -32768, 32767).astype(np.int16).tobytes("F"))
    return digest.hexdigest()


def twins(case: Any, side: str, voxels: str, seen: dict[str, tuple[str, str, str]]) -> str | None:
    """A sentence where another case in `seen` has the same voxels; else the case is put there.

    Args:
        case: has `id` and `source`.
        side: what the case is used for, such as `train`.
        seen: voxel hash -> (id, source, side).
    """
    other, source, where = seen.setdefault(voxels, (case.id, case.source, side))
    if (other, source) == (case.id, case.source) and where == side:
        return None
    sides = f" (in {where} and {side})" if where != side else ""
    found = f"{case.id} has the same voxels as case {other} of {source}{sides}"
    return f"expected each scan once, {found}; keep one of them"


def refuse_twins(sides: dict[str, Iterable[Any]]) -> None:
    """Refuse prepared cases of one scan: a network would be tested on, or see twice, what it learned from.

    Raises:
        InputError: two cases have the same voxels, within a side or on two sides.
    """
    seen: dict[str, tuple[str, str, str]] = {}
    for side, prepared in sides.items():
        for case in prepared:
            if case.voxels and (sentence := twins(case, side, case.voxels, seen)):
                raise InputError(sentence)

"""What makes a scan fit for use: the checks that `preflight` shows as a table, and the gate that all commands pass.

A check is (name, level, message). At the gate an error is raised as an `InputError`, a warning is given as a
`DataWarning`, so that one defect is told in one sentence wherever it is met.
"""

import base64
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from pancreas_ssl.data.cards import Limits, Series
from pancreas_ssl.data.hounsfield import HUFacts, check_image
from pancreas_ssl.data.nifti import forms_disagree
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError, warn

__all__ = ["Check", "checked_image", "find_scan", "geometry_checks", "image_checks", "leak_of", "name_of", "passed",
           "refuse_twins", "same_scan", "twins", "voxel_hash"]  # fmt: skip

Check = tuple[str, str, str]
WHOLE_HU = (-1000, 2000)
PLACES = 0.1 + 0.4 * (np.arange(1, 49)[:, None] * 1.2207440846057596 ** -np.arange(1.0, 4.0) % 1)  # Roberts' sequence
LETTERS = 60  # of 48 bytes in base 85


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


def checked_image(
    path: str | Path, limits: Limits | None = None, series: Series | None = None
) -> tuple[Volume, list[str]]:
    """Read a CT through the gate; `limits` and `series` are those of its card, by default the usual ones.

    Returns:
        The volume and the warnings about it, which have been given as well.

    Raises:
        InputError: as `read_image`, and for a spacing outside the limits or voxels that are no HU.

    Example:
        >>> volume, warnings = checked_image("scan.nii.gz")    # doctest: +SKIP
    """
    volume = read_image(path, series)
    return volume, passed(image_checks(volume, limits or Limits()))


def voxel_hash(array: Num[np.ndarray, "X Y Z"]) -> str:
    """A short text by which `same_scan` knows copies of a scan again: other file names, axes on disk, number types and
    compression, other padding, fractions of HU rounded or cut off, small retouches, and voxels that were mirrored or
    turned by right angles, with their header or without it. A copy that was resampled or cropped is another scan to it.

    It holds the sizes, and the HU at 48 places, each the mean over its mirror images (modulo 256, a byte each). HU are
    limited to -1000 to 2000 before, as sets store what lies beyond differently. An image without noise, of which so few
    voxels say little, is told by a digest of all its whole HU instead.

    Example:
        >>> scan = np.random.default_rng(0).normal(0, 100, (15, 16, 17))
        >>> same_scan(voxel_hash(scan), voxel_hash(scan[::-1].astype(np.int16)))
        True
    """
    sizes = np.sort(array.shape)
    index = (PLACES * sizes).astype(int)
    turns = [array.transpose(axes) for axes in itertools.permutations(range(3))]
    found = [
        np.clip(turned[tuple(np.where(flip, sizes - 1 - index, index).T)], *WHOLE_HU)
        for turned in turns
        if turned.shape == tuple(sizes)
        for flip in itertools.product((False, True), repeat=3)
    ]
    places = (np.rint(np.mean(found, axis=0)) % 256).astype(np.uint8)
    few = len(set(places.tolist())) < len(places) / 4
    return f"{'x'.join(map(str, sizes))}:{_digest(array) if few else base64.b85encode(places.tobytes()).decode()}"


def _digest(array: Num[np.ndarray, "X Y Z"]) -> str:
    """Digest of the sums of whole HU in the slices of each axis, in the direction and order that sort first."""
    array = np.moveaxis(array, np.argmax(np.abs(array.strides)), 0)  # slices that lie together in memory
    sums = [np.zeros(size, np.int64) for size in array.shape]
    for k, plane in enumerate(array):
        whole = np.clip(np.rint(plane), *WHOLE_HU).astype(np.int32)
        lines = whole.sum(axis=1)
        sums[0][k], sums[1][:], sums[2][:] = lines.sum(), sums[1] + lines, sums[2] + whole.sum(axis=0)
    profiles = sorted(min(one.tobytes(), one[::-1].tobytes()) for one in sums)
    return hashlib.blake2b(b"".join(profiles), digest_size=16).hexdigest()


def same_scan(one: str, other: str) -> bool:
    """Whether two texts of `voxel_hash` are of one scan: equal, or nine of ten places within 1 HU (among 150 phantoms,
    two of one size had at most 8 of the 48)."""
    if one == other:
        return True
    (size, _, places), (size_too, _, places_too) = one.partition(":"), other.partition(":")
    if size != size_too or not len(places) == len(places_too) == LETTERS:
        return False
    try:
        apart = np.frombuffer(base64.b85decode(places + places_too), np.uint8).reshape(2, -1)
    except ValueError:  # a text from elsewhere
        return False
    return bool(np.mean(np.abs((apart[0] - apart[1]).view(np.int8)) <= 1) >= 0.9)


def find_scan(voxels: str, known: Iterable[str]) -> str | None:
    """The text in `known` that is of the same scan."""
    return next((one for one in known if same_scan(one, voxels)), None) if voxels else None


def twins(case: Any, side: str, voxels: str, seen: dict[str, tuple[str, str, str]]) -> str | None:
    """A sentence where another case in `seen` has the same voxels; else the case is put there.

    Args:
        case: has `id` and `source`.
        side: what the case is used for, such as `train`.
        seen: voxel hash -> (id, source, side).
    """
    known = find_scan(voxels, seen) or voxels
    other, source, where = seen.setdefault(known, (case.id, case.source, side))
    if (other, source) == (case.id, case.source) and where == side:
        return None
    sides = f" (in {where} and {side})" if where != side else ""
    found = f"{case.id} has the same voxels as case {other} of {source}{sides}"
    return f"expected each scan once, {found}; keep one of them"


def leak_of(
    case: Any, side: str, voxels: str, seen: dict[str, tuple[str, str, str]], *, allow_leak: bool
) -> str | None:
    """What is wrong about two cases of one scan, where it is allowed: they stand on two sides, or in two sources; None
    where no case in `seen` is of this scan. Arguments as in `twins`.

    Raises:
        InputError: it is not allowed, or one of them is superfluous anyway.
    """
    if not (sentence := twins(case, side, voxels, seen)):
        return None
    if seen[find_scan(voxels, seen)][1:] == (case.source, side):
        raise InputError(sentence)
    if not allow_leak:
        raise InputError(f"{sentence}, or overrule with --allow-leak, which the report will say")
    return sentence.removeprefix("expected each scan once, ").partition(";")[0]


def refuse_twins(sides: dict[str, Iterable[Any]], *, allow_leak: bool = False) -> list[str]:
    """Refuse prepared cases of one scan: a network would be tested on, or see twice, what it learned from.

    Args:
        sides: what they are used for -> the cases.
        allow_leak: let a scan stand on two sides, or in two sources, with a warning.

    Returns:
        What is wrong about those that were allowed, a sentence for each.

    Raises:
        InputError: two cases have the same voxels, within a side or on two sides.
    """
    seen: dict[str, tuple[str, str, str]] = {}
    allowed = []
    for side, prepared in sides.items():
        for case in prepared:
            if case.voxels and (leak := leak_of(case, side, case.voxels, seen, allow_leak=allow_leak)):
                allowed.append(leak)
    for sentence in allowed:
        warn(f"{sentence}; leaks are allowed")
    return allowed

"""From a CT in HU to what the network sees: one spacing, one window, [-1, 1]; and back to the CT's own grid."""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Num, UInt8

from pancreas_ssl.data.access import Case, cache_dir
from pancreas_ssl.data.image_checks import checked_image, voxel_hash
from pancreas_ssl.data.label_checks import checked_label
from pancreas_ssl.data.reading import read_organs
from pancreas_ssl.data.resampling import covering_grid, resample
from pancreas_ssl.data.volume import Volume, spacing_of
from pancreas_ssl.errors import InputError, require, warn
from pancreas_ssl.files import atomic_path
from pancreas_ssl.manifest import states_of
from pancreas_ssl.versions import code_digest

__all__ = ["Prepared", "prepare", "prepare_case", "prepare_cases", "to_volume_grid"]

Window = tuple[float, float]


@dataclass(frozen=True)
class Prepared:
    """A case as the network sees it: channel first, RAS+, `spacing` mm, image in [-1, 1], label 0 or 1.

    `affine` takes indices of this grid to mm; `window` holds the HU shown as -1 and 1; `organs`, where it was asked
    for, holds the card's organ numbers (`phantom.tissues.Organ` for the phantom). `voxels`, of a case read from files,
    is the digest of its scan (`image_checks.voxel_hash`), by which copies are found.
    """

    id: str
    source: str
    image: Float32[np.ndarray, "1 X Y Z"]
    label: UInt8[np.ndarray, "1 X Y Z"] | None
    spacing: tuple[float, float, float]
    affine: Float[np.ndarray, "4 4"]
    window: Window
    organs: UInt8[np.ndarray, "1 X Y Z"] | None = None
    voxels: str = ""


def prepare(
    image: Volume,
    label: Volume | None = None,
    *,
    organs: Volume | None = None,
    spacing: float | tuple[float, float, float] = 3.0,
    window: Window = (-150.0, 250.0),
    id: str = "",
    source: str = "",
) -> Prepared:
    """Resample to `spacing` mm, clip to `window` HU and scale it to [-1, 1]; the label follows.

    The default window spans fat (-100) to enhanced vessels (200); 3 mm keeps a pancreas 20 mm thick seven voxels wide
    and an abdomen small enough for a CPU. HU are clipped after averaging, as a scanner of that resolution would see
    them. A voxel is labelled where at least half of it is; an organ map takes the value of its nearest voxel. Values
    are rounded to half precision (0.1 HU), so that a case from the cache and a fresh one hold the same numbers.

    Shapes: image (X, Y, Z) -> (1, x, y, z) with x = ceil(X * spacing_in / spacing).

    Raises:
        InputError: an empty window, a spacing of 0 mm, or a label or organ map of another shape.

    Example:
        >>> ct = Volume(np.full((40, 40, 20), 50, np.float32), np.diag([1.5, 1.5, 3.0, 1.0]))
        >>> prepare(ct).image.shape, float(prepare(ct).image[0, 5, 5, 5])
        ((1, 20, 20, 20), 0.0)
    """
    goal = (float(spacing),) * 3 if np.isscalar(spacing) else tuple(float(s) for s in spacing)
    low, high = (float(w) for w in window)
    require(low < high, "a window (low, high) in HU with low < high", f"({low:g}, {high:g})", "swap them")
    require(min(goal) > 0, "a spacing above 0 mm", goal, "3.0 is the default")
    for other in filter(None, (label, organs)):
        got = f"{other.shape} and {image.shape}"
        require(other.shape == image.shape, "label and image of one shape", got, "read with like=")
    grid = covering_grid(image.shape, image.spacing, goal)
    values = resample(image.array, *grid)
    values = (np.clip(values, low, high) - (low + high) / 2) / ((high - low) / 2)
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ np.array([*grid[1], 1.0]))[:3]
    affine[:3, :3] = image.affine[:3, :3] * np.array(grid[2])
    mask = None
    if label is not None:
        mask = (resample(label.array, *grid, kernel="overlap") >= 0.5).astype(np.uint8)[None]
    named = _nearest(organs.array, *grid)[None] if organs is not None else None
    rounded = values.astype(np.float16).astype(np.float32)[None]
    return Prepared(id, source, rounded, mask, spacing_of(affine), affine, (low, high), named)


def _nearest(array: Num[np.ndarray, "X Y Z"], sizes, starts, steps) -> Num[np.ndarray, "x y z"]:
    """The value of the voxel nearest to each position `start + k * step`; type kept."""
    axes = zip(sizes, array.shape, starts, steps, strict=True)
    places = [np.clip(np.rint(start + step * np.arange(n)).astype(int), 0, m - 1) for n, m, start, step in axes]
    return array[np.ix_(*places)]


def to_volume_grid(
    values: Num[np.ndarray, "X Y Z"], prepared: Prepared, like: Volume, mode: str = "linear"
) -> Num[np.ndarray, "x y z"]:
    """Bring a map of the prepared grid (probability, entropy, mask) back to the grid of the scan it came from.

    `linear` gives float32 (threshold a probability at 0.5 afterwards), `nearest` keeps the type of `values`.

    Shapes: (X, Y, Z) of `prepared` -> `like.shape`.
    """
    shape = prepared.image.shape[1:]
    require(tuple(values.shape) == shape, f"a map of shape {shape}", values.shape, "drop its channel")
    require(mode in ("linear", "nearest"), "mode 'linear' or 'nearest'", repr(mode), "choose one of them")
    link = np.linalg.inv(prepared.affine) @ like.affine  # index of the scan -> index of the prepared grid
    steps, starts = np.diag(link)[:3], link[:3, 3]
    if np.abs(link[:3, :3] - np.diag(steps)).max() > 1e-3:
        raise InputError("expected the scan that was prepared, its axes point elsewhere; pass the same volume")
    starts = [0.0 if abs(start) < 1e-6 else float(start) for start in starts]
    steps = [1.0 if abs(step - 1) < 1e-6 else float(step) for step in steps]
    if mode == "linear":
        return resample(np.asarray(values), like.shape, starts, steps)
    return _nearest(values, like.shape, starts, steps)


def _key(case: Case, spacing, window: Window, organs: bool) -> str:
    """Changes with the files (path, size, times, place on the disk), the card, the parameters and the code."""
    parts: list = [code_digest("data"), case.id, case.source, case.split, case.label_values, case.known_values]
    parts += [case.limits.model_dump(), [value for value, _ in case.joined], case.geometry, case.axes, spacing, window]
    parts += [case.series and case.series.model_dump()]
    for path in (case.image, *case.labels, *((case.organs,) if organs and case.organs else ())):
        parts += states_of(path)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _save(path: Path, prepared: Prepared, warnings: list[str]) -> None:
    absent = np.zeros(0, np.uint8)
    label = np.packbits(prepared.label) if prepared.label is not None else absent
    organs = prepared.organs if prepared.organs is not None else absent
    with atomic_path(path, state=True) as temporary, open(temporary, "wb") as handle:
        image = prepared.image.astype(np.float16)
        told = {"voxels": np.array(prepared.voxels), "warnings": np.array(warnings, dtype=str)}
        np.savez(handle, image=image, label=label, affine=prepared.affine, organs=organs, **told)


def _restore(path: Path, case: Case, window: Window) -> tuple[Prepared, list[str]]:
    with np.load(path) as stored:
        image, affine, bits = stored["image"].astype(np.float32), stored["affine"], stored["label"]
        organs = stored["organs"] if stored["organs"].size else None
        voxels, warnings = str(stored["voxels"]), stored["warnings"].tolist()
    label = np.unpackbits(bits, count=image.size).reshape(image.shape) if bits.size else None
    return Prepared(case.id, case.source, image, label, spacing_of(affine), affine, window, organs, voxels), warnings


def prepare_case(
    case: Case,
    *,
    spacing: float = 3.0,
    window: Window = (-150.0, 250.0),
    cache: bool = True,
    empty_ok: bool = True,
    organs: bool = False,
) -> Prepared:
    """Read and prepare one case, through the gates of `image_checks` and `label_checks`.

    A scan that had to be resampled is kept in the cache folder under a key of files and parameters, so the second
    call takes milliseconds and gives the same warnings. `empty_ok=False` (training) refuses a case without a labelled
    pancreas; `organs=True` reads the card's organ map too.

    Raises:
        InputError: a scan or label that `preflight` would call an error, or what `empty_ok` and `organs` ask for lacks.
    """
    if organs and case.organs is None:
        remedy = "train without the recipe's augmentation 'labels' and organs_weight, or name organs under layout in it"
        raise InputError(f"expected an organ map for case {case.id}, its card names none; {remedy}")
    window = (float(window[0]), float(window[1]))
    stored = cache_dir() / "prepared" / f"{_key(case, spacing, window, organs)}.npz" if cache else None
    prepared = None
    if stored is not None and stored.is_file():
        try:
            prepared, warnings = _restore(stored, case, window)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass  # damaged: made again below
        else:
            for sentence in warnings:
                warn(sentence)
    if prepared is None:
        image, warnings = checked_image(case.image, case.limits)
        label, more = checked_label(case, image)
        named = read_organs(case.organs, image) if organs else None
        prepared = prepare(image, label, organs=named, spacing=spacing, window=window, id=case.id, source=case.source)
        prepared = replace(prepared, voxels=voxel_hash(image.array))
        if stored is not None and prepared.image.shape[1:] != image.shape:
            _save(stored, prepared, warnings + more)
    if not empty_ok and (prepared.label is None or not prepared.label.any()):
        found, remedy = "its label is empty" if case.label else "it has no label", "leave it out or check label_values"
        raise InputError(f"expected a labelled pancreas in case {case.id} for training, {found}; {remedy}")
    return prepared


def prepare_cases(cases: Iterable[Case], **how: Any) -> list[Prepared]:
    """Read and prepare cases in order, one at a time; `how` as in `prepare_case`.

    Example:
        >>> from pancreas_ssl.data.access import cases
        >>> prepare_cases(cases("phantom", "A", "train")[:2])    # doctest: +SKIP
    """
    return [prepare_case(case, **how) for case in cases]

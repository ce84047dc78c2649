"""From a CT in HU to what the network sees: one spacing, one window, [-1, 1]; and back to the CT's own grid."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Num, UInt8

from pancreas_ssl.data.access import Case, cache_dir
from pancreas_ssl.data.image_checks import checked_image, voxel_hash
from pancreas_ssl.data.label_checks import checked_label
from pancreas_ssl.data.prepared_cache import Mapped, PreparedFile, restore, save
from pancreas_ssl.data.reading import read_organs
from pancreas_ssl.data.resampling import covering_grid, resample
from pancreas_ssl.data.volume import Volume, spacing_of
from pancreas_ssl.errors import InputError, require, warn
from pancreas_ssl.manifest import key_of, states_of
from pancreas_ssl.versions import code_digest

__all__ = ["Prepared", "case_digest", "check_grid", "labelled_voxels", "prepare", "prepare_case", "prepare_cases",
           "prepared_file", "prepared_folder", "to_volume_grid"]  # fmt: skip

Window = tuple[float, float]


@dataclass(frozen=True)
class Prepared:
    """A case as the network sees it: channel first, RAS+, `spacing` mm, image in [-1, 1], label 0 or 1.

    `affine` takes indices of this grid to mm; `window` holds the HU shown as -1 and 1; `organs`, where it was asked
    for, holds the card's organ numbers (`phantom.tissues.Organ` for the phantom). `voxels`, of a case read from files,
    is the digest of its scan (`image_checks.voxel_hash`), by which copies are found; `scan_spacing` the scan's own in
    mm. The arrays of a case in a file are `prepared_cache.Mapped`: they are read where they are indexed.
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
    scan_spacing: tuple[float, float, float] | None = None


def check_grid(
    spacing: float | tuple[float, float, float], window: Window
) -> tuple[tuple[float, float, float], Window]:
    """Spacing (three sides in mm) and window (HU) as numbers, or an `InputError` where they are none."""
    goal = (float(spacing),) * 3 if np.isscalar(spacing) else tuple(float(s) for s in spacing)
    low, high = (float(w) for w in window)
    require(low < high, "a window (low, high) in HU with low < high", f"({low:g}, {high:g})", "swap them")
    require(0 < min(goal) <= max(goal) < np.inf, "a spacing above 0 mm", goal, "3.0 is the default")
    return goal, (low, high)


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
    goal, (low, high) = check_grid(spacing, window)
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
    return Prepared(id, source, rounded, mask, spacing_of(affine), affine, (low, high), named, "", image.spacing)


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
        return resample(np.asarray(values), like.shape, starts, steps, order="K")
    return _nearest(values, like.shape, starts, steps)


def _key(case: Case, spacing, window: Window, organs: bool, what: Any) -> str:
    """Changes with the files (path, size, times, place on the disk), the card, the parameters and the code."""
    parts: list = [code_digest("data"), case.id, case.source, case.split, case.label_values, case.known_values]
    parts += [case.limits.model_dump(), [value for value, _ in case.joined], case.geometry, case.axes, spacing, window]
    parts += [case.series and case.series.model_dump(), case.structures, what]
    for path in (case.image, *case.labels, *((case.organs,) if organs and case.organs else ())):
        parts += states_of(path)
    return key_of(*parts)


def case_digest(case: Prepared) -> str:
    """sha256 over a case's name, shape, image (float32), label and organ map; of a mapped case as it was saved."""
    held = [array for array in (case.image, case.label, case.organs) if array is not None]
    file, name = getattr(case.image, "file", None), f"{case.source}/{case.id} {case.image.shape}"
    there = len({"image", "label", "organs"} & set(file.arrays)) if file is not None else 0
    if there == len(held) and file.facts["name"] == name and all(getattr(a, "file", None) is file for a in held):
        return file.facts["digest"]
    digest = hashlib.sha256(name.encode())
    for array in held:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def labelled_voxels(case: Prepared) -> Int[np.ndarray, "N 3"]:
    """Indices of the labelled voxels, in the smallest type that holds them; of a mapped case as they were saved.

    Example:
        >>> image = np.zeros((1, 4, 4, 4), np.float32)
        >>> case = Prepared("1", "demo", image, (image == 0).astype(np.uint8), (3.0,) * 3, np.eye(4), (-150.0, 250.0))
        >>> labelled_voxels(case).shape, labelled_voxels(case).dtype
        ((64, 3), dtype('int16'))
    """
    if isinstance(case.label, Mapped):
        return np.array(case.label.file.arrays["inside"])
    kind = np.int16 if max(case.image.shape) < 2**15 else np.int32
    return np.argwhere(case.label[0] > 0).astype(kind)


def prepared_folder() -> Path:
    """Where prepared cases are kept."""
    return cache_dir() / "prepared"


def prepared_file(case: Case, spacing: Any, window: Window, organs: bool = False, what: Any = "case") -> Path:
    """Where a case prepared in this way is kept, or would be; or what else (`what`) was made of it on the same grid."""
    return prepared_folder() / f"{_key(case, spacing, window, organs, what)}.safetensors"


def _save(path: Path, prepared: Prepared, warnings: list[str]) -> None:
    arrays = {"image": prepared.image.astype(np.float16), "label": prepared.label, "organs": prepared.organs}
    if prepared.label is not None:
        arrays["inside"] = labelled_voxels(prepared)
    facts = {
        "name": f"{prepared.source}/{prepared.id} {prepared.image.shape}",
        "affine": prepared.affine.tolist(),
        "voxels": prepared.voxels,
        "scan_spacing": prepared.scan_spacing,
        "warnings": warnings,
        "digest": case_digest(prepared),
    }
    save(path, {name: array for name, array in arrays.items() if array is not None}, facts)


def _restored(file: PreparedFile, case: Case, window: Window, mapped: bool) -> Prepared:
    image, label, organs = (file.mapped(name) for name in ("image", "label", "organs"))
    if not mapped:
        image, label, organs = (None if array is None else array[...] for array in (image, label, organs))
    affine = np.array(file.facts["affine"])
    where = spacing_of(affine), affine, window
    sides = file.facts["scan_spacing"]
    known = file.facts["voxels"], tuple(sides) if sides else None
    return Prepared(case.id, case.source, image, label, *where, organs, *known)


def prepare_case(
    case: Case,
    *,
    spacing: float = 3.0,
    window: Window = (-150.0, 250.0),
    cache: bool = True,
    empty_ok: bool = True,
    organs: bool = False,
    mapped: bool = False,
) -> Prepared:
    """Read and prepare one case, through the gates of `image_checks` and `label_checks`.

    A scan that had to be resampled is kept in the cache folder under a key of files and parameters, so the second
    call takes milliseconds and gives the same warnings. `empty_ok=False` (training) refuses a case without a labelled
    pancreas; `organs=True` reads the card's organ map too. With `mapped=True` (training on many cases) the arrays stay
    in the cache's file and are read where they are indexed (`prepared_cache.Mapped`), with the same numbers.

    Raises:
        InputError: a scan or label that `preflight` would call an error, or what `empty_ok` and `organs` ask for lacks.
    """
    if organs and case.organs is None:
        remedy = "train without the recipe's augmentation 'labels' and organs_weight, or name organs under layout in it"
        raise InputError(f"expected an organ map for case {case.id}, its card names none; {remedy}")
    window = (float(window[0]), float(window[1]))
    stored = prepared_file(case, spacing, window, organs) if cache else None
    file = restore(stored, whole=not mapped) if stored is not None else None
    if file is not None:
        prepared = _restored(file, case, window, mapped)
        for sentence in file.facts["warnings"]:
            warn(sentence)
    else:
        image, warnings = checked_image(case.image, case.limits, case.series)
        label, more = checked_label(case, image)
        named = read_organs(case.organs, image) if organs else None
        prepared = prepare(image, label, organs=named, spacing=spacing, window=window, id=case.id, source=case.source)
        prepared = replace(prepared, voxels=voxel_hash(image.array))
        if stored is not None and (mapped or prepared.image.shape[1:] != image.shape):
            _save(stored, prepared, warnings + more)
            file = restore(stored, whole=False) if mapped else None
            prepared = _restored(file, case, window, mapped) if file else prepared
    if not empty_ok and (prepared.label is None or not len(labelled_voxels(prepared))):
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

"""A whole set into the cache before a training begins: by several workers, with forecasts, and to be resumed."""

import sys
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pancreas_ssl.data.access import Case
from pancreas_ssl.data.nifti import memory_forecast
from pancreas_ssl.data.prepared_cache import cache_limit
from pancreas_ssl.data.preprocessing import Window, check_grid, prepare_case, prepared_file, prepared_folder
from pancreas_ssl.engines import Engine, completed
from pancreas_ssl.errors import InputError, RunError, warn
from pancreas_ssl.files import free_bytes, make_folder, sweep
from pancreas_ssl.progress import Progress, duration

__all__ = ["SetPrepared", "prepare_set"]

SPARE = 1e9  # bytes of the disk that stay free
MARGIN = 1.1  # cases to come may be larger than those that were seen


class SetPrepared(NamedTuple):
    """What was done: cases, how many of them lay in the cache before, bytes of all, seconds, where they are."""

    cases: int
    known: int
    bytes: int
    seconds: float
    folder: Path


class _One(NamedTuple):
    bytes: int
    fresh: bool
    warnings: tuple[str, ...]
    problem: str


def _prepare(case: Case, how: dict) -> _One:
    path = prepared_file(case, **how)
    fresh = not path.is_file()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            prepare_case(case, mapped=True, **how)
        except InputError as error:
            return _One(0, False, (), str(error))
    return _One(path.stat().st_size, fresh, tuple(dict.fromkeys(str(one.message) for one in given)), "")


def prepare_set(
    listed: Sequence[Case],
    *,
    spacing: float = 3.0,
    window: Window = (-150.0, 250.0),
    organs: bool = False,
    engine: Engine = Engine(workers=1),  # noqa: B008
    progress: bool = True,
) -> SetPrepared:
    """Prepare cases into the cache, where trainings and measurements find them; those that lie there are left alone.

    After the first cases a line says how long the others will take and how much disk they need. A case that is unfit
    does not stop the others.

    Args:
        spacing, window, organs: as in `prepare_case`, and as in the recipe that is to use them.
        engine: what does it; here, one after the other, by default. Workers share the cache folder.

    Raises:
        InputError: unfit cases (the sentence of the first one), or a limit of the cache that is too small for the set.
        RunError: the disk will not hold the set. What was prepared stays.

    Example:
        >>> prepare_set(cases("nih"), spacing=1.0, engine=Engine(workers=4))    # doctest: +SKIP
    """
    check_grid(spacing, window)
    folder = prepared_folder()
    sweep(make_folder(folder))
    start, found, told, problems = time.perf_counter(), [], False, {}
    how = {"spacing": float(spacing), "window": tuple(map(float, window)), "organs": organs}
    with Progress(len(listed), show=progress, title="preparing", unit="case", stream=sys.stderr) as bar:
        work = partial(_prepare, how=how)
        memory = memory_forecast(case.image for case in listed)
        limits = {"folder": folder, "memory": memory, "here": True, "patience": 5}
        for number, one, problem in completed(work, listed, engine, **limits):
            one = _One(0, False, (), problem) if problem else one
            found.append(one)
            if one.problem:
                problems[listed[number].id] = one.problem
            for sentence in one.warnings:
                warn(sentence)
            bar.update(len(found))
            fresh = [one for one in found if one.fresh]
            if not told and len(fresh) >= engine.side_by_side(len(listed)):
                told = True
                _forecast(found, len(listed), time.perf_counter() - start, folder, progress)
    if problems:
        first, sentence = next(iter(problems.items()))
        counted = f"{len(problems)} of {len(listed)} cases cannot be prepared"
        raise InputError(f"{counted}, the first is {first}: {sentence}; `pancreas-ssl data check` lists all of them")
    known = sum(not one.fresh for one in found)
    return SetPrepared(len(found), known, sum(one.bytes for one in found), time.perf_counter() - start, folder)


def _forecast(found: list[_One], total: int, seconds: float, folder: Path, progress: bool) -> None:
    """Say what the other cases need, or refuse where the disk or the cache's limit will not hold them."""
    fresh = [one.bytes for one in found if one.fresh]
    each, left = sum(fresh) / len(fresh), total - len(found)
    needed, whole = each * left * MARGIN, each * total * MARGIN
    free, limit = free_bytes(folder) - SPARE, cache_limit(folder)
    if needed > max(free, 0):
        sizes = f"{left} more prepared cases need about {needed / 1e9:.1f} GB, {max(free, 0) / 1e9:.1f} GB are free"
        raise RunError(f"the disk is too small: {sizes}; free some space, or set PANCREAS_SSL_CACHE to another disk")
    if left and whole > limit:
        sizes = f"about {whole / 1e9:.1f} GB, the cache may take {limit / 1e9:.1f} GB"
        remedy = "set PANCREAS_SSL_CACHE_GB higher, or choose a coarser spacing"
        raise InputError(f"expected a cache that holds {total} prepared cases, they need {sizes}; {remedy}")
    if progress and left:
        time_left = duration(seconds / len(fresh) * left)
        sizes = f"{needed / 1e9:.1f} GB of disk ({each / 1e6:.0f} MB each)"
        print(f"{left} more cases: about {time_left}, {sizes}", file=sys.stderr, flush=True)

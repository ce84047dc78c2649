"""From the file to jobs, and what a folder remembers: a study may grow, but what exists in it stays what it was.

A *job* is one cell of the table arms x seeds (x folds): one training, then one row per patient and source. `plan.json`
in the study's folder holds the configuration, each arm's whole recipe, the precision and digests of the data. A later
start in the same folder must agree with it; further arms, seeds, folds and comparisons may be added.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pancreas_ssl.data.access import Case, Root
from pancreas_ssl.data.generate import generator_version
from pancreas_ssl.data.preprocessing import case_digest, prepare_case
from pancreas_ssl.data.roles import full_name, role_of
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import write_text
from pancreas_ssl.inference.asking import RULES
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.study.config import Study, folder_of
from pancreas_ssl.study.opened import Sides, cases_for
from pancreas_ssl.training.checkpoint import TRAINS
from pancreas_ssl.versions import code_digest

__all__ = ["Job", "Plan", "agree", "agree_data", "at_most", "job_folder", "jobs_of", "make_plan",
           "read_plan", "revealed", "write_plan"]  # fmt: skip

PLAN = "plan.json"
MEASURES = ("evaluation", "inference", "method", "study/job.py", "study/label_parts.py", "study/measurements.py")
CODE = {"trains": TRAINS, "measures": MEASURES}


@dataclass(frozen=True)
class Job:
    """One arm with one seed, with all that its process needs to know (plain values: it travels to that process)."""

    arm: str
    seed: int
    recipe: dict[str, Any]  # whole, with seed and precision
    train: str
    oracle: bool
    labelled: int | None  # at most so many training patients, below 0 the last ones; None: all
    measure: tuple[str, ...]
    patients: int | None
    reveal: bool
    folder: str  # below the study's folder
    fold: int | None = None  # held out, of a source whose patients are dealt into folds
    root: Root = None
    allow_leak: bool = False
    base: "Job | None" = None  # whose network this one asks by other rules; it trains none


@dataclass(frozen=True)
class Plan:
    """What `plan.json` holds."""

    config: dict[str, Any]
    recipes: dict[str, dict[str, Any]]  # of each arm, whole, without the seed
    precision: dict[str, str]  # of each arm: 'fp32' or 'bf16'
    phantom: str  # version of the phantom's generator
    data: dict[str, str]  # what was prepared -> digest of its voxels
    code: dict[str, str] = field(default_factory=dict)  # what trains and what measures -> digest of its source


def revealed(study: Study) -> list[str]:
    """The test sources that the study opens."""
    opened = dict.fromkeys([*study.measure, *(arm.oracle for arm in study.arms.values() if arm.oracle)])
    return [source for source in opened if role_of(source) == "test"]


def make_plan(
    study: Study, precision: dict[str, str], reveal: bool, root: Root = None, allow_leak: bool = False
) -> Plan:
    """Open every case that the study will open (generating what is not on disk) and keep the digests.

    Raises:
        InputError: a source whose role forbids its use, a split that is missing, a patient or a scan on two sides (of
            one fold; a warning where leaks are allowed).
    """
    recipes = {arm: Recipe.from_dict(study.recipe_of(arm)) for arm in study.arms}
    data: dict[str, str] = {}
    opened: dict[str, list[tuple[Case, str]]] = {}
    for fold in study.folds or [None]:
        sides = Sides(allow_leak)
        for arm, recipe in recipes.items():
            for source, use in _opened(study, arm, recipe):
                grid = f"{recipe.spacing:g} mm, {recipe.window[0]:g} to {recipe.window[1]:g} HU"
                few = at_most(use, study.arms[arm].labelled)
                first = f" ({'first' if few > 0 else 'last'} {abs(few)})" if few else ""
                home = fold is not None and (use != "measure" or full_name(source) == full_name(study.train))
                key = f"{full_name(source)} {use}{first}{f', fold {fold}' if home else ''}, {grid}"
                if key in sides.keys:
                    continue
                sides.keys.add(key)
                side = "trains" if use in ("train", "unlabelled", "oracle") else "is held out or measured"
                if key in opened:
                    found = [case for case, _ in opened[key]]
                else:
                    how = {"train": study.train, "fold": fold, "reveal": reveal, "root": root}
                    found = cases_for(source, use, most=few or at_most(use, None, study.patients), **how)
                    if few and len(found) < abs(few):
                        raise InputError(
                            f"expected {abs(few)} patients to train {arm} on, {source} has {len(found)}; lower labelled"
                        )
                sides.add_patients(found, side, source)
                if key not in opened:
                    data[key], opened[key] = _digest(found, recipe, labelled=use != "unlabelled")
                sides.add_scans(opened[key], side)
        sides.tell()
    whole = {arm: {k: v for k, v in recipe.to_dict().items() if k != "seed"} for arm, recipe in recipes.items()}
    return Plan(study.plain(), whole, precision, generator_version(), data, _code())


def _opened(study: Study, arm: str, recipe: Recipe) -> list[tuple[str, str]]:
    """(source, use) of all that an arm opens."""
    oracle = study.arms[arm].oracle
    opened = [(oracle, "oracle")] if oracle else [(study.train, "train"), (study.train, "select")]
    if recipe.unlabelled_weight > 0:
        opened.append((study.train, "unlabelled"))
    return opened + [(source, "measure") for source in study.sources_of(arm)]


def _code() -> dict[str, str]:
    return {what: code_digest(*rooms) for what, rooms in CODE.items()}


def at_most(use: str, labelled: int | None, patients: int | None = None) -> int | None:
    """How many cases of a source are opened at most: `labelled` limits what trains, `patients` what is measured."""
    return {"train": labelled, "oracle": labelled, "measure": patients}.get(use)


def _digest(found: list[Case], recipe: Recipe, labelled: bool) -> tuple[str, list[tuple[Case, str]]]:
    """sha256 over prepared cases, one in memory at a time, and the hash of each one's voxels."""
    digest, scans = hashlib.sha256(), []
    for case in found:
        prepared = prepare_case(case, spacing=recipe.spacing, window=recipe.window, mapped=True)
        if labelled and prepared.label is None:
            raise InputError(f"expected a label for case {case.id}, it has none; leave it out of the splits")
        scans.append((case, prepared.voxels))
        digest.update(case_digest(prepared).encode())
    return digest.hexdigest(), scans


def jobs_of(study: Study, plan: Plan, reveal: bool, root: Root = None, allow_leak: bool = False) -> list[Job]:
    """All jobs, seed by seed and fold by fold, so that every arm has its first result early. Of arms that differ only
    in how they predict (`asking.RULES`, votes) the first one trains, for all."""
    folds = study.folds or [None]
    how, jobs = {"reveal": reveal, "root": root, "allow_leak": allow_leak}, []
    for seed in study.seeds:
        for fold in folds:
            trained: dict[str, Job] = {}
            for arm in study.arms:
                job = _job(study, plan, arm, seed, fold, **how)
                own = {name: value for name, value in job.recipe.items() if name not in (*RULES, "prototype_weight")}
                first = trained.setdefault(json.dumps([job.train, job.oracle, job.labelled, own]), job)
                jobs.append(job if first is job else replace(job, base=first))
    return jobs


def _job(study: Study, plan: Plan, arm: str, seed: int, fold: int | None, **how) -> Job:
    recipe = replace(Recipe.from_dict(study.recipe_of(arm)), seed=seed, precision=plan.precision[arm])
    oracle = study.arms[arm].oracle
    return Job(
        arm=arm,
        seed=seed,
        recipe=recipe.to_dict(),
        train=oracle or study.train,
        oracle=oracle is not None,
        labelled=study.arms[arm].labelled,
        measure=tuple(study.sources_of(arm)),
        patients=study.patients,
        folder=job_folder(arm, seed, fold),
        fold=fold,
        **how,
    )


def job_folder(arm: str, seed: int, fold: int | None = None) -> str:
    """Where a job keeps its files, below the study's folder."""
    return f"cells/{folder_of(arm)}-seed{seed}{'' if fold is None else f'-fold{fold}'}"


def read_plan(out: Path) -> Plan | None:
    """The plan of the study in this folder, or None for a new one."""
    path = out / PLAN
    if not path.exists():
        return None
    try:
        return Plan(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"expected the plan of a study in {path}, it cannot be read ({error}); name another folder"
        ) from error


def write_plan(out: Path, plan: Plan) -> None:
    """Put `plan.json` into the study's folder."""
    write_text(out / PLAN, json.dumps(vars(plan), indent=1) + "\n")


def agree(before: Plan, config: dict[str, Any], out: Path) -> None:
    """Refuse a configuration that changes what the folder already holds, and code that trains or measures otherwise.

    Raises:
        InputError: a value or the code differs, or an arm, seed or comparison is missing; the sentence names it.
    """
    changes = []
    for key in {**before.config, **config}:
        there, now = before.config.get(key), config.get(key)
        if key == "arms":
            changes += [_change(f"arms.{a}", there[a], now.get(a)) for a in there if now.get(a) != there[a]]
        elif key == "comparisons":
            named = {c["name"]: c for c in now}
            changes += [
                _change(f"comparison {c['name']}", c, named.get(c["name"])) for c in there if named.get(c["name"]) != c
            ]
        elif key == "seeds" or (key == "folds" and there and now):
            changes += [f"{key[:-1]} {one} there, gone now" for one in there if one not in now]
        elif there != now:
            changes.append(_change(key, there, now))
    if changes:
        raise InputError(
            f"expected the study that {out} was begun with, got changes ({'; '.join(changes)}); take them back or name "
            f"another folder (only further arms, seeds, folds and comparisons may be added)"
        )
    _agree_code(before, out)


def _agree_code(before: Plan, out: Path) -> None:
    """Refuse to mix results of other code in: what is in the folder was trained and measured by the code of now.

    Raises:
        InputError: what has changed, or the folder does not say which code made it.
    """
    if "shipped" in before.code:  # tables that came with the package, unpacked on purpose
        return
    changed = [what for what, digest in _code().items() if before.code.get(what) != digest]
    if changed:
        raise InputError(
            f"expected the code that the study in {out} was begun with, this version of pancreas-ssl "
            f"{' and '.join(changed)} otherwise; install that version again or name another folder"
        )


def agree_data(before: Plan, now: Plan, out: Path) -> None:
    """Refuse data or recipe defaults that are no longer those the folder was begun with.

    The voxels decide: another version of the phantom's generator is welcome as long as it makes the same ones.

    Raises:
        InputError: what differs, by name.
    """
    different = [key for key, digest in before.data.items() if now.data.get(key, digest) != digest]
    if different:
        versions = f" (its phantom was {before.phantom}, this package has {now.phantom})"
        raise InputError(
            f"expected the cases that the study in {out} was begun with"
            f"{versions if before.phantom != now.phantom else ''}, those of {'; '.join(different)} have changed since; "
            f"restore them or name another folder"
        )
    for arm, recipe in before.recipes.items():
        there = Recipe.from_dict(recipe).to_dict()  # without fields of earlier versions
        changed = [
            _change(f"{arm}.{name}", there[name], value)
            for name, value in now.recipes[arm].items()
            if name in recipe and there[name] != value
        ]
        if changed:
            raise InputError(
                f"expected the recipes that the study in {out} was begun with, this package's defaults differ "
                f"({'; '.join(changed)}); set them in the configuration's recipe of a new folder"
            )


def _change(what: str, there: Any, now: Any) -> str:
    """`recipe: steps 20 there, 30 now`, with the deepest keys that differ."""
    if isinstance(there, dict) and isinstance(now, dict):
        parts = [
            f"{key} {there.get(key)} there, {now.get(key)} now"
            for key in {**there, **now}
            if there.get(key) != now.get(key)
        ]
        return f"{what}: {', '.join(parts)}"
    return f"{what} {there} there, {now if now is not None else 'gone'} now"

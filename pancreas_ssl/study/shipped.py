"""Finished studies: their tables come with the package, so that a notebook shows them without hours of training.

In `assets/NAME/`: the study's file `study.yml`, its tables as `run_study` wrote them (one row per patient and seed
among them), and `study.json`, which names the command that made them. `keep_study` puts them there, `unpack_study`
makes a folder of them in which the study can grow. In the same way `shipped_measured` and `keep_measured` read and
keep what `measure` found of trained networks: its `rows.csv` and `measured.json`.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pancreas_ssl.errors import InputError
from pancreas_ssl.files import atomic_path, claim, make_folder, open_to_append, write_text
from pancreas_ssl.study.config import Study
from pancreas_ssl.study.plan import Plan, job_folder, read_plan, write_plan
from pancreas_ssl.study.tables import write_table

__all__ = [
    "ShippedStudy",
    "keep_measured",
    "looked_at",
    "keep_study",
    "shipped_measured",
    "shipped_study",
    "unpack_study",
]

CELL = ("arm", "seed", "fold")
TABLES = ("rows", "summary", "comparisons", "curves")


@dataclass(frozen=True)
class ShippedStudy:
    """Tables of a finished study; `config` is what was asked, `facts` the content of its `study.json`."""

    name: str
    config: Study
    rows: pd.DataFrame  # one per arm, seed, source and patient
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    curves: pd.DataFrame
    facts: dict[str, Any]
    files: tuple[Path, ...] = ()  # that were read

    @property
    def command(self) -> str:
        """The command that made the tables."""
        return self.facts["command"]


def _folder(name: str) -> Path:
    return Path(__file__).resolve().parents[1] / "assets" / name


def _find(name: str | Path, file: str, what: str, own: str) -> Path:
    """The folder of `name` that holds `file`: one of the user's own, or one that comes with the package."""
    folder = Path(name) if (Path(name) / file).is_file() else _folder(str(name))
    if not (folder / file).is_file():
        known = sorted(path.parent.name for path in _folder("").glob(f"*/{file}"))
        raise InputError(
            f"expected {what} with the package ({', '.join(known) or 'none yet'}), got {str(name)!r}; name one, or "
            f"the folder of {own}"
        )
    return folder


def _keep(out: Path, name: str, files: Sequence[str], what: str) -> Path:
    """Copy files, all of which must be there, to the package's folder of that name."""
    missing = [file for file in files if not (out / file).is_file()]
    if missing:
        raise InputError(f"expected a {what} in {out}, {missing[0]} is not there; let it finish first")
    folder = make_folder(_folder(name))
    claim([folder / file for file in files], overwrite=True)
    for file in files:
        with atomic_path(folder / file) as temporary:
            shutil.copyfile(out / file, temporary)
    return folder


def shipped_study(name: str | Path) -> ShippedStudy:
    """The tables of a study that comes with the package, by its name, or of one of your own, by its folder.

    Raises:
        InputError: there is no such study, or it has not finished.

    Example:
        >>> shipped_study("controls").command    # doctest: +SKIP
        'pancreas-ssl study --config pancreas_ssl/assets/controls/study.yml --out runs/controls'
    """
    folder = _find(name, "study.json", "a study that comes", "a finished study")
    tables = {table: pd.read_csv(folder / f"{table}.csv") for table in TABLES}
    facts = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    files = tuple(folder / file for file in ("study.json", *(f"{table}.csv" for table in TABLES)))
    return ShippedStudy(str(name), Study.model_validate(facts["config"]), **tables, facts=facts, files=files)


def keep_study(out: str | Path, name: str) -> Path:
    """Copy the tables of the finished study in `out` to where `shipped_study(name)` finds them; curves are thinned to
    the rows in which held-out patients were measured, and each training's last.

    Raises:
        InputError: `out` holds no finished study.
    """
    folder = _keep(Path(out), name, ("study.json", *(f"{table}.csv" for table in TABLES)), "finished study")
    curves = pd.read_csv(folder / "curves.csv")
    last = ~curves.duplicated([name for name in CELL if name in curves], keep="last")
    write_table(curves[curves["held_out_dice"].notna() | last], folder / "curves.csv")
    return folder


def shipped_measured(name: str | Path) -> tuple[pd.DataFrame, str]:
    """Rows of trained networks that were measured, and their command: by name, or your own by their folder.

    Raises:
        InputError: there are none of that name.

    Example:
        >>> rows, command = shipped_measured("real_ct")    # doctest: +SKIP
    """
    folder = _find(name, "measured.json", "measurements that come", "your own")
    facts = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    return pd.read_csv(folder / "rows.csv"), facts["command"]


def looked_at(name: str | Path) -> pd.DataFrame:
    """The Dice of the shipped weights on scans that were looked at while a recipe was chosen, and on one that was not.

    The first are the rows of `shipped_measured(name)` (of several trainings of a recipe, the one that is shipped); the
    last stand in `unseen.csv` beside them, whose origin `unseen.md` tells. Networks that lack either are left out.

    Returns:
        network, scan, looked_at (True or False) and dice; no row where there is no `unseen.csv`.

    Raises:
        InputError: there are no measurements of that name.

    Example:
        >>> looked_at("real_ct").groupby("scan", sort=False)["looked_at"].first().tolist()
        [True, True, False]
    """
    rows, _ = shipped_measured(name)
    other = _find(name, "measured.json", "measurements that come", "your own") / "unseen.csv"
    rows = rows.assign(scan=rows["source"].str.split("/").str[0], looked_at=True).rename(columns={"arm": "network"})
    rows = rows[["network", "scan", "looked_at", "dice"]]
    if not other.is_file():
        return rows.iloc[:0]
    unseen = pd.read_csv(other).assign(scan="kept aside", looked_at=False)
    both = set(rows["network"]) & set(unseen["network"])
    found = pd.concat([rows, unseen[rows.columns]], ignore_index=True)
    return found[found["network"].isin(both)].reset_index(drop=True)


def keep_measured(out: str | Path, name: str) -> Path:
    """Copy what `measure` left in `out` to where `shipped_measured(name)` finds it.

    Raises:
        InputError: `out` holds no finished measurement.
    """
    return _keep(Path(out), name, ("rows.csv", "measured.json"), "measurement")


def unpack_study(name: str, out: str | Path) -> Path:
    """Make a study's folder out of shipped tables: its jobs are finished there, and `run_study` adds arms or seeds
    to them without training the old ones again (their weights are not shipped, so they cannot be measured again).

    Rows keep every digit; a job's seconds are those of its last row in the curves (0 where there is none).

    Raises:
        InputError: no such study, or `out` holds a study already.

    Example:
        >>> unpack_study("controls", "runs/controls")    # doctest: +SKIP
        PosixPath('runs/controls')
    """
    shipped, out = shipped_study(name), make_folder(out)
    if read_plan(out) is not None or (out / "cells").exists():
        raise InputError(f"expected an empty folder, {out} holds a study already; name another one")
    facts = shipped.facts
    with atomic_path(out / "cells") as jobs:
        keys = [name for name in CELL if name in shipped.rows]
        for cell, rows in shipped.rows.groupby(keys, sort=False):
            folder = make_folder(jobs / Path(job_folder(*cell)).name)
            records = rows.astype(object).where(rows.notna(), None).to_dict("records")
            lines = "".join(json.dumps(row) + "\n" for row in records)
            with open_to_append(folder / "rows.jsonl") as handle:
                handle.write(lines)
            curves = shipped.curves[(shipped.curves[keys] == list(cell)).all(axis=1)].drop(columns=keys)
            write_table(curves, folder / "history.csv")
            done = {
                "arm": cell[0],
                "seed": int(cell[1]),
                "steps": facts["recipes"][cell[0]]["steps"],
                "rows": len(rows),
                "seconds": round(float(curves["seconds"].max()) if len(curves) else 0.0, 1),
                **{key: facts[key] for key in ("peak_memory", "device", "precision")},
                "finished": f"shipped: {shipped.command}",
            }
            write_text(folder / "done.json", json.dumps(done) + "\n")
    known = dict.fromkeys(facts["recipes"], facts["precision"])
    write_plan(
        out, Plan(shipped.config.plain(), facts["recipes"], known, facts["phantom"], facts["data"], {"shipped": name})
    )
    return out

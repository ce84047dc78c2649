"""Measure trained networks patient by patient: shipped ones or your own, on any source with labels.

In the folder: `rows.jsonl` with a line per patient as it is known, and in the end `rows.csv`, `summary.csv` and
`measured.json`, which names the command. An interrupted measurement resumes where it was: a row is kept as long as the
weights, the files of the patient and the code that measures are those that made it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from pancreas_ssl import __version__
from pancreas_ssl.data.access import Case, Root, data_digest, parse_source
from pancreas_ssl.data.image_checks import refuse_twins
from pancreas_ssl.data.preprocessing import Prepared, prepare_case
from pancreas_ssl.data.roles import REVEALS, check_role, full_name, log_reveal, role_of, warn_of_overlap
from pancreas_ssl.devices import resolve_device
from pancreas_ssl.engines import Engine, completed
from pancreas_ssl.errors import InputError, RunError, without_paths
from pancreas_ssl.evaluation import dice_coefficient, evaluate_case
from pancreas_ssl.evaluation.calibration import band_ece
from pancreas_ssl.files import claim, write_text
from pancreas_ssl.inference import Model, is_tissue, load_weights, refuse_leaks
from pancreas_ssl.inference.asking import RULES, ask, decide, told_rules, with_rules
from pancreas_ssl.inference.decision import decided
from pancreas_ssl.inference.leaks import has_trained
from pancreas_ssl.inference.prototype_vote import with_prototypes
from pancreas_ssl.inference.ranges import answer_facts
from pancreas_ssl.inference.tissue import TISSUE_ABOVE
from pancreas_ssl.inference.weights import digest_of
from pancreas_ssl.method.segmentation import PANCREAS
from pancreas_ssl.study.label_parts import part_masks, part_metrics
from pancreas_ssl.study.opened import cases_for, root_options
from pancreas_ssl.study.rows import append_row, repair_rows
from pancreas_ssl.study.tables import summary_table, write_table
from pancreas_ssl.versions import code_digest, installed_versions

__all__ = ["measure", "patient_metrics", "patient_row"]

MEMORY = 1.5e9  # bytes that a process takes to measure a patient on a grid of 3 mm
# whose code makes a row
ROOMS = ("data", "evaluation", "inference", "method", "study/label_parts.py", "study/measurements.py")


def patient_metrics(
    probabilities: Float32[np.ndarray, "C X Y Z"],
    prepared: Prepared,
    tissue_above: float = -1000.0,
    parts: Mapping[str, Bool[np.ndarray, "X Y Z"]] | None = None,
    decision: str = "argmax",
    thresholds: Sequence[float] = (0.2, 0.8),
) -> dict[str, Any]:
    """The metrics of one patient on the network's grid: those of `evaluate_case` for the mask of `decided`; `ece_band`,
    the voxel ECE within 15 mm of the label; and those of `part_metrics`.

    Args:
        probabilities: of `ask`, or of `predict_prepared`.
        prepared: the patient, with a label.
        tissue_above: HU; what is darker is not marked, as in `predict_volume`.
        parts: of `part_masks`.
        decision, thresholds: as in `decided`.
    """
    mask = (decided(probabilities, decision, thresholds) > 0) & is_tissue(prepared, tissue_above)
    label = prepared.label[0] == PANCREAS
    row = evaluate_case(mask, label, prepared.spacing)
    row |= {"ece_band": band_ece(probabilities[PANCREAS], label, prepared.spacing)}
    return row | part_metrics(mask, label, parts or {})


def patient_row(
    model: Model, prepared: Prepared, parts: Mapping[str, Bool[np.ndarray, "X Y Z"]] | None = None, **how: Any
) -> dict[str, Any]:
    """One patient asked and measured by the rules of the weights (`inference.asking`), as a study does it.

    Args:
        model: with its prototypes, where they are to vote.
        prepared, parts: as in `patient_metrics`.
        how: device, precision ... of `predict_prepared`.

    Example:
        >>> patient_row(load_weights("strong"), prepared)["dice"]    # doctest: +SKIP
    """
    return _row(model, ask(model, prepared.image, **how), prepared, parts)


def _row(model: Model, probabilities: np.ndarray, prepared: Prepared, parts: Any) -> dict[str, Any]:
    rules = (model.rule(name) for name in ("decision", "thresholds"))
    return patient_metrics(probabilities, prepared, model.tissue_above, parts, *rules)


def measure(
    weights: Mapping[str, str | Path],
    sources: Sequence[str],
    out: str | Path,
    *,
    root: Root = None,
    most: int | None = None,
    votes: bool = True,
    rules: Mapping[str, Any] | None = None,
    reveal: bool = False,
    device: str = "auto",
    engine: Engine = Engine(workers=1),  # noqa: B008
    command: str | None = None,
    overwrite: bool = False,
    allow_leak: bool = False,
) -> pd.DataFrame:
    """A row of metrics for each of these networks on each patient; see the module for the files.

    Prototypes vote where the recipe of the weights says so, as in a study; the column `prototype_weight` says how much.
    Other rules for predicting (`inference.asking.RULES`) are those of the weights or `rules`; each that is not a
    default has a column. A case that trained a network, under whatever name, is not measured with it. Of a card with
    `parts` the columns `dice_without_NAME` and `recall_NAME` tell of the gland without each part, and of the part.

    Args:
        weights: a name for the tables -> shipped weights or a file.
        sources: `card/source`; what is measured there is what a study measures (held-out patients of a source that
            trains; where it trained by folds, those of the network's own fold).
        out: folder; one with rows of the same names is resumed.
        root: where the cards' files lie, for cards that read a folder.
        most: at most so many patients per source, in the card's order.
        votes: False asks every network without its prototypes.
        rules: put over the rules that the weights predict by, such as {"decision": "hysteresis"}.
        reveal: open sources of role test; it is logged in the folder.
        engine: what measures; here, one patient after the other, by default.
        command: put into `measured.json`; composed of the arguments unless given.
        overwrite: replace tables that this tool did not write, too; never rows or inputs.
        allow_leak: measure cases that trained the network, too; the column `leak` and `measured.json` tell which.

    Raises:
        InputError: no weights or source, unknown ones, a role that forbids it, a case without a label, a scan that
            `data check` calls an error, the same scan in two cases, a case that trained the network, foreign files.

    Example:
        >>> measure({"baseline": "baseline"}, ["phantom/V"], "runs/measured", most=2)    # doctest: +SKIP
    """
    if not weights or not sources:
        raise InputError("expected weights and sources to measure, got none; name at least one of each")
    for source in sources:
        check_role(source, "measure", reveal=reveal)
    rules = dict(rules or {})
    models = {name: _voting(which, votes, rules) for name, which in weights.items()}
    command = command or _command(weights, sources, out, root, most, votes, rules, reveal, allow_leak)
    out, read = Path(out), [*weights.values(), *(parse_source(source)[0] for source in sources)]
    read = [file for file in map(Path, read) if file.is_file()]
    claim([out / "rows.jsonl", out / REVEALS], overwrite=None, inputs=read)
    claim([out / name for name in ("rows.csv", "summary.csv", "measured.json")], overwrite=overwrite, inputs=read)
    if opened := [full_name(source) for source in sources if role_of(source) == "test"]:
        digests = " ".join(str(model.metadata.get("digest", ""))[:16] for model, _ in models.values())
        log_reveal(out, digests, opened, command)
    path = out / "rows.jsonl"
    there = {_key(row): row for row in repair_rows(path)}
    code, asked = code_digest(*ROOMS), []
    first = next(iter(models.values()))[0]
    listed = {name: _cases(model, sources, root, most, reveal) for name, (model, _) in models.items()}
    every = list(dict.fromkeys(case for found in listed.values() for case in found))
    claim([path], overwrite=None, inputs=[file for case in every for file in (case.image, *case.labels)])
    scans = {
        case: SimpleNamespace(id=case.id, source=case.source, voxels=_prepared(first, case).voxels) for case in every
    }
    refuse_twins({"measure": scans.values()}, allow_leak=allow_leak)
    leaks = {
        name: refuse_leaks(model, [scans[case] for case in listed[name]], allow_leak=allow_leak)
        for name, (model, _) in models.items()
    }
    data_of = {case: data_digest([case]) for case in every}
    todo: dict[Case, list[dict[str, Any]]] = {}
    for name, (model, about) in models.items():
        for case in listed[name]:
            row = about | {"arm": name, "source": case.source, "case": case.id, "data": data_of[case], "code": code}
            asked.append((row, {"leak": has_trained(model.metadata, scans[case])} if allow_leak else {}))
            if _key(row) not in there:
                todo.setdefault(case, []).append(row)
    jobs = [(case, todo[case]) for case in every if case in todo]
    work = partial(_measured_case, weights=dict(weights), votes=votes, rules=rules, device=device)
    engine = engine if engine.remote else engine.on(str(resolve_device(device)))
    for _, rows, problem in completed(work, jobs, engine, folder=out, memory=MEMORY, here=True, patience=60):
        if problem:
            raise RunError(problem)
        for row in rows:
            there[_key(row)] = row
            append_row(path, row)
    rows = pd.DataFrame([there[_key(row)] | leak for row, leak in asked])
    leaks = {name: len(found) for name, found in leaks.items() if found}
    _write(rows, out, {name: str(which) for name, which in weights.items()}, command, leaks)
    return rows


def _cases(model: Model, sources: Sequence[str], root: Root, most: int | None, reveal: bool) -> list[Case]:
    """What is measured with a network: of the source that trained it, what its fold held out."""
    home, found = model.metadata.get("source"), []
    for source in sources:
        if home:
            warn_of_overlap(home, source)
        train = source if full_name(source) == home else None
        how = {"train": train, "fold": model.metadata.get("fold"), "reveal": reveal, "root": root}
        found += cases_for(source, "measure", most=most, **how)
    return found


def _key(row: Mapping[str, Any]) -> tuple:
    """What identifies a row; a network with another prototype weight or other rules counts as another network, and so
    do other weights under its name, other files of the patient and other code."""
    names = ("arm", "prototype_weight", *RULES, "source", "case", "weights", "data", "code")
    return tuple(row.get(name) for name in names)


def _voting(
    which: str | Path, votes: bool = True, rules: Mapping[str, Any] | None = None
) -> tuple[Model, dict[str, Any]]:
    """The model as a study would use it, its seed, its prototypes' weight (0 without votes), its digest and rules."""
    model = with_rules(load_weights(which), **(rules or {}))
    recipe = model.metadata.get("recipe", {})
    weight = float(recipe.get("prototype_weight", 0.0)) if votes else 0.0
    about = {"seed": recipe.get("seed", 0), "prototype_weight": weight, "weights": digest_of(model)[:16]}
    about |= {"fold": model.metadata["fold"]} if model.metadata.get("fold") is not None else {}
    about |= told_rules(model, RULES[1:])
    about |= {"tissue_above": model.tissue_above} if "tissue_above" in (rules or {}) else {}
    return with_prototypes(model, weight), about


def _measured_case(
    job: tuple[Case, list[dict[str, Any]]],
    weights: Mapping[str, str | Path],
    votes: bool,
    rules: dict[str, Any],
    device: str,
) -> list[dict[str, Any]]:
    """The rows of one patient, one for each network that lacks one."""
    case, rows = job
    models = [_loaded(weights[row["arm"]], votes, json.dumps(rules), row["weights"]) for row in rows]
    return [row | _measured(model, case, device) for row, model in zip(rows, models, strict=True)]


@lru_cache(8)
def _loaded(which: str | Path, votes: bool, rules: str, digest: str) -> Model:
    """The network, kept in a process for its next patients; it must be the one that was asked for."""
    model, about = _voting(which, votes, json.loads(rules))
    if about["weights"] != digest:
        raise RunError(f"the weights {which} were changed while they were measured; start it again")
    return model


def _prepared(model: Model, case) -> Prepared:
    even = len(set(model.spacing)) == 1  # one number then: the cache keeps what a study prepared under it
    prepared = prepare_case(case, spacing=model.spacing[0] if even else model.spacing, window=model.window)
    if prepared.label is None:
        raise InputError(
            f"expected a label for case {case.id} of {case.source}, it has none; leave it out of the card's split"
        )
    return prepared


def _measured(model: Model, case, device: str) -> dict[str, Any]:
    """The metrics of one patient; `dice_all`, the Dice of all voxels, before the largest component was chosen; and
    `dice_lean`, the Dice without fat (`inference.tissue`, -30 HU) whatever the weights say; and what the network says
    about its mask without a label, `expected_dice` and `doubt` (`inference.ranges`)."""
    prepared = _prepared(model, case)
    probabilities, label = ask(model, prepared.image, device=device), prepared.label[0] == PANCREAS
    kept = decide(model, probabilities) > 0
    masks = {
        "dice_all": (decide(model, probabilities, largest=False) > 0) & is_tissue(prepared, model.tissue_above),
        "dice_lean": kept & is_tissue(prepared, TISSUE_ABOVE),
    }
    row = _row(model, probabilities, prepared, part_masks(case, prepared))
    said = answer_facts(probabilities, prepared, model.tissue_above, kept=kept)
    row |= {name: dice_coefficient(mask, label) for name, mask in masks.items()}
    return row | {name: said[name] for name in ("expected_dice", "doubt")}


def _command(weights, sources, out, root, most, votes: bool, rules, reveal: bool, leak: bool) -> str:
    arguments = ["pancreas-ssl", "measure"]
    for name, which in weights.items():
        arguments += ["--weights", name if str(which) == name else f"{name}={which}"]
    for source in sources:
        arguments += ["--source", source]
    for option, value in (*(("--root", one) for one in root_options(root)), ("--most", most), ("--out", out)):
        arguments += [option, str(value)] if value is not None else []
    for name, value in rules.items():
        arguments += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    flags = ["--no-votes"] * (not votes) + ["--reveal"] * reveal + ["--allow-leak"] * leak
    return shlex.join(arguments + flags)


def _write(rows: pd.DataFrame, out: Path, weights: dict[str, str], command: str, leaks: dict[str, int]) -> None:
    write_table(rows, out / "rows.csv")
    write_table(summary_table(rows), out / "summary.csv")
    facts = {"command": command, "weights": weights, "version": __version__, "versions": installed_versions()}
    facts |= {"leaks": leaks} if leaks else {}
    facts = without_paths(facts)
    write_text(out / "measured.json", json.dumps(facts, indent=1) + "\n")

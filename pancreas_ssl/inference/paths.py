"""Scans on disk to masks on disk: one file, one DICOM series, or a folder of them that can be interrupted.

The manifest beside a mask says which scan, weights, settings and code made it; only a mask of the same ones is reused.
"""

import os
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pancreas_ssl.data.access import Root
from pancreas_ssl.data.dicom import sorted_series
from pancreas_ssl.data.dicom_seg import check_highdicom, check_source, write_seg
from pancreas_ssl.data.image_checks import checked_image
from pancreas_ssl.data.nifti import ENDINGS, memory_forecast
from pancreas_ssl.data.reading import write_on_original
from pancreas_ssl.data.volume import as_stored
from pancreas_ssl.devices import describe, resolve_device
from pancreas_ssl.engines import Engine, completed
from pancreas_ssl.errors import InputError, RunError, require, show_identifiers, without_paths
from pancreas_ssl.files import atomic_path, claim, make_folder, record_of
from pancreas_ssl.inference.asking import RULES, told_rules, with_rules
from pancreas_ssl.inference.predict import predict_volume
from pancreas_ssl.inference.ranges import how_sure, warnings_about
from pancreas_ssl.inference.scans import Scan, scan_digest, scans_in, scans_of_card
from pancreas_ssl.inference.weights import Model, digest_of, load_weights
from pancreas_ssl.versions import code_digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_path"]

TABLE = "predictions.csv"
ROOMS = ("data", "evaluation/components.py", "inference", "method")  # whose code makes a mask
REASONS = {"input": "the scan has changed", "weights": "other weights", "settings": "other settings",
           "code": "other version of the code"}  # fmt: skip
SURE = ("expected_dice", "doubt")
COLUMNS = ["case", "volume_ml", *SURE, "seconds", "status", "message", "mask", "weights"]


def predict_path(
    ct: str | Path | None,
    out: str | Path,
    weights: str | Path | Model = "baseline",
    uncertainty: str | Path | None = None,
    device: str = "auto",
    largest: bool = True,
    *,
    source: str | None = None,
    root: Root = None,
    dicom_seg: str | Path | None = None,
    overlap: float = 0.5,
    rules: Mapping[str, Any] | None = None,
    engine: Engine = Engine(workers=1),  # noqa: B008
    progress: bool = True,
    overwrite: bool = False,
) -> "pd.DataFrame":
    """Segment a scan or a folder of scans; masks are uint8 NIfTI (1 = pancreas) on each file's own grid.

    A folder may hold NIfTI files, sub-folders with a DICOM series (or folders down to it: patient, study, series), and
    sub-folders with an `image.nii.gz`; each is a case, in the order of their names. Each gives `<case>.nii.gz` in
    `out`, and `predictions.csv` there is rewritten after every scan. Called again, it resumes where it stopped: a scan
    is skipped whose mask was made of the same file by the same weights, settings and code; a mask of others is made
    again, and the message says why. A mask that somebody has changed is never replaced. A scan that fails is recorded
    with its reason and the others go on.

    Args:
        ct: NIfTI file, folder of one DICOM series, or folder of these; None where `source` is given.
        out: mask file (.nii.gz, .nii); for a folder of scans, a folder.
        weights: name or file as in `load_weights`, or a model.
        uncertainty: entropy in bits (float32) beside the mask: a file; for a folder of scans, a folder that gets
            `<case>_uncertainty.nii.gz`.
        device, largest, overlap: as in `predict_volume`.
        source: a card, or card/source, whose cases are segmented instead of `ct`, by the card's limits and series.
        root: where the card's files lie.
        dicom_seg: folder that gets `<case>.dcm`, a DICOM SEG, for every scan that is DICOM (needs highdicom).
        rules: put over the rules that the weights predict by, as in `inference.asking.with_rules`.
        engine: what segments many scans; here, one after the other, by default.
        progress: print the device and a line per scan.
        overwrite: replace outputs that this tool did not write, too; never a scan.

    Returns:
        One row per scan: case, volume_ml, expected_dice and doubt (bits) by the network's own probabilities, seconds,
        status (done, skipped, failed), message, mask, weights.

    Raises:
        InputError, RunError: for a single scan, whatever went wrong; for a folder, only what concerns all scans
        (weights, device, output place, foreign files there). Failed scans of a folder are rows whose
        `status` is "failed".

    Example:
        >>> predict_path("scan.nii.gz", "mask.nii.gz", uncertainty="entropy.nii.gz")    # doctest: +SKIP
    """
    out = Path(out)
    uncertainty, dicom_seg = (Path(place) if place is not None else None for place in (uncertainty, dicom_seg))
    require((ct is None) != (source is None), "a CT or a source", "both" if source else "none", "name one of them")
    if ct is not None and not Path(ct).exists():
        raise InputError(f"expected a CT at {ct}, there is no such file or folder; check the name")
    resolve_device(device)
    if dicom_seg is not None:
        check_highdicom()
    scans, many = scans_in(Path(ct), out) if source is None else (scans_of_card(source, root), True)
    _check_places([scan.path for scan in scans.values()] if ct is None else [Path(ct)], out, uncertainty, many)
    places = {name: _places(name, scan, out, uncertainty, dicom_seg, many) for name, scan in scans.items()}
    outputs = [path for three in places.values() for path in three if path] + [out / TABLE] * many
    claim(outputs, overwrite=overwrite, inputs=[scan.path for scan in scans.values()])
    rules = dict(rules or {})
    model = with_rules(weights if isinstance(weights, Model) else load_weights(weights), **rules)
    label = weights if isinstance(weights, (str, Path)) else "model"
    about = {"weights": digest_of(model), "code": code_digest(*ROOMS)}
    about["settings"] = {"overlap": overlap, "largest": largest, "tissue_above": model.tissue_above,
                         "spacing": list(model.spacing), "window": list(model.window),
                         "patch": list(model.patch), **told_rules(model, RULES[1:])}  # fmt: skip
    made_by = f"{Path(label).name} {about['weights'][:12]}"
    made_by += f", overlap {overlap:g}, {'largest part' if largest else 'all parts'}"
    if progress:
        print(f"device: {describe(device)}", flush=True)

    options = {"device": device, "largest": largest, "overlap": overlap}
    if not many:
        ((case, scan),) = scans.items()
        row = _segment(case, scan, *places[case], model, options, about) | {"weights": made_by}
        if progress:
            _print(case, row, model.metadata.get("ranges", {}))
        return pd.DataFrame([row], columns=COLUMNS)
    before, rows, jobs = _earlier(out), {}, [(case, scan, *places[case]) for case, scan in scans.items()]
    work = partial(_try, weights=weights, rules=rules, options=options, about=about)
    engine = engine if engine.remote else engine.on(str(resolve_device(device)))
    how = {"folder": out, "memory": memory_forecast(scan.path for scan in scans.values()), "here": True, "patience": 60}
    for number, row, problem in completed(work, jobs, engine, **how):
        case = jobs[number][0]
        row = _row(case, None, 0.0, "failed", problem, jobs[number][2]) | {"mask": ""} if problem else row
        rows[case] = row | {"weights": made_by if row["mask"] else ""}
        known = before | rows
        _write_table(out / TABLE, [known[case] for case in scans if case in known])
        if progress:
            _print(f"{len(rows)}/{len(scans)} {case}", row, model.metadata.get("ranges", {}))
    return pd.DataFrame([rows[case] for case in scans], columns=COLUMNS)


def _print(case: str, row: Mapping[str, Any], ranges: Mapping[str, Any]) -> None:
    """How sure a mask is in one line, and a line for each warning."""
    sure = how_sure({name: row[name] for name in SURE if row[name] is not None}, ranges)
    print(f"{case}: {row['status']}{sure and ', '}{sure}", flush=True)
    for sentence in filter(None, row["message"].split("; ") if row["status"] != "failed" else [row["message"]]):
        print(f"  {sentence}", flush=True)


def _check_places(inputs: Iterable[Path], out: Path, uncertainty: Path | None, many: bool) -> None:
    """Everything about the output that can be known before the work is done."""
    for place in (out, uncertainty):
        if place is None:
            continue
        if many:
            if place.resolve() in {path.resolve() for path in inputs}:
                raise InputError(f"expected another place for the output {place} than the scans; name a new folder")
            make_folder(place)
            continue
        if not place.name.lower().endswith(ENDINGS):
            raise InputError(f"expected an output file ending in .nii.gz or .nii, got {place}; add the ending")
        if place.is_dir():
            raise InputError(f"expected a file name for the output, {place} is a folder; name a file in it")
        make_folder(place.parent)
    if not many and uncertainty is not None and os.path.abspath(uncertainty) == os.path.abspath(out):
        raise InputError(f"expected two files for mask and uncertainty, both are {out}; name another for one")


def _places(
    case: str, scan: Scan, out: Path, uncertainty: Path | None, dicom_seg: Path | None, many: bool
) -> tuple[Path, Path | None, Path | None]:
    """Where the mask, the uncertainty map and the DICOM SEG of a scan go."""
    seg = dicom_seg / f"{case}.dcm" if dicom_seg and scan.path.is_dir() else None
    if not many:
        return out, uncertainty, seg
    return out / f"{case}.nii.gz", uncertainty / f"{case}_uncertainty.nii.gz" if uncertainty else None, seg


def _segment(
    case: str,
    scan: Scan,
    mask: Path,
    entropy: Path | None,
    seg: Path | None,
    model: Model,
    options: dict[str, Any],
    about: dict,
) -> dict[str, Any]:
    """One scan from file to files, unless all is there. The mask comes last: where it is, all is there."""
    start = time.perf_counter()
    about = about | {"input": scan_digest(scan.path, scan.series)}
    known = [record_of(path) for path in (mask, entropy, seg) if path is not None]
    why = _difference(about, known)
    if why is None:
        ml, seconds, warnings, facts = (known[0].get(name) for name in ("volume_ml", "seconds", "warnings", "facts"))
        doubts = warnings_about(facts or {}, model.metadata.get("ranges", {}), scan.limits.pancreas_ml)
        said = _message(*warnings or (), *doubts)
        return _row(case, ml, seconds, "skipped", said, mask, facts)
    if seg is not None:
        check_source(headers := sorted_series(scan.path, scan.series))
    volume, warnings = checked_image(scan.path, scan.limits, scan.series)
    prediction = predict_volume(model, volume, **options)
    if entropy is not None:
        # Steps of 2^-12 bits are far below what the map means, and a third of the size when compressed.
        steps = prediction.entropy  # changed in place: of a large scan it is held once
        steps *= 4096
        np.rint(steps, out=steps)
        steps /= 4096
        write_on_original(entropy, steps, volume, about)
    doubts = warnings_about(prediction.facts, prediction.ranges, scan.limits.pancreas_ml)
    said = _message(why, *warnings, *doubts)
    row = _row(case, prediction.volume_ml, time.perf_counter() - start, "done", said, mask, prediction.facts)
    try:
        if seg is not None:
            parameters = {"weights": about["weights"][:16], **{name: str(value) for name, value in options.items()}}
            write_seg(seg, as_stored(prediction.mask, volume.original), headers, parameters, about)
        facts = {"volume_ml": row["volume_ml"], "seconds": row["seconds"], "warnings": warnings}
        facts |= {"facts": prediction.facts, "how_sure": prediction.how_sure, "doubts": doubts}
        write_on_original(mask, prediction.mask, volume, about | facts)
    except BaseException:
        for path in (entropy, seg):
            if path is not None and record_of(path) is not None:
                path.unlink()
        raise
    return row


def _message(*parts: str) -> str:
    """What the table says about a scan; folders stay out of it (`errors.without_paths`)."""
    return without_paths("; ".join(filter(None, parts)))


def _difference(about: Mapping[str, Any], known: list[Mapping[str, Any] | None]) -> str | None:
    """Why outputs of these records cannot be reused: "" where there is none yet; None: they can."""
    for record in known:
        if record is None or "input" not in record:
            return ""
        for name, reason in REASONS.items():
            if record.get(name) != about[name]:
                return f"redone: {reason}"
    return None if "volume_ml" in known[0] else ""


@lru_cache(2)
def _loaded(weights: str | Path, digest: str) -> Model:
    """The network, kept in a process for its next scans; it must be the one that was asked for."""
    model = load_weights(weights)
    if digest_of(model) != digest:
        raise RunError(f"the weights {weights} were changed meanwhile; start it again")
    return model


def _try(job: tuple, weights: str | Path | Model, rules: dict, options: dict, about: dict) -> dict[str, Any]:
    """`_segment`, with whatever goes wrong as a row. A stray error keeps its type's name."""
    start, (case, _, mask, *_) = time.perf_counter(), job
    try:
        model = weights if isinstance(weights, Model) else _loaded(weights, about["weights"])
        return _segment(*job, with_rules(model, **rules), options, about)
    except (InputError, RunError) as error:
        message = str(error)
    except Exception as error:
        message = type(error).__name__ + (f": {error}" if show_identifiers() else ", see --show-identifiers")
    row = _row(case, None, time.perf_counter() - start, "failed", _message(" ".join(message.split())), mask)
    return row | {"mask": ""}  # one that lies there is not of this scan, these weights, this code


def _row(
    case: str, ml: float | None, seconds: float, status: str, message: str, mask: Path, facts: Mapping | None = None
) -> dict[str, Any]:
    numbers = {"volume_ml": None if ml is None else round(ml, 3)} | {name: (facts or {}).get(name) for name in SURE}
    numbers |= {"seconds": round(seconds, 2)}
    return {"case": case, **numbers, "status": status, "message": message, "mask": mask.name}


def _earlier(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run by case, of those whose mask the named weights have made; none without a table of ours."""
    table = out / TABLE
    if not table.is_file():
        return {}
    try:
        frame = pd.read_csv(table, dtype={"case": str, "message": str, "weights": str}, keep_default_na=False,
                            na_values={name: [""] for name in ("volume_ml", *SURE, "seconds")})  # fmt: skip
    except (ValueError, OSError):
        return {}
    if list(frame.columns) != COLUMNS:
        return {}
    rows = [row | {"mask": str(row["mask"])} for row in frame.to_dict("records")]
    made = {row["mask"]: (record_of(out / row["mask"]) or {}).get("weights", "\0")[:12] for row in rows if row["mask"]}
    return {row["case"]: row for row in rows if made.get(row["mask"], "") in row["weights"]}


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)

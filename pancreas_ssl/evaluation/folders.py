"""A folder of masks beside a folder of labels: one row per case, matched by its name."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pancreas_ssl.data.dicom_labels import is_dicom_label
from pancreas_ssl.data.nifti import ENDINGS
from pancreas_ssl.errors import InputError, RunError, require, warn, without_paths
from pancreas_ssl.evaluation.metrics import evaluate_files
from pancreas_ssl.files import atomic_path, claim
from pancreas_ssl.progress import tracked

if TYPE_CHECKING:
    import pandas

__all__ = ["MEASURES", "evaluate_folders", "mean_line"]

MEASURES = ("dice", "nsd", "hd95", "msd", "tolerance_mm", "volume_ml", "label_volume_ml", "volume_bias_ml",
            "false_positive_ml", "missed", "label_empty")  # fmt: skip
COLUMNS = ("case", *MEASURES, "status", "message")


def evaluate_folders(
    predictions: str | Path,
    labels: str | Path,
    label_values: Sequence[int] = (1,),
    tolerance_mm: float | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> "pandas.DataFrame":
    """Compare the masks of a folder with the labels of another; files of one case have one name, whatever the ending.

    Labels may be DICOM SEG or RTSTRUCT, too. Cases that only one folder holds are named in a warning.

    Args:
        predictions, labels: folders; files in folders below them do not count.
        label_values, tolerance_mm: as in `evaluate_files`.
        out: also write the table here, as CSV.
        overwrite: replace a file of that name that this tool did not write, too.

    Returns:
        A row per case of both: `case`, the metrics of `evaluate_case`, status (done, failed) and the reason.

    Raises:
        InputError: no folder, no case in both, two files of one case, `out` cannot be written.

    Example:
        >>> evaluate_folders("masks", "labels", out="table.csv")["dice"].mean()    # doctest: +SKIP
    """
    import pandas

    folders = [Path(folder) for folder in (predictions, labels)]
    masks, references = (_by_case(folder) for folder in folders)
    both = [case for case in masks if case in references]
    require(bool(both), f"cases of one name in {folders[0]} and {folders[1]}", f"{len(masks)} and {len(references)} "
            "files of other names", "rename them so that a mask is called as its label")  # fmt: skip
    _tell("predictions without a label", [case for case in masks if case not in references])
    _tell("labels without a prediction", [case for case in references if case not in masks])
    if out is not None:
        claim([out], overwrite=overwrite, inputs=[*masks.values(), *references.values()])
    rows, show = [], len(both) > 3 and sys.stderr.isatty()
    for case in tracked(both, "evaluate", "case", show=show, stream=sys.stderr):
        try:
            found = evaluate_files(masks[case], references[case], label_values, tolerance_mm)
            rows.append({"case": case, **{name: found[name] for name in MEASURES}, "status": "done", "message": ""})
        except (InputError, RunError) as error:
            rows.append({"case": case, "status": "failed", "message": without_paths(" ".join(str(error).split()))})
    table = pandas.DataFrame(rows, columns=COLUMNS)
    if out is not None:
        with atomic_path(out) as temporary:
            table.to_csv(temporary, index=False)
    return table


def mean_line(table: "pandas.DataFrame") -> str:
    """The means over all cases that were measured, in words; a case with an empty label has no Dice and no distance."""
    done = table[table["status"] == "done"]
    means = {name: done[name].astype(float).mean() for name in ("dice", "nsd", "hd95", "msd")}
    words = ", ".join(f"{name} {mean:.3f}" if name in ("dice", "nsd") else f"{name} {mean:.1f} mm"
                      for name, mean in means.items() if mean == mean)  # fmt: skip
    missed, empty = (int(done[name].astype(bool).sum()) for name in ("missed", "label_empty"))
    return f"mean of {len(done)} cases: {words or 'none'}; {missed} missed, {empty} with an empty label"


def _by_case(folder: Path) -> dict[str, Path]:
    require(folder.is_dir(), "two folders, of masks and of labels", f"{folder}, which is none", "name two folders")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        ending = next((one for one in ENDINGS if path.name.lower().endswith(one) and path.is_file()), None)
        if ending is None and not is_dicom_label(path):
            continue
        case = path.name[: -len(ending)] if ending else path.name if path.is_dir() else path.stem
        two = f"{found[case].name} and {path.name} in {folder}" if case in found else ""
        require(not two, f"one file per case, {case} has", two, "remove one")
        found[case] = path
    return {case: path for case, path in found.items() if case.removesuffix("_uncertainty") not in set(found) - {case}}


def _tell(what: str, cases: list[str]) -> None:
    if cases:
        warn(f"{len(cases)} {what}: {', '.join(cases[:5])}" + " ..." * (len(cases) > 5))

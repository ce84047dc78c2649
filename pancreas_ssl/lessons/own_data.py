"""A reader's own scans: the card or folder that holds them, what each is like, and which prediction deserves a look."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from pancreas_ssl.data.access import Case, cases, parse_source
from pancreas_ssl.data.access_methods import GenerateAccess
from pancreas_ssl.data.cards import Limits, cards_folder, list_cards, load_card
from pancreas_ssl.data.discovery import discover
from pancreas_ssl.data.label_checks import read_case_label
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.roles import find_source, open_cases
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.uncertainty_quality import case_uncertainty
from pancreas_ssl.files import make_folder, write_text
from pancreas_ssl.inference.predict import Prediction
from pancreas_ssl.inference.ranges import warnings_about
from pancreas_ssl.method.segmentation import PANCREAS
from pancreas_ssl.method.uncertainty import entropy

__all__ = ["described", "doubts", "own_card", "own_cases", "read_own"]

DRAFT = "mine.md"
FLAT = ("{id}.nii.gz", "{id}.nii", "{id}/")  # scans that lie directly in the folder


def own_card(where: str, out: str | Path) -> str:
    """The card of some scans: `where` itself, or, where that is a folder of scans, a card drafted for it in `out`.

    The draft is a copy of the card `folder` that names the folder. One that lies in `out` already is taken as it is,
    so it may be changed by hand.

    Raises:
        InputError: no such card, or a folder that holds no scan.

    Example:
        >>> own_card("phantom/V", "out")
        'phantom/V'
    """
    folder = Path(where).expanduser()
    if where.endswith(".md") or parse_source(where)[0] in list_cards() or not folder.is_dir():
        find_source(where)
        return where
    draft = make_folder(out).resolve() / DRAFT
    if not draft.exists():
        text = (cards_folder() / "folder.md").read_text(encoding="utf-8")
        changes = {"name: .*": "name: mine", "  root: .*": f"  root: {json.dumps(str(folder.resolve()))}"}
        for line, new in changes.items():
            text = re.sub(f"(?m)^{line}$", lambda _, new=new: new, text, count=1)
        text = re.sub(r"role: \w+", "role: any", text, count=1)
        write_text(draft, text)
        if not discover(load_card(draft), folder):
            patterns = "".join(f'\n    - "{pattern}"' for pattern in FLAT)
            write_text(draft, text.replace("\n  image:", f"\n  image:{patterns}", 1))
        if not discover(load_card(draft), folder):
            draft.unlink()
            remedy = "name a folder with NIfTI files or DICOM series, or write a card (copy data_cards/folder.md)"
            raise InputError(f"expected scans in {folder}, found none by the usual names; {remedy}")
    return str(draft)


def own_cases(name: str, most: int | None = None) -> list[Case]:
    """The first cases of a source, with label or without. The phantom's test sources stay sealed.

    Raises:
        InputError: no such source, or one of the phantom's that must not be looked at.

    Example:
        >>> [case.id for case in own_cases("lidc_idri_0001")]    # doctest: +SKIP
        ['lidc_idri_0001']
    """
    card, key = find_source(name)
    if card.sources[key].role == "any":
        return cases(card, key, most=most)
    return open_cases(name, "measure", reveal=not isinstance(card.access, GenerateAccess), most=most)


def read_own(case: Case) -> tuple[Volume, Volume | None]:
    """The scan and, where there is one, its label as the card reads it."""
    image = read_image(case.image, case.series)
    return image, read_case_label(case, image) if case.label else None


def described(case: Case) -> dict[str, Any]:
    """One row about a case: source, case, voxels, voxel sides (mm), HU under the label, volume of the label (mL).

    Without a label, the last ones are NaN.
    """
    image, label = read_own(case)
    row = {"source": case.source, "case": case.id, "voxels": " x ".join(map(str, image.shape))}
    row |= {f"{axis} (mm)": round(side, 2) for axis, side in zip("xyz", image.spacing, strict=True)}
    hu = image.array[label.array > 0] if label is not None else np.zeros(0)
    names = ("HU 25 %", "HU median", "HU 75 %")
    quartiles = np.percentile(hu, (25, 50, 75)).round(1) if hu.size else [np.nan] * 3
    row |= dict(zip(names, map(float, quartiles), strict=True))
    return row | {"label (mL)": round(hu.size * image.voxel_ml, 1) if label is not None else np.nan}


def doubts(prediction: Prediction, limits: Limits | None = None) -> dict[str, Any]:
    """Volume (mL), mean uncertainty in and around the mask (bits, 0 to 1), the Dice that the network expects, and in
    words what deserves a look (`inference.ranges.warnings_about`).

    No label is needed. A reason to look is a reason to look, not a finding: a mask without one may be wrong.

    Args:
        prediction: of `predict_volume`.
        limits: of the card; its volumes count as usual.
    """
    probability = prediction.probabilities[PANCREAS]
    marked = prediction.probabilities.argmax(axis=0) == PANCREAS
    uncertainty = case_uncertainty(np.asarray(entropy(probability[None])), marked)
    reasons = warnings_about(prediction.facts, prediction.ranges, (limits or Limits()).pancreas_ml)
    row = {"volume (mL)": round(prediction.volume_ml, 1), "uncertainty": uncertainty}
    return row | {"expected Dice": prediction.facts["expected_dice"], "worth a look": "; ".join(reasons)}

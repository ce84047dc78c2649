"""A first data card for files that lie here: what their layout and `dataset.json` say, and what was left out.

A draft is to be read and corrected: licence and citation are empty, and a name in `dataset.json` may mean anything.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pancreas_ssl.data.access import cases
from pancreas_ssl.data.card_fields import LETTERS
from pancreas_ssl.data.cards import Card
from pancreas_ssl.data.dataset_json import described, pancreas_in
from pancreas_ssl.data.dicom_folders import describe_patients
from pancreas_ssl.data.nifti import ENDINGS
from pancreas_ssl.errors import InputError, complaint, require
from pancreas_ssl.files import claim, write_text

__all__ = ["KINDS", "draft_card"]

BODY = """
# {title}

A draft: correct it, above all the licence, the citation and what the label values mean. Then run
`pancreas-ssl data check` on it and read the table.
"""


def draft_card(kind: str, folder: str | Path, out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write a data card for a folder; returns what to know about it, a line each, first what it found.

    Args:
        kind: how the folder is laid out: one of `KINDS`.
        folder: of the data.
        out: the card, ending in .md.
        overwrite: replace a card that this tool did not write, too.

    Raises:
        InputError: an unknown kind, a folder that does not look like it, no label called pancreas.

    Example:
        >>> draft_card("msd", "Task07_Pancreas", "mine.md")    # doctest: +SKIP
        ['281 cases with a label, 0 without', '139 images in imagesTs have no labels: left out']
    """
    folder, out = Path(folder), Path(out)
    require(kind in KINDS, f"one of {', '.join(KINDS)}", repr(kind), "name one with --from")
    require(folder.is_dir(), "a folder with scans", f"{folder}, which is none", "name a folder")
    require(out.suffix == ".md", "a card's name ending in .md", out, "add the ending")
    claim([out], overwrite=overwrite)
    found, notes = KINDS[kind](folder)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", out.stem).lstrip("_.-")[:LETTERS] or "mine"
    title = f"{found.pop('title', '') or name}, drafted from a folder"
    root = Path(found.pop("root", folder)).resolve()
    fields = {
        "name": name,
        "title": title,
        "summary": "A draft; say here what these scans are.",
        "licence": {"name": "not known", "verify_at": "the place you had the data from"},
        "citation": ["the work that published the data"],
        "access": {"method": "folder", "root": str(root)},
        **found,
        "sources": {name: {"role": "any", "title": title}},
    }
    try:
        card = Card.model_validate(fields)
    except ValueError as error:
        problem = error.errors()[0] if hasattr(error, "errors") else {"msg": str(error), "input": None}
        raise InputError(f"expected a folder that a card can describe, {complaint(problem)}; write it by hand from "
                         "data_cards/folder.md") from error  # fmt: skip
    listed = cases(card)
    labelled = sum(case.label is not None for case in listed)
    first = f"{labelled} cases with a label, {len(listed) - labelled} without"
    header = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110)
    write_text(out, f"---\n{header}---\n{BODY.format(title=title)}")
    return [first, *notes]


def _holding(folder: Path, *names: str) -> Path:
    """The folder itself or one at most three below it that holds all these names."""
    levels = [folder, *(path for depth in ("*", "*/*", "*/*/*") for path in sorted(folder.glob(depth)))]
    there = (path for path in levels if path.is_dir() and all((path / name).exists() for name in names))
    if (found := next(there, None)) is None:
        raise InputError(f"expected {' and '.join(names)} in {folder}, there is none; name the folder that holds them")
    return found


def _hidden(folder: Path) -> list[str]:
    count = sum(1 for _ in folder.rglob("._*"))
    return [f"{count} files of macOS (._*): left out"] * bool(count)


def _others(values: dict[int, str], pancreas: list[int]) -> dict[str, list[int]]:
    """Entries of `label_values` for the other structures, each by its name."""
    rest: dict[str, list[int]] = {}
    for value, name in sorted(values.items()):
        if value not in pancreas:
            rest.setdefault(re.sub(r"\W+", "_", name.strip().lower()) or "other", []).append(value)
    return rest


def _unlabelled(root: Path, *names: str) -> list[str]:
    counts = {name: sum(path.name.lower().endswith(ENDINGS) and path.name[0] != "." for path in (root / name).glob("*"))
              for name in names}  # fmt: skip
    return [f"{count} images in {name} have no labels: left out" for name, count in counts.items() if count]


def _msd(folder: Path) -> tuple[dict[str, Any], list[str]]:
    root = _holding(folder, "dataset.json", "imagesTr")
    about = described(root / "dataset.json")
    pancreas, parts = pancreas_in(about.values, root)
    ending = about.ending or next((e for e in ENDINGS if any((root / "imagesTr").glob(f"*{e}"))), ".nii.gz")
    channels = [f"imagesTr/{{id}}_0000{ending}"] if about.channels or _numbered(root, ending) else []
    fields = {
        "title": about.name,
        "root": root,
        "layout": {"image": channels or [f"imagesTr/{{id}}{ending}"], "label": [f"labelsTr/{{id}}{ending}"]},
        "label_values": {"pancreas": pancreas} | _others(about.values, pancreas),
    }
    more = sorted(root.glob(f"imagesTr/*_0001{ending}")) if channels else []
    notes = [f"{len(more)} files of further channels (_0001 and on): left out"] * bool(more)
    return fields | ({"parts": parts} if parts else {}), notes + _unlabelled(root, "imagesTs") + _hidden(root)


def _numbered(root: Path, ending: str) -> bool:
    """Whether image files end in nnU-Net's number of the channel, which their labels lack."""
    images = [path.name for path in (root / "imagesTr").glob(f"*_0000{ending}") if path.name[0] != "."]
    return bool(images) and not (root / "labelsTr" / images[0]).exists()


def _amos(folder: Path) -> tuple[dict[str, Any], list[str]]:
    root = _holding(folder, "imagesTr", "labelsTr")
    values = described(root / "dataset.json").values if (root / "dataset.json").is_file() else {}
    values = values or {10: "pancreas"} | {n: "other" for n in range(1, 16) if n != 10}
    pancreas, _ = pancreas_in(values, root)
    mri = [path for part in ("Tr", "Va") for path in root.glob(f"images{part}/amos_*.nii.gz")
           if re.match(r"amos_0*[5-9][0-9]{2}\.", path.name)]  # fmt: skip
    fields = {
        "title": "AMOS",
        "root": root,
        "layout": {
            "image": [f"images{part}/{{id}}.nii.gz" for part in ("Tr", "Va")],
            "label": [f"labels{part}/{{id}}.nii.gz" for part in ("Tr", "Va")],
        },
        "label_values": {"pancreas": pancreas} | _others(values, pancreas),
        "exclude": ["/amos_0*[5-9][0-9][0-9]/"],
    }
    notes = [f"{len(mri)} images with ids of 500 and above are MRI: left out"] * bool(mri)
    return fields, notes + _unlabelled(root, "imagesTs") + _hidden(root)


def _btcv(folder: Path) -> tuple[dict[str, Any], list[str]]:
    root = _holding(folder, "img", "label")
    fields = {
        "title": "BTCV",
        "root": root,
        "layout": {"image": ["img/img{id}.nii.gz"], "label": ["label/label{id}.nii.gz"]},
        "label_values": {"pancreas": [11], "other": ["1..10", "12..13"]},
    }
    testing = sorted(root.parent.glob("[Tt]est*/img/*.nii.gz"))
    notes = [f"{len(testing)} images for testing have no labels: left out"] * bool(testing)
    return fields, notes + _hidden(root)


def _totalseg(folder: Path) -> tuple[dict[str, Any], list[str]]:
    root = next((path.parent.parent for path in sorted(folder.glob("**/ct.nii.gz"))), None)
    require(
        root is not None, "folders with a ct.nii.gz", f"none in {folder}", "name the folder with the cases' folders"
    )
    without = sum(
        not (path.parent / "segmentations" / "pancreas.nii.gz").is_file() for path in root.glob("*/ct.nii.gz")
    )
    mri = sum(1 for _ in root.glob("*/mri.nii.gz"))
    fields = {
        "title": "TotalSegmentator",
        "root": root,
        "layout": {"image": ["{id}/ct.nii.gz"], "label": ["{id}/segmentations/pancreas.nii.gz"]},
        "label_values": {"pancreas": [1]},
        "require_pancreas": True,
    }
    notes = ["cases whose pancreas file is empty are left out when the data are opened (require_pancreas)"]
    notes += [f"{without} cases have no segmentations/pancreas.nii.gz: unlabelled"] * bool(without)
    return fields, notes + [f"{mri} folders hold an MRI: left out"] * bool(mri) + _hidden(root)


KINDS: dict[str, Callable[[Path], tuple[dict[str, Any], list[str]]]] = {
    "msd": _msd, "nnunet": _msd, "btcv": _btcv, "amos": _amos, "totalseg": _totalseg, "tcia": describe_patients,
    "dicom": describe_patients,
}  # fmt: skip

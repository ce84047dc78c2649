"""What a `dataset.json` says: that of the Decathlon (and nnU-Net 1), and that of nnU-Net 2, which turns the labels."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pancreas_ssl.data.nifti import ENDINGS
from pancreas_ssl.errors import InputError, require

__all__ = ["Described", "described", "pancreas_in"]

MOST_BYTES = 50_000_000
TUMOUR = re.compile("cancer|tumou?r|mass|lesion|pdac|cyst|neoplasm", re.IGNORECASE)


@dataclass(frozen=True)
class Described:
    """`values` maps a label value to its name, the background left out; `channels` says that images are numbered."""

    name: str
    values: dict[int, str] = field(default_factory=dict)
    ending: str = ""
    channels: bool = False


def described(path: Path) -> Described:
    """Read a `dataset.json`.

    Raises:
        InputError: no JSON of this kind, images that are no CT, files that are no NIfTI.
    """
    damaged = f"expected a dataset.json of the Decathlon or of nnU-Net, {path} is none"
    require(path.is_file(), "a file dataset.json", f"{path}, which is none", "name another folder")
    try:
        require(path.stat().st_size <= MOST_BYTES, "a dataset.json of at most 50 MB", path, "name another folder")
        read = json.loads(path.read_text(encoding="utf-8-sig"))
        values = _values(read["labels"])
        channels = {str(name) for name in (read.get("channel_names") or read.get("modality") or {}).values()}
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{damaged} ({type(error).__name__}); correct it or write a card by hand") from error
    ending = str(read.get("file_ending") or "")
    fine = ending.lower() in ("", *ENDINGS)
    require(fine, "images as NIfTI", f"the file_ending {ending[:20]} in {path}", "convert them first")
    other = sorted(name for name in channels if "ct" not in re.split(r"\W+", name.lower()))
    named = ", ".join(other)[:60]
    require(not channels or len(other) < len(channels), "CT as the images", f"{named} in {path}", "choose a CT set")
    return Described(str(read.get("name") or "")[:60], values, ending, "channel_names" in read)


def _values(labels: dict[str, Any]) -> dict[int, str]:
    """Value -> name, out of {"1": "pancreas"} or {"pancreas": 1} or, for regions, {"pancreas": [1, 2], "cancer": 2}."""
    values: dict[int, list[str]] = {}
    for key, entry in labels.items():
        if isinstance(entry, str):
            values.setdefault(int(key), []).append(entry)
        else:
            for value in entry if isinstance(entry, list) else [entry]:
                values.setdefault(int(value), []).append(str(key))
    named = {value: " and ".join(sorted(set(names), key=len)) for value, names in values.items() if value > 0}
    return {value: name for value, name in named.items() if name.lower() != "ignore"}


def pancreas_in(values: dict[int, str], folder: Path) -> tuple[list[int], dict[str, list[int]]]:
    """The values that are pancreas, masses of it merged in, and the part of them that is tumour.

    A mass counts where it is called the pancreas's, or where nothing else is labelled.

    Raises:
        InputError: no label is called pancreas.

    Example:
        >>> pancreas_in({1: "pancreas", 2: "cancer"}, Path("."))
        ([1, 2], {'tumour': [2]})
    """
    gland = [value for value, name in values.items() if "pancrea" in name.lower()]
    names = ", ".join(values.values())[:120] or "none"
    require(bool(gland), "a label called pancreas", f"{names} in {folder}", "write a card from data_cards/folder.md")
    tumour = [value for value, name in values.items() if TUMOUR.search(name)]
    alone = not set(values) - set(gland) - set(tumour)
    tumour = [value for value in tumour if alone or value in gland or "pdac" in values[value].lower()]
    whole = sorted({*gland, *tumour})
    return whole, {"tumour": sorted(tumour)} if tumour and set(tumour) < set(whole) else {}

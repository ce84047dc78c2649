"""Bad inputs of the clinical doors: folders of DICOM, SEG and RTSTRUCT, drafts of cards, two folders compared."""

import json
import os
import shutil
from collections.abc import Callable

import numpy as np
import pydicom
import pytest

from tests.data.dicom_files import export, rtstruct, series
from tests.safety.helpers import Bad, abdomen, card, data_set, pancreas, save, try_bad

HU = abdomen().astype(np.int16)


def _cases(folder, *, name: str = "scans"):
    for one in "ab":
        series(folder / name / one, HU[:, :, :8], spacing=(3, 3, 3))


def _run(*arguments, before: Callable | None = None):
    def arrange(folder):
        if before:
            before(folder)
        return arguments

    return arrange


def _mask(folder) -> None:
    save(folder / "mask.nii.gz", pancreas())


def _outlines(change: Callable | None = None, points=((0, 0, 3), (-9, 0, 3), (-9, -9, 3)), **how):
    """A mask and an RTSTRUCT whose outline lies on its slice 1."""

    def before(folder):
        _mask(folder)
        path = rtstruct(folder / "label.dcm", {"Pancreas": [np.array(points, float)]}, **how)
        if change:
            data = pydicom.dcmread(path)
            change(data)
            data.save_as(path)

    return _run("evaluate", "mask.nii.gz", "label.dcm", before=before)


def _damage(size: int):
    def before(folder):
        _mask(folder)
        path = rtstruct(folder / "label.dcm", {"Pancreas": [np.zeros((3, 3))]})
        path.write_bytes(path.read_bytes()[:size] + b"\xff" * 40)

    return _run("evaluate", "mask.nii.gz", "label.dcm", before=before)


def _without(tag: str):
    def change(data):
        del data[tag]

    return change


def _empty_segment(data) -> None:
    data.Modality = "SEG"
    data.SegmentSequence = [pydicom.Dataset()]


def _slice_as_label(folder) -> None:
    _mask(folder)
    shutil.copy(next(series(folder / "ct", HU[:, :, :8]).iterdir()), folder / "label.dcm")


def _card_of_outlines(folder) -> None:
    series(folder / "data" / "p0", HU, spacing=(3, 3, 3))
    rtstruct(folder / "data" / "p0.dcm", {"Liver": [np.zeros((3, 3))]})
    card(
        folder / "mine.md",
        folder / "data",
        layout='{image: "{id}/", label: "{id}.dcm"}',
        sources="{a: {role: any, title: A}}",
        splits="{a: {all: [p0]}}",
    )


def _two_folders(folder) -> None:
    save(folder / "masks" / "a.nii.gz", pancreas())
    save(folder / "labels" / "b.nii.gz", pancreas())
    (folder / "table.csv").write_text("mine")


def _pairs(folder) -> None:
    save(folder / "masks" / "a.nii.gz", pancreas())
    save(folder / "labels" / "a.nii.gz", pancreas())
    (folder / "table.csv").write_text("mine")


def _task(text: str | None):
    def before(folder):
        (folder / "task" / "imagesTr").mkdir(parents=True)
        (folder / "task" / "labelsTr").mkdir()
        (folder / "mine.md").write_text("mine")
        if text is None:
            os.mkfifo(folder / "task" / "dataset.json")
        else:
            (folder / "task" / "dataset.json").write_text(text)

    return before


def _patients(folder) -> None:
    series(folder / "scans" / "p" / "a", HU[:, :, :8])
    series(
        folder / "scans" / "p" / "b", HU[:, :, :8], PatientID="2", PatientName="SECRET^Other", StudyInstanceUID="1.9"
    )


def _sets(folder) -> None:
    data_set(folder, sources="{a: {role: any, title: A}}", splits="{}")
    (folder / "table.csv").write_text("mine")


NEW = ("data", "new", "task", "--out", "new.md", "--from")
GOOD = json.dumps({"labels": {"0": "background", "1": "pancreas"}})
BAD = [
    Bad("cases into a file", _run("predict", "scans", "--out", "m.nii.gz", before=_cases), "expected one DICOM series"),
    Bad(
        "CT and source",
        _run("predict", "scans", "--source", "phantom", "--out", "m", before=_cases),
        "a CT or a source",
    ),
    Bad("neither CT nor source", _run("predict", "--out", "m"), "a CT or a source, got none"),
    Bad("source unknown", _run("predict", "--source", "nobody", "--out", "m"), "no data card is called"),
    Bad(
        "source without its folder",
        _run("predict", "--source", "folder", "--root", "none", "--out", "m"),
        "there is no such folder",
    ),
    Bad(
        "SEG where a file lies",
        _run(
            "predict", "scans", "--out", "m", "--dicom-seg", "f", before=lambda f: (_cases(f), (f / "f").write_text(""))
        ),
        "f is a file",
    ),
    Bad(
        "SEG among the slices",
        _run("predict", "scans", "--out", "m", "--dicom-seg", "scans/a", before=_cases),
        "another place for the output",
    ),
    Bad("series of no folder", _run("data", "series", "none"), "a folder with DICOM series"),
    Bad("series without DICOM", _run("data", "series", ".", before=_mask), "DICOM series, got none"),
    Bad("series: prefer", _run("data", "series", "scans", "--prefer", "SE1", before=_cases), "another --prefer"),
    Bad(
        "series: pattern", _run("data", "series", "scans", "--description", "(", before=_cases), "another --description"
    ),
    Bad("describe nobody", _run("data", "describe", "nobody"), "no data card"),
    Bad("describe one set twice", _run("data", "describe", "mine.md", "mine.md", before=_sets), "each set once"),
    Bad(
        "describe into somebody's table",
        _run("data", "describe", "mine.md", "--out", "table.csv", before=_sets),
        "table.csv was not written by pancreas-ssl",
    ),
    Bad("draft of what", _run(*NEW, "lits", before=_task(GOOD)), "one of msd, nnunet"),
    Bad("draft of no folder", _run("data", "new", "none", "--from", "msd", "--out", "new.md"), "a folder with scans"),
    Bad(
        "draft: no .md",
        _run("data", "new", "task", "--from", "msd", "--out", "n.txt", before=_task(GOOD)),
        "ending in .md",
    ),
    Bad(
        "draft over a card",
        _run("data", "new", "task", "--from", "msd", "--out", "mine.md", before=_task(GOOD)),
        "mine.md was not written by pancreas-ssl",
    ),
    Bad("draft: a pipe", _run(*NEW, "msd", before=_task(None)), "a file dataset.json"),
    Bad("draft: deep", _run(*NEW, "msd", before=_task("[" * 100_000)), "dataset.json is none"),
    Bad("draft: list", _run(*NEW, "nnunet", before=_task('{"labels": [1]}')), "dataset.json is none"),
    Bad(
        "draft: no pancreas",
        _run(*NEW, "msd", before=_task('{"labels": {"1": "liver"}}')),
        "called pancreas, got liver",
    ),
    Bad("draft: values", _run(*NEW, "msd", before=_task('{"labels": {"99999999": "pancreas"}}')), "1 to 65535"),
    Bad("draft: no image", _run(*NEW, "msd", before=_task(GOOD)), "found no image"),
    Bad("draft: no DICOM", _run(*NEW, "dicom", before=_task(GOOD)), "sub-folders with DICOM"),
    Bad("draft: no case", _run(*NEW, "totalseg", before=_task(GOOD)), "folders with a ct.nii.gz"),
    Bad("draft: other layout", _run(*NEW, "btcv", before=_task(GOOD)), "expected img and label in task"),
    Bad("RTSTRUCT: off the slices", _outlines(points=((0, 0, 4), (-9, 0, 4), (-9, -9, 4))), "on the image's slices"),
    Bad("RTSTRUCT: outside", _outlines(points=((0, 0, 300), (-9, 0, 300), (-9, -9, 300))), "inside the image"),
    Bad("RTSTRUCT: tilted", _outlines(points=((0, 0, 3), (-9, 0, 9), (-9, -9, 17))), "on the image's slices"),
    Bad("RTSTRUCT: two points", _outlines(points=((0, 0, 3), (-9, 0, 3))), "three finite points"),
    Bad("RTSTRUCT: no structures", _outlines(_without("StructureSetROISequence")), "label that can be read.*damaged"),
    Bad("RTSTRUCT: truncated", _damage(400), "one DICOM SEG or RTSTRUCT as a label"),
    Bad("RTSTRUCT: headless", _damage(140), "expected"),
    Bad("SEG: empty segment", _outlines(_empty_segment), "label that can be read.*damaged"),
    Bad(
        "a slice as label",
        _run("evaluate", "mask.nii.gz", "label.dcm", before=_slice_as_label),
        "one DICOM SEG or RTSTRUCT",
    ),
    Bad("folders of other names", _run("evaluate", "masks", "labels", before=_two_folders), "cases of one name"),
    Bad("folder and file", _run("evaluate", "masks", "labels/b.nii.gz", before=_two_folders), "two folders"),
    Bad("file and folder", _run("evaluate", "masks/a.nii.gz", "labels", before=_two_folders), "labels is a folder"),
    Bad(
        "somebody's table",
        _run("evaluate", "masks", "labels", "--out", "table.csv", before=_pairs),
        "table.csv was not written by pancreas-ssl",
    ),
    Bad(
        "a label as table",
        _run("evaluate", "masks", "labels", "--out", "labels/a.nii.gz", before=_pairs),
        "another place",
    ),
    Bad(
        "table of two files",
        _run("evaluate", "masks/a.nii.gz", "labels/a.nii.gz", "--out", "t.csv", before=_pairs),
        "--out with two folders",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_clinical_input(bad, tmp_path, monkeypatch, capsys):
    assert "SECRET" not in try_bad(bad, tmp_path, monkeypatch, capsys)


def test_a_check_tells_of_outlines_of_another_structure(tmp_path, monkeypatch, capsys):
    from pancreas_ssl.cli import main

    _card_of_outlines(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["data", "check", "mine.md"]) == 1
    assert "expected a structure that fits 'pancreas', got Liver in" in capsys.readouterr().out


def test_patients_are_not_mixed_and_not_named(tmp_path, monkeypatch, capsys):
    """A case's folder with two patients: the row says so, no name is shown, nothing is written for it."""
    from pancreas_ssl.cli import main

    _patients(tmp_path)
    export(tmp_path / "scans" / "q", HU[:, :, :8])
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "scans", "--out", "m", "--device", "cpu"]) == 1
    shown = capsys.readouterr()
    assert "SECRET" not in shown.out + shown.err and not list((tmp_path / "m").glob("*.nii.gz"))
    assert "2 failed (p, q)" in shown.err

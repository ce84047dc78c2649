"""The leakage guard: a scan that trained is not measured, whatever it is called and however it was stored again."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.image_checks import find_scan, same_scan, voxel_hash
from pancreas_ssl.data.preprocessing import prepare_cases
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference import load_weights, refuse_leaks, save_weights
from pancreas_ssl.inference.leaks import has_trained
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.study import run_study
from pancreas_ssl.study.measurements import measure
from tests.miniatures.files import write_series
from tests.miniatures.phantoms import Small
from tests.safety.helpers import abdomen, card, pancreas, save
from tests.study.helpers import write

RECIPE = {"steps": 1, "channels": [4, 8], "patch": [16, 16, 16], "spacing": 6.0, "precision": "fp32", "warmup": 1}
ANY = {"sources": "{a: {role: any, title: A}}", "splits": "{}"}
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def _store(path: Path, array, *, codes: str = "RAS", dtype=None) -> None:
    """A RAS array as a file with axes `codes`; with a type, nibabel scales floats into it."""
    change = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(tuple(codes))
    )
    image = nibabel.Nifti1Image(array, AFFINE).as_reoriented(change)
    if dtype is not None:
        image.set_data_dtype(dtype)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def _copies(folder: Path, hu: list) -> list[str]:
    """Each scan stored again in another way; the label goes along."""
    labels, names = pancreas(), []
    ways = {
        "uncompressed": {},
        "axes": {"codes": "LPI"},
        "turned": {"codes": "SAR"},
        "float32": {"dtype": np.float32},
        "scaled": {"dtype": np.uint16},
        "int32": {"dtype": np.int32},
        "mirror_x": {"flip": 0},
        "mirror_y": {"flip": 1},
        "mirror_z": {"flip": 2},
        "mirror_all": {"flip": (0, 1, 2), "codes": "LAS", "dtype": np.float64},
        "padded": {},
        "cut_off": {},
    }
    for (name, way), one in zip(ways.items(), hu, strict=True):
        flip = way.pop("flip", ())
        if name == "padded":  # other values outside the field of view
            one = np.where(one <= -1024, -2048, one)
        if name == "scaled":  # by nibabel, into the range of the type
            one = one.astype(np.float64)
        if name == "cut_off":
            one = one.astype(np.int16)
        _store(folder / f"{name}_image.nii", np.flip(one, flip), **way)
        _store(folder / f"{name}_label.nii", np.flip(labels, flip), codes=way.get("codes", "RAS"))
        names.append(name)
    return names


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Thirteen scans of a set `mine`; the first twelve once more, each stored otherwise, in a set `other`."""
    folder = tmp_path_factory.mktemp("sets")
    hu = [abdomen(seed=seed) for seed in range(13)]  # with fractions of HU
    hu[:6] = [array.round().astype(np.int16) for array in hu[:6]]
    for array in hu:
        array[:, :2] = -1024
    for k, array in enumerate(hu):
        save(folder / "data" / f"p{k:02d}_image.nii.gz", array)
        save(folder / "data" / f"p{k:02d}_label.nii.gz", pancreas())
    card(folder / "mine.md", folder / "data", **ANY, folds="{k: 2, seed: 0}")
    names = _copies(folder / "again", hu[:12])
    card(folder / "other.md", folder / "again", **ANY | {"name": "other", "sources": "{x: {role: any, title: X}}",
         "layout": '{image: "{id}_image.nii", label: "{id}_label.nii"}'})  # fmt: skip
    return folder, names


@pytest.fixture
def weights(sets, tmp_path):
    """A network that, as its header says, was trained on all of `mine`."""
    folder, _ = sets
    cases = prepare_cases(open_cases(f"{folder}/mine.md", "measure"), spacing=6.0)
    how = {"spacing": 6.0, "window": (-150, 250), "patch": (16, 16, 16), "source": "mine/a"}
    how |= {"recipe": RECIPE | {"seed": 0}, "train": {"ids": ["case 1"], "voxels": [case.voxels for case in cases]}}
    network = SegmentationNetwork(channels=(4, 8), n_classes=2, seed=0)
    return save_weights(tmp_path / "mine.safetensors", network, how)


def test_every_copy_is_known_again(sets, weights):
    folder, names = sets
    copies = prepare_cases(open_cases(f"{folder}/other.md", "measure"), spacing=6.0)
    model = load_weights(weights)
    assert [case.id for case in copies if not has_trained(model.metadata, case)] == []
    assert refuse_leaks(model, copies, allow_leak=True) == sorted(names) and len(names) == 12
    stranger = abdomen(seed=99).round()
    assert find_scan(voxel_hash(stranger), [case.voxels for case in copies]) is None


def test_a_scan_as_dicom_is_the_same_scan(tmp_path):
    hu = np.maximum(abdomen(seed=3).round(), -1024).astype(np.int16)
    one = Small(hu, pancreas(), pancreas(), AFFINE)
    stored = save(tmp_path / "scan.nii.gz", hu)
    series = write_series(tmp_path / "series", one, "p")
    assert same_scan(voxel_hash(read_image(series).array), voxel_hash(read_image(stored).array))


def test_measure_refuses_and_writes_down_what_was_overruled(sets, weights, tmp_path, capsys):
    folder, names = sets
    words = ["measure", "--weights", f"one={weights}", "--source", f"{folder}/other.md", "--device", "cpu"]
    words += ["--out", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "axes of other/x has the same voxels as one that did (12 of 12 cases); leave them out, or overrule" in said
    assert not (tmp_path / "out" / "rows.jsonl").exists()
    assert main([*words, "--allow-leak"]) == 0
    assert "12 of 12 cases trained" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "out" / "rows.csv")["leak"].tolist() == [True] * 12
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["leaks"].tolist() == [12]
    facts = json.loads((tmp_path / "out" / "measured.json").read_text())
    assert facts["leaks"] == {"one": 12} and facts["command"].endswith("--allow-leak")


def test_a_notebook_is_told_the_same(sets, weights):
    folder, _ = sets
    some = prepare_cases(open_cases(f"{folder}/other.md", "measure", most=2), spacing=6.0)
    with pytest.raises(InputError, match=r"did not train .*, axes of other/x .*\(2 of 2 cases\).*allow_leak=True"):
        refuse_leaks(load_weights(weights), some)


def test_weights_of_earlier_versions_are_known_by_their_cases_ids():
    model = load_weights("baseline")
    trained, held = (model.metadata[side]["ids"][0] for side in ("train", "held_out"))
    for one, source, known in ((trained, "phantom/A", True), (held, "phantom/A", False), (trained, "other/A", False)):
        assert has_trained(model.metadata, SimpleNamespace(id=one, source=source, voxels="f" * 32)) is known


def _study(folder, path, **changes):
    values = {
        "name": "leaky", "train": f"{folder}/mine.md", "recipe": RECIPE, "arms": {"plain": {}}, "seeds": [0],
        "measure": [f"{folder}/other.md"],
    }  # fmt: skip
    return write(path, values | changes)


def test_a_study_refuses_and_reports_what_was_overruled(sets, tmp_path, inline, capsys):
    folder, _ = sets
    path, out = _study(folder, tmp_path / "study.yml"), tmp_path / "out"
    words = ["study", "--config", str(path), "--out", str(out), "--device", "cpu"]
    assert main(words) == 2
    assert re.search("of mine/a.*; keep one of them, or overrule with --allow-leak, which", capsys.readouterr().err)
    assert not inline and not (out / "cells").exists()
    assert main([*words, "--allow-leak"]) == 0
    assert "leaks are allowed" in capsys.readouterr().err
    leaked = pd.read_csv(out / "rows.csv")["leak"]
    trained = json.loads((out / "study.json").read_text())["leaks"]
    assert len(leaked) == 12 and leaked.sum() == trained in (5, 6, 7)  # the others are copies of held-out patients
    assert f"**Leak: {trained} rows are of scans that trained" in (out / "report.md").read_text()
    assert main(words) == 2  # what was overruled once is asked again


def test_overlaps_that_the_cards_know_are_told(sets, weights, tmp_path, monkeypatch, recwarn):
    from pancreas_ssl.data import roles

    folder, _ = sets
    real = roles.find_source
    known = {"mine": "half of it was cropped from here"}

    def found(name):
        loaded, key = real(name)
        return (loaded.model_copy(update={"overlaps": known}) if loaded.name == "other" else loaded), key

    monkeypatch.setattr(roles, "find_source", found)
    measure({"one": weights}, [f"{folder}/other.md"], tmp_path / "out", most=1, allow_leak=True)
    told = [str(one.message) for one in recwarn]
    assert any("other is measured and mine trained, sets that overlap: half of it was cropped" in one for one in told)
    path = _study(folder, tmp_path / "study.yml", measure=[f"{folder}/other.md"])
    with pytest.raises(InputError, match="same voxels"):
        run_study(path, tmp_path / "study", device="cpu")
    assert sum("half of it was cropped" in str(one.message) for one in recwarn) >= 2

"""Scans, labels and DICOM series that must not pass: the same sentence in every command that reads them."""

import functools
import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from pancreas_ssl.data.preflight import preflight
from pancreas_ssl.errors import without_paths
from tests.data.test_dicom import write_series
from tests.safety.helpers import Bad, abdomen, data_set, pancreas, save, try_bad

Spoil = Callable[[Path], None]
RECIPE = {"steps": 2, "channels": [4, 8], "patch": [16, 16, 16], "precision": "fp32", "spacing": 3.0}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> str:
    """A cache folder in which the device has been probed: imports and probe are no part of a refusal's seconds."""
    import monai.inferers  # noqa: F401

    import pancreas_ssl.study.run
    import pancreas_ssl.training.command  # noqa: F401
    from pancreas_ssl.devices import describe, resolve_device

    folder = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANCREAS_SSL_CACHE", folder)
        describe(resolve_device("cpu"))
    return folder


@pytest.fixture(autouse=True)
def _cache(shared, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", shared)


# --- the commands, each on a data set of which one file is spoiled -----------------------------------------------


def _predict(spoil: Spoil, folder: Path):
    save(folder / "scan.nii.gz", abdomen())
    spoil(folder / "scan.nii.gz")
    return "predict", "scan.nii.gz", "--out", "mask.nii.gz", "--device", "cpu"


def _set(folder: Path, spoil: Spoil, name: str, **changes: str) -> None:
    data_set(folder, **changes)
    spoil(folder / "data" / name)


def _train(spoil: Spoil, folder: Path, name: str = "p0_image.nii.gz", **changes: str):
    _set(folder, spoil, name, **changes)
    return "train", "--source", "mine.md", "--out", "run", "--steps", "1", "--device", "cpu"


def _measure(spoil: Spoil, folder: Path, name: str = "p1_image.nii.gz", **changes: str):
    _set(folder, spoil, name, **changes)
    return "measure", "--weights", "baseline", "--source", "mine.md", "--out", "measured", "--device", "cpu"


def _study(spoil: Spoil, folder: Path, name: str = "p0_image.nii.gz", **changes: str):
    _set(folder, spoil, name, **changes)
    arms = {"one": {}, "two": {"noise": 0.3}}
    asked = {
        "name": "tiny",
        "train": "mine.md/a",
        "recipe": RECIPE,
        "arms": arms,
        "seeds": [0],
        "measure": ["mine.md/a"],
    }
    asked["comparisons"] = [{"name": "noise", "arm": "two", "against": "one"}]
    (folder / "study.yml").write_text(yaml.safe_dump(asked, sort_keys=False))
    return "study", "--config", "study.yml", "--out", "studied", "--device", "cpu"


def _evaluate(spoil: Spoil, folder: Path, *options: str):
    save(folder / "mask.nii.gz", pancreas())
    save(folder / "label.nii.gz", pancreas())
    spoil(folder / "label.nii.gz")
    return "evaluate", "mask.nii.gz", "label.nii.gz", *options


# --- what spoils an image or a label -------------------------------------------------------------------------------


def _keep(path: Path) -> None:
    pass


def _hu(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda path: save(path, change(abdomen()).astype(np.float32))


def _label(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda path: save(path, change(pancreas()))


def _array(path: Path) -> np.ndarray:
    return abdomen() if "image" in path.name or "scan" in path.name else pancreas()


def _saved(spacing=3.0, change=None) -> Spoil:
    return lambda path: save(path, _array(path), spacing, change)


def _units(unit: str) -> Spoil:
    return _saved(change=lambda image: image.header.set_xyzt_units(unit))


def _bytes(place: int, code: str, *values, shorten: int | None = None, change: Callable | None = None) -> Spoil:
    """Write numbers into the stored header (offsets of NIfTI-1)."""

    def spoil(path: Path) -> None:
        save(path, _array(path), change=change)
        raw = bytearray(gzip.decompress(path.read_bytes()))
        raw[place : place + struct.calcsize(code)] = struct.pack(code, *values)
        path.write_bytes(gzip.compress(bytes(raw[:shorten])))

    return spoil


def _forms(image) -> None:
    turned = image.affine.copy()
    turned[:3, 3] += 20
    image.set_qform(turned, 1)


def _no_forms(image) -> None:
    image.set_sform(None, 0)
    image.set_qform(None, 0)


def _put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(np.float32)
        array[3, 3, 3] = value
        return array

    return change


IMAGES: dict[str, tuple[Spoil, str]] = {
    "scaled to 0..1": (_hu(lambda hu: (hu + 1000) / 1900), "looks scaled"),
    "like MR": (_hu(lambda hu: np.abs(hu) * 1.5), "looks like MR"),
    "without its offset": (_hu(lambda hu: hu + 1024), "without its offset"),
    "offset applied twice": (_hu(lambda hu: hu - 1024), "applied twice"),
    "constant": (_hu(lambda hu: hu * 0 + 7), "same value 7"),
    "NaN voxels": (_hu(_put(np.nan)), "1 NaN or infinite"),
    "infinite voxels": (_hu(_put(np.inf)), "1 NaN or infinite"),
    "metres": (_units("meter"), "the header of .* says metres"),
    "micrometres": (_units("micron"), "the header of .* says micrometres"),
    "unit unknown to NIfTI": (_bytes(123, "B", 5), "an unknown unit"),
    "spacing in metres": (_saved(0.003), "0.003 x 0.003 x 0.003 mm, outside 0.3 to 8 mm"),
    "spacing of 500 mm": (_saved((3, 3, 500)), "3 x 3 x 500 mm, outside"),
    "flat axis in sform": (_bytes(280, "<4f", 0, 0, 0, 0), "affine that can be inverted"),
    "NaN in sform": (_bytes(280, "<f", np.nan), "affine that can be inverted"),
    "no sform and no pixdim": (_bytes(76, "<4f", 1, 0, 0, 0, change=lambda i: _no_forms(i)), "voxel sides above 0"),
    "complex numbers": (lambda path: save(path, abdomen().astype(np.complex64)), "one number per voxel"),
    "colours": (_bytes(70, "<2h", 128, 24), "one number per voxel"),
    "a type that is none": (_bytes(70, "<h", 7777), "NIfTI"),
    "negative dimension": (_bytes(42, "<h", -40), "3D image|damaged|NIfTI"),
    "more dimensions than there are": (_bytes(40, "<h", 11), "NIfTI|3D image"),
    "bomb in the header": (_bytes(42, "<3h", 32000, 32000, 32000), "ends early or is damaged"),
    "bomb of few bytes": (_bytes(42, "<3h", 400, 400, 400, shorten=400), "ends early or is damaged"),
    "absurd slope": (_bytes(112, "<2f", 1e30, 0), "looks|tissue|NaN or infinite"),
    "offset that is no number": (_bytes(112, "<2f", 1, np.nan), "damaged|NIfTI"),
    "offset beyond the file": (_bytes(108, "<f", 1e9), "ends early or is damaged|NIfTI"),
    "negative offset": (_bytes(108, "<f", -500), "NIfTI|damaged"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged"),
    "empty file": (lambda path: path.write_bytes(b""), "NIfTI"),
    "text": (lambda path: path.write_text("not an image"), "NIfTI"),
    "4D": (lambda path: save(path, np.stack([abdomen()] * 2, -1)), "is 4D"),
    "2D": (lambda path: save(path, abdomen()[:, :, 0]), "is 2D"),
}
WARNED: dict[str, tuple[Spoil, str]] = {
    "sform and qform disagree": (_saved(change=_forms), "warning: sform and qform of .* disagree"),
    "windowed": (_hu(lambda hu: np.clip(hu, -150, 250)), "warning: the HU of .* look clipped to a window"),
}
LABELS: dict[str, tuple[Spoil, str]] = {
    "unknown values": (_label(lambda label: label * 3), "label values of the data card, .* also holds 3"),
    "empty": (_label(lambda label: label * 0), "holds no pancreas"),
    "mirrored": (_label(lambda label: label[:, ::-1].copy()), "mirrored|soft tissue under the label"),
    "NaN": (_label(_put(np.nan)), "1 NaN or infinite"),
    "negative": (lambda path: save(path, -pancreas().astype(np.int16)), "label values of 0 and above"),
    "fractions": (lambda path: save(path, pancreas() * np.float32(0.5)), "has fractions"),
    "another shape": (_label(lambda label: label[:-1]), "has shape"),
    "another spacing": (_saved((3, 3, 4)), "has spacing"),
    "metres": (_units("meter"), "says metres"),
}

# --- DICOM -----------------------------------------------------------------------------------------------------------


def _series(change: Callable[[int, object], None] | None = None, **tags):
    """A `predict` on a series of 24 slices; `change(k, slice)` may spoil each."""

    def arrange(folder: Path):
        import pydicom

        write_series(folder / "ct", abdomen().round(), spacing=(3.0, 3.0, 3.0), **tags)
        files = sorted((folder / "ct").iterdir(), key=lambda p: float(pydicom.dcmread(p).ImagePositionPatient[2]))
        for k, path in enumerate(files if change else ()):
            header = pydicom.dcmread(path)
            change(k, header)
            header.save_as(path, enforce_file_format=False)
        return "predict", "ct", "--out", "mask.nii.gz", "--device", "cpu"

    return arrange


def _tag(name: str, value, at: Callable[[int], bool] = lambda k: True):
    return lambda k, header: setattr(header, name, value) if at(k) else None


def _raw(name: str, old: bytes, new: bytes):
    """Replace bytes of the same length in the files, for values that pydicom would not write."""

    def arrange(folder: Path):
        arguments = _series()(folder)
        for path in (folder / "ct").iterdir():
            content = path.read_bytes()
            assert old in content, name
            path.write_bytes(content.replace(old, new, 1))
        return arguments

    return arrange


def _aside(k: int, header, mm: float) -> None:
    x, y, z = header.ImagePositionPatient
    header.ImagePositionPatient = [float(x) + mm, y, z]


DICOM = {
    "one slice aside": (
        _series(lambda k, h: _aside(k, h, 20 * (k == 9))),
        r"straight line, \S+ in ct lies 20 mm aside",
    ),
    "zigzag": (_series(lambda k, h: _aside(k, h, 5 * (k % 2))), "straight line"),
    "two patients by id": (_series(lambda k, h: setattr(h, "PatientID", f"SECRET{k > 11}")), "one patient, .* mixes 2"),
    "two patients by name": (_series(lambda k, h: setattr(h, "PatientName", f"SECRET{k > 11}")), "one patient"),
    "two birth dates": (_series(lambda k, h: setattr(h, "PatientBirthDate", f"1950010{1 + (k > 11)}")), "one patient"),
    "two studies": (_series(lambda k, h: setattr(h, "StudyInstanceUID", f"1.2.{1 + (k > 11)}")), "one study"),
    "two frames": (_series(lambda k, h: setattr(h, "FrameOfReferenceUID", f"1.2.{1 + (k > 11)}")), "one frame of ref"),
    "two series": (_series(lambda k, h: setattr(h, "SeriesInstanceUID", f"1.2.{1 + (k > 11)}")), "one DICOM series"),
    "colours": (_series(_tag("SamplesPerPixel", 3)), "one grey value per pixel"),
    "colours by name": (_series(_tag("PhotometricInterpretation", "RGB")), "one grey value per pixel"),
    "empty position": (_series(_tag("ImagePositionPatient", None, lambda k: k == 3)), "ImagePositionPatient in every"),
    "no position": (
        _series(lambda k, h: h.__delattr__("ImagePositionPatient") if k == 0 else None),
        "ImagePositionPat",
    ),
    "position of two": (
        _series(_tag("ImagePositionPatient", [1, 2], lambda k: k == 3)),
        "3 finite numbers as ImagePos",
    ),
    "position in words": (_raw("position", b"-100.0", b"-1oo.0"), "damaged|finite numbers as ImagePositionPatient"),
    "slanted orientation": (_series(_tag("ImageOrientationPatient", [1, 0, 0, 0.5, 1, 0])), "perpendicular"),
    "long orientation": (_series(_tag("ImageOrientationPatient", [2, 0, 0, 0, 1, 0])), "perpendicular"),
    "no spacing": (_series(_tag("PixelSpacing", [0, 0])), "PixelSpacing above 0"),
    "negative spacing": (_series(_tag("PixelSpacing", [-3, 3])), "PixelSpacing above 0"),
    "spacing of 40 mm": (_series(_tag("PixelSpacing", [40, 40])), "outside 0.3 to 8 mm"),
    "65000 rows": (_series(_tag("Rows", 65000)), "rows and columns"),
    "no rows": (_series(_tag("Rows", 0)), "rows and columns"),
    "other rows than pixels": (_series(_tag("Rows", 41)), "pixels of every slice"),
    "empty slope": (_series(_tag("RescaleSlope", None)), "RescaleSlope in every slice"),
    "slope of one missing": (
        _series(lambda k, h: h.__delattr__("RescaleSlope") if k else None),
        "RescaleSlope in every",
    ),
    "slope in words": (_raw("slope", b"-1024", b"-lo24"), "damaged|finite number as RescaleIntercept"),
    "no offset": (_series(_tag("RescaleIntercept", 0)), "without its offset"),
    "another modality": (_series(_tag("Modality", "MR")), "modality MR"),
    "deflated": (
        _series(lambda k, header: setattr(header.file_meta, "TransferSyntaxUID", "1.2.840.10008.1.2.1.99")),
        "is deflated; convert the series",
    ),
    "multi-frame": (_series(_tag("NumberOfFrames", 3)), "multi-frame"),
}


def _rows() -> list[Bad]:
    rows = []
    for name, (spoil, says) in IMAGES.items():
        rows.append(Bad(f"predict: {name}", functools.partial(_predict, spoil), says))
    for name in (
        "scaled to 0..1",
        "like MR",
        "constant",
        "metres",
        "spacing of 500 mm",
        "colours",
        "bomb in the header",
    ):
        spoil, says = IMAGES[name]
        rows += [
            Bad(f"{f.__name__[1:]}: {name}", functools.partial(f, spoil), says) for f in (_train, _measure, _study)
        ]
    for name, (spoil, says) in LABELS.items():
        rows.append(Bad(f"train: label {name}", functools.partial(_train, spoil, name="p0_label.nii.gz"), says))
        rows.append(Bad(f"measure: label {name}", functools.partial(_measure, spoil, name="p1_label.nii.gz"), says))
    for name in ("unknown values", "empty", "mirrored", "negative"):
        spoil, says = LABELS[name]
        rows.append(Bad(f"study: label {name}", functools.partial(_study, spoil, name="p0_label.nii.gz"), says))
    for name in ("NaN", "negative", "fractions", "another shape", "another spacing", "metres"):
        spoil, says = LABELS[name]
        rows.append(Bad(f"evaluate: label {name}", functools.partial(_evaluate, spoil), says))
    for name, (spoil, says) in WARNED.items():
        rows.append(Bad(f"predict: {name}", functools.partial(_predict, spoil), says, 0))
    for value in ("0", "-1"):
        asked = functools.partial(lambda v, folder: _evaluate(_keep, folder, "--label-value", v), value)
        rows.append(Bad(f"evaluate: --label-value {value}", asked, "0 is the background"))
    spoil = _saved(change=_forms)
    rows.append(Bad("evaluate: forms disagree", functools.partial(_evaluate, spoil), "warning: sform and qform", 0))
    for role in ("test", "development"):
        sources = f"{{a: {{role: {role}, title: A}}}}"
        asked = functools.partial(_train, _keep, sources=sources)
        rows.append(Bad(f"train: source of role {role}", asked, f"role train to train on, .* has the role {role}"))

    def twin(path: Path) -> None:
        path.write_bytes((path.parent / "p0_image.nii.gz").read_bytes())

    copied = "p1 has the same voxels as case p0"
    for command in (_train, _study):
        name = f"{command.__name__[1:]}: one scan on two sides"
        rows.append(Bad(name, functools.partial(command, twin, name="p1_image.nii.gz"), copied))
    both = {"splits": "{a: {train: [], held_out: [p0, p1]}}"}
    rows.append(
        Bad("measure: one scan twice", functools.partial(_measure, twin, name="p1_image.nii.gz", **both), copied)
    )
    both = {"splits": "{a: {train: [p0, p1]}}"}
    rows.append(Bad("train: one scan twice", functools.partial(_train, twin, name="p1_image.nii.gz", **both), copied))
    return rows + [Bad(f"DICOM: {name}", arrange, says) for name, (arrange, says) in DICOM.items()]


@pytest.mark.parametrize("bad", _rows(), ids=lambda bad: bad.name)
def test_bad_image(bad, tmp_path, monkeypatch, capsys):
    assert "SECRET" not in try_bad(bad, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", ["scaled to 0..1", "spacing of 500 mm", "metres", "truncated"])
def test_check_and_training_say_the_same(name, tmp_path, monkeypatch, capsys):
    bad = Bad(name, functools.partial(_train, IMAGES[name][0]), IMAGES[name][1])
    said = try_bad(bad, tmp_path, monkeypatch, capsys).removeprefix("pancreas-ssl: ").partition(" (--show")[0]
    table = preflight("mine.md")
    assert said in set(map(without_paths, table[table["level"] == "error"]["message"]))


@pytest.mark.parametrize("command", [_train, _measure])
@pytest.mark.parametrize("change", [None, _no_forms])
def test_what_the_check_warns_of_training_and_measuring_warn_of(command, change, tmp_path, monkeypatch, recwarn):
    """Without a training: cases are prepared as the commands do it."""
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases

    _set(tmp_path, lambda path: save(path, abdomen(seed=9), 2.9, change), "p0_image.nii.gz")
    save(tmp_path / "data" / "p0_label.nii.gz", pancreas(), 2.9, change)
    table = preflight(str(tmp_path / "mine.md"))
    expected = set(table[table["level"] == "warning"]["message"])
    assert bool(expected) == bool(change)
    for _ in range(2):  # made, then taken from the cache
        recwarn.clear()
        prepare_cases(cases(str(tmp_path / "mine.md")))
        assert {str(w.message) for w in recwarn} == expected


def test_identifiers_are_shown_only_where_asked_for(tmp_path, monkeypatch, capsys):
    from pancreas_ssl.cli import main

    arguments = [*map(str, DICOM["two series"][0](tmp_path))]
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2 and "(abdomen)" not in capsys.readouterr().err
    assert main([*arguments, "--show-identifiers"]) == 2 and "(abdomen)" in capsys.readouterr().err
    assert main(arguments) == 2 and "(abdomen)" not in capsys.readouterr().err


def test_probabilities_that_are_not_finite_are_no_empty_mask(tmp_path):
    import torch

    from pancreas_ssl.errors import InputError
    from pancreas_ssl.inference import load_weights, predict_path

    model = load_weights("baseline")
    next(model.network.parameters()).data.fill_(torch.nan)
    scan = save(tmp_path / "scan.nii.gz", abdomen())
    with pytest.raises(InputError, match=re.escape("the weights baseline give NaN")):
        predict_path(scan, tmp_path / "mask.nii.gz", model, device="cpu", progress=False)
    assert not (tmp_path / "mask.nii.gz").exists()


def test_a_mask_takes_the_geometry_and_no_text(tmp_path):
    import nibabel

    from pancreas_ssl.data.reading import read_image, write_on_original

    def named(image) -> None:
        for field in ("descrip", "db_name", "aux_file", "intent_name"):
            image.header[field] = b"Jane Doe"
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))

    volume = read_image(save(tmp_path / "scan.nii.gz", abdomen(), (2, 3, 4), named))
    mask = write_on_original(tmp_path / "mask.nii.gz", volume.array > 50, volume)
    assert b"Jane" not in gzip.decompress(mask.read_bytes())
    ours, theirs = nibabel.load(mask), nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(ours.affine, theirs.affine)
    for field in ("sform_code", "qform_code", "xyzt_units"):
        assert ours.header[field] == theirs.header[field]

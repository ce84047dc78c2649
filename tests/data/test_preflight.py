"""Preflight: each defect it knows is planted once and found, and sound cases pass."""

import itertools

import numpy as np
import pytest

from pancreas_ssl.data.access import cases
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.image_checks import find_scan, same_scan
from pancreas_ssl.data.preflight import check_image, exit_code, preflight, spread_under_flips, voxel_hash
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError
from tests.data.conftest import AFFINES, abdomen, save

WIDE = np.diag([10.0, 8.0, 7.0, 1.0])  # makes the small organ about 60 mL


def case(folder, name="p1", hu=None, label=None, affine=WIDE, seed=0):
    image, mask = abdomen(seed=seed)
    save(folder / f"images/{name}.nii.gz", image if hu is None else hu, affine)
    save(folder / f"labels/{name}.nii.gz", mask if label is None else label, affine)


def look(folder, card="folder", spacing=(0.3, 20)):
    card = load_card(card)
    limits = card.limits.model_copy(update={"spacing_mm": spacing})
    table = preflight(card.model_copy(update={"limits": limits}), root=folder)
    assert list(table.columns) == ["case", "check", "level", "message"]
    assert set(table["level"]) <= {"ok", "warning", "error"}
    return table


def found(table, check, level="error") -> str:
    rows = table[(table["check"] == check) & (table["level"] == level)]
    assert len(rows), table.to_string()
    return " ".join(rows["message"])


def test_sound_cases_pass(tmp_path):
    case(tmp_path, "p1", seed=1)
    case(tmp_path, "p2", seed=2)
    table = look(tmp_path)
    assert set(table["level"]) == {"ok"} and exit_code(table) == 0
    assert len(table) == 2 * 9 + 1


def test_duplicates_are_found_across_names_axes_and_compression(tmp_path):
    hu, label = abdomen()
    case(tmp_path, "p1")
    turned = WIDE @ np.array([[-1, 0, 0, 23], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    case(tmp_path, "p2", hu[::-1], label[::-1], turned)
    case(tmp_path, "p3", seed=5)
    table = look(tmp_path)
    assert "same voxels as case p1" in found(table, "duplicate") and exit_code(table) == 1
    assert (table[table["check"] == "duplicate"]["level"] == "error").sum() == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_label(tmp_path, axis):
    case(tmp_path, label=np.flip(abdomen()[1], axis))
    assert exit_code(look(tmp_path)) == 1
    found(look(tmp_path), "orientation")


def test_label_on_another_grid_or_with_unknown_values(tmp_path):
    hu, label = abdomen()
    case(tmp_path, label=label[:-1])
    assert "has shape" in found(look(tmp_path), "label grid")
    case(tmp_path, label=label * 3)
    assert "also holds 3" in found(look(tmp_path), "label values")


def test_small_large_empty_and_cut_pancreas(tmp_path):
    hu, label = abdomen()
    case(tmp_path, affine=np.diag([2.0, 2, 2, 1]))
    assert "outside the usual 15 to 250 mL" in found(look(tmp_path), "pancreas volume", "warning")
    case(tmp_path, label=label * 0)
    assert "holds no pancreas" in found(look(tmp_path), "pancreas volume", "warning")
    lowest = int(np.flatnonzero(label.any((0, 1)))[0]) + 1
    case(tmp_path, hu=hu[:, :, lowest:], label=label[:, :, lowest:])
    table = look(tmp_path)
    assert "touches the lowest slice" in found(table, "field of view", "warning") and exit_code(table) == 0


def test_spacing_limits_and_unreadable_file(tmp_path):
    case(tmp_path)
    assert "outside 0.3 to 8 mm" in found(look(tmp_path, spacing=(0.3, 8)), "spacing")
    path = tmp_path / "images/p1.nii.gz"
    path.write_bytes(path.read_bytes()[:3000])
    case(tmp_path, "p2")
    table = look(tmp_path)
    assert "damaged" in found(table, "reading") and len(table[table["case"] == "p2"]) == 9


def test_patient_on_both_sides(tmp_path):
    case(tmp_path, "p1", seed=1)
    case(tmp_path, "p2", seed=2)
    from dataclasses import replace

    one, two = cases("folder", root=tmp_path)
    torn = [replace(one, split="train"), replace(two, split="test", patient=one.patient)]
    assert "patient p1 is on both sides: p1 in folder/mine/train, p2" in found(preflight(torn), "split")
    together = [replace(c, split="train", patient="x") for c in (one, two)]
    assert "1 patient, none in two splits" in found(preflight(together), "split", "ok")


def test_changed_generated_case(tmp_path):
    from pancreas_ssl.data.generate import voxels_digest

    hu, label = abdomen()
    for name, array in (("image", hu), ("label", label)):
        save(tmp_path / f"p1/{name}.nii.gz", array, WIDE)
    (tmp_path / "p1/digest.json").write_text(f'{{"voxels": "{voxels_digest(tmp_path / "p1")}"}}')
    assert "as generated" in found(look(tmp_path), "digest", "ok")
    save(tmp_path / "p1/image.nii.gz", hu + 1, WIDE)
    assert "changed since" in found(look(tmp_path), "digest")


def _volume(array) -> Volume:
    return Volume(np.asarray(array, np.float32), np.eye(4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: (hu + 1000) / 1900, "looks scaled"),
        (lambda hu: np.clip((hu + 1000) / 1900, 0, 1) * 255, "looks scaled"),
        (lambda hu: (hu - hu.mean()) / hu.std(), "looks scaled"),
        (lambda hu: np.clip(hu, -150, 250) / 200 - 0.25, "looks scaled"),
        (lambda hu: np.abs(hu) * 1.5, "looks like MR"),
        (lambda hu: hu + 1024, "looks like MR, or like CT without its offset"),
        (lambda hu: hu - 1024, "applied twice"),
        (lambda hu: hu * 0 + 7, "the same value 7"),
        (lambda hu: np.where(hu < -900, -1024, hu * 0 + 7), "the same value 7"),
    ],
)
def test_values_that_are_no_hu(change, words):
    hu = abdomen()[0].astype(np.float32)
    with pytest.raises(InputError, match=words) as caught:
        check_image(_volume(change(hu)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("padding", [-1024, -2048, -3024])
def test_padding_is_not_taken_for_air(padding):
    hu = abdomen()[0].astype(np.float32)
    hu[:5] = padding
    facts = check_image(_volume(hu))
    assert facts.padding == pytest.approx(5 / 24, abs=0.01)
    assert facts.air == pytest.approx(-1000, abs=2) and facts.low > -1024


def test_windowed_image_is_a_warning(tmp_path):
    case(tmp_path, hu=np.clip(abdomen()[0], -150, 250))
    assert "clipped to a window" in found(look(tmp_path), "HU", "warning")


def test_a_copy_of_a_scan_is_known_again():
    hu = abdomen()[0].astype(np.float64) + np.random.default_rng(1).uniform(-0.5, 0.5, abdomen()[0].shape)
    slope = np.ptp(hu) / 65535
    copies = {
        "single precision": hu.astype(np.float32),
        "scaled into 16 bits": np.round((hu - hu.min()) / slope) * slope + hu.min(),
        "rounded": hu.round().astype(np.int16),
        "cut off": hu.astype(np.int16),
        "unsigned": (hu.round() + 1024).astype(np.uint16) - np.float32(1024),
        "memory order": np.asfortranarray(hu),
        "other padding": np.where(hu < -1000, -2048, hu),
        "limited": np.clip(hu, -1024, 2000),
        "turned": hu.transpose(2, 0, 1),
        "written over": np.where(np.arange(16) < 1, 1000, hu),
        **{f"mirrored {axes}": np.flip(hu, axes) for axes in (0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2))},
    }
    first = voxel_hash(hu)
    assert [name for name, copy in copies.items() if not same_scan(voxel_hash(copy), first)] == []
    assert not same_scan(voxel_hash(hu[1:]), first) and not same_scan(voxel_hash(hu[::2]), first)


def test_other_scans_are_not_taken_for_copies():
    noise = [voxel_hash(abdomen(seed=seed)[0]) for seed in range(40)]  # one anatomy, other noise
    assert not any(same_scan(one, other) for one, other in itertools.combinations(noise, 2))
    plain = np.zeros((24, 20, 16), np.int16)
    plain[4:20, 4:16] = 40
    flat = []
    for place in ((10, 10, 8), (10, 10, 9), (9, 10, 8)):  # without noise, a voxel makes a difference
        flat.append(plain.copy())
        flat[-1][place] = 90
    assert not any(same_scan(voxel_hash(one), voxel_hash(other)) for one, other in itertools.combinations(flat, 2))
    assert same_scan(voxel_hash(flat[0]), voxel_hash(flat[0][:, ::-1].astype(np.float32)))
    assert not same_scan(voxel_hash(flat[0]), noise[0]) and find_scan("", noise) is None
    size = noise[0].partition(":")[0]
    for foreign in ("", "x", f"{size}:", f"{size}:{'~' * 60}", size + ":" + '"' * 60, ":" * 70):
        assert find_scan(noise[0], [foreign]) is None


def test_spread_under_flips_by_hand():
    hu = np.zeros((4, 2, 2), np.float32)
    hu[0, 0, 0], hu[3, 0, 0] = 50, 90
    label = np.zeros((4, 2, 2), np.uint8)
    label[0, 0, 0] = label[1, 0, 0] = 1
    spreads = spread_under_flips(_volume(hu), Volume(label, np.eye(4)))
    assert len(spreads) == 8
    assert spreads["as stored"] == (25, 25) and spreads["left-right"] == (45, 45)
    assert spreads["back-front, top-bottom"] == (0, 0)


def test_a_metal_stent_in_the_pancreas_does_not_make_a_label_mirrored():
    hu = np.random.default_rng(0).normal(60, 50, (20, 20, 20)).astype(np.float32)
    label = np.zeros(hu.shape, np.uint8)
    label[4:10, 4:10, 4:10] = 1
    hu[6:8, 6:8, 4:10] = 2600
    spreads = spread_under_flips(_volume(hu), Volume(label, np.eye(4)))
    assert spreads["as stored"][1] < 110 < hu[label > 0].std()


@pytest.mark.parametrize("name", AFFINES)
def test_check_image_accepts_any_geometry(tmp_path, name):
    check_image(read_image(save(tmp_path / "image.nii.gz", abdomen()[0], AFFINES[name])))


def test_lidc_passes_with_the_warning_at_the_edge(lidc):
    table = preflight("lidc_idri_0001")
    assert exit_code(table) == 0
    assert list(table[table["level"] == "warning"]["check"]) == ["field of view"]
    assert "files are those of the card" in found(table, "digest", "ok")


def test_fatty_real_pancreas_is_in_its_place(real_folder):
    image = read_image(real_folder / "totalseg_ct_3mm.nii.gz")
    label = read_label(real_folder / "totalseg_labels_3mm.nii.gz", (10,), image)
    check_image(image)
    spreads = spread_under_flips(image, label)
    assert min(spreads, key=lambda name: spreads[name][1]) == "as stored"

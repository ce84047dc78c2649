"""Fields of cards for real sets: folds, cases left out, labels placed by images or joined, roots of several sets."""

import warnings

import nibabel
import numpy as np
import pytest

from pancreas_ssl.data.access import cases, parse_roots
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.label_checks import check_label, checked_label, read_case_label
from pancreas_ssl.data.reading import read_image
from pancreas_ssl.data.roles import check_role, deal_folds, open_cases
from pancreas_ssl.errors import DataWarning, InputError
from tests.data.conftest import AFFINES, abdomen, save

ANY = "sources:\n  mine: {role: any, title: mine}"


def _set(folder, ids, labelled=None, seed=0):
    for number, name in enumerate(ids):
        hu, label = abdomen(seed=seed + number)
        save(folder / f"images/{name}.nii.gz", hu)
        if labelled is None or name in labelled:
            save(folder / f"labels/{name}.nii.gz", label)
    return folder


def _ids(found):
    return [case.id for case in found]


@pytest.fixture
def six(tmp_path, card_file):
    """A card of role any with three folds, and its six patients of two scans each; the last one has no label."""
    ids = [f"p{patient}_{scan}" for patient in range(6) for scan in "ab"]
    root = _set(tmp_path / "root", ids, labelled=ids[:-2])
    return card_file(sources=f"{ANY}\nfolds: {{k: 3, seed: 1}}\npatients: '(p[0-9])_.'"), root


# ---- folds


def test_folds_are_even_and_know_no_order():
    names = [f"p{n}" for n in range(20)]
    dealt = deal_folds(names, 4, 0)
    assert sorted(map(list(dealt.values()).count, range(4))) == [5, 5, 5, 5]
    assert deal_folds([*names[::-1], *names], 4, 0) == dealt != deal_folds(names, 4, 1)


@pytest.mark.filterwarnings("ignore::pancreas_ssl.errors.DataWarning")
def test_a_source_of_role_any_trains_and_is_met(six):
    card, root = six
    name, seen = f"{card}/mine", []
    for fold in range(3):
        train, held_out = (open_cases(name, use, root=root, fold=fold) for use in ("train", "select"))
        assert {case.patient for case in train}.isdisjoint({case.patient for case in held_out})
        assert len(train) + len(held_out) == 10
        assert _ids(open_cases(name, "measure", root=root, fold=fold, home=name)) == _ids(held_out)
        seen += _ids(held_out)
    assert sorted(seen) == _ids(open_cases(name, "measure", root=root))
    assert _ids(open_cases(name, "train", root=root)) == _ids(open_cases(name, "train", root=root, fold=0))
    assert _ids(open_cases(name, "unlabelled", root=root)) == ["p5_a", "p5_b"]
    assert check_role(name, "measure") == "any" and len(open_cases(name, "measure", root=root, most=3)) == 3


@pytest.mark.filterwarnings("ignore::pancreas_ssl.errors.DataWarning")
def test_what_folds_refuse(six, card_file, tmp_path):
    card, root = six
    for fold in (3, -1):
        with pytest.raises(InputError, match=f"a fold from 0 to 2 for mine/mine, got {fold}"):
            open_cases(f"{card}/mine", "train", root=root, fold=fold)
    with pytest.raises(InputError, match="a source with a split 'oracle'"):
        open_cases(f"{card}/mine", "oracle", root=root)
    with pytest.raises(InputError, match="at least 5 patients of mine/mine for 5 folds, got 2 with a label"):
        open_cases(card_file(sources=ANY), "train", root=_set(tmp_path / "two", ["a", "b"]))
    with pytest.raises(InputError, match="a source of role any for a fold"):
        open_cases("phantom/A", "train", fold=1)


def test_cases_without_a_label_and_listed_ones_that_are_missing_are_counted(six, card_file):
    card, root = six
    with pytest.warns(DataWarning, match="2 of 12 cases of mine/mine have no label and are left out"):
        open_cases(f"{card}/mine", "measure", root=root)
    listed = card_file(sources=ANY, splits="splits:\n  mine: {all: [p0_a, p1_a, p9_a]}")
    with pytest.warns(DataWarning, match=r"1 of 3 cases .* \(p9_a\); the others are taken"):
        assert _ids(cases(listed, root=root)) == ["p0_a", "p1_a"]


# ---- cases left out


def test_excluded_by_id_range_and_pattern(tmp_path, card_file):
    root = _set(tmp_path / "root", ["0001", "0002", "0025", "0030", "mr_1", "x_07", "x_09"])
    exclude = 'exclude: ["0025", "0029..0031", "/mr_.*/", x_00..x_08]'
    card = card_file(sources=f"{ANY}\n{exclude}")
    assert _ids(cases(card, root=root)) == ["0001", "0002", "x_09"]
    assert load_card(card).excludes("mr_1") and not load_card(card).excludes("1_mr_")
    listed = card_file(sources=f"{ANY}\n{exclude}", splits='splits:\n  mine: {all: ["0001..0025"]}')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert _ids(cases(listed, root=root)) == ["0001", "0002"]


def test_a_required_pancreas(tmp_path, card_file, cache):
    root = _set(tmp_path / "root", ["a", "b", "c"])
    save(root / "labels/b.nii.gz", np.zeros((24, 20, 16), np.uint8))
    card = card_file(sources=f"{ANY}\nrequire_pancreas: true")
    for _ in range(2):  # the second time by what was remembered
        with pytest.warns(DataWarning, match="1 of 3 cases of mine hold no pancreas and are left out"):
            assert _ids(open_cases(card, "measure", root=root)) == ["a", "c"]
    save(root / "labels/b.nii.gz", abdomen()[1])
    assert _ids(open_cases(card, "measure", root=root)) == ["a", "b", "c"]
    assert _ids(open_cases(card, "measure", root=root, most=1)) == ["a"]
    one = cases(card, root=root)[1]
    save(root / "labels/b.nii.gz", np.zeros((24, 20, 16), np.uint8))
    levels = {check: level for check, level, _ in check_label(one, read_image(one.image))}
    assert levels["pancreas volume"] == "ok"


# ---- labels


@pytest.mark.parametrize("zero", [False, True])
def test_a_label_is_placed_by_its_image(tmp_path, card_file, zero):
    hu, label = abdomen()
    save(tmp_path / "root/images/a.nii.gz", hu)
    stored = nibabel.Nifti1Image(label[::-1, :, ::-1], np.eye(4))  # (L, A, I)
    if zero:
        stored.header["sform_code"] = 1
        for row in ("srow_x", "srow_y", "srow_z"):
            stored.header[row] = 0
        stored = nibabel.Nifti1Image(stored.dataobj, None, stored.header)
    (tmp_path / "root/labels").mkdir()
    nibabel.save(stored, tmp_path / "root/labels/a.nii.gz")
    card = card_file(sources=f"{ANY}\nlabel_geometry: image\nlabel_axes: LAI")
    case = cases(card, root=tmp_path / "root")[0]
    image = read_image(case.image)
    placed, _ = checked_label(case, image)
    np.testing.assert_array_equal(placed.array, label)
    np.testing.assert_array_equal(placed.affine, image.affine)
    wrong = card_file(sources=f"{ANY}\nlabel_geometry: image\nlabel_axes: RAI")
    with pytest.raises(InputError, match="only .* when mirrored left-right; set label_axes: LAI in a copy of the card"):
        checked_label(cases(wrong, root=tmp_path / "root")[0], image)


def test_a_label_of_another_shape_is_not_placed(tmp_path, card_file):
    root = _set(tmp_path / "root", ["a"])
    save(root / "labels/a.nii.gz", abdomen()[1][:, :, 1:])
    case = cases(card_file(sources=f"{ANY}\nlabel_geometry: image"), root=root)[0]
    with pytest.raises(InputError, match="shape"):
        checked_label(case, read_image(case.image))


def test_labels_in_another_folder(tmp_path, card_file):
    root = _set(tmp_path / "root", ["a"])
    (root / "labels").rename(tmp_path / "other")
    for where in ("../other", str(tmp_path / "other")):
        card = card_file(layout="layout:\n  image: 'images/{id}.nii.gz'\n  label: '{id}.nii.gz'",
                         sources=f"{ANY}\nlabel_root: {where}")  # fmt: skip
        assert cases(card, root=root)[0].label.resolve() == tmp_path / "other/a.nii.gz"


@pytest.fixture
def joined(tmp_path, card_file):
    """A case whose gland, tumour and liver are three files, and its label as one array."""
    hu, gland = abdomen()
    where = np.argwhere(gland)
    tumour = np.zeros_like(gland)
    tumour[tuple(where[: len(where) // 4].T)] = 1
    liver = np.zeros_like(gland)
    liver[1:3] = 1
    save(tmp_path / "root/a/ct.nii.gz", hu)
    for name, part in (("pancreas", gland), ("tumour", tumour), ("liver", liver)):
        save(tmp_path / f"root/a/{name}.nii.gz", part * (1.0 + 6e-8 * (name == "tumour")))
    layout = "layout:\n  image: '{id}/ct.nii.gz'\n  joined:\n"
    layout += "".join(f"    '{v}': '{{id}}/{n}.nii.gz'\n" for v, n in ((1, "pancreas"), (2, "tumour"), (3, "liver")))
    values = "label_values: {pancreas: [1, 2], liver: [3]}\nparts: {tumour: [2]}"
    return card_file(layout=layout, label_values=values, sources=ANY), tmp_path / "root", gland, tumour


def test_files_of_structures_are_joined_and_parts_read(joined):
    card, root, gland, tumour = joined
    case = cases(card, root=root)[0]
    image = read_image(case.image)
    assert [value for value, _ in case.joined] == [1, 2, 3] and len(case.files) == 4
    np.testing.assert_array_equal(read_case_label(case, image).array, gland)
    np.testing.assert_array_equal(read_case_label(case, image, dict(case.parts)["tumour"]).array, tumour)


def test_joined_files_may_be_missing_but_not_all_and_lie_on_one_grid(joined):
    card, root, gland, _ = joined
    (root / "a/tumour.nii.gz").unlink()
    case = cases(card, root=root)[0]
    np.testing.assert_array_equal(read_case_label(case, read_image(case.image)).array, gland)
    save(root / "a/liver.nii.gz", gland, AFFINES["LAS"])
    with pytest.raises(InputError, match="expected the files of one label on one grid"):
        read_case_label(case, read_image(case.image))
    (root / "a/pancreas.nii.gz").unlink()
    assert cases(card, root=root)[0].label is None


# ---- roots


def test_roots_of_several_sets(tmp_path, card_file, monkeypatch):
    assert parse_roots([]) is None and parse_roots(["a/b=c"]) == {"": "a/b=c"}
    assert parse_roots(["nih=x", "msd=y=z"]) == {"nih": "x", "msd": "y=z"}
    with pytest.raises(InputError, match="one folder for each card"):
        parse_roots(["x", "y"])
    root, card = _set(tmp_path / "root", ["a"]), card_file(sources=ANY)
    for roots in (root, {"mine": root}, {"": root}, {"mine": root, "": tmp_path}):
        assert _ids(cases(card, root=roots)) == ["a"]
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    root.rename(tmp_path / "data/mine")
    assert _ids(cases(card)) == ["a"]
    with pytest.raises(InputError, match="there is no such folder"):
        cases(card, root={"mine": tmp_path / "nowhere"})

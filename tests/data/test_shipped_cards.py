"""The cards of public sets, tried on miniatures: read by `--root` alone, checked, trained on, predicted."""

import shutil

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.access import cases
from pancreas_ssl.data.cards import list_cards, load_card
from pancreas_ssl.data.image_checks import voxel_hash
from pancreas_ssl.data.preflight import preflight
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.data.roles import deal_folds, open_cases
from pancreas_ssl.errors import DataWarning
from tests.miniatures import DEFECTS, SETS, spoil

NAMES = sorted(SETS)
LABELLED = [name for name in NAMES if name != "chaos"]
SECTIONS = ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]
BELOW = {
    "nih": "Pancreas-CT", "msd": "Task07_Pancreas", "btcv": "RawData", "amos22": "amos22", "word": "WORD-V0.1.0",
    "flare22": "FLARE22Train", "chaos": "CHAOS_Train_Sets",
}  # fmt: skip
SMALL = ("patch=[32, 32, 32]", "channels=[4, 8]", "batch=1", "precision=fp32", "learning_rate=0.001")


def _findings(name, root):
    table = preflight(name, root=root, progress=False)
    return {(row.case, row.check, row.level): row.message for row in table.itertuples() if row.level != "ok"}


@pytest.fixture
def quiet(cache):
    """A cache of this test's own; warnings about cases that a miniature leaves out are no concern of it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield cache


@pytest.fixture
def one_thread():
    """Tiny tensors: two threads that wait for each other take ten times as long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_each_public_set_has_a_miniature_and_a_whole_card():
    others = {"folder", "phantom", "phantom2", "random_phantoms", "random_phantoms2", "lidc_idri_0001"}
    assert set(list_cards()) == {*NAMES, *others}
    for name in NAMES:
        card = load_card(name)
        assert card.license and card.pretty_name and card.task_categories and card.size_categories and card.tags
        assert [section for section in SECTIONS if f"\n## {section}" not in card.body] == []
        assert card.known_defects and (card.access.download or card.access.by_hand)
        assert [source.role for source in card.sources.values()] == ["any"] and name in card.sources


def test_overlaps_are_told_on_both_sides():
    for name in list_cards():
        for other, sentence in load_card(name).overlaps.items():
            assert load_card(other).overlaps[name] == sentence and sentence.endswith(".")


def test_nih_lists_eighty_cases_in_four_folds():
    card = load_card("nih")
    kept = [one for one in card.splits["nih"]["all"] if not card.excludes(one)]
    dealt = deal_folds(kept, card.folds.k, card.folds.seed)
    assert len(kept) == 80 and {"0025", "0070"}.isdisjoint(kept)
    assert sorted(map(list(dealt.values()).count, range(4))) == [20, 20, 20, 20]
    assert dealt["0001"] == deal_folds(["0001", *kept], 4, 0)["0001"]


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_set_has_no_finding(name, miniature, quiet):
    assert _findings(name, miniature(name)) == {}


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_each_planted_defect_is_found_and_nothing_else(name, miniature, quiet, tmp_path):
    folder = shutil.copytree(miniature(name), tmp_path / name)
    planted = spoil(name, folder)
    found = _findings(name, folder)
    assert set(found) == {defect[:3] for defect in planted}
    for *key, words in planted:
        assert words in found[tuple(key)]


@pytest.mark.parametrize("name", sorted(BELOW))
def test_the_root_may_be_the_set_itself_or_the_folder_around_it(name, miniature, quiet):
    whole = {case.id: case for case in cases(name, root=miniature(name))}
    inner = {case.id: case for case in cases(name, root=miniature(name) / BELOW[name])}
    assert inner and {case.image for case in inner.values()} <= {case.image for case in whole.values()}
    if name != "nih":  # its labels lie in a folder beside it
        assert all(case.label == whole[case.id].label for case in inner.values())


def test_equal_voxels_in_two_sets_are_in_the_register(miniature, quiet):
    seen: dict[str, set[str]] = {}
    for name in NAMES:
        for case in cases(name, root=miniature(name)):
            seen.setdefault(voxel_hash(read_image(case.image).array), set()).add(name)
    shared = {frozenset((a, b)) for names in seen.values() for a in names for b in names if a != b}
    assert {frozenset(("flare22", "msd")), frozenset(("nih", "panorama"))} <= shared
    for a, b in map(sorted, shared):
        assert b in load_card(a).overlaps, f"{a} and {b} share scans"


def test_what_cards_leave_out_and_cannot_train(miniature, quiet):
    assert len(open_cases("nih", "measure", root=miniature("nih"))) == 5  # of seven folders
    assert "amos_0507" not in [case.id for case in cases("amos22", root=miniature("amos22"))]
    assert len(cases("totalsegmentator", root=miniature("totalsegmentator"))) == 6
    assert len(open_cases("totalsegmentator", "measure", root=miniature("totalsegmentator"))) == 5
    assert len(open_cases("chaos", "unlabelled", root=miniature("chaos"))) == 3
    assert [case.id for case in open_cases("msd", "unlabelled", root=miniature("msd"))] == ["pancreas_003"]
    assert {case.patient for case in cases("panorama", root=miniature("panorama"))} >= {"100004"}


@pytest.mark.parametrize("name", LABELLED)
def test_a_set_trains_and_is_segmented_by_its_card_and_root_alone(name, miniature, quiet, one_thread, tmp_path, capsys):
    root, out, masks = miniature(name), tmp_path / "run", tmp_path / "masks"
    given = ("--source", name, "--root", str(root), "--device", "cpu")
    small = (word for field in SMALL for word in ("--set", field))
    assert main(["train", *given, "--out", str(out), "--steps", "5", *small]) == 0, capsys.readouterr().err
    weights = str(out / "weights.safetensors")
    assert main(["predict", *given, "--out", str(masks), "--weights", weights, "--workers", "1"]) == 0, (
        capsys.readouterr().err
    )
    for case in cases(name, root=root):
        mask = read_label(masks / f"{case.id}.nii.gz", like=read_image(case.image))
        assert mask.original.orientation == read_image(case.image).original.orientation


def test_nobody_trains_without_labels(miniature, quiet, tmp_path, capsys):
    assert main(["train", "--source", "chaos", "--root", str(miniature("chaos")), "--out", str(tmp_path)]) == 2
    assert "got 0 with a label" in capsys.readouterr().err

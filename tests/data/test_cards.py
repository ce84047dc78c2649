"""Cards: the shipped ones hold together, and a mistake is named with its file, line and field."""

import json

import pytest

from pancreas_ssl.data.cards import list_cards, load_card
from pancreas_ssl.data.croissant import croissant
from pancreas_ssl.errors import InputError

ROLES = {"A": "train", "V": "development", "W": "development", "X": "development"} | dict.fromkeys("BCD", "test")


def test_shipped_cards_load_and_say_where_to_verify():
    assert {"phantom", "lidc_idri_0001", "folder"} <= set(list_cards())
    for name in list_cards():
        card = load_card(name)
        assert card.name == name and "as reported; verify at the source" in card.licence.statement
        assert card.body.startswith("# ") and card.body.count("?**") >= 4


def test_phantom_card_fixes_roles_and_splits():
    card = load_card("phantom")
    assert {name: source.role for name, source in card.sources.items()} == ROLES
    sizes = {f"{s}/{k}": len(ids) for s, parts in card.splits.items() for k, ids in parts.items()}
    assert sizes == {"A/train": 24, "A/held_out": 8, "A/unlabelled": 24} | {f"{s}/development": 16 for s in "VWX"} | {
        f"{s}/test": 24 for s in "BCD"
    } | {f"{s}/oracle": 24 for s in "VWXBCD"}
    assert card.splits["A"]["held_out"][0] == "A_024" and card.split_of("A", "A_024") == "held_out"


def test_phantom_card_agrees_with_the_phantom():
    from pancreas_ssl.phantom.cohort import SOURCES

    card = load_card("phantom")
    assert {k: (s.role, s.title) for k, s in card.sources.items()} == {k: (s.role, s.title) for k, s in SOURCES.items()}


@pytest.mark.parametrize("name", list_cards())
def test_croissant_names_what_the_format_requires(name):
    document = json.loads(json.dumps(croissant(load_card(name))))
    for key in ("@context", "@type", "conformsTo", "name", "description", "license", "distribution", "recordSet"):
        assert document[key], key
    assert document["@type"] == "sc:Dataset" and document["conformsTo"].endswith("croissant/1.0")
    ids = {part["@id"] for part in document["distribution"]}
    for part in document["distribution"]:
        assert part.get("containedIn", {"@id": part["@id"]})["@id"] in ids
    for field in document["recordSet"][0]["field"]:
        assert field["source"]["fileSet"]["@id"] in ids
    for part in document["distribution"]:
        if part["@type"] == "cr:FileObject":
            assert part["contentUrl"] and len(part["sha256"]) == 64


def _sentence(path) -> str:
    with pytest.raises(InputError) as caught:
        load_card(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_misspelt_key_names_file_line_and_the_right_key(card_file):
    path = card_file(licence="licnce:\n  name: CC BY 4.0\n  verify_at: the archive")
    assert _sentence(path) == f"unknown key licnce on line 5 of {path}; did you mean licence?"


def test_misspelt_key_inside_a_block(card_file):
    path = card_file(sources="sources:\n  mine:\n    rol: train\n    title: mine")
    line = path.read_text().split("\n").index("    rol: train") + 1
    assert _sentence(path) == f"unknown key sources.mine.rol on line {line} of {path}; did you mean role?"
    path = card_file(access="access:\n  method: folder\n  roots: here")
    assert f"access.roots on line 12 of {path}; did you mean root?" in _sentence(path)


def test_other_mistakes_name_their_field(card_file):
    assert "the key title is missing in" in _sentence(card_file(title=""))
    path = card_file(sources="sources:\n  mine:\n    role: trian\n    title: mine")
    line, said = path.read_text().split("\n").index("    role: trian") + 1, _sentence(path)
    assert f"sources.mine.role on line {line} of" in said and "'trian'" in said
    assert "access on line" in _sentence(card_file(access="access:\n  method: download"))
    assert "repeats line 2" in _sentence(card_file(title="name: again"))
    assert "on line 4 (begun on line 3) of" in _sentence(card_file(title="title: [unclosed"))
    assert '"pancreas" is needed' in _sentence(card_file(label_values="label_values:\n  liver: [1]"))
    assert "exactly one group" in _sentence(card_file(patients='patients: ".+"'))
    assert "placeholders" in _sentence(card_file(layout='layout:\n  image: "{case}.nii.gz"'))


def test_a_patient_on_two_sides_is_refused(card_file):
    splits = "patients: '(p[0-9]+)'\nsplits:\n  mine:\n    train: [p1_a, p2_a]\n    test: [p1_b]"
    assert "patient p1 is in mine/train and in mine/test" in _sentence(card_file(splits=splits))
    splits = "splits:\n  other:\n    train: [a]"
    assert "source other is not among sources" in _sentence(card_file(splits=splits))


def test_ranges_of_ids_and_values(card_file):
    splits = "splits:\n  mine:\n    train: [a, p_08..p_11]"
    card = load_card(card_file(splits=splits, label_values="label_values:\n  pancreas: [2]\n  rest: [1, 3..5]"))
    assert card.splits["mine"]["train"] == ["a", "p_08", "p_09", "p_10", "p_11"]
    assert card.pancreas == (2,) and card.known_values == (1, 2, 3, 4, 5)
    assert "reads like A_000..A_023" in _sentence(card_file(splits="splits:\n  mine: {train: [p_3..q_9]}"))


def test_no_such_card_and_no_header(tmp_path):
    assert "known are: abdomenatlas, amos22, btcv, chaos, flare22, folder, lidc_idri_0001" in _sentence("phantm")
    (tmp_path / "plain.md").write_text("# Only text\n")
    assert "begin with a YAML header" in _sentence(tmp_path / "plain.md")
    assert "cannot be read" in _sentence(tmp_path / "absent.md")

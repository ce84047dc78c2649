"""Bad inputs, tried through the command line: exit code 2 or a named warning, one sentence, quick, nothing lost."""

import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from pancreas_ssl.cli import main
from pancreas_ssl.files import record_of, sha256_of
from pancreas_ssl.manifest import MANIFEST

SECONDS = 10


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Attributes:
        name: of the test.
        arrange: puts files into a folder, which becomes the current one, and returns the command's arguments.
        says: regular expression that the sentence on standard error must hold.
        code: expected exit code; 0 where the sentence is a warning.
    """

    name: str
    arrange: Callable[[Path], Sequence[str | Path]]
    says: str
    code: int = 2


def try_bad(bad: Bad, folder: Path, monkeypatch, capsys) -> str:
    """Run the command and check all that is promised; returns the sentence."""
    arguments = [str(argument) for argument in bad.arrange(folder)]
    before = _files(folder)
    monkeypatch.chdir(folder)
    capsys.readouterr()
    begin, code = time.perf_counter(), _within(main, arguments)
    seconds, shown = time.perf_counter() - begin, capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("pancreas-ssl: ")]
    assert code == bad.code, f"exit code {code}: {shown.err[-2000:]}"
    assert "Traceback" not in shown.err and "something unexpected" not in shown.err, shown.err
    assert seconds < SECONDS, f"{seconds:.1f} s"
    after = _files(folder)
    lost = {name for name, digest in before.items() if after.get(name) != digest and not _own(folder / name)}
    assert not lost, f"changed or gone: {sorted(lost)}"
    strange = {name for name in set(after) - set(before) if not _own(folder / name)}
    assert not strange, f"left behind: {sorted(strange)}"
    if code:
        assert len(lines) == 1 and len(lines[0]) < 1000, shown.err
    sentence = next((line for line in lines if re.search(bad.says, line)), None)
    assert sentence, f"nothing says {bad.says!r}: {shown.err}{shown.out[-500:]}"
    return sentence


def _within(call: Callable, *arguments, seconds: int = 2 * SECONDS):
    """Call it, and break off what hangs."""

    def late(*_):
        raise TimeoutError(f"it hangs: no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        return call(*arguments)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _files(folder: Path) -> dict[str, str]:
    """Name -> digest (or the goal of a link) of every file, name -> "" of every folder that is not hidden away."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in files:
            path = Path(top) / name
            if not path.is_symlink() and not path.is_file():  # a pipe
                continue
            found[path.relative_to(folder).as_posix()] = os.readlink(path) if path.is_symlink() else sha256_of(path)
        for name in folders:
            if (path := Path(top) / name).is_symlink():
                found[path.relative_to(folder).as_posix()] = os.readlink(path)
    return found


def _own(path: Path) -> bool:
    """Whether the tool may make or change it: what the manifest of its folder says it wrote."""
    return path.name in (MANIFEST, ".lock") or (path.exists() and record_of(path) is not None)


def abdomen(shape: tuple[int, int, int] = (40, 40, 24), seed: int = 0) -> np.ndarray:
    """HU that pass for a CT: air around, fat, soft tissue with noise, a bright spine, and the organ of `pancreas`."""
    hu = np.full(shape, -1000.0, np.float32)
    hu[3:-3, 3:-3] = -100
    hu[6:-6, 6:-6] = 40
    hu[17:23, 7:13] = 400
    hu[pancreas(shape) > 0] = 90
    return hu + np.random.default_rng(seed).normal(0, 12, shape).astype(np.float32)


def pancreas(shape: tuple[int, int, int] = (40, 40, 24), value: int = 1) -> np.ndarray:
    """A label of 37 mL at 3 mm inside `abdomen`, not symmetric in any axis."""
    label = np.zeros(shape, np.uint8)
    label[8:28, 22:29, 6:14] = value
    label[8:14, 22:32, 6:18] = value
    return label


def save(path: Path, array: np.ndarray, spacing: float | Sequence[float] = 3.0, change: Callable | None = None) -> Path:
    """Write NIfTI with mm as unit and both sform and qform; `change(image)` may spoil the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*np.broadcast_to(spacing, 3), 1.0])
    image = nibabel.Nifti1Image(array, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    if change is not None:
        change(image)
    nibabel.save(image, path)
    return path


def card(path: Path, root: Path | str = "data", ids: Sequence[str] = ("p0", "p1"), **changes: str) -> Path:
    """Write a card for `{id}_image.nii.gz` and `{id}_label.nii.gz`; `changes` replaces entries by YAML."""
    split = len(ids) // 2 or 1
    entries = {
        "name": "mine",
        "title": "Mine",
        "summary": "Mine.",
        "licence": "{name: none, verify_at: here}",
        "citation": "[none]",
        "access": f"{{method: folder, root: {root}}}",
        "layout": '{image: "{id}_image.nii.gz", label: "{id}_label.nii.gz"}',
        "label_values": "{pancreas: [1]}",
        "sources": "{a: {role: train, title: A}}",
        "splits": f"{{a: {{train: [{', '.join(ids[:split])}], held_out: [{', '.join(ids[split:])}]}}}}",
    } | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n" + "\n".join(f"{key}: {value}" for key, value in entries.items()) + "\n---\n\nMine.\n")
    return path


def data_set(folder: Path, ids: Sequence[str] = ("p0", "p1"), **changes: str) -> Path:
    """Good cases in `data/` and their card `mine.md`; returns the card's path."""
    for seed, one in enumerate(ids):
        save(folder / "data" / f"{one}_image.nii.gz", abdomen(seed=seed))
        save(folder / "data" / f"{one}_label.nii.gz", pancreas())
    return card(folder / "mine.md", folder / "data", ids, **changes)

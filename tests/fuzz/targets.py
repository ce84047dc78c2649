"""What is fuzzed: functions that take bytes as a file from anybody and may only succeed or end in a sentence."""

import contextlib
import functools
import json
import random
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
from safetensors.torch import save

from pancreas_ssl.data.cards import load_card
from pancreas_ssl.data.croissant import croissant
from pancreas_ssl.data.dicom_labels import read_structures
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.data.volume import Original
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.inference import load_weights
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.runs.notebook import notebook_parameters
from pancreas_ssl.runs.parameters import check_parameters, parse_parameters
from pancreas_ssl.study.config import load_study

CORPUS = Path(__file__).parent / "corpus"
SECONDS = 5.0  # of processor time, for one input
TOKENS = [  # what has meant trouble
    *(b"\0", b"..", b"/", b"-", b"\n", b"\xff", b"[", b"{", b"]", b"}", b"&a ", b"*a", b"!!int ", b": ", b"- ", b"#"),
    *(b"99999999999999999999", b"-1", b"1e999", b".nan", b"NaN", b"2020-01-01", b"p_0..p_3000000000", b"\xed\xa0\x80"),
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"0",
        b"1.5",
        b'""',
        b"(a+)+b",
        b"/etc/passwd",
        b"--log=x",
        b"\\ud800",
        b"x" * 300,
    ),
]


class Late(BaseException):
    """An input took longer than `SECONDS`."""


def card(data: bytes, folder: Path) -> None:
    """A data card."""
    (folder / "mine.md").write_bytes(data)
    found = load_card(folder / "mine.md")
    croissant(found)
    found.patient_of("case_000")


def study(data: bytes, folder: Path) -> None:
    """A study's configuration."""
    (folder / "study.yml").write_bytes(data)
    load_study(folder / "study.yml").digest()


def nifti(data: bytes, folder: Path) -> None:
    """A NIfTI file, uncompressed, as an image and as a label."""
    (folder / "scan.nii").write_bytes(data)
    for read in (read_image, read_label):
        with contextlib.suppress(InputError, RunError):
            read(folder / "scan.nii")


def dicom(data: bytes, folder: Path) -> None:
    """One slice of a DICOM series; the other two are good ones."""
    for name, content in _good_slices().items():
        (folder / name).write_bytes(content)
    (folder / "1.dcm").write_bytes(data)
    read_image(folder)


def dicom_label(data: bytes, folder: Path) -> None:
    """A DICOM SEG or RTSTRUCT as the label of a small scan."""
    (folder / "label.dcm").write_bytes(data)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    read_structures(folder / "label.dcm", Original((8, 8, 4), affine, ("L", "P", "S"), None, True, "scan", "1.2.3.5"))


@functools.cache
def _good_slices() -> dict[str, bytes]:
    """The two slices beside the one in the corpus."""
    slices = {}
    for number in (0, 2):
        header = pydicom.dcmread(CORPUS / "dicom" / "slice.dcm")
        x, y, z = header.ImagePositionPatient
        header.ImagePositionPatient = [x, y, z + (number - 1) * 3.0]
        header.SOPInstanceUID = f"{header.SOPInstanceUID[:60]}.{number}"
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.InstanceNumber = number + 1
        with tempfile.TemporaryDirectory() as scratch:
            header.save_as(path := Path(scratch) / "slice.dcm")
            slices[f"{number}.dcm"] = path.read_bytes()
    return slices


def weights(data: bytes, folder: Path) -> None:
    """A file of weights; JSON counts as the header of a small file whose digest fits."""
    path = folder / "net.safetensors"
    path.write_bytes(_file_of_weights(data) if data.startswith(b"{") else data)
    model = load_weights(path)
    assert model.tissue_above == float(model.tissue_above) and min(model.window_size) > 0


def _file_of_weights(header: bytes) -> bytes:
    from pancreas_ssl.inference.weights import HEADER, _digest

    tensors = {name: tensor.half() for name, tensor in SegmentationNetwork(channels=(2, 3)).state_dict().items()}
    text = header.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text) | {"digest": _digest(tensors)})
    return save(tensors, {HEADER: text})


def parameters(data: bytes, folder: Path) -> None:
    """A notebook (JSON), or the source of a parameters cell, two NUL bytes and a value for each of its parameters."""
    if data.startswith(b"{"):
        (folder / "mine.ipynb").write_bytes(data)
        notebook_parameters(folder / "mine.ipynb")
        return
    source, _, value = data.decode("utf-8", "surrogateescape").partition("\0\0")
    known = {parameter.name: parameter for parameter in parse_parameters(source)}
    for name in known:
        with contextlib.suppress(InputError):
            check_parameters({name: value}, known)


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    target.__name__: target for target in (card, study, nifti, dicom, dicom_label, weights, parameters)
}


def check(name: str, data: bytes) -> None:
    """Run a target on an input. Anything but success, an `InputError` or a `RunError` within `SECONDS` comes out."""
    with _limited(), tempfile.TemporaryDirectory(prefix="fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(InputError, RunError):
            TARGETS[name](data, Path(folder))


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(*_):
        raise Late(f"more than {SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a target, in order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """An input with one to four small changes."""
    for _ in range(rng.randint(1, 4)):
        words = list(re.finditer(rb"[\w.+-]+", data))
        if words and rng.random() < 0.4:  # one word for another, which most often stays well-formed
            word, other = rng.choice(words), rng.choice(words)
            data = data[: word.start()] + rng.choice([*TOKENS, other[0], word[0] * 40]) + data[word.end() :]
            continue
        at, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        end = min(end, at + 64)
        other = rng.choice(others)
        begin = rng.randint(0, len(other))
        new = rng.choice(
            [bytes([rng.randrange(256)]), rng.choice(TOKENS), data[at:end] * 3, other[begin : begin + 64], b""]
        )
        data = data[:at] + new + data[end if rng.random() < 0.3 else min(at + len(new), len(data)) :]
    return data

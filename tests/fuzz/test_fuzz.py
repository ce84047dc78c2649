"""What was once found stays mended, and some thousand seeded mutations per target end in a sentence as well."""

import random

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, check, corpus, mutated

MUTATIONS = {
    "card": 1500,
    "study": 1500,
    "nifti": 1000,
    "dicom": 500,
    "dicom_label": 1000,
    "weights": 1000,
    "parameters": 3000,
}


@pytest.mark.parametrize(
    ("name", "file"), [(name, file.name) for name in TARGETS for file in sorted((CORPUS / name).iterdir())]
)
def test_corpus(name, file):
    check(name, (CORPUS / name / file).read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name):
    rng, kept = random.Random(0), corpus(name)
    for _ in range(MUTATIONS[name]):
        data = mutated(rng.choice(kept), kept, rng)
        try:
            check(name, data)
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__}: {error} from {data[:2000]!r}") from error


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 100_000

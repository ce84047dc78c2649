"""The cohort is frozen: the first patient of every source still has the voxels that studies were made with.

`frozen.csv` was written by `python -m tests.phantom.test_frozen`. On one machine voxels are bit-identical; elsewhere
the tolerances of the design hold (1 HU, one label voxel in ten thousand). Whoever changes the phantom on purpose
gives its sources a new version, writes the table anew, and repeats the studies whose tables the package ships.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from pancreas_ssl.phantom.cohort import make_case
from pancreas_ssl.phantom.profiles import WORLD

TABLE = Path(__file__).with_name("frozen.csv")
FROZEN = list(WORLD)


def facts(source: str) -> dict[str, str]:
    """Few numbers that any change of anatomy, scanner or seeds would move."""
    case, anatomy = make_case(source, 0)
    inside = case.label > 0
    return {
        "version": WORLD[source].version,
        "source": source,
        "shape": "x".join(map(str, case.image.shape)),
        "label_voxels": str(int(inside.sum())),
        "pancreas_hu": f"{case.image[inside].mean():.2f}",
        "image_hu": f"{case.image.mean():.2f}",
        "image_sd": f"{case.image[case.organ > 0].std():.2f}",
        "organ_sum": str(int(anatomy.organ.sum(dtype=np.int64))),
    }


@pytest.mark.parametrize("source", FROZEN)
def test_first_patient_is_the_frozen_one(source):
    with TABLE.open() as handle:
        frozen = {row["source"]: row for row in csv.DictReader(handle)}[source]
    now = facts(source)
    for key in ("version", "shape"):
        assert now[key] == frozen[key]
    for key in ("pancreas_hu", "image_hu", "image_sd"):
        assert float(now[key]) == pytest.approx(float(frozen[key]), abs=1.0)
    for key in ("label_voxels", "organ_sum"):
        assert float(now[key]) == pytest.approx(float(frozen[key]), rel=1e-4, abs=1)


if __name__ == "__main__":
    rows = [facts(source) for source in FROZEN]
    with TABLE.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"written to {TABLE}")

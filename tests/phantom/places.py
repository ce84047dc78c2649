"""Where organs lie, how large they are and what touches the pancreas: the phantom beside thirty real label maps.

`places.csv` holds the real figures (`real`, `sd`), measured once with `measure_places` on the test labels of WORD (Luo
et al. 2022, arXiv 2111.02403, resampled to 3 mm; the maps are not part of this project), and those of both versions of
the phantom, written by

    python -m tests.phantom.places        # 96 patients of A and of A2, two minutes
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool
from scipy import ndimage

from pancreas_ssl.figures.realism import MEAN, PLACES, SPREAD
from pancreas_ssl.phantom.anatomy import make_anatomy
from pancreas_ssl.phantom.cohort import WORLD, patient_seeds
from pancreas_ssl.phantom.tissues import Organ
from tests.phantom.measures import measure_shape

TABLE = PLACES
ORGANS = ("pancreas", "liver", "spleen", "stomach", "duodenum", "bowel", "gallbladder", "adrenal", "kidney")
TOUCHING = ("stomach", "duodenum", "bowel", "liver", "adrenal", "spleen", "kidney")
CONTACT = 0.03  # tolerance of shares, absolute


def measure_places(organs: dict[str, Bool[np.ndarray, "X Y Z"]], spacing: float = 3.0) -> dict[str, float]:
    """Figures of one label map (isotropic RAS grid, mm). Missing organs leave their rows out.

    Places are centroids from the midpoint of the two kidneys, x to the right, y to the front, z up. `tail minus head`:
    mean place of the leftmost fifth of the pancreas minus that of the rightmost. `touching`: share of the voxels on the
    surface of the pancreas within one voxel of the organ. Largest thickness: twice the largest distance to the
    outside; mean thickness: see `measure_shape`.
    """
    points = {name: np.argwhere(mask) * spacing for name, mask in organs.items() if mask.sum() >= 20}
    kidneys, middle = points["kidney"], points["kidney"][:, 0].mean()
    right, left = kidneys[kidneys[:, 0] > middle].mean(0), kidneys[kidneys[:, 0] <= middle].mean(0)
    out = {"kidneys apart, mm": right[0] - left[0], "right kidney above left, mm": right[2] - left[2]}
    for name, where in points.items():
        out[f"{name}, mL"] = len(where) * spacing**3 / 1000
        if name != "kidney":
            place = where.mean(0) - (right + left) / 2
            out |= {f"{name} {axis}, mm": value for axis, value in zip("xyz", place, strict=True)}
    pancreas = points["pancreas"]
    tail, head = np.quantile(pancreas[:, 0], (0.2, 0.8))
    way = pancreas[pancreas[:, 0] <= tail].mean(0) - pancreas[pancreas[:, 0] >= head].mean(0)
    out |= {f"tail minus head {axis}, mm": value for axis, value in zip("xyz", way, strict=True)}
    shape = measure_shape(organs["pancreas"], (spacing,) * 3)
    out |= {f"box {axis}, mm": value for axis, value in zip("xyz", shape.box_mm, strict=True)}
    here = tuple(
        slice(max(s.start - 3, 0), s.stop + 3) for s in ndimage.find_objects(organs["pancreas"].astype(int))[0]
    )
    inside = np.pad(organs["pancreas"][here], 1)
    out["largest thickness, mm"] = 2 * ndimage.distance_transform_edt(inside, sampling=spacing).max()
    out["mean thickness, mm"] = shape.thickness_mm
    out["surface per volume, 1/mm"] = shape.surface_per_volume
    rim = inside & ~ndimage.binary_erosion(inside)
    for name in TOUCHING:
        near = ndimage.binary_dilation(np.pad(organs[name][here], 1)) if name in organs else np.zeros_like(inside)
        out[f"touching {name}"] = float((near & rim).sum() / rim.sum())
    return out


def measure_source(source: str, patients: int) -> pd.DataFrame:
    """One row for each patient of a source who has both kidneys."""
    rows = []
    for patient in range(patients):
        anatomy = make_anatomy(patient_seeds(source, patient)[0], WORLD[source].traits)
        if anatomy.facts.get("surgery") != "kidney":
            rows.append(measure_places({name: anatomy.organ == Organ[name.upper()] for name in ORGANS}))
    return pd.DataFrame(rows)


def beyond(table: pd.DataFrame, column: str, spread: str) -> pd.DataFrame:
    """The rows of `places.csv` in which a phantom's mean or spread is further from the real one than allowed."""
    contact = table.index.str.startswith("touching")
    off = (table[column] - table["real"]).abs()
    far = np.where(contact, off > CONTACT, off > MEAN * table["sd"])
    ratio = table[spread] / table["sd"]
    return table[far | (~contact & ((ratio < 1 - SPREAD) | (ratio > 1 + SPREAD)))]


if __name__ == "__main__":
    table = pd.read_csv(TABLE, index_col=0)[["real", "sd"]]
    for source in ("A", "A2"):
        rows = measure_source(source, 96)
        table[source], table[f"sd of {source}"] = rows.mean(), rows.std()
    table.round(3).to_csv(TABLE)
    print(table.round(2).to_string())
    for source in ("A", "A2"):
        print(f"{source}: beyond tolerance {list(beyond(table, source, f'sd of {source}').index)}")

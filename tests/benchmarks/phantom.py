"""Seconds per phantom case on one core, anatomy and scanner apart (budget: 0.5 s a million voxels)."""

from statistics import median
from time import perf_counter

PATIENTS = 6


def run() -> list[dict]:
    from pancreas_ssl.phantom.anatomy import make_anatomy
    from pancreas_ssl.phantom.cohort import SOURCES
    from pancreas_ssl.phantom.scanner import scan

    make_anatomy(0)
    rows = []
    for name, source in SOURCES.items():
        anatomy_s, scan_s = [], []
        for seed in range(PATIENTS):
            start = perf_counter()
            anatomy = make_anatomy(seed, source.traits)
            middle = perf_counter()
            scan(anatomy, source, seed)
            anatomy_s.append(middle - start)
            scan_s.append(perf_counter() - middle)
        million = anatomy.tissue.size / 1e6
        rows.append(
            {
                "source": name,
                "voxels (M)": million,
                "anatomy s": median(anatomy_s),
                "scan s": median(scan_s),
                "s per M voxels": (median(anatomy_s) + median(scan_s)) / million,
                "cases": PATIENTS,
            }
        )
    return rows

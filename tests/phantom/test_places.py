"""`phantom-2` beside real label maps: the shipped table agrees, and the code still makes what the table says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.phantom.anatomy import Grid, make_anatomy
from pancreas_ssl.phantom.profiles import WORLD
from pancreas_ssl.phantom.scanner import scan
from pancreas_ssl.phantom.second import PATIENTS
from pancreas_ssl.phantom.tissues import Organ, Tissue
from tests.phantom.places import TABLE, beyond, measure_source

COARSE = Grid((80, 52, 56), (6.0, 6.0, 6.0))


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(TABLE, index_col=0)


def test_the_second_phantom_agrees_with_real_label_maps_and_the_first_does_not(table):
    assert list(beyond(table, "A2", "sd of A2").index) == []
    assert len(beyond(table, "A", "sd of A")) > 20


def test_a_few_patients_lie_where_the_table_says(table):
    rows = measure_source("A2", 8)
    error = (rows.mean() - table["A2"]) / (table["sd of A2"] / np.sqrt(len(rows)))
    places = error[[name for name in error.index if name.startswith(("pancreas", "liver", "spleen", "tail"))]]
    assert places.abs().max() < 3.5


def patient(seed: int = 5, **changes):
    return make_anatomy(seed, replace(PATIENTS, **({"surgery": 0.0, "ascites": 0.0} | changes)), COARSE)


def test_conditions_are_painted_and_leave_the_rest():
    plain = patient()
    wet = patient(ascites=1.0)
    changed = plain.tissue != wet.tissue
    assert changed.sum() > 100 and set(np.unique(wet.tissue[changed])) == {Tissue.FLUID}
    assert np.array_equal(plain.organ, wet.organ)
    arms = patient(arms_down=1.0)
    assert (arms.organ == Organ.BONE).sum() > (plain.organ == Organ.BONE).sum()
    assert np.array_equal(arms.organ == Organ.PANCREAS, plain.organ == Organ.PANCREAS)
    stent = patient(stent=1.0, mass_probability=1.0)
    assert stent.facts["stent"] and np.isin(stent.tissue, (Tissue.METAL, Tissue.BOWEL_CONTRAST)).any()


def test_surgery_takes_an_organ_out():
    missing = {"gallbladder": Organ.GALLBLADDER, "spleen": Organ.SPLEEN}
    seen = set()
    for seed in range(40):
        anatomy = patient(seed, surgery=1.0, gallbladder_missing=0.0) if len(seen) < 4 else None
        if anatomy is None or (kind := anatomy.facts["surgery"]) in seen:
            continue
        seen.add(kind)
        if kind in missing:
            assert not (anatomy.organ == missing[kind]).any()
        elif kind == "kidney":
            assert len({"kidney_left", "kidney_right"} & set(anatomy.facts)) == 1
        else:
            assert anatomy.facts["pancreas_volume_ml"] > 10
    assert seen == {"gallbladder", "spleen", "kidney", "tail"}


def test_a_breath_skips_or_repeats_slices_and_a_small_field_of_view_is_one():
    anatomy = patient()
    still = replace(
        WORLD["F"], crop=0.0, breathing=0.0, reconstructed=None, spacing=(6.0, 6.0, 6.0), slice_thickness=6.0
    )
    whole = scan(anatomy, still, 3)
    breath = scan(anatomy, replace(still, breathing=1.0), 3)
    assert 0 < abs(breath.image.shape[2] - whole.image.shape[2]) <= 2
    small = scan(anatomy, replace(still, reconstructed=(240.0, 240.0)), 3)
    assert small.image.shape[:2] == (40, 40)
    inside = (small.affine[:3, 3] - whole.affine[:3, 3]) / 6
    x, y, _ = np.rint(inside).astype(int)
    assert np.array_equal(small.organ, whole.organ[x : x + 40, y : y + 40])

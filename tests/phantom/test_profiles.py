"""Sources and HU tables: roles, ranges, draws about the nominal profile."""

from dataclasses import replace

import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.phases import PHASES, blend, phase
from pancreas_ssl.phantom.profiles import (
    SOURCES,
    draw_profile,
    extreme_source,
    find_source,
    nominal_profile,
    random_source,
)
from pancreas_ssl.phantom.tissues import Tissue

FLUIDS = (Tissue.STOMACH_CONTENT, Tissue.DUODENUM_CONTENT, Tissue.BOWEL_CONTENT)


def test_roles():
    roles = {name: source.role for name, source in SOURCES.items()}
    assert roles == {
        "A": "train",
        "V": "development",
        "W": "development",
        "X": "development",
        "B": "test",
        "C": "test",
        "D": "test",
    }
    assert len({source.title for source in SOURCES.values()}) == 7


@pytest.mark.parametrize(
    "source, tissue, low, high",
    [
        ("A", "PANCREAS", 80, 110),
        ("A", "LIVER", 100, 120),
        ("A", "SPLEEN", 110, 130),
        ("A", "KIDNEY_CORTEX", 160, 190),
        ("A", "ARTERY", 140, 170),
        ("A", "VEIN", 150, 180),
        ("A", "BOWEL_WALL", 80, 100),
        ("A", "BOWEL_CONTENT", 5, 40),
        ("A", "VISCERAL_FAT", -110, -90),
        ("C", "ARTERY", 280, 370),
        ("C", "PANCREAS", 105, 130),
        ("C", "LIVER", 70, 82),
        ("D", "LIVER", 50, 60),
        ("D", "ARTERY", 36, 44),
        ("D", "PANCREAS", 0, 45),
    ],
)
def test_nominal_values_lie_in_the_real_ranges(source, tissue, low, high):
    assert low <= nominal_profile(SOURCES[source])[Tissue[tissue]] <= high


@pytest.mark.parametrize("name", SOURCES)
def test_draws_average_to_the_nominal_profile(name):
    source = replace(SOURCES[name], oral_contrast=0.0)
    draws = [draw_profile(source, np.random.default_rng(seed)) for seed in range(300)]
    for t, hu in nominal_profile(source).items():
        assert abs(np.mean([d[t] for d in draws]) - hu) < 8, t.name
    cohort = draws[:24]  # as many patients as a test source has
    for t in Tissue:
        if t not in (Tissue.CORTICAL_BONE, Tissue.TABLE, Tissue.BOWEL_CONTRAST):
            values = [d[t] for d in cohort]
            assert abs(np.mean(values) - nominal_profile(source)[t]) < max(8, 2.6 * np.std(values) / 24**0.5), t


def test_neighbours_are_close_to_the_pancreas():
    for name, source in SOURCES.items():
        hu = nominal_profile(source)
        near = [
            t for t in (Tissue.BOWEL_WALL, Tissue.DUODENUM_WALL, Tissue.VEIN) if abs(hu[t] - hu[Tissue.PANCREAS]) < 25
        ]
        assert near, name


def test_one_seed_is_one_patient_in_every_source():
    a, d = (draw_profile(SOURCES[n], np.random.default_rng(4)) for n in "AD")
    fat = Tissue.SUBCUTANEOUS_FAT
    assert a[fat] == d[fat] and a[Tissue.LIVER] != d[Tissue.LIVER]


def test_another_source_in_a_few_lines_and_errors():
    mine = replace(SOURCES["A"], name="mine", kernel="sharp", hu=blend("portal", "late", 0.5, LIVER=40))
    assert nominal_profile(mine)[Tissue.LIVER] == 40 and find_source(mine) is mine
    with pytest.raises(InputError, match="among A, V, W, X, B, C, D"):
        find_source("Q")
    with pytest.raises(InputError, match="contrast phase among"):
        phase("delayed")
    with pytest.raises(InputError, match="between 0 and 1"):
        blend("portal", "late", 1.5)
    with pytest.raises(InputError, match="LIVR"):
        blend("portal", "late", 0.5, LIVR=3)
    with pytest.raises(InputError, match="role among"):
        replace(SOURCES["A"], role="exam")
    with pytest.raises(InputError, match="positive spacing"):
        replace(SOURCES["A"], slice_thickness=0.0)
    with pytest.raises(InputError, match="none for LIVER"):
        replace(SOURCES["A"], hu={t: 0.0 for t in Tissue if t is not Tissue.LIVER})
    with pytest.raises(InputError, match="kernel among"):
        replace(SOURCES["A"], kernel="bone")


def test_every_phase_names_every_tissue():
    assert all(set(phase(name)) == set(Tissue) for name in PHASES)


def test_random_sources_vary_and_repeat():
    many = [random_source(np.random.default_rng(seed)) for seed in range(30)]
    assert {s.kernel for s in many} == {"smooth", "medium", "sharp"}
    assert np.std([s.hu[Tissue.ARTERY] for s in many]) > 30
    assert random_source(np.random.default_rng(3)) == many[3]
    tame = [random_source(np.random.default_rng(seed), wild=0.0).hu[Tissue.LIVER] for seed in range(30)]
    assert min(tame) > 50 and max(tame) < 120


def test_extreme_scanners_lie_beyond_the_random_ones():
    for seed in range(20):
        one = extreme_source(np.random.default_rng(seed))
        assert one.pancreas_fat[0] > 0.16 and abs(one.calibration[1]) >= 12
        assert one.noise_sd >= 30 or one.slice_thickness >= 5

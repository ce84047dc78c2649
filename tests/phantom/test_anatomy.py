"""One patient: what is there, that a seed is a patient on every grid, and what the traits do."""

import numpy as np
import pytest
from scipy.ndimage import label

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.anatomy import COURSES, Grid, Traits, make_anatomy
from pancreas_ssl.phantom.tissues import Organ, Tissue
from tests.phantom.measures import contact_shares, measure_shape

SMALL = Grid((64, 52, 56), (6.0, 6.0, 6.0))
MIDDLE = Grid((76, 56, 72))  # 3 mm, around the pancreas


@pytest.fixture(scope="module")
def patient():
    return make_anatomy(3)


def test_maps_are_ras_uint8_on_a_centred_grid(patient):
    assert patient.tissue.shape == patient.organ.shape == (128, 104, 112)
    assert patient.tissue.dtype == patient.organ.dtype == np.uint8
    middle = patient.affine @ [63.5, 51.5, 55.5, 1]
    assert np.allclose(middle, [0, 0, 0, 1])
    assert np.allclose(np.diag(patient.affine), [3, 3, 3, 1])


def test_every_organ_is_there_and_lies_where_it_belongs(patient):
    centre = {o: np.argwhere(patient.organ == o).mean(0) for o in Organ if (patient.organ == o).any()}
    assert set(centre) == set(Organ), "an organ is missing"
    assert centre[Organ.LIVER][0] > centre[Organ.PANCREAS][0] > centre[Organ.SPLEEN][0], "x grows to the right"
    assert centre[Organ.BONE][1] < centre[Organ.PANCREAS][1] < centre[Organ.STOMACH][1], "y grows forward"
    assert centre[Organ.BLADDER][2] < centre[Organ.PANCREAS][2] < centre[Organ.LIVER][2], "z grows upward"
    assert centre[Organ.VENA_CAVA][0] > centre[Organ.ARTERY][0], "the vena cava lies to the right of the aorta"


def test_most_tissues_occur(patient):
    rare = {Tissue.MASS, Tissue.BOWEL_CONTRAST, Tissue.STOMACH_CONTENT, Tissue.FAECES, Tissue.TABLE}
    rare |= {Tissue.CAVA_BELOW, Tissue.FLUID, Tissue.METAL}  # of later versions
    seen = {Tissue(v) for v in np.unique(patient.tissue)}
    assert set(Tissue) - seen <= rare


def test_nothing_floats_outside_the_body(patient):
    _, pieces = label(~np.isin(patient.tissue, (Tissue.AIR, Tissue.TABLE)))
    assert pieces == 1


def test_organs_have_human_sizes():
    volumes = np.array(
        [
            np.bincount(make_anatomy(s, grid=Grid((96, 78, 84), (4.0,) * 3)).organ.ravel(), minlength=15)
            for s in range(6)
        ]
    )
    mean = volumes.mean(0) * 0.064
    limits = {Organ.LIVER: (1000, 1900), Organ.SPLEEN: (70, 320), Organ.KIDNEY: (240, 460), Organ.STOMACH: (100, 700)}
    for organ, (low, high) in limits.items():
        assert low < mean[organ] < high, (organ.name, mean[organ])


def test_lungs_above_pelvis_below(patient):
    z = {t: np.argwhere(patient.tissue == t)[:, 2] for t in (Tissue.LUNG, Tissue.MARROW)}
    assert z[Tissue.LUNG].max() == 111, "the scan begins in the lungs"
    hips = (patient.organ == Organ.BONE)[:, :, 8]
    assert hips[:50].any() and hips[78:].any(), "and ends in the pelvis"


def test_same_seed_same_voxels_other_seed_another_patient(patient):
    again = make_anatomy(3)
    assert np.array_equal(again.tissue, patient.tissue) and np.array_equal(again.organ, patient.organ)
    assert again.facts == patient.facts
    assert (make_anatomy(4, grid=SMALL).organ != make_anatomy(5, grid=SMALL).organ).mean() > 0.02


def test_the_patient_does_not_depend_on_the_grid(patient):
    """Half the spacing around the same middle: every coarse voxel is the corner of eight fine ones."""
    fine = make_anatomy(3, grid=Grid((256, 208, 224), (1.5, 1.5, 1.5)))
    assert fine.facts["pancreas_volume_ml"] == pytest.approx(patient.facts["pancreas_volume_ml"], rel=0.04)
    blocks = (fine.organ == Organ.PANCREAS).reshape(128, 2, 104, 2, 112, 2).mean((1, 3, 5)) >= 0.5
    mask = patient.organ == Organ.PANCREAS
    assert 2 * (blocks & mask).sum() / (blocks.sum() + mask.sum()) > 0.9
    shifted = make_anatomy(3, grid=Grid((130, 100, 116), (3.0, 3.0, 3.0)))
    assert (shifted.tissue[1:-1, :, 2:-2] == patient.tissue[:, 2:-2]).mean() > 0.999


def test_masses_widen_the_duct_and_thin_the_tail():
    ill = Traits(mass_probability=1.0)
    for seed in (2, 7):
        sick, well = make_anatomy(seed, ill, MIDDLE), make_anatomy(seed, grid=MIDDLE)
        assert sick.facts["has_mass"] and not well.facts["has_mass"]
        inside = sick.tissue[sick.organ == Organ.PANCREAS]
        assert (inside == Tissue.MASS).sum() * 0.027 > 1.0
        ducts = [(a.tissue[a.organ == Organ.PANCREAS] == Tissue.DUCT).sum() for a in (sick, well)]
        assert ducts[0] > ducts[1]
        assert not (well.tissue == Tissue.MASS).any()


def test_traits_move_what_they_name():
    lean = make_anatomy(1, Traits(subcutaneous_fat=(5, 5), visceral_fat=(0, 0)), SMALL)
    stout = make_anatomy(1, Traits(subcutaneous_fat=(32, 32), visceral_fat=(1, 1)), SMALL)
    fat = [np.isin(a.tissue, (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)).sum() for a in (lean, stout)]
    assert fat[1] > 1.8 * fat[0]
    fatty = make_anatomy(1, Traits(fat_infiltration=(0.4, 0.4)), MIDDLE).facts
    assert fatty["pancreas_fat_fraction"] == pytest.approx(0.4, abs=0.08)
    small = make_anatomy(1, Traits(atrophy=(1, 1)), MIDDLE).facts["pancreas_volume_ml"]
    assert small < 0.85 * make_anatomy(1, Traits(atrophy=(0, 0)), MIDDLE).facts["pancreas_volume_ml"]
    gone = make_anatomy(1, Traits(gallbladder_missing=1.0), SMALL)
    assert not gone.facts["gallbladder"] and not (gone.organ == Organ.GALLBLADDER).any()
    for number, course in enumerate(COURSES):
        only = tuple(float(k == number) for k in range(len(COURSES)))
        assert make_anatomy(1, Traits(course_weights=only), SMALL).facts["tail_course"] == course


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Traits(mass_probability=1.5), "probability between 0 and 1 for mass_probability"),
        (lambda: Traits(atrophy=(0.5, 0.1)), "swap the two numbers"),
        (lambda: Traits(course_weights=(1.0,)), "course_weights"),
        (lambda: Grid((10, 10), (3.0, 3.0, 3.0)), "three voxel counts"),
        (lambda: Grid((10, 10, 0), (3.0, 3.0, 3.0)), "three voxel counts"),
        (lambda: make_anatomy(-1), "patient seed of 0 or more"),
        (lambda: measure_shape(np.zeros((4, 4, 4), bool), (1.0, 1.0, 1.0)), "got an empty one"),
    ],
)
def test_bad_input_gets_a_sentence(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_a_grid_that_misses_the_pancreas_is_fine():
    high = make_anatomy(2, grid=Grid((20, 20, 4), (6.0, 6.0, 6.0)))
    assert high.tissue.shape == (20, 20, 4)
    with pytest.raises(InputError):
        contact_shares(np.zeros((5, 5, 5), np.uint8), np.zeros((5, 5, 5), np.uint8))

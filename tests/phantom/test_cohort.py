"""The cohort: patients by name and number, written as NIfTI, the same each time."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.anatomy import Grid
from pancreas_ssl.phantom.cohort import SOURCES, WORLD, make_case, patient_seeds, write_case
from pancreas_ssl.phantom.tissues import Organ
from tests.phantom.measures import voxel_digest

SOLID_ORGANS = (
    Organ.PANCREAS,
    Organ.LIVER,
    Organ.SPLEEN,
    Organ.KIDNEY,
    Organ.ARTERY,
    Organ.VENA_CAVA,
    Organ.GALLBLADDER,
)


def test_no_two_cohorts_share_a_patient():
    seeds = {patient_seeds(source, patient) for source in WORLD for patient in range(64)}
    assert len(seeds) == len({s[0] for s in seeds}) == len(WORLD) * 64
    assert patient_seeds("A", 3) == patient_seeds("A", np.int64(3))
    assert {source.version for source in WORLD.values()} == {"phantom-1", "phantom-2"}


@pytest.mark.parametrize("patient", [-1, 1.5, True, "3"])
def test_patients_are_counted_from_zero(patient):
    with pytest.raises(InputError, match="patient number"):
        patient_seeds("A", patient)


def test_same_patient_under_another_scanner():
    coarse = Grid((64, 52, 56), (6.0, 6.0, 6.0))
    mine, anatomy = make_case("A", 0, coarse)
    other, same = make_case("C", 0, coarse, patient_of="A")
    assert np.array_equal(anatomy.tissue, same.tissue)
    assert mine.source == "A" and other.source == "C" and other.spacing == (2.5, 2.5, 2.5)
    assert not np.array_equal(make_case("C", 0, coarse)[1].tissue, same.tissue)
    with pytest.raises(InputError, match="source among"):
        make_case("Q", 0)


@pytest.mark.parametrize("source", SOURCES)
def test_organs_of_a_patient_measure_what_was_drawn(source):
    """Interior: two voxels in; expected: the drawn HU of the tissues found there (fat lobules, vessels, medulla)."""
    case, anatomy = make_case(source, 0)
    gain, offset = case.calibration
    hu = (case.image - offset) / gain
    drawn = np.array([case.profile.get(t, 0.0) for t in range(256)])
    seen = 0
    for organ in SOLID_ORGANS:
        depth = 1 if organ in (Organ.PANCREAS, Organ.ARTERY) else 2
        core = binary_erosion(case.organ == organ, np.ones((3, 3, 3)), iterations=depth)
        if core.sum() >= 60:
            seen += 1
            assert abs(hu[core].mean() - drawn[case.tissue[core]].mean()) < 8, organ.name
    assert seen >= 4
    assert case.label.sum() * np.prod(case.spacing) == pytest.approx(
        (anatomy.organ == Organ.PANCREAS).sum() * np.prod(SOURCES[source].grid.spacing), rel=0.1
    )


def test_written_twice_the_same(tmp_path):
    import nibabel as nib

    first, again = (write_case("B", 3, tmp_path / name) for name in ("one", "two"))
    assert [p.name for p in first.values()] == ["image.nii.gz", "label.nii.gz", "organs.nii.gz"]
    loaded = {name: nib.load(path) for name, path in first.items()}
    image, label, organs = (np.asarray(loaded[n].dataobj) for n in ("image", "label", "organs"))
    assert image.dtype == np.int16 and label.dtype == organs.dtype == np.uint8
    assert image.shape == label.shape == organs.shape
    assert np.array_equal(label == 1, organs == Organ.PANCREAS) and 10 < label.sum() * 0.027 < 250
    for nifti in loaded.values():
        assert nib.aff2axcodes(nifti.affine) == ("R", "A", "S")
        assert nifti.get_sform(coded=True)[1] == nifti.get_qform(coded=True)[1] == 1
        assert np.allclose(nifti.get_qform(), nifti.affine, atol=1e-4)
        assert nifti.header.get_slope_inter() == (None, None) or nifti.header.get_slope_inter() == (1.0, 0.0)
    for name, path in again.items():
        assert voxel_digest(np.asarray(nib.load(path).dataobj)) == voxel_digest(np.asarray(loaded[name].dataobj))
        assert path.read_bytes() == first[name].read_bytes()
    assert not [p for p in tmp_path.rglob("*") if "partial" in p.name]


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        write_case("A", 0, tmp_path / "taken")


def test_digest_sees_voxels_shape_and_type_only():
    a = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert voxel_digest(a) == voxel_digest([a.copy(order="F")]) == voxel_digest(a.astype(">i2"))
    assert len({voxel_digest(x) for x in (a, a.reshape(3, 2, 4), a.astype(np.int32), a + 1)}) == 4
    assert voxel_digest({"x": a, "y": a + 1}) == voxel_digest({"y": a + 1, "x": a})
